//! Reading a packed arena without trust.

use super::{BadPack, Last, Unpacked, LINKS, TAGS};
use crate::term::arena::node::{Body, Draft, Tag};
use crate::term::arena::{Arena, NodeId};
use crate::term::wire::{read_varint, unzigzag};
use crate::term::Kind;

/// A node takes fifty times the room that it takes in a file; no chunk is made with so many.
const MAX_NODES: usize = 8 << 20;

impl Arena {
    /// The arena that was packed. Anything that no arena could have packed is refused.
    pub fn unpack(streams: [&[u8]; 5]) -> Unpacked<Self> {
        check(streams[TAGS].len() <= MAX_NODES, "too many terms")?;
        let mut arena = Self::new();
        arena.reserve(streams[TAGS].len());
        let mut unpacker = Unpacker {
            streams: streams.map(Stream),
            last: Last::default(),
            kids: Vec::new(),
            reference: Vec::new(),
        };
        for (id, tag) in streams[TAGS].iter().enumerate() {
            unpacker.slot(&mut arena, id as u32, Tag::from_u8(*tag)?)?;
        }
        if unpacker.streams[LINKS..].iter().any(|stream| !stream.0.is_empty()) {
            return Err(BadPack("bytes left over"));
        }
        Ok(arena)
    }

    fn reserve(&mut self, nodes: usize) {
        self.slots.reserve_exact(nodes);
        self.hashes.reserve_exact(nodes);
    }
}

struct Stream<'a>(&'a [u8]);

impl<'a> Stream<'a> {
    fn take(&mut self, n: u64) -> Unpacked<&'a [u8]> {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let (taken, rest) = self.0.split_at_checked(n).ok_or(BadPack("a stream ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Unpacked<u64> {
        let (value, used) = read_varint(self.0).map_err(|_| BadPack("a number that is none"))?;
        self.0 = &self.0[used..];
        Ok(value)
    }

    fn small(&mut self) -> Unpacked<u16> {
        u16::try_from(self.varint()?).map_err(|_| BadPack("a number out of range"))
    }

    fn link(&mut self, id: u32) -> Unpacked<NodeId> {
        let link = self.varint()?;
        let kid = match (link & 1, u32::try_from(link >> 1)) {
            (0, Ok(distance)) if distance > 0 => id.checked_sub(distance),
            (1, Ok(kid)) if kid < id => Some(kid),
            _ => None,
        };
        kid.map(NodeId).ok_or(BadPack("a link that does not point back"))
    }
}

struct Unpacker<'a> {
    streams: [Stream<'a>; 5],
    last: Last,
    kids: Vec<NodeId>,
    reference: Vec<u8>,
}

impl Unpacker<'_> {
    fn slot(&mut self, arena: &mut Arena, id: u32, tag: Tag) -> Unpacked<()> {
        let [_, links, sizes, numbers, bytes] = &mut self.streams;
        let mut reference = std::mem::take(&mut self.reference);
        reference.clear();
        let draft = match tag {
            Tag::Atom | Tag::Int | Tag::Pid => {
                let last = self.last.of(tag);
                *last = last.wrapping_add(unzigzag(numbers.varint()?) as u64);
                Draft::new(tag, Body::Word(*last))
            }
            Tag::Float => Draft::new(tag, Body::Word(word(bytes.take(8)?))),
            Tag::Truncated | Tag::Redacted => Draft::with(tag, kind(sizes)?, Body::Word(sizes.varint()?)),
            Tag::Ref => {
                for i in 0..sizes.varint()? {
                    let last = self.last.word(usize::try_from(i).unwrap_or(usize::MAX));
                    *last = last.wrapping_add(unzigzag(numbers.varint()?) as u32);
                    reference.extend_from_slice(&last.to_le_bytes());
                }
                Draft::new(tag, Body::Bytes(&reference))
            }
            Tag::Binary => Draft::new(tag, Body::Bytes(bytes.take(sizes.varint()?)?)),
            Tag::Export => {
                let content = bytes.take(sizes.varint()?)?;
                check(content.len() == 20, "a function name of the wrong size")?;
                Draft::new(tag, Body::Bytes(content))
            }
            Tag::Big => Draft::with(tag, sizes.small()?.min(1), Body::Bytes(bytes.take(sizes.varint()?)?)),
            Tag::Bits => {
                let used = sizes.small()?;
                let content = bytes.take(sizes.varint()?)?;
                check(
                    (1..=7).contains(&used) && !content.is_empty(),
                    "a bitstring that is none",
                )?;
                Draft::with(tag, used, Body::Bytes(content))
            }
            Tag::External => Draft::with(tag, kind(sizes)?, Body::Bytes(bytes.take(sizes.varint()?)?)),
            Tag::Opaque => {
                let kind = kind(sizes)?;
                let text = bytes.take(sizes.varint()?)?;
                check(std::str::from_utf8(text).is_ok(), "text that is no UTF-8")?;
                Draft::with(tag, kind, Body::Bytes(text))
            }
            Tag::List | Tag::Seq | Tag::Tuple | Tag::Map => {
                let count = sizes.varint()?;
                self.kids.clear();
                for _ in 0..count {
                    self.kids.push(links.link(id)?);
                }
                container(arena, tag, &self.kids)?
            }
            Tag::Trie => {
                let head = sizes.take(3)?;
                let bitmap = u16::from_le_bytes([head[1], head[2]]);
                self.kids.clear();
                for _ in 0..bitmap.count_ones() {
                    self.kids.push(links.link(id)?);
                }
                trie(arena, head[0], bitmap, &self.kids)?
            }
            Tag::Improper => {
                let (list, tail) = (links.link(id)?, links.link(id)?);
                let tail_is_list = matches!(arena.slot(tail).tag, Tag::List | Tag::Seq | Tag::Improper);
                check(is_list(arena, list) && !tail_is_list, "an improper list that is none")?;
                Draft::new(tag, Body::Two(list, tail))
            }
            Tag::TruncatedList | Tag::TruncatedMap | Tag::TruncatedTuple | Tag::TruncatedBinary => {
                let full = sizes.varint()?;
                let known = links.link(id)?;
                check(may_be_known(tag, arena.slot(known).tag), "a cut term of the wrong kind")?;
                Draft::new(tag, Body::Cut(full, known))
            }
        };
        // Whether it is there already nobody looks up: whoever writes a file may say what he likes in it.
        let hash = arena.hash_of(&draft);
        let slot = arena.store_body(&draft).ok_or(BadPack("too many terms"))?;
        arena.add_unlisted(slot, hash);
        self.reference = reference;
        Ok(())
    }
}

fn check(holds: bool, what: &'static str) -> Unpacked<()> {
    if holds {
        Ok(())
    } else {
        Err(BadPack(what))
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn kind(sizes: &mut Stream<'_>) -> Unpacked<u16> {
    let kind = sizes.small()?;
    let known = u8::try_from(kind).ok().and_then(Kind::from_u8);
    known.map(|_| kind).ok_or(BadPack("an unknown kind of term"))
}

fn is_list(arena: &Arena, id: NodeId) -> bool {
    matches!(arena.slot(id).tag, Tag::List | Tag::Seq)
}

fn may_be_known(cut: Tag, known: Tag) -> bool {
    match cut {
        Tag::TruncatedList => matches!(known, Tag::List | Tag::Seq),
        Tag::TruncatedMap => matches!(known, Tag::Map | Tag::Trie),
        Tag::TruncatedTuple => known == Tag::Tuple,
        _ => known == Tag::Binary,
    }
}

fn container<'k>(arena: &Arena, tag: Tag, kids: &'k [NodeId]) -> Unpacked<Draft<'k>> {
    let draft = |level, count| Draft {
        tag,
        level,
        aux: 0,
        body: Body::Kids(kids, count),
    };
    let len = u32::try_from(kids.len()).map_err(|_| BadPack("too many parts"))?;
    match tag {
        Tag::Tuple => Ok(draft(0, 0)),
        Tag::List => Ok(draft(0, len)),
        Tag::Map => {
            let order = |pair: &[NodeId]| (arena.hash(pair[0]), pair[0]);
            let sorted = kids
                .chunks_exact(2)
                .zip(kids.chunks_exact(2).skip(1))
                .all(|(a, b)| order(a) < order(b));
            check(len % 2 == 0 && sorted, "a map whose pairs are out of order")?;
            Ok(draft(0, len / 2))
        }
        _ => {
            let below = kids.first().map(|kid| (arena.slot(*kid).tag, arena.slot(*kid).level()));
            let (first, level) = below.ok_or(BadPack("an empty part of a list"))?;
            let alike = kids
                .iter()
                .all(|kid| (arena.slot(*kid).tag, arena.slot(*kid).level()) == (first, level));
            check(
                alike && is_list(arena, kids[0]) && level < 100,
                "parts of a list that do not fit",
            )?;
            Ok(draft(level + 1, sum(arena, kids)?))
        }
    }
}

fn trie<'k>(arena: &Arena, level: u8, bitmap: u16, kids: &'k [NodeId]) -> Unpacked<Draft<'k>> {
    let fits = |kid: &NodeId| match arena.slot(*kid).tag {
        Tag::Map => true,
        Tag::Trie => arena.slot(*kid).level() == level + 1,
        _ => false,
    };
    check(
        level < 16 && !kids.is_empty() && kids.iter().all(fits),
        "parts of a map that do not fit",
    )?;
    Ok(Draft {
        tag: Tag::Trie,
        level,
        aux: bitmap,
        body: Body::Kids(kids, sum(arena, kids)?),
    })
}

fn sum(arena: &Arena, kids: &[NodeId]) -> Unpacked<u32> {
    let total = kids
        .iter()
        .try_fold(0u32, |sum, kid| sum.checked_add(arena.slot(*kid).c));
    total.ok_or(BadPack("a container too large"))
}
