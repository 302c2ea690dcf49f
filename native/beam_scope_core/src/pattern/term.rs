//! Terms as patterns see them: nodes of the recording's arena, literals of the pattern, and what guards compute.

use std::borrow::Cow;

use super::bits::BitStr;
use super::number::{Int, Number};
use super::Why;
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::{AtomId, Kind, Opaque, Value};

/// A term, wherever it lives.
#[derive(Clone, Debug)]
pub(super) enum Term<'a> {
    /// A node of either arena.
    Node(&'a Arena, NodeId),
    /// What is left of a list from this index on.
    Tail(&'a Arena, NodeId, usize),
    Int(Int<'a>),
    Float(f64),
    Bool(bool),
    Bits(BitStr<'a>),
    Hidden(Hidden),
}

/// A part that was cut off or redacted. The kind is `None` where not even that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hidden {
    pub(super) kind: Option<Kind>,
    pub(super) why: Why,
    pub(super) size: u64,
}

impl Hidden {
    pub(super) fn unknown(why: Why) -> Self {
        Self {
            kind: None,
            why,
            size: 0,
        }
    }
}

/// What a term is, one level deep. Truncated tuples, maps, lists and binaries of known size look like whole ones of which
/// only a part can be seen.
#[derive(Clone, Debug)]
pub(super) enum View<'a> {
    Atom(AtomId),
    Bool(bool),
    Number(Number<'a>),
    Bits(BitStr<'a>),
    Tuple(Elements<'a>),
    Map(Pairs<'a>),
    Nil,
    List(List<'a>),
    Pid(u64),
    Ref(&'a [u8]),
    External(Kind, &'a [u8]),
    Export(AtomId, AtomId, u32),
    Opaque(Kind, &'a str),
    Hidden(Hidden),
}

/// A tuple: the elements that are known, a prefix, and its arity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    pub(super) arena: &'a Arena,
    pub(super) known: &'a [NodeId],
    pub(super) arity: u64,
    pub(super) why: Why,
}

impl<'a> Elements<'a> {
    pub(super) fn get(&self, index: usize) -> Term<'a> {
        match self.known.get(index) {
            Some(id) => Term::Node(self.arena, *id),
            None => Term::Hidden(Hidden::unknown(self.why)),
        }
    }
}

/// A map: a node whose pairs are those known, and its size, if that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<'a> {
    pub(super) arena: &'a Arena,
    pub(super) id: NodeId,
    pub(super) known: usize,
    pub(super) size: Option<u64>,
    pub(super) why: Why,
}

impl Pairs<'_> {
    /// Whether every pair is there to be seen.
    pub(super) fn whole(&self) -> bool {
        self.size == Some(self.known as u64)
    }
}

/// A list that is not empty, from some element on.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'a> {
    pub(super) arena: &'a Arena,
    pub(super) id: NodeId,
    pub(super) from: usize,
    /// Elements known from there on. 0 only where the list was cut.
    pub(super) known: usize,
    pub(super) end: End,
}

/// What follows the known elements of a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Nil,
    Tail(NodeId),
    /// This many more elements, if that is known; a list whose length is known is proper.
    Cut(Option<u64>, Why),
}

impl<'a> List<'a> {
    pub(super) fn get(&self, index: usize) -> Term<'a> {
        match self.arena.list_get(self.id, self.from + index) {
            Some(id) if index < self.known => Term::Node(self.arena, id),
            _ => Term::Hidden(Hidden::unknown(self.why())),
        }
    }

    /// The list without its first elements.
    pub(super) fn rest(&self, skip: usize) -> Term<'a> {
        Term::Tail(self.arena, self.id, self.from + skip)
    }

    pub(super) fn why(&self) -> Why {
        match self.end {
            End::Cut(_, why) => why,
            _ => Why::Truncated,
        }
    }

    /// The length, where the list is proper and its length known.
    pub(super) fn len(&self) -> Option<u64> {
        match self.end {
            End::Nil => Some(self.known as u64),
            End::Cut(Some(more), _) => Some(self.known as u64 + more),
            _ => None,
        }
    }
}

impl<'a> Term<'a> {
    pub(super) fn view(&self) -> View<'a> {
        match self {
            Self::Node(arena, id) => view_node(arena, *id),
            Self::Tail(arena, id, from) => view_list(arena, *id, *from),
            Self::Int(n) => View::Number(Number::Int(n.clone())),
            Self::Float(f) => View::Number(Number::Float(*f)),
            Self::Bool(b) => View::Bool(*b),
            Self::Bits(bits) => View::Bits(*bits),
            Self::Hidden(hidden) => View::Hidden(*hidden),
        }
    }

    pub(super) fn number(n: Number<'a>) -> Self {
        match n {
            Number::Int(n) => Self::Int(n),
            Number::Float(f) => Self::Float(f),
        }
    }

    pub(super) fn int(n: u64) -> Self {
        Self::Int(Int::Small(i128::from(n)))
    }

    /// The same node of the same arena.
    pub(super) fn is_same_node(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Node(a, i), Self::Node(b, j)) => std::ptr::eq(*a, *b) && i == j,
            (Self::Tail(a, i, m), Self::Tail(b, j, n)) => std::ptr::eq(*a, *b) && i == j && m == n,
            _ => false,
        }
    }

    /// Whether all of it was captured.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Node(arena, id) | Self::Tail(arena, id, _) => arena.is_complete(*id),
            Self::Bits(bits) => bits.cut.is_none(),
            Self::Hidden(_) => false,
            _ => true,
        }
    }
}

fn view_node(arena: &Arena, id: NodeId) -> View<'_> {
    match arena.node(id) {
        Node::Atom(atom) => View::Atom(atom),
        Node::Int(n) => View::Number(Number::Int(Int::Small(i128::from(n)))),
        Node::Big(negative, bytes) => View::Number(Number::Int(Int::from_magnitude(negative, Cow::Borrowed(bytes)))),
        Node::Float(bits) => View::Number(Number::Float(f64::from_bits(bits))),
        Node::Binary(bytes) => View::Bits(BitStr::whole(bytes, bytes.len() * 8)),
        Node::Bits(bytes, used) => {
            let len = (bytes.len() * 8).saturating_sub(8 - usize::from(used));
            View::Bits(BitStr::whole(bytes, len))
        }
        Node::Tuple(known) => tuple(arena, known, known.len() as u64, Why::Truncated),
        Node::TruncatedTuple(known, arity) => tuple(arena, known, arity.max(known.len() as u64), Why::Truncated),
        Node::Map { len } => map(arena, id, len, Some(len as u64), Why::Truncated),
        Node::TruncatedMap { known, full } => map(arena, id, known, size(full), Why::Truncated),
        Node::List { .. } | Node::Improper { .. } | Node::TruncatedList { .. } => view_list(arena, id, 0),
        Node::TruncatedBinary(bytes, full) => View::Bits(BitStr::prefix(bytes, size(full), true, Why::Truncated)),
        Node::Truncated(kind, full) => view_hidden(arena, id, kind, full, Why::Truncated),
        Node::Redacted(kind, full) => view_hidden(arena, id, kind, full, Why::Redacted),
        Node::Pid(word) => View::Pid(word),
        Node::Ref(words) => View::Ref(words),
        Node::External(kind, bytes) => View::External(kind, bytes),
        Node::Export(module, function, arity) => View::Export(module, function, arity),
        Node::Opaque(kind, text) => View::Opaque(kind, text),
    }
}

fn size(full: u64) -> Option<u64> {
    (full > 0).then_some(full)
}

fn tuple<'a>(arena: &'a Arena, known: &'a [NodeId], arity: u64, why: Why) -> View<'a> {
    View::Tuple(Elements {
        arena,
        known,
        arity,
        why,
    })
}

fn map(arena: &Arena, id: NodeId, known: usize, size: Option<u64>, why: Why) -> View<'_> {
    View::Map(Pairs {
        arena,
        id,
        known,
        size,
        why,
    })
}

// With its size known, a hidden container still tells what its size decides.
fn view_hidden(arena: &Arena, id: NodeId, kind: Kind, full: u64, why: Why) -> View<'_> {
    match kind {
        Kind::Tuple if full > 0 => tuple(arena, &[], full, why),
        Kind::Map => map(arena, id, 0, size(full), why),
        Kind::List if full > 0 => View::List(List {
            arena,
            id,
            from: 0,
            known: 0,
            end: End::Cut(Some(full), why),
        }),
        Kind::Binary if full > 0 => View::Bits(BitStr::prefix(&[], Some(full), false, why)),
        _ => View::Hidden(Hidden {
            kind: Some(kind),
            why,
            size: full,
        }),
    }
}

fn view_list(arena: &Arena, id: NodeId, from: usize) -> View<'_> {
    let (total, end) = match arena.node(id) {
        Node::List { len } => (len, End::Nil),
        Node::Improper { len, tail } => (len, End::Tail(tail)),
        Node::TruncatedList { known, full } => {
            let more = full.checked_sub(known as u64).filter(|_| full > 0);
            (known, End::Cut(more, Why::Truncated))
        }
        Node::Truncated(Kind::List, full) => (0, End::Cut(size(full), Why::Truncated)),
        Node::Redacted(Kind::List, full) => (0, End::Cut(size(full), Why::Redacted)),
        _ => return view_node(arena, id),
    };
    if from < total {
        return View::List(List {
            arena,
            id,
            from,
            known: total - from,
            end,
        });
    }
    let beyond = (from - total) as u64;
    match end {
        End::Nil => View::Nil,
        End::Tail(tail) => view_node(arena, tail),
        End::Cut(Some(more), _) if more == beyond => View::Nil,
        End::Cut(Some(more), why) if more > beyond => View::List(List {
            arena,
            id,
            from,
            known: 0,
            end: End::Cut(Some(more - beyond), why),
        }),
        End::Cut(_, why) => View::Hidden(Hidden::unknown(why)),
    }
}

/// A copy that stands on its own, for bindings.
pub(super) fn to_value(term: &Term<'_>) -> Option<Value> {
    Some(match term {
        Term::Node(arena, id) => arena.to_value(*id),
        Term::Tail(arena, id, from) => tail_to_value(arena, *id, *from),
        Term::Int(n) => int_to_value(n),
        Term::Float(f) => Value::Float(f.to_bits()),
        Term::Bits(bits) => bits.to_value(),
        Term::Hidden(Hidden {
            kind: Some(kind),
            why: Why::Redacted,
            size,
        }) => Value::Redacted(*kind, *size),
        Term::Hidden(Hidden {
            kind: Some(kind), size, ..
        }) => Value::Truncated(*kind, *size),
        Term::Hidden(_) | Term::Bool(_) => return None,
    })
}

fn int_to_value(n: &Int<'_>) -> Value {
    match n {
        Int::Small(n) => match i64::try_from(*n) {
            Ok(n) => Value::Int(n),
            Err(_) => {
                let mut bytes = n.unsigned_abs().to_le_bytes().to_vec();
                while bytes.last() == Some(&0) {
                    bytes.pop();
                }
                Value::Big(*n < 0, bytes)
            }
        },
        Int::Big(negative, bytes) => Value::Big(*negative, bytes.to_vec()),
    }
}

fn tail_to_value(arena: &Arena, id: NodeId, from: usize) -> Value {
    let items = || {
        arena
            .list_iter(id)
            .skip(from)
            .map(|item| arena.to_value(item))
            .collect::<Vec<_>>()
    };
    match view_list(arena, id, from) {
        View::Nil => Value::List(Vec::new()),
        View::List(list) => match list.end {
            End::Nil => Value::List(items()),
            End::Tail(tail) => Value::Improper(items(), Box::new(arena.to_value(tail))),
            End::Cut(Some(more), Why::Redacted) if list.known == 0 => Value::Redacted(Kind::List, more),
            End::Cut(Some(more), _) if list.known == 0 => Value::Truncated(Kind::List, more),
            End::Cut(more, _) => Value::TruncatedList(items(), more.map_or(0, |more| more + list.known as u64)),
        },
        View::Hidden(Hidden { size, .. }) => Value::Truncated(Kind::List, size),
        _ => match arena.node(id) {
            Node::Improper { tail, .. } => arena.to_value(tail),
            _ => Value::Opaque(Opaque {
                kind: Kind::List,
                text: String::new(),
            }),
        },
    }
}
