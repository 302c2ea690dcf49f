//! Raw records that wait to be indexed, in a compact form.
//!
//! The heads of records shrink to a few bytes: time as a difference, the pid as a place in a small table of recent pids,
//! and only those fields that are not zero. Blocks that have waited for a while are compressed.

use std::collections::VecDeque;
use std::sync::Arc;

use super::codec::BLOCK;
use crate::capture::record::Header;
use crate::reserve;
use crate::term::wire::{read_varint, unzigzag, write_varint, zigzag};

/// So many of the youngest closed blocks stay as they are: in quiet times they are read before compressing them paid.
const UNCOMPRESSED: usize = 4;
/// Nothing is compressed before the queue has taken a quarter of the cap, since whatever the drainer does while tracees work,
/// it takes from them. From then on each new block has an old one compressed.
const AMPLE: usize = 4;

/// More than the head of any record takes: a record's bytes are asked for before the first is written.
const HEAD_ROOM: usize = 64;

const KIND: u8 = 0x1F;
const HAS_FIELDS: u8 = 1 << 5;
const HAS_FLAGS: u8 = 1 << 6;
const HAS_RARE: u8 = 1 << 7;
/// In place of a table index: the pid itself follows.
const NEW_PID: u8 = 0x80;

/// Pids seen lately, by a hash of theirs. Writer and reader keep the same table.
#[derive(Clone, Debug)]
struct Pids([u64; 128]);

impl Default for Pids {
    fn default() -> Self {
        Self([0; 128])
    }
}

impl Pids {
    const fn place(pid: u64) -> usize {
        (pid.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 57) as usize
    }
}

/// A closed block. Shared with what was frozen meanwhile.
#[derive(Clone, Debug)]
struct Block {
    bytes: Arc<Vec<u8>>,
    /// The size before compression, if it is compressed.
    unpacked: Option<usize>,
}

/// A queue of records. A clone shares all but the open block.
#[derive(Clone, Debug)]
pub(crate) struct Backlog {
    block: usize,
    /// From so many bytes on, old blocks are compressed.
    ample: usize,
    /// How many of the oldest blocks were looked at for that.
    compressed: usize,
    full: VecDeque<Block>,
    open: Vec<u8>,
    pids: Pids,
    time: u64,
    bytes: usize,
    /// Buffers that come round again: a block is large enough for the allocator to map and unmap it each time, which stops
    /// every thread of the process for a moment.
    spare: Option<Vec<u8>>,
    packing: Vec<u8>,
}

impl Backlog {
    /// A queue for a recording that may hold so many bytes: blocks are small against the cap.
    pub(crate) fn new(max_bytes: usize) -> Self {
        let block = (max_bytes / 32).clamp(4 << 10, BLOCK);
        let (full, open, pids) = (VecDeque::new(), Vec::new(), Pids::default());
        Self {
            block,
            ample: max_bytes / AMPLE,
            compressed: 0,
            full,
            open,
            pids,
            time: 0,
            bytes: 0,
            spare: None,
            packing: Vec::new(),
        }
    }

    /// Adds a record; false when there is no memory for it. Most of the store's share of the drainer's time goes here.
    #[must_use]
    pub(crate) fn push(&mut self, header: &Header, payload: &[u8]) -> bool {
        if self.open.len() + payload.len() + HEAD_ROOM > self.block && !self.open.is_empty() {
            if reserve::sparing(|| self.full.try_reserve(1)).is_err() {
                return false;
            }
            self.close_block();
        }
        if !reserve::room(&mut self.open, payload.len() + HEAD_ROOM) {
            return false;
        }
        let rare = header.lost != 0 || header.epoch != 0 || header.offset != 0;
        let bit = |holds: bool, bit: u8| if holds { bit } else { 0 };
        let fields = header.point != 0 || header.fields != 0;
        let first =
            (header.kind & KIND) | bit(fields, HAS_FIELDS) | bit(header.flags != 0, HAS_FLAGS) | bit(rare, HAS_RARE);
        let out = &mut self.open;
        out.push(first);
        write_varint(zigzag(header.time.wrapping_sub(self.time) as i64), out);
        self.time = header.time;
        let place = Pids::place(header.pid);
        if self.pids.0[place] == header.pid {
            out.push(place as u8);
        } else {
            self.pids.0[place] = header.pid;
            out.push(NEW_PID);
            out.extend_from_slice(&header.pid.to_le_bytes());
        }
        if fields {
            out.push(header.point);
            out.extend_from_slice(&header.fields.to_le_bytes());
        }
        if header.flags != 0 {
            out.push(header.flags);
        }
        if rare {
            for number in [header.lost, header.epoch, header.offset] {
                write_varint(u64::from(number), out);
            }
        }
        out.push(header.terms);
        write_varint(payload.len() as u64, out);
        out.extend_from_slice(payload);
        true
    }

    fn close_block(&mut self) {
        let empty = self.spare.take().unwrap_or_default();
        let bytes = std::mem::replace(&mut self.open, empty);
        self.pids = Pids::default();
        self.time = 0;
        self.bytes += bytes.capacity();
        self.full.push_back(Block {
            bytes: Arc::new(bytes),
            unpacked: None,
        });
        if self.bytes > self.ample && self.compressed + UNCOMPRESSED < self.full.len() {
            self.compress(self.compressed);
            self.compressed += 1;
        }
    }

    fn compress(&mut self, i: usize) {
        let Some(block) = self.full.get_mut(i).filter(|block| block.unpacked.is_none()) else {
            return;
        };
        // Without memory for it the block stays as it is.
        let most = lz4_flex::block::get_maximum_output_size(block.bytes.len());
        let more = most.saturating_sub(self.packing.len());
        if !reserve::room(&mut self.packing, more) {
            return;
        }
        self.packing.resize(most, 0);
        let Ok(len) = lz4_flex::block::compress_into(&block.bytes, &mut self.packing) else {
            return;
        };
        if len < block.bytes.len() {
            let mut packed = Vec::new();
            if reserve::sparing(|| packed.try_reserve_exact(len)).is_err() {
                return;
            }
            packed.extend_from_slice(&self.packing[..len]);
            self.bytes = self.bytes - block.bytes.capacity() + packed.capacity();
            let whole = std::mem::replace(&mut block.bytes, Arc::new(packed));
            block.unpacked = Some(whole.len());
            self.spare = Arc::into_inner(whole).map(|mut whole| {
                whole.clear();
                whole
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.is_empty()
    }

    /// Takes the oldest block out, the one being filled when there is no other.
    pub(crate) fn pop(&mut self) -> Option<Records> {
        if self.full.is_empty() && !self.open.is_empty() {
            self.close_block();
        }
        let block = self.full.pop_front()?;
        self.compressed = self.compressed.saturating_sub(1);
        if self.full.is_empty() {
            // Quiet, or the end: nothing to pack for a while.
            self.trim();
        }
        self.bytes -= block.bytes.capacity();
        let bytes = match block.unpacked {
            // It was compressed a moment ago, in this process: it decompresses.
            Some(len) => lz4_flex::block::decompress(&block.bytes, len).unwrap_or_default(),
            None => Arc::unwrap_or_clone(block.bytes),
        };
        Some(Records {
            bytes,
            at: 0,
            pids: Pids::default(),
            time: 0,
        })
    }

    /// Whether so much waits that it should be worked on even while more comes: an eighth of the cap.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes > self.ample / 2
    }

    /// Whether what waits is half of what the recording may hold: indexed, it would take less.
    pub(crate) fn is_heavy(&self) -> bool {
        self.bytes > self.ample / 2 * AMPLE
    }

    /// Gives up the buffers that come round again.
    pub(crate) fn trim(&mut self) {
        (self.spare, self.packing) = (None, Vec::new());
    }

    pub(crate) fn bytes(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, Vec::capacity);
        self.bytes + self.open.capacity() + spare + self.packing.capacity()
    }
}

/// The records of a block, in order.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    at: usize,
    pids: Pids,
    time: u64,
}

impl Records {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The next record: its head (`len` and `route` are not kept) and its terms.
    pub(crate) fn next(&mut self) -> Option<(Header, &[u8])> {
        let first = self.byte()?;
        let mut header = Header {
            kind: first & KIND,
            ..Header::default()
        };
        self.time = self.time.wrapping_add(unzigzag(self.varint()?) as u64);
        header.time = self.time;
        header.pid = self.pid()?;
        if first & HAS_FIELDS != 0 {
            header.point = self.byte()?;
            header.fields = u16::from_le_bytes([self.byte()?, self.byte()?]);
        }
        if first & HAS_FLAGS != 0 {
            header.flags = self.byte()?;
        }
        if first & HAS_RARE != 0 {
            header.lost = self.varint()? as u32;
            header.epoch = self.varint()? as u32;
            header.offset = self.varint()? as u32;
        }
        header.terms = self.byte()?;
        let len = self.varint()? as usize;
        let at = self.at;
        self.at = at.checked_add(len)?;
        Some((header, self.bytes.get(at..self.at)?))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, used) = read_varint(self.bytes.get(self.at..)?).ok()?;
        self.at += used;
        Some(value)
    }

    fn pid(&mut self) -> Option<u64> {
        let place = self.byte()?;
        if place != NEW_PID {
            return self.pids.0.get(usize::from(place)).copied();
        }
        let word = self.bytes.get(self.at..self.at + 8)?;
        self.at += 8;
        let pid = word.iter().rev().fold(0, |pid, byte| pid << 8 | u64::from(*byte));
        self.pids.0[Pids::place(pid)] = pid;
        Some(pid)
    }
}
