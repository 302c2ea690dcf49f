//! A byte ring for one writing and one reading thread.
//!
//! Records lie contiguous and 8-byte aligned; what is left at the end of the buffer when the next record does not fit is
//! skipped by a marker. A record is at most a quarter of the ring; the last tenth takes lifecycle events only. Both sides
//! keep a copy of the other's index and look at the real one only when the copy says full, or empty.

use super::record::{Header, HEADER_LEN};
use super::sync::{AtomicUsize, Ordering};
use super::words::Words;
use crossbeam::utils::CachePadded;
use std::cell::Cell;
use std::sync::Arc;

/// In place of a record's length: the rest of the buffer is empty.
const WRAP: u32 = u32::MAX;

/// The smallest ring: a quarter of it holds a head and two words.
pub const MIN_RING_BYTES: usize = 256;

/// The largest ring: no length in it needs more than 32 bits.
pub const MAX_RING_BYTES: usize = 1 << 30;

/// The size a ring really gets.
pub(crate) fn ring_size(bytes: usize) -> usize {
    bytes.clamp(MIN_RING_BYTES, MAX_RING_BYTES).next_power_of_two()
}

struct WriterSide {
    /// Committed up to here. Counts bytes for ever; the buffer's position is its low bits.
    head: AtomicUsize,
    /// The same, for the writer to read.
    next: Cell<usize>,
    /// The reader's index as last seen.
    tail_seen: Cell<usize>,
}

struct ReaderSide {
    /// Free up to here.
    tail: AtomicUsize,
    /// Read up to here, not yet given back.
    next: Cell<usize>,
    /// Given back up to here: the tail, for the reader to read.
    given: Cell<usize>,
    /// The writer's index as last seen.
    head_seen: Cell<usize>,
}

/// The ring itself. [`ring`] splits one into its two ends; the engine keeps it whole and says who is who.
pub(crate) struct Ring {
    words: Words,
    mask: usize,
    writer: CachePadded<WriterSide>,
    reader: CachePadded<ReaderSide>,
}

// SAFETY: the cells on the writer's side are touched by the writing thread only, those on the reader's side by the reading
// thread only: the unsafe methods' callers promise it. Bytes change hands through `head` and `tail` (release, acquire).
unsafe impl Sync for Ring {}
// SAFETY: nothing in a ring belongs to the thread that made it.
unsafe impl Send for Ring {}

/// Room for a record: from `at` (after `skip` bytes left empty at the end of the buffer), `len` bytes with its head.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    at: usize,
    skip: usize,
    len: usize,
}

impl Room {
    /// Bytes of the room, head included.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.len
    }
}

impl Ring {
    /// A ring of at least `bytes`, rounded up to a power of two; `None` when there is no memory for it.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        let bytes = ring_size(bytes);
        Some(Self {
            words: Words::zeroed(bytes / 8)?,
            mask: bytes - 1,
            writer: CachePadded::new(WriterSide {
                head: AtomicUsize::new(0),
                next: Cell::new(0),
                tail_seen: Cell::new(0),
            }),
            reader: CachePadded::new(ReaderSide {
                tail: AtomicUsize::new(0),
                next: Cell::new(0),
                given: Cell::new(0),
                head_seen: Cell::new(0),
            }),
        })
    }

    /// The buffer's size.
    pub(crate) fn bytes(&self) -> usize {
        self.words.bytes()
    }

    /// How much of the buffer is taken, in thousandths.
    pub(crate) fn fill(&self) -> usize {
        // The reader's index first: what is read meanwhile makes it look fuller, never emptier than empty.
        let tail = self.reader.tail.load(Ordering::Acquire);
        let head = self.writer.head.load(Ordering::Acquire);
        (head.wrapping_sub(tail).min(self.words.bytes())) * 1000 / self.words.bytes()
    }

    /// The most that a record's terms may take.
    #[inline(always)]
    pub(crate) fn max_payload(&self) -> usize {
        self.words.bytes() / 4 - HEADER_LEN
    }

    /// Finds room for a record of up to `payload` bytes; `None` when the ring is too full.
    ///
    /// # Safety
    /// The caller is the ring's only writing thread.
    #[inline(always)]
    pub(crate) unsafe fn reserve(&self, payload: usize, lifecycle: bool) -> Option<Room> {
        let size = self.words.bytes();
        let len = round_up(HEADER_LEN + payload.min(self.max_payload()));
        let head = self.writer.next.get();
        let at = head & self.mask;
        let skip = if at + len > size { size - at } else { 0 };
        let limit = if lifecycle || cfg!(mutant = "no_lifecycle_reserve") {
            size
        } else {
            size - size / 10
        };
        let after = head + skip + len;
        if after - self.writer.tail_seen.get() > limit {
            let order = if cfg!(mutant = "ring_relaxed_tail") {
                Ordering::Relaxed
            } else {
                Ordering::Acquire
            };
            self.writer.tail_seen.set(self.reader.tail.load(order));
            if after - self.writer.tail_seen.get() > limit {
                return None;
            }
        }
        Some(Room {
            at: (head + skip) & self.mask,
            skip,
            len,
        })
    }

    /// The bytes for the record's terms.
    ///
    /// # Safety
    /// The caller is the writing thread, `room` came from the last [`Ring::reserve`] and is not committed yet, and no
    /// other slice of it lives.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn payload(&self, room: Room) -> &mut [u8] {
        // SAFETY: the room lies between head and tail, so the reader stays away; there is one writer, who holds no other slice.
        unsafe { self.words.slice_mut(room.at + HEADER_LEN, room.len - HEADER_LEN) }
    }

    /// Writes the head and shows the record to the reader. `header.len` counts head and terms.
    ///
    /// # Safety
    /// As for [`Ring::payload`].
    #[inline(always)]
    pub(crate) unsafe fn commit(&self, room: Room, header: &Header) {
        let used = round_up(header.len as usize);
        debug_assert!(used <= room.len);
        // SAFETY: the head's place is part of the room.
        unsafe { self.words.slice_mut(room.at, HEADER_LEN) }.copy_from_slice(&header.to_bytes());
        self.words.note_write(room.at, used);
        let head = self.writer.next.get();
        if room.skip > 0 {
            // SAFETY: the skipped bytes lie before the room, between head and tail as well; there are at least 8.
            unsafe { self.words.slice_mut(head & self.mask, 4) }.copy_from_slice(&WRAP.to_le_bytes());
        }
        let order = if cfg!(mutant = "ring_relaxed_commit") {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        self.writer.next.set(head + room.skip + used);
        self.writer.head.store(head + room.skip + used, order);
    }

    /// The reading end.
    ///
    /// # Safety
    /// No other reader of this ring may exist, on any thread, while this one lives; the next must see what this one did.
    pub(crate) unsafe fn reader(&self) -> Reader<'_> {
        Reader(self)
    }
}

/// The reading end of a ring: there is only one at a time.
pub(crate) struct Reader<'r>(&'r Ring);

impl Reader<'_> {
    /// The next record, if one is committed.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<(Header, &[u8])> {
        let Self(ring) = self;
        let side = &ring.reader;
        loop {
            let next = side.next.get();
            if next == side.head_seen.get() {
                side.head_seen.set(ring.writer.head.load(Ordering::Acquire));
                if next == side.head_seen.get() {
                    return None;
                }
            }
            let at = next & ring.mask;
            // SAFETY: between tail and head; the writer stays away until the tail moves past it, which takes `&mut self`.
            let len = unsafe { ring.words.slice(at, 4) };
            let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]);
            if len == WRAP {
                side.next.set(next + ring.words.bytes() - at);
                continue;
            }
            // SAFETY: as above; a committed record is contiguous and `len` long.
            let record = unsafe { ring.words.slice(at, len as usize) };
            return Header::from_bytes(record).map(|header| (header, &record[HEADER_LEN..]));
        }
    }

    /// Steps over the record last peeked at, of which this is the head.
    #[inline(always)]
    pub(crate) fn advance(&mut self, header: &Header) {
        let side = &self.0.reader;
        self.0
            .words
            .note_read(side.next.get() & self.0.mask, header.len as usize);
        side.next.set(side.next.get() + round_up(header.len as usize));
    }

    /// Lets the writer have what was stepped over.
    #[inline(always)]
    pub(crate) fn give_back(&mut self) {
        let order = if cfg!(mutant = "ring_relaxed_give_back") {
            Ordering::Relaxed
        } else {
            Ordering::Release
        };
        let side = &self.0.reader;
        if side.given.get() != side.next.get() {
            side.given.set(side.next.get());
            side.tail.store(side.next.get(), order);
        }
    }

    /// Bytes stepped over and not given back yet.
    #[inline(always)]
    pub(crate) fn kept(&self) -> usize {
        self.0.reader.next.get() - self.0.reader.given.get()
    }
}

#[inline(always)]
fn round_up(len: usize) -> usize {
    (len + 7) & !7
}

/// The writing end of a ring of its own; for tests and benches.
pub struct Producer(Arc<Ring>);

/// The reading end of a ring of its own; for tests and benches.
pub struct Consumer(Arc<Ring>);

/// A ring of at least `bytes`, split into its ends.
///
/// # Panics
/// When there is no memory for it.
#[must_use]
pub fn ring(bytes: usize) -> (Producer, Consumer) {
    let Some(ring) = Ring::new(bytes) else {
        panic!("no memory for a ring of {bytes} bytes");
    };
    let ring = Arc::new(ring);
    (Producer(Arc::clone(&ring)), Consumer(ring))
}

impl Producer {
    /// The most that a record's terms may take.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.0.max_payload()
    }

    /// Reserves room for up to `max` bytes of terms, lets `write` fill them and say how many it used, and commits.
    /// `false` when the ring is too full; `write` is not called then.
    pub fn push(&mut self, mut header: Header, max: usize, write: impl FnOnce(&mut [u8]) -> usize) -> bool {
        // SAFETY: a ring has one producer and this call borrows it exclusively.
        let Some(room) = (unsafe { self.0.reserve(max, is_lifecycle(header.kind)) }) else {
            return false;
        };
        // SAFETY: as above; the room was just reserved.
        let used = write(unsafe { self.0.payload(room) }).min(room.len - HEADER_LEN);
        header.len = (HEADER_LEN + used) as u32;
        // SAFETY: as above; the payload's slice is gone.
        unsafe { self.0.commit(room, &header) };
        true
    }
}

impl Consumer {
    /// Shows the next record to `read`, if one is committed, and steps over it.
    pub fn pop<R>(&mut self, read: impl FnOnce(&Header, &[u8]) -> R) -> Option<R> {
        let mut reader = self.reader();
        let (header, payload) = reader.peek()?;
        let result = read(&header, payload);
        reader.advance(&header);
        reader.give_back();
        Some(result)
    }

    /// The ring's reader.
    pub(crate) fn reader(&mut self) -> Reader<'_> {
        // SAFETY: a ring has one consumer and the reader borrows it exclusively.
        unsafe { self.0.reader() }
    }
}

fn is_lifecycle(kind: u8) -> bool {
    crate::event::EventKind::from_u8(kind).is_some_and(crate::event::EventKind::is_lifecycle)
}

#[cfg(all(test, not(loom)))]
#[path = "ring_tests.rs"]
mod tests;
