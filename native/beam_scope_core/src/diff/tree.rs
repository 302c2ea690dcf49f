//! Which kind of comparison two terms get.
//!
//! Recursion follows what differs, down to [`MAX_DEPTH`] and no deeper.

use std::cell::Cell;
use std::time::Instant;

use super::{Diff, Hidden, TupleDiff, Why, MAX_DEPTH};
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::Kind;

/// One comparison.
pub(super) struct Walk<'a> {
    pub(super) arena: &'a Arena,
    pub(super) struct_key: Option<NodeId>,
    pub(super) map_set: Option<NodeId>,
    pub(super) map_set_field: Option<NodeId>,
    pub(super) until: Instant,
    pub(super) max_align: usize,
    /// How many more pairs of terms may be looked into. A term whose parts are shared may have exponentially many places.
    pub(super) fuel: Cell<usize>,
}

/// What two terms have in common that they can be compared by.
enum Shape<'a> {
    Maps,
    Tuples(&'a [NodeId], &'a [NodeId]),
    Lists,
    Bytes(&'a [u8], &'a [u8]),
    Different,
}

impl Walk<'_> {
    pub(super) fn diff(&self, a: NodeId, b: NodeId, depth: usize) -> Diff {
        if self.is_same(a, b) {
            return Diff::Same;
        }
        let Some(fuel) = self.fuel.get().checked_sub(1).filter(|_| depth < MAX_DEPTH) else {
            return self.whole(a, b);
        };
        self.fuel.set(fuel);
        match self.shape(a, b) {
            Shape::Maps => self.maps(a, b, depth),
            Shape::Tuples(x, y) => self.tuples(a, b, (x, y), depth),
            Shape::Lists => self.lists(a, b, depth),
            Shape::Bytes(x, y) => self.bytes(a, b, x, y),
            Shape::Different => self.whole(a, b),
        }
    }

    /// The same for sure: the same node, and nothing of it hidden.
    pub(super) fn is_same(&self, a: NodeId, b: NodeId) -> bool {
        if cfg!(mutant = "diff-truncated-is-same") {
            return a == b;
        }
        a == b && self.arena.is_complete(a)
    }

    /// Two terms that are not looked into: replaced, if they differ for sure.
    pub(super) fn whole(&self, a: NodeId, b: NodeId) -> Diff {
        match self.hides(a, b) {
            Some(why) if !self.differ(a, b) => Diff::Unknown(why, b),
            _ => Diff::Replace(a, b),
        }
    }

    /// Why either term is not wholly there, if so.
    pub(super) fn hides(&self, a: NodeId, b: NodeId) -> Option<Why> {
        let incomplete = [a, b].into_iter().find(|id| !self.arena.is_complete(*id))?;
        Some(match self.arena.node(incomplete) {
            Node::Redacted(..) => Why::Redacted,
            _ => Why::Truncated,
        })
    }

    /// Whether kind and size alone tell that two terms differ.
    fn differ(&self, a: NodeId, b: NodeId) -> bool {
        let ((kind_a, size_a), (kind_b, size_b)) =
            (kind_and_size(self.arena.node(a)), kind_and_size(self.arena.node(b)));
        kind_a != kind_b || matches!((size_a, size_b), (Some(x), Some(y)) if x != y)
    }

    fn shape(&self, a: NodeId, b: NodeId) -> Shape<'_> {
        match (self.arena.node(a), self.arena.node(b)) {
            (Node::Map { .. } | Node::TruncatedMap { .. }, Node::Map { .. } | Node::TruncatedMap { .. }) => {
                if self.same_name(a, b) {
                    Shape::Maps
                } else {
                    Shape::Different
                }
            }
            (Node::List { .. } | Node::TruncatedList { .. }, Node::List { .. } | Node::TruncatedList { .. }) => {
                Shape::Lists
            }
            (Node::Tuple(x), Node::Tuple(y)) if x.len() == y.len() => Shape::Tuples(x, y),
            (Node::Tuple(x), Node::TruncatedTuple(y, n)) if x.len() as u64 == n => Shape::Tuples(x, y),
            (Node::TruncatedTuple(x, n), Node::Tuple(y)) if y.len() as u64 == n => Shape::Tuples(x, y),
            (Node::TruncatedTuple(x, n), Node::TruncatedTuple(y, m)) if n == m => Shape::Tuples(x, y),
            (Node::Binary(x) | Node::TruncatedBinary(x, _), Node::Binary(y) | Node::TruncatedBinary(y, _)) => {
                Shape::Bytes(x, y)
            }
            _ => Shape::Different,
        }
    }

    /// Both are structs of one name, or neither is one. Of a cut map the name may be missing: then it is no obstacle.
    fn same_name(&self, a: NodeId, b: NodeId) -> bool {
        match (self.name(a), self.name(b)) {
            (Some(x), Some(y)) => x == y,
            (None, None) => true,
            (None, Some(_)) => !self.arena.is_complete(a),
            (Some(_), None) => !self.arena.is_complete(b),
        }
    }

    /// A struct's name, as a node.
    pub(super) fn name(&self, id: NodeId) -> Option<NodeId> {
        let name = self.arena.map_get(id, self.struct_key?)?;
        matches!(self.arena.node(name), Node::Atom(_)).then_some(name)
    }

    fn tuples(&self, a: NodeId, b: NodeId, known: (&[NodeId], &[NodeId]), depth: usize) -> Diff {
        let shared = known.0.len().min(known.1.len());
        let pairs = known.0.iter().zip(known.1).enumerate();
        let changes: Vec<(usize, Diff)> = pairs
            .map(|(at, (x, y))| (at, self.diff(*x, *y, depth + 1)))
            .filter(|(_, diff)| !diff.is_same())
            .collect();
        let unchanged = shared - changes.len();
        let hidden = self.hidden(a, b);
        if changes.is_empty() {
            return self.nothing_found(a, b, hidden);
        }
        // Nothing in common: two tuples, not one that changed.
        if unchanged == 0 && hidden.is_none() && changes.iter().all(|(_, d)| matches!(d, Diff::Replace(..))) {
            return Diff::Replace(a, b);
        }
        Diff::Tuple(TupleDiff {
            changes,
            unchanged,
            hidden,
        })
    }

    /// What hides parts of these containers themselves, if they are cut.
    pub(super) fn hidden(&self, a: NodeId, b: NodeId) -> Option<Hidden> {
        let cut = [a, b].into_iter().any(|id| {
            matches!(
                self.arena.node(id),
                Node::TruncatedList { .. }
                    | Node::TruncatedMap { .. }
                    | Node::TruncatedTuple(..)
                    | Node::TruncatedBinary(..)
            )
        });
        cut.then_some(Hidden {
            why: Why::Truncated,
            new: b,
        })
    }

    /// No difference in what is there.
    pub(super) fn nothing_found(&self, a: NodeId, b: NodeId, hidden: Option<Hidden>) -> Diff {
        match (hidden, self.hides(a, b)) {
            (Some(Hidden { why, new }), _) => Diff::Unknown(why, new),
            // A key of a map may be what is not wholly there.
            (None, Some(why)) => Diff::Unknown(why, b),
            (None, None) => Diff::Same,
        }
    }
}

fn kind_and_size(node: Node<'_>) -> (Kind, Option<u64>) {
    let size = |full: u64| (full > 0).then_some(full);
    match node {
        Node::Atom(_) => (Kind::Atom, None),
        Node::Int(_) | Node::Big(..) => (Kind::Integer, None),
        Node::Float(_) => (Kind::Float, None),
        Node::Binary(bytes) | Node::Bits(bytes, _) => (Kind::Binary, Some(bytes.len() as u64)),
        Node::TruncatedBinary(_, full) => (Kind::Binary, size(full)),
        Node::List { len } => (Kind::List, Some(len as u64)),
        Node::TruncatedList { full, .. } => (Kind::List, size(full)),
        Node::Improper { .. } => (Kind::List, None),
        Node::Tuple(items) => (Kind::Tuple, Some(items.len() as u64)),
        Node::TruncatedTuple(_, full) => (Kind::Tuple, size(full)),
        Node::Map { len } => (Kind::Map, Some(len as u64)),
        Node::TruncatedMap { full, .. } => (Kind::Map, size(full)),
        Node::Pid(_) => (Kind::Pid, None),
        Node::Ref(_) => (Kind::Reference, None),
        Node::Export(..) => (Kind::Fun, None),
        Node::External(kind, _) | Node::Opaque(kind, _) => (kind, None),
        Node::Truncated(kind, full) | Node::Redacted(kind, full) => (kind, size(full)),
    }
}
