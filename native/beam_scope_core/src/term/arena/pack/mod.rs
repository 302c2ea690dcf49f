//! An arena as bytes and back.
//!
//! Nodes are written in the order of their ids, spread over a few streams of like values, so that a compressor finds the
//! repetition: tags, links, sizes, numbers, text. Links point strictly backward; a near one is a distance, a far one an
//! absolute id, because a constant that every message holds is then the same bytes every time.
//!
//! Reading trusts nothing: whatever would break an invariant of the arena is refused, and hashes are computed anew.

mod unpack;

use super::node::{Slot, Tag};
use super::{Arena, NodeId};
use crate::term::wire::{write_varint, zigzag};
use crate::term::AtomId;

/// Links shorter than this are distances.
const NEAR: u32 = 64;

/// The streams of a packed arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// One stream each: tags; links; sizes and small numbers; integers, pids and references as differences; bytes.
    pub streams: [Vec<u8>; 5],
}

const TAGS: usize = 0;
const LINKS: usize = 1;
const SIZES: usize = 2;
const NUMBERS: usize = 3;
const BYTES: usize = 4;

/// Why a packed arena is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPack(pub &'static str);

type Unpacked<T> = Result<T, BadPack>;

/// The last value of each kind that is written as a difference.
#[derive(Default)]
struct Last {
    int: u64,
    pid: u64,
    atom: u64,
    words: Vec<u32>,
}

impl Last {
    fn of(&mut self, tag: Tag) -> &mut u64 {
        match tag {
            Tag::Int => &mut self.int,
            Tag::Pid => &mut self.pid,
            _ => &mut self.atom,
        }
    }

    fn word(&mut self, i: usize) -> &mut u32 {
        if self.words.len() <= i {
            self.words.resize(i + 1, 0);
        }
        &mut self.words[i]
    }
}

impl Tag {
    const ALL: [Self; 23] = [
        Self::Atom,
        Self::Int,
        Self::Big,
        Self::Float,
        Self::Binary,
        Self::Bits,
        Self::List,
        Self::Seq,
        Self::Improper,
        Self::Tuple,
        Self::Map,
        Self::Trie,
        Self::Pid,
        Self::Ref,
        Self::External,
        Self::Export,
        Self::Opaque,
        Self::TruncatedList,
        Self::TruncatedMap,
        Self::TruncatedTuple,
        Self::TruncatedBinary,
        Self::Truncated,
        Self::Redacted,
    ];

    fn from_u8(n: u8) -> Unpacked<Self> {
        Self::ALL.get(usize::from(n)).copied().ok_or(BadPack("an unknown tag"))
    }
}

impl Arena {
    /// Every atom that occurs, in the order of first occurrence.
    pub fn atoms(&self) -> impl Iterator<Item = AtomId> + '_ {
        self.slots.iter().flat_map(|slot| {
            let (first, second) = match slot.tag {
                Tag::Atom => (Some(AtomId(slot.word())), None),
                Tag::Export => match super::get::export(self.slot_bytes(slot)) {
                    super::Node::Export(module, function, _) => (Some(module), Some(function)),
                    _ => (None, None),
                },
                _ => (None, None),
            };
            first.into_iter().chain(second)
        })
    }

    /// The arena as streams of bytes.
    #[must_use]
    pub fn pack(&self) -> Packed {
        let mut packed = Packed::default();
        let mut last = Last::default();
        for (id, slot) in self.slots.iter().enumerate() {
            self.pack_slot(id as u32, slot, &mut packed.streams, &mut last);
        }
        packed
    }

    fn pack_slot(&self, id: u32, slot: &Slot, out: &mut [Vec<u8>; 5], last: &mut Last) {
        out[TAGS].push(slot.tag as u8);
        match slot.tag {
            Tag::Atom | Tag::Int | Tag::Pid => {
                let last = last.of(slot.tag);
                write_varint(zigzag(slot.word().wrapping_sub(*last) as i64), &mut out[NUMBERS]);
                *last = slot.word();
            }
            Tag::Float => out[BYTES].extend_from_slice(&slot.word().to_le_bytes()),
            Tag::Truncated | Tag::Redacted => {
                write_varint(u64::from(slot.aux), &mut out[SIZES]);
                write_varint(slot.word(), &mut out[SIZES]);
            }
            Tag::Ref => {
                let words = crate::term::wire::words(self.slot_bytes(slot));
                write_varint(words.len() as u64, &mut out[SIZES]);
                for (i, word) in words.into_iter().enumerate() {
                    let last = last.word(i);
                    write_varint(zigzag(i64::from(word.wrapping_sub(*last) as i32)), &mut out[NUMBERS]);
                    *last = word;
                }
            }
            Tag::Binary | Tag::Export => self.pack_bytes(slot, out),
            Tag::Big | Tag::Bits | Tag::External | Tag::Opaque => {
                write_varint(u64::from(slot.aux), &mut out[SIZES]);
                self.pack_bytes(slot, out);
            }
            Tag::List | Tag::Seq | Tag::Tuple | Tag::Map => {
                write_varint(u64::from(slot.b), &mut out[SIZES]);
                self.slot_kids(slot)
                    .iter()
                    .for_each(|kid| write_link(id, *kid, &mut out[LINKS]));
            }
            Tag::Trie => {
                out[SIZES].push(slot.level());
                out[SIZES].extend_from_slice(&slot.aux.to_le_bytes());
                self.slot_kids(slot)
                    .iter()
                    .for_each(|kid| write_link(id, *kid, &mut out[LINKS]));
            }
            Tag::Improper => [slot.a, slot.b]
                .iter()
                .for_each(|kid| write_link(id, NodeId(*kid), &mut out[LINKS])),
            Tag::TruncatedList | Tag::TruncatedMap | Tag::TruncatedTuple | Tag::TruncatedBinary => {
                write_varint(slot.word(), &mut out[SIZES]);
                write_link(id, NodeId(slot.c), &mut out[LINKS]);
            }
        }
    }

    fn pack_bytes(&self, slot: &Slot, out: &mut [Vec<u8>; 5]) {
        let bytes = self.slot_bytes(slot);
        write_varint(bytes.len() as u64, &mut out[SIZES]);
        out[BYTES].extend_from_slice(bytes);
    }
}

fn write_link(id: u32, kid: NodeId, out: &mut Vec<u8>) {
    let distance = id - kid.0;
    let link = if distance < NEAR {
        u64::from(distance) << 1
    } else {
        u64::from(kid.0) << 1 | 1
    };
    write_varint(link, out);
}
