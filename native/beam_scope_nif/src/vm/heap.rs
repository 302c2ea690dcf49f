//! Where a process's old heap is.
//!
//! The VM's collector works by generations (`erts/emulator/beam/erl_gc.c`): a minor collection copies the young heap, moves what has
//! survived before into the old heap, and leaves what is there where it is. The interface does not tell where that is. The process's
//! own structure does (`high_water, old_hend, old_htop, old_heap` in `erl_process.h`), but not always at the same place: so that is
//! learned from processes whose sizes the VM tells ([`candidates`]), and used only when it is sure. Otherwise nothing is old.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{api, raw, Word};

/// Which word of a process is `old_hend`; 0: not known.
static PLACE: AtomicUsize = AtomicUsize::new(0);

/// So many words of a process are looked at: fewer than it has.
const LOOKED_AT: usize = 104;

/// The words of the process that an environment belongs to, if it is this one.
fn process(env: api::Env, pid: Word) -> Option<*const Word> {
    // SAFETY: the environment of a call or callback begins with a pointer to the library and one to the process
    // (`enif_environment_t` in `global.h`), on all releases on which `PLACE` is ever learned.
    let process = unsafe { *env.cast::<*const Word>().add(1) };
    if process.is_null() || !process.is_aligned() {
        return None;
    }
    // SAFETY: a live process; its structure begins with its id.
    (unsafe { *process } == pid).then_some(process)
}

/// From where to where the old heap of the process reaches, whose callback this is.
#[inline]
pub(crate) fn old(env: api::Env, pid: Word) -> Option<(u64, u64)> {
    let place = PLACE.load(Ordering::Relaxed);
    if place == 0 {
        return None;
    }
    let process = process(env, pid)?;
    // SAFETY: `place` was found within the structure, and the process is alive: it is calling.
    let [end, top, start] = unsafe { [*process.add(place), *process.add(place + 1), *process.add(place + 2)] };
    (start <= top && top <= end).then_some((start as u64, top as u64))
}

/// The words at which a process, `pid`, may keep what is asked for: whose old heap has `size` of `block` words, and holds `sample`.
pub(crate) fn candidates(env: api::Env, pid: Word, size: usize, block: usize, sample: Word) -> Vec<usize> {
    let Some(process) = process(env, pid) else {
        return Vec::new();
    };
    let sample = raw::pointer(sample) as Word;
    let is_it = |i: &usize| {
        // SAFETY: within the structure.
        let [end, top, start] = unsafe { [*process.add(*i), *process.add(i + 1), *process.add(i + 2)] };
        start != 0
            && start.checked_add(block * size_of::<Word>()) == Some(end)
            && start.checked_add(size * size_of::<Word>()) == Some(top)
            && (start..top).contains(&sample)
    };
    (1..LOOKED_AT).filter(is_it).collect()
}

/// From now on the old heap is known.
pub(crate) fn remember(place: usize) -> bool {
    let known = (1..LOOKED_AT).contains(&place);
    if known {
        PLACE.store(place, Ordering::Relaxed);
    }
    known
}
