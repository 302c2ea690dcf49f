//! What kind of message a term is.

use crate::term::arena::{Arena, Node, NodeId};
use crate::term::Value;

use super::atoms::{Atoms, Local};
use super::candidate::Tag;

/// So many elements behind the first are looked at.
pub(super) const MOST_ARGS: usize = 3;

/// A message as far as its kind is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Of this kind.
    Is(Tag),
    /// Of none that a pattern could name in short.
    None,
    /// Nobody knows: it was cut or redacted.
    Unknown,
}

/// The kind of a message.
pub(super) fn kind(local: &mut Local, atoms: &mut Atoms, arena: &Arena, node: NodeId) -> Kind {
    let mut of = |id| local.shared(atoms, id);
    match arena.node(node) {
        Node::Atom(id) => of(id).map_or(Kind::Unknown, |atom| Kind::Is(Tag::Atom(atom))),
        Node::Tuple(items) => tuple(&mut of, arena, items, items.len() as u64),
        Node::TruncatedTuple(items, arity) => tuple(&mut of, arena, items, arity),
        Node::Map { .. } => structure(local, atoms, arena, node).unwrap_or(Kind::None),
        Node::TruncatedMap { .. } => structure(local, atoms, arena, node).unwrap_or(Kind::Unknown),
        Node::Truncated(..) | Node::Redacted(..) => Kind::Unknown,
        _ => Kind::None,
    }
}

fn tuple(
    of: &mut impl FnMut(crate::term::AtomId) -> Option<crate::term::AtomId>,
    arena: &Arena,
    items: &[NodeId],
    arity: u64,
) -> Kind {
    match items.first().map(|head| arena.node(*head)) {
        Some(Node::Atom(id)) => of(id).map_or(Kind::Unknown, |head| Kind::Is(Tag::Tuple(head, arity as usize))),
        Some(Node::Truncated(..) | Node::Redacted(..)) => Kind::Unknown,
        None if arity > 0 => Kind::Unknown,
        _ => Kind::None,
    }
}

fn structure(local: &mut Local, atoms: &mut Atoms, arena: &Arena, node: NodeId) -> Option<Kind> {
    let key = atoms.of_text("__struct__");
    let own = local.own(key).or_else(|| {
        let mut keys = arena.map_iter(node).filter_map(|(key, _)| match arena.node(key) {
            Node::Atom(id) => Some(id),
            _ => None,
        });
        keys.find(|id| local.shared(atoms, *id) == Some(key))
    })?;
    let key = arena.find(&Value::Atom(own))?;
    match arena.map_get(node, key).map(|module| arena.node(module)) {
        Some(Node::Atom(id)) => Some(
            local
                .shared(atoms, id)
                .map_or(Kind::Unknown, |id| Kind::Is(Tag::Struct(id))),
        ),
        _ => None,
    }
}

/// The elements of a message behind its name, the first ones; `None` for those that were cut away.
pub(super) fn args(arena: &Arena, node: NodeId) -> [Option<NodeId>; MOST_ARGS] {
    let items = match arena.node(node) {
        Node::Tuple(items) | Node::TruncatedTuple(items, _) => items,
        _ => &[],
    };
    std::array::from_fn(|at| items.get(at + 1).copied())
}
