//! What tracing costs: how often the VM called, and how long a sample of the calls took.
//!
//! Each thread has a row of its own under each route, so to count is a load and a store of a line that nobody else writes.

use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the VM called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A spawn, an exit, a link, a name.
    Lifecycle,
    /// A message sent.
    Send,
    /// A message received.
    Receive,
    /// A function called.
    Call,
    /// A function's result, or its exception.
    Return,
    /// A garbage collection's beginning or end.
    Collection,
    /// A process that is traced was scheduled in: the VM asks whether the tracer is still there.
    Schedule,
}

/// How many deeds there are.
pub const DEEDS: usize = 7;

/// One call in so many is timed. A prime: processes repeat themselves, and a divisor of their rhythm would see one step of it only.
pub const SAMPLE: u64 = 61;

#[derive(Default)]
struct Row {
    counts: [AtomicU64; DEEDS],
    calls: AtomicU64,
    sampled_ns: AtomicU64,
}

/// One route's account, a row for each thread.
pub(crate) struct Tallies(Box<[CachePadded<Row>]>);

/// A route's account so far. All of it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls of the VM, by [`Deed`].
    pub counts: [u64; DEEDS],
    /// How long the timed ones took.
    pub sampled_ns: u64,
}

impl Tallies {
    pub(crate) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| CachePadded::default()).collect())
    }

    /// Counts a call, on the thread of this gate. Whether it is one to time.
    #[inline(always)]
    pub(crate) fn count(&self, gate: usize, deed: Deed) -> bool {
        let Some(row) = self.0.get(gate) else { return false };
        let count = &row.counts[deed as usize];
        count.store(count.load(Relaxed) + 1, Relaxed);
        let calls = row.calls.load(Relaxed) + 1;
        row.calls.store(calls, Relaxed);
        calls % SAMPLE == 0
    }

    /// A timed call is over.
    pub(crate) fn timed(&self, gate: usize, ns: u64) {
        if let Some(row) = self.0.get(gate) {
            row.sampled_ns.store(row.sampled_ns.load(Relaxed) + ns, Relaxed);
        }
    }

    /// The sum over the first so many threads.
    pub(crate) fn sum(&self, threads: usize) -> Load {
        let mut load = Load::default();
        for row in self.0.iter().take(threads) {
            let counts = load.counts.iter_mut().zip(&row.counts);
            counts.for_each(|(sum, count)| *sum += count.load(Relaxed));
            load.sampled_ns += row.sampled_ns.load(Relaxed);
        }
        load
    }
}

/// No call takes longer than this: whoever seems to was taken off its processor meanwhile.
pub(crate) const LONGEST_NS: u64 = 100_000;

/// What one process had the tracer do since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noise {
    /// Its word.
    pub pid: u64,
    /// Events that it offered.
    pub events: u64,
    /// How long the timed ones among its calls took.
    pub sampled_ns: u64,
}

impl Noise {
    /// What it cost, at so much an event besides the time in callbacks.
    #[must_use]
    pub fn cost_ns(&self, floor_ns: u64) -> u64 {
        self.events * floor_ns + self.sampled_ns * SAMPLE
    }
}

/// The noisiest `most`, the noisiest first.
pub(crate) fn noisiest(all: impl Iterator<Item = Noise>, most: usize, floor_ns: u64) -> Vec<Noise> {
    let mut all: Vec<Noise> = all.filter(|noise| noise.events + noise.sampled_ns > 0).collect();
    let cost = |noise: &Noise| std::cmp::Reverse(noise.cost_ns(floor_ns));
    if all.len() > most && most > 0 {
        all.select_nth_unstable_by_key(most - 1, cost);
    }
    all.truncate(most);
    all.sort_by_key(cost);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_and_one_in_many_is_timed() {
        let tallies = Tallies::new(2);
        let timed = (0..SAMPLE * 3).filter(|_| tallies.count(0, Deed::Call)).count();
        assert_eq!(timed, 3);
        tallies.timed(0, 100);
        tallies.count(1, Deed::Send);
        assert!(!tallies.count(7, Deed::Send), "a thread without a row");
        let load = tallies.sum(2);
        assert_eq!(load.counts[Deed::Call as usize], SAMPLE * 3);
        assert_eq!((load.counts[Deed::Send as usize], load.sampled_ns), (1, 100));
        assert_eq!(tallies.sum(1).counts[Deed::Send as usize], 0);
    }

    #[test]
    fn the_noisiest_come_first_by_what_they_cost() {
        let noise = |pid, events, sampled_ns| Noise {
            pid,
            events,
            sampled_ns,
        };
        let all = [noise(1, 10, 0), noise(2, 5, 100), noise(3, 0, 0), noise(4, 100, 0)];
        let pids = |most| {
            let found = noisiest(all.into_iter(), most, 10);
            found.iter().map(|noise| noise.pid).collect::<Vec<_>>()
        };
        assert_eq!(pids(8), [2, 4, 1]);
        assert_eq!(pids(2), [2, 4]);
        assert!(pids(0).is_empty());
    }
}
