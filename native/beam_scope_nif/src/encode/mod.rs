//! Walking a live term straight into the wire form, within a budget of bytes and depth.
//!
//! The walk uses a bounded part of the stack (a scheduler's is short), allocates nothing but what the VM needs for terms that
//! are small by nature, and stops at its budget. What was left out is marked with its kind and, where that is cheap, its full
//! size.
//!
//! # Who gets the room
//!
//! A term that fits is written whole (`whole`). When it does not, it is written again *fairly*: while an element of a tuple or map is
//! written, every later sibling keeps [`SIBLING`] bytes, up to half of what is left; an element of a list leaves a quarter
//! of what is left to the rest of its list. So a huge first element does not hide the small ones after it.

pub(crate) mod check;
mod frame;
pub(crate) mod marks;
mod out;
mod recall;
mod scalar;
pub(crate) mod secret;
mod tree;
mod walk;
mod whole;

use beam_scope_core::capture::record::flags;
use rustler::codegen_runtime::ErlNifTerm;

use crate::vm::{self, api, Vm, Word};
pub(crate) use recall::{Forgetful, Recall, Stream};
pub(crate) use scalar::immediate;
pub(crate) use secret::Rules;

/// Deepest nesting that is ever walked; deeper budgets are cut to it.
pub(crate) const MAX_DEPTH: usize = 128;
/// Bytes kept for each later sibling.
pub(crate) const SIBLING: usize = 24;
/// Least budget: room for the marker of a truncated term.
pub(crate) const MIN_BYTES: usize = 16;

/// How much of a term is captured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Most bytes of wire form.
    pub(crate) bytes: usize,
    /// Deepest nesting.
    pub(crate) depth: usize,
}

/// What a tuple of two is, where it is the whole term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// A key and its value, as anywhere else.
    Pair,
    /// A gen_statem's state and data: the state's name is no key.
    State,
    /// A list of a function's arguments: what follows a key may be its value, as in `Map.put(map, key, value)`.
    Arguments,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Bytes of wire form.
    pub(crate) len: usize,
    /// Bits of [`flags`].
    pub(crate) flags: u8,
}

/// Writes a term to the front of `buffer`. `None` when there is no room for even a marker.
pub(crate) fn encode(
    env: api::Env,
    term: ErlNifTerm,
    buffer: &mut [u8],
    budget: Budget,
    rules: &Rules,
) -> Option<Encoded> {
    encode_root(
        Vm::new(env),
        vm::word(term),
        buffer,
        budget,
        rules,
        Root::Pair,
        Forgetful,
    )
}

/// As [`encode`], of a term that is what `root` says, referring to what `recall` remembers.
#[inline]
pub(crate) fn encode_root<R: Recall>(
    vm: Vm,
    word: Word,
    buffer: &mut [u8],
    budget: Budget,
    rules: &Rules,
    root: Root,
    recall: R,
) -> Option<Encoded> {
    let limit = if cfg!(mutant = "nif_bytes_ignored") {
        buffer.len()
    } else {
        budget.bytes.max(MIN_BYTES).min(buffer.len())
    };
    if limit < MIN_BYTES {
        return None;
    }
    let depth = if cfg!(mutant = "nif_depth_ignored") {
        MAX_DEPTH
    } else {
        budget.depth.min(MAX_DEPTH)
    };
    let mut walk = walk::Walk::new(vm, out::Out::new(&mut buffer[..limit]), rules, recall, depth, root);
    walk.run(word)
}

/// Bits of a record's flags that a term can set.
const TRUNCATED: u8 = flags::TRUNCATED;
pub(crate) const REDACTED: u8 = flags::REDACTED;
const LOCAL: u8 = flags::LOCAL;
