//! BeamScope's own processes: never traced, whatever flags they inherit, and what they say to tracees is no event either.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::vm::{api, Word};

const PLACES: usize = 256;
/// How far from its place a process may stand.
const REACH: usize = 8;

static COUNT: AtomicUsize = AtomicUsize::new(0);
/// A bit for each of our processes, by its pid: most others are told apart by it alone. Bits are taken away only when none of
/// ours is left.
static MARKS: AtomicU64 = AtomicU64::new(0);
static OWN: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];

/// Whether there are any.
#[inline]
pub(crate) fn any() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

/// Whether this is a process of ours.
#[inline]
pub(crate) fn has(pid: Word) -> bool {
    MARKS.load(Ordering::Relaxed) & mark(pid) != 0 && is_listed(pid)
}

fn is_listed(pid: Word) -> bool {
    places(pid).any(|place| place.load(Ordering::Relaxed) == pid as u64)
}

const fn mark(pid: Word) -> u64 {
    1 << (pid >> 4 & 63)
}

/// How often each was added. Callbacks read the table above, the control plane keeps this.
static COUNTS: Mutex<BTreeMap<Word, usize>> = Mutex::new(BTreeMap::new());

/// So many processes may have ended before anybody looks: their entries harm nobody.
const UNSWEPT: usize = 16;

/// Adds a process, once for each recording that it serves. When its neighbourhood is full of living ones it stays unknown, and
/// `false` says so.
pub(crate) fn add(env: api::Env, pid: Word) -> bool {
    let mut counts = COUNTS.lock();
    if let Some(count) = counts.get_mut(&pid) {
        *count += 1;
        return true;
    }
    // Whoever was killed could not say goodbye.
    if counts.len() >= UNSWEPT {
        counts.retain(|pid, _| api::is_alive(env, *pid) || !leave(*pid));
    }
    let free = |place: &AtomicU64| {
        place
            .compare_exchange(0, pid as u64, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    };
    MARKS.fetch_or(mark(pid), Ordering::Relaxed);
    let added = places(pid).any(free);
    if added {
        counts.insert(pid, 1);
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
    added
}

/// Undoes one `add`.
pub(crate) fn remove(pid: Word) {
    let mut counts = COUNTS.lock();
    let Some(count) = counts.get_mut(&pid) else { return };
    *count -= 1;
    if *count > 0 {
        return;
    }
    counts.remove(&pid);
    leave(pid);
}

/// Frees a process' place.
fn leave(pid: Word) -> bool {
    let taken = |place: &AtomicU64| {
        place
            .compare_exchange(pid as u64, 0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    };
    let left = places(pid).any(taken);
    if left && COUNT.fetch_sub(1, Ordering::Relaxed) == 1 {
        MARKS.store(0, Ordering::Relaxed);
    }
    left
}

fn places(pid: Word) -> impl Iterator<Item = &'static AtomicU64> {
    let first = (pid >> 4) % PLACES;
    (0..REACH).filter_map(move |i| OWN.get((first + i) % PLACES))
}
