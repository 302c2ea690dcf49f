//! What is counted for each process, per route: a table indexed by the pid's word.
//!
//! A process runs on one thread at a time and its tracer runs under its lock, so a slot has one writer at a time and needs
//! no read-modify-write. The atomics are there because the drainer reads the table at the end of a recording.

use super::load::Noise;
use super::memo::Memo;
use super::words::Words;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

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

/// A stream longer than this begins anew: the other side keeps all of it.
const LONGEST_STREAM: u32 = 32 << 20;
/// What the memos of one route may hold together.
const MEMO_BYTES: usize = 64 << 20;

/// One process's counters under one route.
#[repr(C, align(64))]
pub(crate) struct Slot {
    pid: AtomicU64,
    seq: AtomicU32,
    debt: AtomicU32,
    epoch: AtomicU32,
    offset: AtomicU32,
    /// The route's generation in which the process's state was last told and holds still; 0: it has to be told.
    told: AtomicU32,
    /// Bytes by which the stream is ahead of what it may take on average.
    ahead: AtomicU32,
    /// What the epoch holds under besides the process: see [`Slot::stream`].
    key: AtomicU64,
    /// Null until the process's first record that is part of a stream.
    memo: AtomicPtr<Memo>,
    /// How long the timed ones among its calls took, in nanoseconds; wraps.
    spent: AtomicU32,
    /// The number, the time and (its low half) the process, as [`Slots::noise`] saw them last. Written by whoever asks.
    marked_seq: AtomicU32,
    marked_spent: AtomicU32,
    marked_pid: AtomicU32,
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
    pub(crate) fn own(&self, pid: u64, slots: &Slots) -> Option<Orphan> {
        let before = self.pid.load(Relaxed);
        if before == pid {
            return None;
        }
        self.take_over(before, pid, slots)
    }

    /// Whether the slot is this process's already.
    #[inline(always)]
    pub(crate) fn is_owned_by(&self, pid: u64) -> bool {
        self.pid.load(Relaxed) == pid
    }

    #[cold]
    fn take_over(&self, before: u64, pid: u64, slots: &Slots) -> Option<Orphan> {
        let owed = self.debt.load(Relaxed);
        slots.highest.fetch_max(slots.index(pid), Relaxed);
        self.pid.store(pid, Relaxed);
        self.seq.store(0, Relaxed);
        self.spent.store(0, Relaxed);
        self.debt.store(0, Relaxed);
        self.free_memo(slots);
        self.told.store(0, Relaxed);
        (owed > 0 && !cfg!(mutant = "forget_orphans")).then_some((before, owed))
    }

    /// Adds the time of a call that was timed.
    pub(crate) fn spend(&self, ns: u64) {
        self.spent
            .store(self.spent.load(Relaxed).wrapping_add(ns as u32), Relaxed);
    }

    /// What its process did since the last look, which is now. Its thread goes on meanwhile: a process that takes the slot over just
    /// now may be told with the other one's figures, once.
    fn look(&self) -> Noise {
        let (pid, seq, spent) = (self.pid.load(Relaxed), self.seq.load(Relaxed), self.spent.load(Relaxed));
        let known = self.marked_pid.swap(pid as u32, Relaxed) == pid as u32;
        let (seq_then, spent_then) = (
            self.marked_seq.swap(seq, Relaxed),
            self.marked_spent.swap(spent, Relaxed),
        );
        let since = |now: u32, then: u32| match now.wrapping_sub(then) {
            difference if known && difference <= u32::MAX / 2 => difference,
            _ => now,
        };
        Noise {
            pid,
            events: u64::from(since(seq, seq_then)),
            sampled_ns: u64::from(since(spent, spent_then)),
        }
    }

    /// Whether it ever had an event of its process.
    pub(crate) fn has_events(&self) -> bool {
        self.seq.load(Relaxed) > 0
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

    /// Counts an event that is about to be committed, with so many bytes of terms if they are part of the stream.
    #[inline(always)]
    pub(crate) fn stamp(&self, streamed: Option<u32>) -> Stamp {
        let seq = self.seq.load(Relaxed);
        let (epoch, offset) = streamed.map_or((0, 0), |bytes| {
            let offset = self.offset.load(Relaxed);
            self.offset.store(offset.wrapping_add(bytes), Relaxed);
            self.ahead
                .store(self.ahead.load(Relaxed).saturating_add(bytes), Relaxed);
            (self.epoch.load(Relaxed), offset)
        });
        let stamp = Stamp {
            seq,
            lost: self.debt.load(Relaxed),
            epoch,
            offset,
        };
        self.seq.store(seq.wrapping_add(1), Relaxed);
        if stamp.lost > 0 {
            self.debt.store(0, Relaxed);
        }
        stamp
    }
}

/// A process's stream, as far as it goes.
pub(crate) struct Stream {
    /// Where the next record begins.
    pub(crate) offset: u32,
    pub(crate) memo: *mut Memo,
    /// How many bytes the record may take.
    pub(crate) allowance: u32,
}

/// What a stream may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes a record on average, and for each at least.
    pub steady: usize,
    /// Bytes of one record that had not much to say for a while: after a garbage collection all is new.
    pub most: usize,
}

/// Streams and their ends. All of it is for the process's own thread alone.
impl Slot {
    /// Words may mean something else from here on: what was written cannot be referred to any more.
    pub(crate) fn end_epoch(&self) {
        if cfg!(mutant = "epoch_without_end") {
            return;
        }
        self.epoch.store(self.epoch.load(Relaxed).wrapping_add(1), Relaxed);
        self.offset.store(0, Relaxed);
        // SAFETY: made by `stream`, freed by `free_memo` which leaves null; the process's own thread has no other reference.
        if let Some(memo) = unsafe { self.memo.load(Relaxed).as_mut() } {
            memo.clear();
        }
    }

    /// A minor collection has moved the young: what is old can be referred to still, where it is known what that is.
    pub(crate) fn collected(&self) {
        // SAFETY: as in `end_epoch`.
        let memo = unsafe { self.memo.load(Relaxed).as_mut() };
        if !memo.is_some_and(|memo| memo.keep_old(self.offset.load(Relaxed))) {
            self.end_epoch();
        }
    }

    /// The stream, in an epoch that began under this key.
    pub(crate) fn stream(&self, key: u64, allowance: Allowance, old: Option<(u64, u64)>, slots: &Slots) -> Stream {
        if self.key.load(Relaxed) != key || self.offset.load(Relaxed) > LONGEST_STREAM {
            self.end_epoch();
            self.key.store(key, Relaxed);
        }
        let mut memo = self.memo.load(Relaxed);
        if memo.is_null() {
            memo = Box::into_raw(Box::new(Memo::new()));
            self.memo.store(memo, Relaxed);
            slots.has_memos.store(true, Relaxed);
        }
        // SAFETY: just made, or as in `end_epoch`.
        if let Some(memo) = unsafe { memo.as_mut() } {
            memo.begin(old);
        }
        let steady = allowance.steady.max(1);
        let ahead = (self.ahead.load(Relaxed) as usize).saturating_sub(steady);
        self.ahead.store(ahead as u32, Relaxed);
        Stream {
            offset: self.offset.load(Relaxed),
            memo,
            allowance: allowance.most.saturating_sub(ahead).max(steady) as u32,
        }
    }

    /// Gives up the memo, and with it the epoch: its process has ended, or another has taken the slot over.
    pub(crate) fn free_memo(&self, slots: &Slots) {
        let memo = self.memo.swap(std::ptr::null_mut(), Relaxed);
        if !memo.is_null() {
            // SAFETY: made by `Box::into_raw` in `stream`, and nobody else has it: see above.
            let memo = unsafe { Box::from_raw(memo) };
            slots.memo_bytes.fetch_sub(memo.counted, Relaxed);
        }
        self.end_epoch();
    }
}

/// A route's table.
pub(crate) struct Slots {
    words: Words,
    mask: u64,
    shift: u32,
    /// No slot above this one was ever used.
    highest: AtomicU64,
    has_memos: AtomicBool,
    memo_bytes: AtomicUsize,
}

impl Drop for Slots {
    fn drop(&mut self) {
        if self.has_memos.load(Relaxed) {
            (0..=self.mask).for_each(|index| self.at(index).free_memo(self));
        }
    }
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
            highest: AtomicU64::new(0),
            has_memos: AtomicBool::new(false),
            memo_bytes: AtomicUsize::new(0),
        })
    }

    /// Bytes that memos hold.
    pub(crate) fn memo_bytes(&self) -> usize {
        self.memo_bytes.load(Relaxed)
    }

    /// Enters what a committed record holds.
    pub(crate) fn commit(&self, memo: &mut Memo, cut: bool) {
        memo.commit(MEMO_BYTES.saturating_sub(self.memo_bytes()), cut);
        let bytes = memo.bytes();
        if bytes != memo.counted {
            // Adding what wrapped takes away.
            self.memo_bytes.fetch_add(bytes.wrapping_sub(memo.counted), Relaxed);
            memo.counted = bytes;
        }
    }

    /// The slot of a pid, whoever owns it now.
    #[inline(always)]
    pub(crate) fn of(&self, pid: u64) -> &Slot {
        self.at(self.index(pid))
    }

    #[inline(always)]
    fn index(&self, pid: u64) -> u64 {
        (pid >> self.shift) & self.mask
    }

    /// What processes still owe: losses that no record has carried out.
    pub(crate) fn debts(&self) -> impl Iterator<Item = Orphan> + '_ {
        (0..self.used()).filter_map(|index| {
            let slot = self.at(index);
            let owed = slot.debt.load(Relaxed);
            (owed > 0).then(|| (slot.pid.load(Relaxed), owed))
        })
    }

    /// How many slots were ever used, as far up as they reach.
    pub(crate) fn used(&self) -> u64 {
        self.highest.load(Relaxed) + 1
    }

    /// What each process did since this was asked last. Looks at every slot that was ever used: not for a scheduler's thread.
    pub(crate) fn noise(&self) -> impl Iterator<Item = Noise> + '_ {
        let slots = (0..=self.highest.load(Relaxed)).map(|index| self.at(index));
        slots.filter(|slot| slot.pid.load(Relaxed) != 0).map(Slot::look)
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
    use super::super::memo::Seen;
    use super::*;

    fn slots() -> Slots {
        Slots::new(SlotConfig { bits: 4, shift: 4 }).expect("memory")
    }

    #[test]
    fn a_process_counts_on_and_carries_its_losses_once() {
        let slots = slots();
        let slot = slots.of(0x123);
        assert_eq!(slot.own(0x123, &slots), None);
        let first = slot.stamp(Some(10));
        assert_eq!((first.seq, first.lost, first.offset), (0, 0, 0));
        slot.drop_one();
        slot.drop_one();
        let next = slot.stamp(Some(5));
        assert_eq!((next.seq, next.lost, next.offset), (3, 2, 10));
        assert_eq!(slot.stamp(None).lost, 0);
        assert_eq!(slots.debts().count(), 0);
    }

    #[test]
    fn a_slot_is_a_line_and_tells_what_is_new_since_the_last_look() {
        assert_eq!(SLOT_BYTES, 64);
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123, &slots);
        for _ in 0..5 {
            slot.stamp(None);
        }
        slot.spend(70);
        let look = || {
            let found = slots.noise().map(|noise| (noise.pid, noise.events, noise.sampled_ns));
            found.collect::<Vec<_>>()
        };
        assert_eq!(look(), [(0x123, 5, 70)]);
        assert_eq!(look(), [(0x123, 0, 0)]);
        slot.stamp(None);
        slot.drop_one();
        assert_eq!(look(), [(0x123, 2, 0)]);
        // The next process of the slot begins at nothing.
        slot.own(0x1023, &slots);
        slot.stamp(None);
        slot.spend(9);
        assert_eq!(look(), [(0x1023, 1, 9)]);
        assert_eq!(look(), [(0x1023, 0, 0)]);
    }

    #[test]
    fn what_memos_hold_is_counted_as_they_come_and_go() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123, &slots);
        for record in 1..4u32 {
            let memo = slot.stream(1, Allowance::default(), None, &slots).memo;
            // SAFETY: just made or found, and nobody else has it.
            let memo = unsafe { &mut *memo };
            (0..100 * record).for_each(|i| memo.note(u64::from(record << 16 | i), Seen::Term(i), 0));
            slots.commit(memo, false);
            assert_eq!(slots.memo_bytes(), memo.bytes());
        }
        slot.free_memo(&slots);
        assert_eq!(slots.memo_bytes(), 0);
    }

    #[test]
    fn a_minor_collection_leaves_what_is_old() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123, &slots);
        let reach = Some((1_000, 2_000));
        // SAFETY: just made or found, and nobody else has it.
        let memo = || unsafe { &mut *slot.stream(1, Allowance::default(), reach, &slots).memo };
        let found = |words: &[u64]| {
            let memo = memo();
            words.iter().map(|word| memo.find(*word).is_some()).collect::<Vec<_>>()
        };
        let write = |words: &[u64]| {
            let memo = memo();
            words.iter().for_each(|word| memo.note(*word, Seen::Term(7), 0));
            slot.stamp(Some(100));
            slots.commit(memo, false);
        };
        write(&[999, 1_000, 1_999, 2_000]);
        let epoch = slot.stamp(Some(0)).epoch;
        assert_eq!(found(&[999, 1_000, 1_999, 2_000]), [true; 4]);
        slot.collected();
        assert_eq!(found(&[999, 1_000, 1_999, 2_000]), [false, true, true, false]);
        assert_eq!(slot.stamp(Some(0)).epoch, epoch);
        // A stream that has become long for what it holds begins anew, but not while it does not hold all yet.
        for _ in 0..8 {
            slot.stamp(Some(1 << 20));
            slots.commit(memo(), true);
            slot.collected();
            assert_eq!(found(&[1_000]), [true]);
        }
        (0..4).for_each(|_| slot.collected());
        slot.stamp(Some(25 << 20));
        slot.collected();
        assert_eq!(found(&[1_000]), [false]);
        let epoch = slot.stamp(Some(0)).epoch;
        write(&[1_500]);
        slot.end_epoch();
        assert_eq!(found(&[1_500]), [false], "a major collection");
        assert_ne!(slot.stamp(Some(0)).epoch, epoch);
    }

    #[test]
    fn who_collects_at_every_message_is_not_remembered_until_it_stops() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123, &slots);
        // SAFETY: just made or found, and nobody else has it.
        let memo = || unsafe { &mut *slot.stream(1, Allowance::default(), None, &slots).memo };
        let record = |word| {
            memo().note(word, Seen::Term(7), 0);
            slots.commit(memo(), false);
            memo().find(word).is_some()
        };
        for epoch in 0..20 {
            let found = [record(8), record(16)];
            assert_eq!(found, [epoch < 9; 2], "epoch {epoch}");
            slot.end_epoch();
        }
        assert_eq!([8, 16, 24, 32].map(record), [false, false, false, true]);
        slot.end_epoch();
        assert!(record(8));
    }

    #[test]
    fn where_nothing_is_known_to_be_old_nothing_stays() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123, &slots);
        // SAFETY: as above.
        let memo = unsafe { &mut *slot.stream(1, Allowance::default(), None, &slots).memo };
        memo.note(1_500, Seen::Term(7), 0);
        slots.commit(memo, false);
        let epoch = slot.stamp(Some(0)).epoch;
        slot.collected();
        assert_ne!(slot.stamp(Some(0)).epoch, epoch);
    }

    #[test]
    fn a_told_state_is_told_until_something_happens() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123, &slots);
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
        slot.own(0x123 + (16 << 4), &slots);
        assert!(!slot.is_told(1), "another process");
    }

    #[test]
    fn a_new_owner_starts_over_and_the_old_ones_losses_come_back() {
        let slots = slots();
        let slot = slots.of(0x123);
        slot.own(0x123, &slots);
        let epoch = slot.stamp(Some(10)).epoch;
        slot.drop_one();
        assert_eq!(slots.debts().collect::<Vec<_>>(), [(0x123, 1)]);
        let other = 0x123 + (16 << 4);
        assert!(std::ptr::eq(slots.of(other), slot));
        assert_eq!(slot.own(other, &slots), Some((0x123, 1)));
        let fresh = slot.stamp(Some(1));
        assert_eq!((fresh.seq, fresh.lost, fresh.offset), (0, 0, 0));
        assert_ne!(fresh.epoch, epoch);
    }
}
