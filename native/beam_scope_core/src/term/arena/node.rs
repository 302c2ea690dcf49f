//! How nodes lie in memory, and how they look from outside.

use crate::term::{AtomId, Kind};

/// A term in an arena. Equal terms have equal ids within one arena; ids of two arenas have nothing in common.
#[derive(Copy, Clone, Eq, PartialEq, Hash, Debug, Ord, PartialOrd)]
pub struct NodeId(pub u32);

/// A view of one term. Inner nodes of large maps and lists never show: walk those with
/// [`map_iter`](super::Arena::map_iter) and [`list_iter`](super::Arena::list_iter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// An atom.
    Atom(AtomId),
    /// An integer that fits an `i64`.
    Int(i64),
    /// A larger one: negative, magnitude little-endian.
    Big(bool, &'a [u8]),
    /// A float by its bits.
    Float(u64),
    /// A binary.
    Binary(&'a [u8]),
    /// A bitstring and the used bits of its last byte.
    Bits(&'a [u8], u8),
    /// A proper list.
    List {
        /// How many elements.
        len: usize,
    },
    /// An improper list.
    Improper {
        /// How many elements before the tail.
        len: usize,
        /// The tail.
        tail: NodeId,
    },
    /// A tuple.
    Tuple(&'a [NodeId]),
    /// A map.
    Map {
        /// How many pairs.
        len: usize,
    },
    /// A local pid by its word.
    Pid(u64),
    /// A local reference: its 32-bit words, little-endian, least significant first.
    Ref(&'a [u8]),
    /// A remote pid, reference or port in external term format.
    External(Kind, &'a [u8]),
    /// `fun m:f/a`.
    Export(AtomId, AtomId, u32),
    /// What cannot live outside its VM, as it printed.
    Opaque(Kind, &'a str),
    /// A cut list.
    TruncatedList {
        /// How many elements are known.
        known: usize,
        /// Its full length, 0 when not known.
        full: u64,
    },
    /// A cut map.
    TruncatedMap {
        /// How many pairs are known.
        known: usize,
        /// Its full size.
        full: u64,
    },
    /// The known prefix of a cut tuple, and its full arity.
    TruncatedTuple(&'a [NodeId], u64),
    /// The known prefix of a cut binary, and its full size.
    TruncatedBinary(&'a [u8], u64),
    /// A term left out whole, and its size.
    Truncated(Kind, u64),
    /// A redacted term, and its size.
    Redacted(Kind, u64),
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Atom,
    Int,
    Big,
    Float,
    Binary,
    Bits,
    /// Elements: a whole short list, or a leaf of a long one.
    List,
    /// Parts of a long list, each a `List` or a `Seq` one level lower.
    Seq,
    Improper,
    Tuple,
    /// Pairs in the order of their keys' hashes: a whole small map, or a leaf of a large one.
    Map,
    /// Branches of a large map: bitmap in `aux`, one child for each bit.
    Trie,
    Pid,
    Ref,
    External,
    Export,
    Opaque,
    TruncatedList,
    TruncatedMap,
    TruncatedTuple,
    TruncatedBinary,
    Truncated,
    Redacted,
}

/// One node: 16 bytes. What `a`, `b` and `c` mean depends on the shape of the [`Body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) tag: Tag,
    /// Bit 7: complete. The rest: the level of a `Seq` or `Trie`.
    pub(super) meta: u8,
    /// A small number by tag: kind, sign, used bits, bitmap.
    pub(super) aux: u16,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) c: u32,
}

pub(super) const COMPLETE: u8 = 0x80;

impl Slot {
    pub(super) const fn word(&self) -> u64 {
        self.a as u64 | (self.b as u64) << 32
    }

    pub(super) const fn level(&self) -> u8 {
        self.meta & !COMPLETE
    }

    pub(super) fn kind(&self) -> Kind {
        u8::try_from(self.aux)
            .ok()
            .and_then(Kind::from_u8)
            .unwrap_or(Kind::Atom)
    }
}

/// The content of a node on its way in, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    /// 64 bits in `a` and `b`.
    Word(u64),
    /// Bytes at `a`, `b` of them.
    Bytes(&'a [u8]),
    /// Children at `a`, `b` of them; how many elements or pairs lie below in `c`.
    Kids(&'a [NodeId], u32),
    /// A cut term: the full size in `a` and `b`, the known part in `c`.
    Cut(u64, NodeId),
    /// An improper list: elements in `a`, tail in `b`.
    Two(NodeId, NodeId),
}

/// A node on its way in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft<'a> {
    pub(super) tag: Tag,
    pub(super) level: u8,
    pub(super) aux: u16,
    pub(super) body: Body<'a>,
}

impl<'a> Draft<'a> {
    pub(super) const fn new(tag: Tag, body: Body<'a>) -> Self {
        Self {
            tag,
            level: 0,
            aux: 0,
            body,
        }
    }

    pub(super) const fn with(tag: Tag, aux: u16, body: Body<'a>) -> Self {
        Self {
            tag,
            level: 0,
            aux,
            body,
        }
    }
}
