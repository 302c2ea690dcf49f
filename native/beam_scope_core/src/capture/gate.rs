//! A thread's gate: "I am inside a callback, and what I write is no older than this."
//!
//! Two things hang on it. The drainer emits only below the least time that any gate announces, since a thread may be
//! preempted between reading the clock and committing. And whoever takes a route or a configuration away frees it only
//! once every thread that was inside a callback has left it.
//!
//! The order that makes both true: a thread announces itself, *then* a full barrier, *then* it reads the clock or a
//! pointer. The other side reads the clock or clears the pointer, *then* a full barrier, *then* looks at the gates. Either
//! it sees the announcement, or the thread reads a later time (a cleared pointer).

use super::sync::{fence, publish, AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crossbeam::utils::CachePadded;

/// Not inside a callback.
const IDLE: u64 = u64::MAX;
/// Inside a callback, the clock not read yet. No clock of ours ever reads 0.
const ENTERING: u64 = 0;

/// One thread's gate. Written by its thread only.
pub(crate) struct Gate {
    since: AtomicU64,
    entries: AtomicU64,
    /// The same, for the thread itself to read: loom explores less when a thread reads what it is about to store.
    entry: std::sync::atomic::AtomicU64,
    owned: AtomicBool,
}

impl Gate {
    fn new() -> Self {
        Self {
            since: AtomicU64::new(IDLE),
            entries: AtomicU64::new(0),
            entry: 0.into(),
            owned: AtomicBool::new(false),
        }
    }

    /// Announces a callback. Everything read after this is covered by the gate until [`Gate::leave`].
    #[inline(always)]
    pub(crate) fn enter(&self) {
        let entry = self.entry.load(Ordering::Relaxed) + 1;
        self.entry.store(entry, Ordering::Relaxed);
        // Release: whoever sees the next entry knows that the one before is over.
        self.entries.store(entry, Ordering::Release);
        publish(&self.since, ENTERING);
    }

    /// Announces the time that was read: records committed before it are visible to whoever sees it.
    #[inline(always)]
    pub(crate) fn begin(&self, time: u64) {
        self.since.store(time, Ordering::Release);
    }

    /// The callback is over; what it committed is visible to whoever sees the gate idle.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        self.since.store(IDLE, Ordering::Release);
    }
}

/// Gates that threads were inside of at some moment: not empty as long as one of them still is.
#[derive(Default)]
pub(crate) struct Snapshot(Vec<(usize, u64)>);

/// All gates of an engine, claimed by threads as they come. They live as long as the engine, so that a callback may knock
/// at any time.
pub(crate) struct Gates {
    gates: Box<[CachePadded<Gate>]>,
    claimed: AtomicUsize,
}

impl Gates {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            gates: (0..count).map(|_| CachePadded::new(Gate::new())).collect(),
            claimed: AtomicUsize::new(0),
        }
    }

    pub(crate) fn get(&self, index: usize) -> &Gate {
        &self.gates[index]
    }

    /// How many gates were ever claimed.
    pub(crate) fn claimed(&self) -> usize {
        self.claimed.load(Ordering::Acquire).min(self.gates.len())
    }

    /// A gate of one's own: one that an ended thread left, or the next new one.
    pub(crate) fn claim(&self) -> Option<usize> {
        let take = |gate: &Gate| {
            gate.owned
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        };
        loop {
            if let Some(index) = (0..self.claimed()).find(|&index| take(self.get(index))) {
                return Some(index);
            }
            // Ends: every round uses up a number, and a number is lost only to a thread that got its gate by it.
            let index = self.claimed.fetch_add(1, Ordering::AcqRel);
            if index >= self.gates.len() {
                return None;
            }
            if take(self.get(index)) {
                return Some(index);
            }
        }
    }

    /// Gives a gate back; its thread ends.
    pub(crate) fn release(&self, index: usize) {
        self.get(index).owned.store(false, Ordering::Release);
    }

    /// Who is inside a callback now. Call it after the pointer was cleared.
    pub(crate) fn snapshot(&self) -> Snapshot {
        fence(Ordering::SeqCst);
        let inside = |index: &usize| self.get(*index).since.load(Ordering::Acquire) != IDLE;
        let busy = (0..self.claimed()).filter(inside);
        Snapshot(
            busy.map(|index| (index, self.get(index).entries.load(Ordering::Acquire)))
                .collect(),
        )
    }

    /// Whether everyone in the snapshot has left since.
    pub(crate) fn passed(&self, snapshot: &mut Snapshot) -> bool {
        if cfg!(mutant = "free_without_waiting") {
            return true;
        }
        snapshot.0.retain(|&(index, entry)| {
            let gate = self.get(index);
            gate.since.load(Ordering::Acquire) != IDLE && gate.entries.load(Ordering::Acquire) == entry
        });
        snapshot.0.is_empty()
    }
}

/// What the drainer remembers of the gates between two looks.
#[derive(Default)]
pub(crate) struct Horizon {
    bounds: Vec<u64>,
    last: u64,
}

impl Horizon {
    /// The time below which nothing more will come: every record older than it is visible in its ring.
    pub(crate) fn look(&mut self, gates: &Gates, now: impl FnOnce() -> u64) -> u64 {
        let now = now();
        fence(Ordering::SeqCst);
        // A gate not seen before was idle when last we looked.
        self.bounds.resize(gates.claimed(), self.last);
        let mut least = now;
        for (index, bound) in self.bounds.iter_mut().enumerate() {
            match gates.get(index).since.load(Ordering::Acquire) {
                IDLE => *bound = now,
                ENTERING => {}
                since => *bound = since,
            }
            least = least.min(*bound);
        }
        self.last = now;
        if cfg!(mutant = "horizon_ignores_gates") {
            return now;
        }
        least
    }
}
