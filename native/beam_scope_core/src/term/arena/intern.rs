//! Terms on their way in: from wire form, and from owned trees.

use super::node::{Body, Draft, Tag};
use super::{Arena, Lookup, NodeId, Place};
use crate::term::wire::{self, Shape, Sink, Token, WireError};
use crate::term::{Kind, Value};

/// Stacks kept between calls.
#[derive(Clone, Default)]
pub(super) struct Scratch {
    items: Vec<NodeId>,
    frames: Vec<wire::Frame>,
}

impl Scratch {
    /// A deep or wide term must not keep its stacks alive for ever.
    const KEEP: usize = 1 << 14;

    pub(super) fn bytes(&self) -> usize {
        self.items.capacity() * 4 + self.frames.capacity() * size_of::<wire::Frame>()
    }

    fn trimmed(mut self) -> Self {
        self.items.truncate(0);
        self.frames.truncate(0);
        self.items.shrink_to(Self::KEEP);
        self.frames.shrink_to(Self::KEEP);
        self
    }
}

struct Interner<'a>(&'a mut Arena);

impl Sink for Interner<'_> {
    type Item = NodeId;

    fn leaf(&mut self, _at: usize, token: Token<'_>) -> NodeId {
        self.0.put_leaf(token)
    }

    fn close(&mut self, _at: usize, shape: Shape, items: &mut Vec<NodeId>, start: usize) -> NodeId {
        let id = self.0.put_shape(shape, &items[start..]);
        items.truncate(start);
        id
    }
}

impl Arena {
    /// Interns the first term of `bytes`; also how many bytes it took. Back references are refused.
    pub fn intern_wire(&mut self, bytes: &[u8]) -> Result<(NodeId, usize), WireError> {
        let Scratch { mut items, mut frames } = std::mem::take(&mut self.scratch);
        let result = wire::parse_with(bytes, &mut Interner(self), &mut items, &mut frames);
        self.scratch = Scratch { items, frames }.trimmed();
        result
    }

    /// Interns an owned term.
    pub fn intern(&mut self, value: &Value) -> NodeId {
        let mut bytes = Vec::new();
        wire::write(value, &mut bytes);
        // What `write` wrote, the reader reads; a term too odd for that (a bitstring of no bits) is shown as cut.
        self.intern_wire(&bytes).map_or_else(|_| self.overflow(), |(id, _)| id)
    }

    /// The node of an owned term, if the arena has it.
    #[must_use]
    pub fn find(&self, value: &Value) -> Option<NodeId> {
        let mut bytes = Vec::new();
        wire::write(value, &mut bytes);
        wire::parse(&bytes, &mut Finder(Lookup(self))).ok()?.0
    }
}

/// Finds what is there. An item is `None` when some part of it is not.
struct Finder<'a>(Lookup<'a>);

impl Sink for Finder<'_> {
    type Item = Option<NodeId>;

    fn leaf(&mut self, _at: usize, token: Token<'_>) -> Option<NodeId> {
        place_leaf(&mut self.0, token)
    }

    fn close(&mut self, _at: usize, shape: Shape, items: &mut Vec<Option<NodeId>>, start: usize) -> Option<NodeId> {
        let parts: Option<Vec<NodeId>> = items.drain(start..).collect();
        place_shape(&mut self.0, shape, &parts?)
    }
}

impl Arena {
    /// A term without parts.
    pub(crate) fn put_leaf(&mut self, token: Token<'_>) -> NodeId {
        place_leaf(self, token).unwrap_or_else(|| self.overflow())
    }

    /// A term of these parts.
    pub(crate) fn put_shape(&mut self, shape: Shape, parts: &[NodeId]) -> NodeId {
        place_shape(self, shape, parts).unwrap_or_else(|| self.overflow())
    }

    /// A list of which only these elements, a list themselves, are known.
    pub(crate) fn put_cut_list(&mut self, full: u64, known: NodeId) -> NodeId {
        self.put(Draft::new(Tag::TruncatedList, Body::Cut(full, known)))
    }

    /// A list that ends with a tail that is none.
    pub(crate) fn put_improper(&mut self, list: NodeId, tail: NodeId) -> NodeId {
        if self.list_len(list) == 0 {
            return tail;
        }
        self.put(Draft::new(Tag::Improper, Body::Two(list, tail)))
    }

    /// A map of which only these pairs, a map themselves, are known.
    pub(crate) fn put_cut_map(&mut self, full: u64, known: NodeId) -> NodeId {
        self.put(Draft::new(Tag::TruncatedMap, Body::Cut(full, known)))
    }
}

fn place_leaf(place: &mut impl Place, token: Token<'_>) -> Option<NodeId> {
    let mut export = [0u8; 20];
    let draft = match token {
        Token::Atom(id) => Draft::new(Tag::Atom, Body::Word(id.0)),
        Token::Int(n) => Draft::new(Tag::Int, Body::Word(n as u64)),
        Token::Big(negative, magnitude) => Draft::with(Tag::Big, u16::from(negative), Body::Bytes(magnitude)),
        Token::Float(bits) if cfg!(mutant = "arena_one_zero") && bits << 1 == 0 => {
            Draft::new(Tag::Float, Body::Word(0))
        }
        Token::Float(bits) => Draft::new(Tag::Float, Body::Word(bits)),
        Token::Binary(bytes) => Draft::new(Tag::Binary, Body::Bytes(bytes)),
        Token::Bits(bytes, used) => Draft::with(Tag::Bits, u16::from(used), Body::Bytes(bytes)),
        Token::TruncBinary(full, bytes) => {
            let known = place.place(Draft::new(Tag::Binary, Body::Bytes(bytes)))?;
            Draft::new(Tag::TruncatedBinary, Body::Cut(full, known))
        }
        Token::Trunc(kind, size) => Draft::with(Tag::Truncated, kind as u16, Body::Word(size)),
        Token::Redacted(kind, size) => Draft::with(Tag::Redacted, kind as u16, Body::Word(size)),
        Token::Pid(word) => Draft::new(Tag::Pid, Body::Word(word)),
        Token::Ref(words) => Draft::new(Tag::Ref, Body::Bytes(words)),
        Token::External(kind, bytes) => Draft::with(Tag::External, kind as u16, Body::Bytes(bytes)),
        Token::Export(module, function, arity) => {
            export[..8].copy_from_slice(&module.0.to_le_bytes());
            export[8..16].copy_from_slice(&function.0.to_le_bytes());
            export[16..].copy_from_slice(&arity.to_le_bytes());
            Draft::new(Tag::Export, Body::Bytes(&export))
        }
        Token::Opaque(kind, text) => Draft::with(Tag::Opaque, kind as u16, Body::Bytes(text.as_bytes())),
        Token::Nil => Draft::new(Tag::List, Body::Kids(&[], 0)),
        // Structural tokens are no leaves; the parser never hands one over.
        _ => Draft::with(Tag::Truncated, Kind::Tuple as u16, Body::Word(0)),
    };
    place.place(draft)
}

fn place_shape(place: &mut impl Place, shape: Shape, parts: &[NodeId]) -> Option<NodeId> {
    match shape {
        Shape::List => super::list::build(place, parts),
        Shape::Improper => super::list::build_improper(place, parts),
        Shape::TruncatedList(full) => {
            let known = super::list::build(place, parts)?;
            place.place(Draft::new(Tag::TruncatedList, Body::Cut(full, known)))
        }
        Shape::Tuple => place.place(tuple(parts)),
        Shape::TruncatedTuple(full) => {
            let known = place.place(tuple(parts))?;
            place.place(Draft::new(Tag::TruncatedTuple, Body::Cut(full, known)))
        }
        Shape::Map => super::map::build(place, parts),
        Shape::TruncatedMap(full) => {
            let known = super::map::build(place, parts)?;
            place.place(Draft::new(Tag::TruncatedMap, Body::Cut(full, known)))
        }
        // Only of sinks that take streams.
        Shape::Tree(_) | Shape::Node | Shape::Pair => {
            place.place(Draft::with(Tag::Truncated, Kind::Map as u16, Body::Word(0)))
        }
    }
}

fn tuple(parts: &[NodeId]) -> Draft<'_> {
    Draft::new(Tag::Tuple, Body::Kids(parts, 0))
}
