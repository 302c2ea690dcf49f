//! What is counted for each process, per route: a table indexed by the pid's word.
//!
//! A process runs on one thread at a time and its tracer runs under its lock, so a slot has one writer at a time and needs
//! no read-modify-write. The atomics are there because the drainer reads the table at the end of a recording.

use super::words::Words;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How pid words become indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotConfig {
    /// The table has `2^bits` slots: no fewer than processes can live at a time, else they take each other's over.
    pub bits: u32,
    /// Low bits of a pid word that all pids share.
    pub shift: u32,
}

impl Default for SlotConfig {
    fn default() -> Self {
        Self { bits: 18, shift: 4 }
    }
}

/// One process's counters under one route.
#[repr(C)]
pub(crate) struct Slot {
    pid: AtomicU64,
    seq: AtomicU32,
    debt: AtomicU32,
    epoch: AtomicU32,
    offset: AtomicU32,
    /// The route's generation in which the process's state was last told and holds still; 0: it has to be told.
    told: AtomicU32,
    _spare: AtomicU32,
}

/// What a record says of its process's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// It holds the state, whole or not, that the process has from here on.
    State,
    /// From here on the state may become another one.
    Open,
}

/// What a committed record takes from its slot.
pub(crate) struct Stamp {
    pub(crate) seq: u32,
    pub(crate) lost: u32,
    pub(crate) epoch: u32,
    pub(crate) offset: u32,
}

/// Losses of a process whose slot another has taken over.
pub(crate) type Orphan = (u64, u32);

impl Slot {
    /// Makes the slot this process's. A new owner starts a new epoch at number 0; what the old one still owed comes back.
    #[inline(always)]
    pub(crate) fn own(&self, pid: u64) -> Option<Orphan> {
        let before = self.pid.load(Relaxed);
        if before == pid {
            return None;
        }
        self.take_over(before, pid)
    }

    /// Whether the slot is this process's already.
    #[inline(always)]
    pub(crate) fn is_owned_by(&self, pid: u64) -> bool {
        self.pid.load(Relaxed) == pid
    }

    #[cold]
    fn take_over(&self, before: u64, pid: u64) -> Option<Orphan> {
        let owed = self.debt.load(Relaxed);
        self.pid.store(pid, Relaxed);
        self.seq.store(0, Relaxed);
        self.debt.store(0, Relaxed);
        self.epoch.store(self.epoch.load(Relaxed).wrapping_add(1), Relaxed);
        self.offset.store(0, Relaxed);
        self.told.store(0, Relaxed);
        (owed > 0 && !cfg!(mutant = "forget_orphans")).then_some((before, owed))
    }

    /// Counts an event that was offered and dropped.
    #[inline]
    pub(crate) fn drop_one(&self) {
        if !cfg!(mutant = "told_though_dropped") {
            self.told.store(0, Relaxed);
        }
        self.seq.store(self.seq.load(Relaxed).wrapping_add(1), Relaxed);
        let owed = self.debt.load(Relaxed);
        self.debt.store(
            if cfg!(mutant = "loss_not_carried") {
                owed
            } else {
                owed.saturating_add(1)
            },
            Relaxed,
        );
    }

    /// Whether the state that holds now was told in this generation of the route.
    #[inline(always)]
    pub(crate) fn is_told(&self, generation: u32) -> bool {
        self.told.load(Relaxed) == generation
    }

    /// Takes note of what a record that is about to be committed says of the state.
    #[inline(always)]
    pub(crate) fn tell(&self, told: Told, generation: u32) {
        match told {
            Told::Nothing => {}
            Told::State => self.told.store(generation, Relaxed),
            Told::Open => self.told.store(0, Relaxed),
        }
    }

    /// Counts an event that is about to be committed with this many bytes of terms.
    #[inline(always)]
    pub(crate) fn stamp(&self, bytes: u32) -> Stamp {
        let (seq, offset) = (self.seq.load(Relaxed), self.offset.load(Relaxed));
        let stamp = Stamp {
            seq,
            lost: self.debt.load(Relaxed),
            epoch: self.epoch.load(Relaxed),
            offset,
        };
        self.seq.store(seq.wrapping_add(1), Relaxed);
        self.offset.store(offset.wrapping_add(bytes), Relaxed);
        if stamp.lost > 0 {
            self.debt.store(0, Relaxed);
        }
        stamp
    }
}

/// A route's table.
pub(crate) struct Slots {
    words: Words,
    mask: u64,
    shift: u32,
}

const SLOT_BYTES: usize = size_of::<Slot>();

impl Slots {
    /// `None` when there is no memory for it.
    pub(crate) fn new(config: SlotConfig) -> Option<Self> {
        let slots = 1usize << config.bits.clamp(4, 27);
        Some(Self {
            words: Words::zeroed(slots * SLOT_BYTES / 8)?,
            mask: slots as u64 - 1,
            shift: config.shift,
        })
    }

    /// The slot of a pid, whoever owns it now.
    #[inline(always)]
    pub(crate) fn of(&self, pid: u64) -> &Slot {
        self.at((pid >> self.shift) & self.mask)
    }

    /// What processes still owe: losses that no record has carried out.
    pub(crate) fn debts(&self) -> impl Iterator<Item = Orphan> + '_ {
        (0..=self.mask).filter_map(|index| {
            let slot = self.at(index);
            let owed = slot.debt.load(Relaxed);
            (owed > 0).then(|| (slot.pid.load(Relaxed), owed))
        })
    }

    #[inline(always)]
    fn at(&self, index: u64) -> &Slot {
        debug_assert!(index <= self.mask);
        // SAFETY: `index` is masked to the table's size; the memory is aligned to a cache line, zeroed (a valid slot), lives
        // as long as `self`, and is only ever seen as atomics.
        unsafe { &*self.words.base().cast::<Slot>().add(index as usize) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Slots {
        Slots::new(SlotConfig { bits: 4, shift: 4 }).expect("memory")
    }

    #[test]
    fn a_process_counts_on_and_carries_its_losses_once() {
        let slots = slots();
        let slot = slots.of(0x123);
        assert_eq!(slot.own(0x123), None);
        let first = slot.stamp(10);
        assert_eq!((first.seq, first.lost, first.offset), (0, 0, 0));
        slot.drop_one();
        slot.drop_one();
        let next = slot.stamp(5);
        assert_eq!((next.seq, next.lost, next.offset), (3, 2, 10));
        assert_eq!(slot.stamp(5).lost, 0);
        assert_eq!(slots.debts().count(), 0);
    }

    #[test]
    fn a_told_state_is_told_until_something_happens() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123);
        assert!(!slot.is_told(1));
        let told = |told| {
            slot.tell(told, 1);
            slot.is_told(1)
        };
        assert!(told(Told::State) && told(Told::Nothing));
        assert!(!slot.is_told(2), "a new generation is told everything again");
        assert!(!told(Told::Open) && told(Told::State));
        slot.drop_one();
        assert!(!slot.is_told(1), "what was dropped may have said otherwise");
        slot.tell(Told::State, 1);
        slot.own(0x123 + (16 << 4));
        assert!(!slot.is_told(1), "another process");
    }

    #[test]
    fn a_new_owner_starts_over_and_the_old_ones_losses_come_back() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123);
        let epoch = slot.stamp(10).epoch;
        slot.drop_one();
        assert_eq!(slots.debts().collect::<Vec<_>>(), [(0x123, 1)]);
        let other = 0x123 + (16 << 4);
        assert!(std::ptr::eq(slots.of(other), slot));
        assert_eq!(slot.own(other), Some((0x123, 1)));
        let fresh = slot.stamp(1);
        assert_eq!((fresh.seq, fresh.lost, fresh.offset), (0, 0, 0));
        assert_ne!(fresh.epoch, epoch);
    }
}
