//! How nearly equal two terms are, and the rough shape that nearly equal ones share.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Entry, Work};
use crate::diff::DiffOptions;
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::Value;

/// From this nearness on, of 1,000, two entries are one that differs.
pub(super) const NEAR: u32 = 400;
/// Terms are looked into this deep.
const DEPTH: usize = 5;
/// Of larger containers only so many parts are looked at.
const PARTS: usize = 32;
/// Of longer binaries only so many bytes.
const BYTES: usize = 1_024;
/// Two numbers that differ, two pids: still the same kind of thing in the same place.
const SAME_KIND: u32 = 250;

pub(super) fn struct_key(arena: &Arena, options: &DiffOptions) -> Option<NodeId> {
    options.struct_key.and_then(|atom| arena.find(&Value::Atom(atom)))
}

impl Work<'_> {
    /// Of 1,000.
    pub(super) fn nearness(&self, a: NodeId, b: NodeId) -> u32 {
        self.near(a, b, DEPTH)
    }

    fn near(&self, a: NodeId, b: NodeId, depth: usize) -> u32 {
        if a == b {
            return 1_000;
        }
        let Some(fuel) = self.fuel.get().checked_sub(1) else {
            return 0;
        };
        self.fuel.set(fuel);
        if depth == 0 {
            return 0;
        }
        match (self.arena.node(a), self.arena.node(b)) {
            (Node::Map { .. } | Node::TruncatedMap { .. }, Node::Map { .. } | Node::TruncatedMap { .. }) => {
                self.maps(a, b, depth)
            }
            (Node::Tuple(x), Node::Tuple(y)) if x.len() == y.len() => self.tuples(x, y, depth),
            (Node::List { len: x }, Node::List { len: y }) => self.lists(a, b, (x, y), depth),
            (Node::Binary(x), Node::Binary(y)) => common_ends(x, y).max(SAME_KIND / 2),
            (Node::Int(_) | Node::Big(..) | Node::Float(_), Node::Int(_) | Node::Big(..) | Node::Float(_))
            | (Node::Pid(_), Node::Pid(_))
            | (Node::Ref(_), Node::Ref(_)) => SAME_KIND,
            (Node::Opaque(x, _), Node::Opaque(y, _)) | (Node::External(x, _), Node::External(y, _)) if x == y => {
                SAME_KIND
            }
            _ => 0,
        }
    }

    /// Structs of different names have nothing to do with each other.
    fn maps(&self, a: NodeId, b: NodeId, depth: usize) -> u32 {
        let name = |id| self.arena.map_get(id, self.struct_key?);
        if name(a) != name(b) {
            return 0;
        }
        let named = usize::from(name(a).is_some());
        let of = self.arena.map_len(a).max(self.arena.map_len(b)).min(PARTS) - named;
        let pairs = self.arena.map_iter(a).filter(|(key, _)| Some(*key) != self.struct_key);
        let sum: u32 = pairs
            .take(PARTS - named)
            .filter_map(|(key, value)| Some(self.near(value, self.arena.map_get(b, key)?, depth - 1)))
            .sum();
        average(sum, of)
    }

    /// Two tuples with different atoms in front are two different messages.
    fn tuples(&self, x: &[NodeId], y: &[NodeId], depth: usize) -> u32 {
        if x.len() > 1 && x[0] != y[0] && (self.is_atom(x[0]) || self.is_atom(y[0])) {
            return 0;
        }
        let pairs = x.iter().zip(y).take(PARTS);
        let sum = pairs.map(|(x, y)| self.near(*x, *y, depth - 1)).sum();
        average(sum, x.len().min(PARTS))
    }

    fn lists(&self, a: NodeId, b: NodeId, (x, y): (usize, usize), depth: usize) -> u32 {
        if x == y && x <= PARTS {
            let pairs = self.arena.list_iter(a).zip(self.arena.list_iter(b));
            return average(pairs.map(|(x, y)| self.near(x, y, depth - 1)).sum(), x);
        }
        let (prefix, suffix) = self.arena.list_common(a, b);
        share(prefix + suffix, x.max(y))
    }

    fn is_atom(&self, id: NodeId) -> bool {
        matches!(self.arena.node(id), Node::Atom(_))
    }

    /// Entries that are nearly equal mostly have the same shape: group, kinds, sizes of tuples, keys of maps, and atoms.
    pub(super) fn shape(&self, entry: &Entry) -> u64 {
        let mut hasher = DefaultHasher::new();
        entry.group.hash(&mut hasher);
        self.rough(entry.term, 3, &mut hasher);
        hasher.finish()
    }

    fn rough(&self, id: NodeId, depth: usize, hasher: &mut DefaultHasher) {
        let node = self.arena.node(id);
        std::mem::discriminant(&node).hash(hasher);
        match node {
            Node::Atom(atom) => atom.hash(hasher),
            Node::Tuple(items) => {
                items.len().hash(hasher);
                let shown = items.iter().take(if depth == 0 { 0 } else { 8 });
                shown.for_each(|item| self.rough(*item, depth - 1, hasher));
            }
            Node::Map { len } => {
                len.hash(hasher);
                for (key, value) in self.arena.map_iter(id).take(if depth == 0 { 0 } else { 8 }) {
                    key.hash(hasher);
                    self.rough(value, depth - 1, hasher);
                }
            }
            _ => {}
        }
    }
}

fn average(sum: u32, of: usize) -> u32 {
    sum.checked_div(of as u32).unwrap_or(1_000).min(1_000)
}

fn share(equal: usize, of: usize) -> u32 {
    (equal.saturating_mul(1_000) / of.max(1)).min(1_000) as u32
}

/// How much of two binaries is equal, by their ends.
fn common_ends(x: &[u8], y: &[u8]) -> u32 {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let (x, y) = (&x[..x.len().min(BYTES)], &y[..y.len().min(BYTES)]);
    let prefix = x.iter().zip(y).take_while(same).count();
    let ends = x[prefix..].iter().rev().zip(y[prefix..].iter().rev());
    share(prefix + ends.take_while(same).count(), x.len().max(y.len()))
}
