//! The rings of an engine and who has which.

use super::gate::Gates;
use super::ring::{ring_size, Reader, Ring};
use super::sink::ThreadKind;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Rings to make when the first recording opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Large rings, one a scheduler thread.
    pub scheduler_rings: usize,
    /// The size of each; rounded up to a power of two.
    pub scheduler_bytes: usize,
    /// Small rings, one a dirty scheduler thread.
    pub dirty_rings: usize,
    /// The size of each; rounded up to a power of two.
    pub dirty_bytes: usize,
}

impl Default for RingConfig {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(4, usize::from);
        Self {
            scheduler_rings: threads,
            scheduler_bytes: 4 << 20,
            dirty_rings: threads + 10,
            dirty_bytes: 256 << 10,
        }
    }
}

impl RingConfig {
    /// The most that the terms of one record may take in these rings (dirty threads hold less: there they are cut).
    #[must_use]
    pub fn max_record(&self) -> usize {
        self.scheduler_bytes
            .max(super::ring::MIN_RING_BYTES)
            .next_power_of_two()
            / 4
            - super::record::HEADER_LEN
    }

    /// What all rings together may come to hold.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let size = |count: usize, bytes: usize| count.saturating_mul(ring_size(bytes));
        size(self.scheduler_rings, self.scheduler_bytes).saturating_add(size(self.dirty_rings, self.dirty_bytes))
    }
}

/// A thread that has not asked for a ring yet.
const UNASKED: u32 = 0;
/// A thread that asked when none was left.
const NONE_LEFT: u32 = u32::MAX;

/// Rings, and for each gate the ring its thread has.
pub(crate) struct Pool {
    config: RingConfig,
    rings: Box<[Ring]>,
    /// By gate: [`UNASKED`], [`NONE_LEFT`], or the ring's index + 1. Written by the gate's owner.
    seats: Box<[AtomicU32]>,
    large_taken: AtomicUsize,
    small_taken: AtomicUsize,
    /// Events dropped, by gate; for `info`.
    drops: Box<[crossbeam::utils::CachePadded<AtomicU64>]>,
}

impl Pool {
    /// `None` when there is no memory for it.
    pub(crate) fn new(config: RingConfig, gates: usize) -> Option<Self> {
        let large = (0..config.scheduler_rings).map(|_| Ring::new(config.scheduler_bytes));
        let small = (0..config.dirty_rings).map(|_| Ring::new(config.dirty_bytes));
        Some(Self {
            config,
            rings: large.chain(small).collect::<Option<_>>()?,
            seats: (0..gates).map(|_| AtomicU32::new(UNASKED)).collect(),
            large_taken: AtomicUsize::new(0),
            small_taken: AtomicUsize::new(0),
            drops: (0..gates).map(|_| Default::default()).collect(),
        })
    }

    pub(crate) fn config(&self) -> RingConfig {
        self.config
    }

    /// The ring of the thread behind a gate; asks for one the first time. Wait-free.
    #[inline(always)]
    pub(crate) fn ring_of(&self, gate: usize, kind: impl FnOnce() -> ThreadKind) -> Option<&Ring> {
        match self.seats[gate].load(Ordering::Relaxed) {
            UNASKED => self.sit(gate, kind()),
            NONE_LEFT => None,
            ring => Some(&self.rings[ring as usize - 1]),
        }
    }

    #[cold]
    fn sit(&self, gate: usize, kind: ThreadKind) -> Option<&Ring> {
        let large = || take(&self.large_taken, self.config.scheduler_rings);
        let small = || take(&self.small_taken, self.config.dirty_rings).map(|ring| ring + self.config.scheduler_rings);
        let ring = match kind {
            ThreadKind::Scheduler => large().or_else(small),
            ThreadKind::Dirty => small().or_else(large),
        };
        self.seats[gate].store(ring.map_or(NONE_LEFT, |ring| ring as u32 + 1), Ordering::Release);
        ring.map(|ring| &self.rings[ring])
    }

    /// Counts a drop of the thread behind a gate.
    pub(crate) fn count_drop(&self, gate: usize) {
        let drops = &self.drops[gate];
        drops.store(drops.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// All drops of threads with a gate.
    pub(crate) fn drops(&self) -> u64 {
        self.drops.iter().map(|drops| drops.load(Ordering::Relaxed)).sum()
    }

    /// The rings that threads have, as readers.
    ///
    /// # Safety
    /// As for [`Ring::reader`], for all rings of the pool.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn readers(&self, gates: &Gates) -> Vec<Reader<'_>> {
        let seats = self.seats[..gates.claimed()]
            .iter()
            .map(|seat| seat.load(Ordering::Acquire));
        let taken = seats.filter(|&seat| seat != UNASKED && seat != NONE_LEFT);
        // SAFETY: by the caller's promise; two gates never have the same ring.
        taken
            .map(|ring| unsafe { self.rings[ring as usize - 1].reader() })
            .collect()
    }

    /// How full the fullest ring is, in thousandths.
    pub(crate) fn fill(&self) -> usize {
        self.rings.iter().map(Ring::fill).max().unwrap_or(0)
    }

    /// How many rings threads have, and how many bytes those may hold.
    pub(crate) fn taken(&self) -> (usize, usize) {
        let large = self
            .large_taken
            .load(Ordering::Relaxed)
            .min(self.config.scheduler_rings);
        let small = self.small_taken.load(Ordering::Relaxed).min(self.config.dirty_rings);
        let large_bytes = self.rings[..large].iter().map(Ring::bytes).sum::<usize>();
        let small_rings = &self.rings[self.config.scheduler_rings..][..small];
        (
            large + small,
            large_bytes + small_rings.iter().map(Ring::bytes).sum::<usize>(),
        )
    }
}

fn take(taken: &AtomicUsize, count: usize) -> Option<usize> {
    let ring = taken.fetch_add(1, Ordering::Relaxed);
    if ring < count {
        return Some(ring);
    }
    taken.fetch_sub(1, Ordering::Relaxed);
    None
}
