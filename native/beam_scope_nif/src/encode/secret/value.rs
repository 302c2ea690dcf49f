//! Rules about values: patterns, asked of live terms.
//!
//! The core asks patterns of terms that were recorded, where there is time. Here they are asked in tracer callbacks, before anything is
//! recorded: so only of what a pattern can look at in bounded time, and what a bound keeps from being decided is hidden. What cannot
//! be asked like that at all is refused when the rule is made ([`super::parse`]).

use std::fmt;
use std::ptr::NonNull;

use beam_scope_core::pattern::Type;
use rustler::codegen_runtime::{ErlNifEnv, ErlNifTerm};
use rustler::sys;

use super::ask::{Ask, Is};
use crate::vm::{self, api, Vm, Word};

/// Most variables of a pattern.
pub(super) const MAX_VARS: usize = 16;
/// Most steps for one question.
const MOST_STEPS: usize = 1024;

/// What a value must look like.
#[derive(Debug)]
pub(super) enum Head {
    Any,
    AnyAtom,
    Lit(Word),
    Var(usize),
    Tuple(Vec<Head>),
    /// The first elements of a list, and what follows; `None`: nothing.
    List(Vec<Head>, Option<Box<Head>>),
    /// Keys and what is there.
    Map(Vec<(Word, Head)>),
    Both(Box<(Head, Head)>),
    Bytes(Vec<Bytes>),
}

/// Parts of a binary.
#[derive(Debug)]
pub(super) enum Bytes {
    These(Vec<u8>),
    Skip(usize),
    Rest,
}

/// What else must hold.
#[derive(Debug)]
pub(super) enum Guard {
    Lit(Word),
    Var(usize),
    Op(Op, Vec<Guard>),
}

/// What guards can do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    And,
    Or,
    Not,
    Any,
    In,
    Equal,
    NotEqual,
    Same,
    NotSame,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Is(Type),
    ByteSize,
    TupleSize,
    MapSize,
    Length,
    Head,
    Tail,
    Element,
    MapGet,
    IsKey,
    Plus,
    Minus,
    Negative,
    Times,
    Div,
    Rem,
    Abs,
}

/// Terms that no process owns.
pub(super) struct Kept(NonNull<ErlNifEnv>);

impl Kept {
    /// A copy of a term, and where it lives.
    pub(super) fn copy(term: ErlNifTerm) -> Option<(Self, Word)> {
        // SAFETY: an environment of our own, freed once, by `drop`.
        let env = NonNull::new(unsafe { sys::enif_alloc_env() })?;
        // SAFETY: copies a live term into it; written only here, before anybody else knows of it.
        let word = vm::word(unsafe { sys::enif_make_copy(env.as_ptr(), term) });
        Some((Self(env), word))
    }

    pub(super) fn vm(&self) -> Vm {
        Vm::new(self.0.as_ptr())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: made by `copy`, freed once.
        unsafe { sys::enif_free_env(self.0.as_ptr()) }
    }
}

// SAFETY: after `copy` nothing is made in the environment; terms in it are only read, which any thread may do.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

/// A pattern that hides what matches it.
pub(crate) struct ValueRule {
    pub(super) head: Head,
    pub(super) guard: Option<Guard>,
    /// The atoms `true` and `false`.
    pub(super) truths: (Word, Word),
    /// Where the literals live.
    pub(super) _kept: Kept,
}

impl fmt::Debug for ValueRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueRule").finish_non_exhaustive()
    }
}

impl ValueRule {
    /// Whether a value matches, or may: nobody could tell within the bounds.
    pub(super) fn hides(&self, vm: Vm, word: Word, steps: &mut usize) -> bool {
        let allowed = (*steps).min(MOST_STEPS);
        let mut ask = Ask::new(vm, allowed, self.truths);
        let answer = match (ask.head(&self.head, word), &self.guard) {
            (Is::No, _) => Is::No,
            (Is::Yes, Some(guard)) => ask.guard(guard),
            (answer, _) => answer,
        };
        *steps -= allowed - ask.left();
        answer != Is::No
    }
}

/// Whether two terms are the same. Takes time in proportion to the smaller: callers bound it.
pub(super) fn same(a: Word, b: Word) -> bool {
    // SAFETY: two live terms, only read; the VM's function asks for no environment.
    a == b || unsafe { sys::enif_is_identical(vm::term(a), vm::term(b)) } != 0
}

/// The order of two terms; as above.
pub(super) fn order(a: Word, b: Word) -> std::cmp::Ordering {
    // SAFETY: as above.
    unsafe { sys::enif_compare(vm::term(a), vm::term(b)) }.cmp(&0)
}

/// Whether a term is a binary, without looking at its bytes.
pub(super) fn is_binary(env: api::Env, word: Word) -> bool {
    // SAFETY: reads a live term.
    unsafe { sys::enif_is_binary(env, vm::term(word)) != 0 }
}
