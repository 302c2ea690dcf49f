//! What a field holds in one state, as far as templates ask.

use crate::term::arena::{Arena, Node, NodeId};
use crate::term::{AtomId, Kind};

use super::atoms::{Atoms, Local, FALSE, NIL, TRUE};

/// The kinds of things that a field can hold, as Elixir's guards tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Sort {
    Nil,
    Boolean,
    Atom,
    Integer,
    Float,
    Binary,
    Bitstring,
    List,
    Map,
    Tuple,
    Pid,
    Reference,
    Function,
    Port,
}

impl Sort {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::Nil,
        Self::Boolean,
        Self::Atom,
        Self::Integer,
        Self::Float,
        Self::Binary,
        Self::Bitstring,
        Self::List,
        Self::Map,
        Self::Tuple,
        Self::Pid,
        Self::Reference,
        Self::Function,
        Self::Port,
    ];

    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Boolean => "boolean",
            Self::Atom => "atom",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Binary => "binary",
            Self::Bitstring => "bitstring",
            Self::List => "list",
            Self::Map => "map",
            Self::Tuple => "tuple",
            Self::Pid => "pid",
            Self::Reference => "reference",
            Self::Function => "function",
            Self::Port => "port",
        }
    }

    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Content {
    /// There is no such field.
    Absent,
    /// It was cut, redacted, or nobody knows.
    Unknown,
    Int(i64),
    /// An integer beyond 64 bits.
    Big,
    Float(f64),
    Atom(Sort),
    /// A proper list, and its length.
    List(u64),
    Improper,
    Map(u64),
    /// A pair of two proper lists, as a queue is: how many are in both.
    Queue(u64),
    Tuple,
    /// Anything else.
    Other(Sort),
}

/// A number that templates calculate with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub(super) const fn as_f64(self) -> f64 {
        match self {
            Self::Int(n) => n as f64,
            Self::Float(n) => n,
        }
    }
}

/// A field in one state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) node: NodeId,
    pub(super) hash: u64,
    pub(super) content: Content,
    /// Nothing below was cut or redacted, so that it can be compared.
    pub(super) whole: bool,
}

impl Cell {
    pub(super) const ABSENT: Self = Self {
        node: NodeId(0),
        hash: 0,
        content: Content::Absent,
        whole: false,
    };
    pub(super) const UNKNOWN: Self = Self {
        content: Content::Unknown,
        ..Self::ABSENT
    };

    pub(super) fn read(local: &mut Local, atoms: &mut Atoms, arena: &Arena, node: NodeId) -> Self {
        Self {
            node,
            hash: arena.content_hash(node),
            content: content(local, atoms, arena, node),
            whole: arena.is_complete(node),
        }
    }

    /// The number that it is, or with `size` how many it has.
    pub(super) const fn number(&self, size: bool) -> Option<Number> {
        match (self.content, size) {
            (Content::Int(n), false) => Some(Number::Int(n)),
            (Content::Float(n), false) => Some(Number::Float(n)),
            (Content::List(n) | Content::Map(n) | Content::Queue(n), true) => Some(Number::Int(n as i64)),
            _ => None,
        }
    }

    pub(super) const fn int(&self, size: bool) -> Option<i64> {
        match self.number(size) {
            Some(Number::Int(n)) => Some(n),
            _ => None,
        }
    }

    pub(super) const fn sort(&self) -> Option<Sort> {
        Some(match self.content {
            Content::Absent | Content::Unknown => return None,
            Content::Int(_) | Content::Big => Sort::Integer,
            Content::Float(_) => Sort::Float,
            Content::List(_) | Content::Improper => Sort::List,
            Content::Map(_) => Sort::Map,
            Content::Queue(_) | Content::Tuple => Sort::Tuple,
            Content::Atom(sort) | Content::Other(sort) => sort,
        })
    }

    /// Whether it is known to hold something.
    pub(super) const fn is_known(&self) -> bool {
        !matches!(self.content, Content::Absent | Content::Unknown)
    }
}

fn content(local: &mut Local, atoms: &mut Atoms, arena: &Arena, node: NodeId) -> Content {
    match arena.node(node) {
        Node::Int(n) => Content::Int(n),
        Node::Big(..) => Content::Big,
        Node::Float(bits) => Content::Float(f64::from_bits(bits)),
        Node::Atom(id) => Content::Atom(atom_sort(local.shared(atoms, id))),
        Node::Binary(_) => Content::Other(Sort::Binary),
        Node::Bits(..) => Content::Other(Sort::Bitstring),
        Node::List { len } => Content::List(len as u64),
        Node::Improper { .. } => Content::Improper,
        Node::Map { len } => Content::Map(len as u64),
        Node::Tuple(items) => tuple(arena, items),
        Node::Pid(_) => Content::Other(Sort::Pid),
        Node::Ref(_) => Content::Other(Sort::Reference),
        Node::Export(..) => Content::Other(Sort::Function),
        Node::External(kind, _) | Node::Opaque(kind, _) => identity(kind).map_or(Content::Unknown, Content::Other),
        Node::TruncatedTuple(..) => Content::Tuple,
        Node::TruncatedList { .. }
        | Node::TruncatedMap { .. }
        | Node::TruncatedBinary(..)
        | Node::Truncated(..)
        | Node::Redacted(..) => Content::Unknown,
    }
}

fn atom_sort(atom: Option<AtomId>) -> Sort {
    match atom {
        Some(NIL) => Sort::Nil,
        Some(TRUE | FALSE) => Sort::Boolean,
        _ => Sort::Atom,
    }
}

fn tuple(arena: &Arena, items: &[NodeId]) -> Content {
    let length = |node: NodeId| match arena.node(node) {
        Node::List { len } => Some(len as u64),
        _ => None,
    };
    let queue = match *items {
        [a, b] => length(a).zip(length(b)),
        _ => None,
    };
    queue.map_or(Content::Tuple, |(a, b)| Content::Queue(a + b))
}

const fn identity(kind: Kind) -> Option<Sort> {
    match kind {
        Kind::Pid => Some(Sort::Pid),
        Kind::Port => Some(Sort::Port),
        Kind::Reference => Some(Sort::Reference),
        Kind::Fun => Some(Sort::Function),
        _ => None,
    }
}
