//! The way of one record into its ring, on a tracee's thread. Wait-free; no allocation after a thread's first event.

use super::engine::Shared;
use super::gate::{Gate, Gates};
use super::load::{Deed, LONGEST_NS};
use super::memo::Memo;
use super::record::{flags, Header, HEADER_LEN};
use super::ring::{Ring, Room};
use super::routes::{place, RouteState};
use super::sink::RouteConfig;
use super::slots::{Allowance, Slot, Told};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// The part of a record's head that the encoder knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHead {
    /// [`crate::event::EventKind`] as a number.
    pub kind: u8,
    /// [`crate::event::Point`] as a number, else 0.
    pub point: u8,
    /// [`crate::event::Fields`], else 0.
    pub fields: u16,
    /// How many terms the record has.
    pub terms: u8,
    /// [`super::record::flags`].
    pub flags: u8,
    /// What it says of the process's state.
    pub told: Told,
}

/// A thread inside a callback of a route. While it lives, the route and its configuration do; it must not outlive the
/// callback.
///
/// ```text
/// let mut writer = engine.writer(route)?;
/// if let Some(buf) = writer.reserve(pid, max, lifecycle) {      // None: counted as dropped
///     let used = encode(buf, writer_config);
///     writer.commit(head, used);                                // or writer.cancel()
/// }
/// ```
/// A reservation that is neither committed nor cancelled counts as dropped.
pub struct RecordWriter<'e, C: RouteConfig> {
    shared: &'e Shared<C>,
    gate: &'e Gate,
    gate_index: usize,
    route: &'e RouteState<C>,
    config: &'e C,
    generation: u32,
    time: u64,
    open: Option<Reservation<'e>>,
    /// The gate is this thread's.
    not_send: PhantomData<*const ()>,
}

struct Reservation<'e> {
    ring: &'e Ring,
    room: Room,
    slot: &'e Slot,
    pid: u64,
    time: u64,
    /// Null where the record is in no stream.
    memo: *mut Memo,
}

impl Reservation<'_> {
    fn discard(&self) {
        // SAFETY: null, or this thread's alone: see `RecordWriter::reserve_stream`.
        if let Some(memo) = unsafe { self.memo.as_mut() } {
            memo.discard();
        }
    }
}

impl<'e, C: RouteConfig> RecordWriter<'e, C> {
    /// Enters a callback. `None` when the route is not open (any more).
    #[inline]
    pub(crate) fn enter(shared: &'e Shared<C>, route: u32) -> Option<Self> {
        let (gate_index, gate) = my_gate(shared).or_else(|| {
            shared.count_homeless(route);
            None
        })?;
        gate.enter();
        // Sequentially consistent, after the announcement: see `gate`. On x86 a plain load.
        let found = shared.table[place(route)].load(Ordering::SeqCst);
        // SAFETY: a pointer in the table is good, and stays so for threads that announced themselves before they read it.
        let Some(state) = (unsafe { found.as_ref() }).filter(|state| state.id == route) else {
            gate.leave();
            return None;
        };
        // Before the configuration: what an older one left out was told in an older generation.
        let generation = state.generation();
        // SAFETY: a route's configuration is never null, and kept by the same rule as the route.
        let config = unsafe { &*state.config.load(Ordering::SeqCst) };
        Some(Self {
            shared,
            gate,
            gate_index,
            route: state,
            config,
            generation,
            time: 0,
            open: None,
            not_send: PhantomData,
        })
    }

    /// The route's configuration.
    #[inline(always)]
    #[must_use]
    pub fn config(&self) -> &'e C {
        self.config
    }

    /// The route's number.
    #[inline(always)]
    #[must_use]
    pub fn route(&self) -> u32 {
        self.route.id
    }

    /// Counts what the VM called for. The time, if this call is one to time: then tell how it went with [`timed`](Self::timed).
    #[inline(always)]
    #[must_use]
    pub fn count(&self, deed: Deed) -> Option<u64> {
        let is_sampled = self.route.tallies.count(self.gate_index, deed);
        is_sampled.then(|| self.shared.clock.now())
    }

    /// A call of process `pid` that is timed began then and is over now.
    #[cold]
    pub fn timed(&self, pid: u64, began: u64) {
        let ns = self.shared.clock.now().saturating_sub(began).min(LONGEST_NS);
        self.route.tallies.timed(self.gate_index, ns);
        let slot = self.route.slots.of(pid);
        if slot.is_owned_by(pid) {
            slot.spend(ns);
        }
    }

    /// A process was scheduled in, which costs so many nanoseconds.
    #[inline]
    pub fn scheduled(&self, pid: u64, ns: u64) {
        // One in many, as with calls that are timed.
        if self.route.tallies.count(self.gate_index, Deed::Schedule) {
            let slot = self.route.slots.of(pid);
            if let Some(orphan) = slot.own(pid, &self.route.slots) {
                self.route.orphan(orphan);
            }
            slot.spend(ns);
        }
    }

    /// Whether the state that a process has now was told by its last record that told one, and nothing since spoke against
    /// it: then it need not be told again.
    #[inline]
    #[must_use]
    pub fn is_told(&self, pid: u64) -> bool {
        let slot = self.route.slots.of(pid);
        slot.is_owned_by(pid) && slot.is_told(self.generation)
    }

    /// Room for the terms of a record of process `pid`: up to `max` bytes, and no more than a quarter of this thread's ring
    /// holds. `None` when the ring is too full or the thread has none: the drop is counted. Reads the clock.
    #[inline]
    pub fn reserve(&mut self, pid: u64, max: usize, lifecycle: bool) -> Option<&mut [u8]> {
        self.abandon();
        let slot = self.route.slots.of(pid);
        if let Some(orphan) = slot.own(pid, &self.route.slots) {
            self.route.orphan(orphan);
        }
        let time = self.shared.clock.now();
        if self.time == 0 {
            self.time = time;
            self.gate.begin(time);
        }
        let shared = self.shared;
        let Some(ring) = self.route.pool.ring_of(self.gate_index, || shared.host.thread_kind()) else {
            self.count_drop(slot);
            return None;
        };
        // SAFETY: the seat, and so the ring, belongs to this thread's gate.
        let Some(room) = (unsafe { ring.reserve(max, lifecycle) }) else {
            self.count_drop(slot);
            return None;
        };
        self.open = Some(Reservation {
            ring,
            room,
            slot,
            pid,
            time,
            memo: std::ptr::null_mut(),
        });
        // SAFETY: just reserved, and the slice borrows this writer.
        Some(unsafe { ring.payload(room) })
    }

    /// As [`reserve`](Self::reserve), of a record that is part of its process's stream: its terms may refer to earlier ones by the
    /// memo. Also where in the stream the record will begin, and how many bytes its large terms may take together. `old` is where the
    /// process's old heap is, if that is known.
    #[inline]
    pub fn reserve_stream(
        &mut self,
        pid: u64,
        max: usize,
        allowance: Allowance,
        old: Option<(u64, u64)>,
    ) -> Option<(&mut [u8], &mut Memo, u32, usize)> {
        let key = u64::from(self.generation) | u64::from(self.shared.literals.load(Ordering::Relaxed)) << 32;
        self.reserve(pid, max, false)?;
        let open = self.open.as_mut()?;
        let stream = open.slot.stream(key, allowance, old, &self.route.slots);
        open.memo = stream.memo;
        // SAFETY: just reserved; the memo is not null and this thread's alone, as the slot is. Both borrow this writer.
        unsafe {
            Some((
                open.ring.payload(open.room),
                &mut *stream.memo,
                stream.offset,
                stream.allowance as usize,
            ))
        }
    }

    /// The words of a process may mean something else from here on: a garbage collection, a hibernation.
    #[inline]
    pub fn end_epoch(&self, pid: u64) {
        let slot = self.route.slots.of(pid);
        if slot.is_owned_by(pid) {
            slot.end_epoch();
        }
    }

    /// A minor garbage collection: as [`end_epoch`](Self::end_epoch), but for what is old.
    #[inline]
    pub fn collected(&self, pid: u64) {
        let slot = self.route.slots.of(pid);
        if slot.is_owned_by(pid) {
            slot.collected();
        }
    }

    /// Literals of purged code may be freed from here on, and others come to stand where they stood: every epoch ends.
    pub fn literals_change(&self) {
        self.shared.literals.fetch_add(1, Ordering::SeqCst);
    }

    /// The process has ended.
    pub fn forget(&self, pid: u64) {
        let slot = self.route.slots.of(pid);
        if slot.is_owned_by(pid) {
            slot.free_memo(&self.route.slots);
        }
    }

    /// Commits the reserved record, of whose room `used` bytes were written. Without a reservation nothing happens.
    #[inline]
    pub fn commit(&mut self, head: RecordHead, used: usize) {
        let Some(open) = self.open.take() else { return };
        let len = (HEADER_LEN + used).min(open.room.len());
        // SAFETY: null, or this thread's alone: see `reserve_stream`, whose borrow has ended.
        let memo = unsafe { open.memo.as_mut() };
        let stamp = open.slot.stamp(memo.is_some().then_some(used as u32));
        let streamed = if memo.is_some() { flags::STREAM } else { 0 };
        if let Some(memo) = memo {
            self.route.slots.commit(memo, head.flags & flags::TRUNCATED != 0);
        }
        open.slot.tell(head.told, self.generation);
        let header = Header {
            len: len as u32,
            kind: head.kind,
            point: head.point,
            fields: head.fields,
            time: open.time,
            pid: open.pid,
            route: self.route.id,
            terms: head.terms,
            flags: head.flags | streamed,
            reserved: 0,
            seq: stamp.seq,
            epoch: stamp.epoch,
            offset: stamp.offset,
            lost: stamp.lost,
        };
        // SAFETY: this thread's ring, the last reservation, and its slice ended where this call began.
        unsafe { open.ring.commit(open.room, &header) }
    }

    /// Takes the reservation back: the event was none. Nothing is counted.
    #[inline]
    pub fn cancel(&mut self) {
        if let Some(open) = self.open.take() {
            open.discard();
        }
    }

    #[inline(always)]
    fn abandon(&mut self) {
        if let Some(open) = self.open.take() {
            open.discard();
            self.count_drop(open.slot);
        }
    }

    #[cold]
    fn count_drop(&self, slot: &Slot) {
        slot.drop_one();
        self.route.note_drop();
        self.route.pool.count_drop(self.gate_index);
    }
}

impl<C: RouteConfig> Drop for RecordWriter<'_, C> {
    #[inline(always)]
    fn drop(&mut self) {
        self.abandon();
        self.gate.leave();
    }
}

/// A thread's gate with the engine it used last; a null gate: that engine had none left.
#[derive(Clone, Copy)]
struct Seat {
    engine: u64,
    gate: *const Gate,
    index: usize,
}

/// Gives a gate back when its thread ends.
struct Lease {
    engine: u64,
    gates: Arc<Gates>,
    index: Option<usize>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            self.gates.release(index);
        }
        SEAT.set(NO_SEAT);
    }
}

const NO_SEAT: Seat = Seat {
    engine: 0,
    gate: std::ptr::null(),
    index: 0,
};

thread_local! {
    static SEAT: Cell<Seat> = const { Cell::new(NO_SEAT) };
    static LEASES: RefCell<Vec<Lease>> = const { RefCell::new(Vec::new()) };
}

#[inline(always)]
fn my_gate<C: RouteConfig>(shared: &Shared<C>) -> Option<(usize, &Gate)> {
    let seat = SEAT.get();
    let seat = if seat.engine == shared.id {
        seat
    } else {
        find_seat(shared)
    };
    // SAFETY: the seat is this engine's by its number, which is never used again; its gates live as long as `shared`.
    unsafe { seat.gate.as_ref() }.map(|gate| (seat.index, gate))
}

#[cold]
fn find_seat<C: RouteConfig>(shared: &Shared<C>) -> Seat {
    // A thread that is being torn down has no leases any more: its last events are homeless.
    let found = LEASES.try_with(|leases| {
        let mut leases = leases.borrow_mut();
        let known = leases
            .iter()
            .find(|lease| lease.engine == shared.id)
            .map(|lease| lease.index);
        known.unwrap_or_else(|| {
            let index = shared.gates.claim();
            leases.retain(|lease| Arc::strong_count(&lease.gates) > 1);
            leases.push(Lease {
                engine: shared.id,
                gates: Arc::clone(&shared.gates),
                index,
            });
            index
        })
    });
    let Ok(index) = found else { return NO_SEAT };
    let gate = index.map_or(std::ptr::null(), |index| std::ptr::from_ref(shared.gates.get(index)));
    let seat = Seat {
        engine: shared.id,
        gate,
        index: index.unwrap_or(0),
    };
    SEAT.set(seat);
    seat
}
