//! Fingerprints of terms: the harness that watches over streams compares those taken in callbacks with those of what was
//! rebuilt. The walk for it is the slow one, by the NIF interface alone, and has no memory: it shares nothing with the one that
//! it checks but the scalars.

use std::cell::RefCell;

use super::{encode_root, Budget, Forgetful, Root, Rules, MAX_DEPTH, TRUNCATED};
use crate::vm::{api, Layout, Vm, Word};

/// Larger terms are not checked.
const MOST: usize = 32 << 20;

static NOTHING: Layout = Layout::none();

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The fingerprint of a term; `None` where it is too large or too deep.
pub(crate) fn fingerprint(env: api::Env, word: Word) -> Option<u64> {
    SCRATCH.with(|scratch| {
        let mut scratch = scratch.try_borrow_mut().ok()?;
        loop {
            let bytes = scratch.len().max(64 << 10);
            scratch.resize(bytes, 0);
            let vm = Vm { env, layout: &NOTHING };
            let budget = Budget {
                bytes,
                depth: MAX_DEPTH,
            };
            let done = encode_root(vm, word, &mut scratch, budget, &Rules::none(), Root::Pair, Forgetful)?;
            if done.flags & TRUNCATED == 0 {
                return Some(hash(&scratch[..done.len]));
            }
            if bytes >= MOST {
                return None;
            }
            scratch.resize(bytes * 8, 0);
        }
    })
}

/// FNV-1a by words.
fn hash(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes
        .chunks(8)
        .fold(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (hash ^ u64::from_le_bytes(word)).wrapping_mul(PRIME).rotate_left(23)
        })
}

/// One fingerprint after another.
pub(crate) const fn both(first: u64, second: u64) -> u64 {
    first.rotate_left(7) ^ second
}
