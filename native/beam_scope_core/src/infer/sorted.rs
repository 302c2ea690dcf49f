//! Lists whose elements are in order.

use std::cmp::Ordering;

use crate::term::arena::{Arena, Node, NodeId};

/// So many elements may be looked at, and so many more for each list.
const FUEL: u64 = 200_000;
const FUEL_EACH: u64 = 64;

/// Whether the lists that a field held were sorted. Of a list of which a part was looked at before, only the rest is.
#[derive(Clone, Debug)]
pub(super) struct Sorted {
    rising: bool,
    falling: bool,
    /// How many lists there were with elements that differ.
    pub(super) n: u64,
    /// The longest list.
    pub(super) most: u64,
    fuel: u64,
}

impl Default for Sorted {
    fn default() -> Self {
        Self {
            rising: true,
            falling: true,
            n: 0,
            most: 0,
            fuel: FUEL,
        }
    }
}

impl Sorted {
    /// Whether it is worth looking.
    pub(super) const fn alive(&self) -> bool {
        self.rising || self.falling
    }

    /// Whether there were lists to be sorted, and the largest came first in them.
    pub(super) const fn descending(&self) -> Option<bool> {
        match (self.rising, self.falling, self.n) {
            (true, false, _) => Some(false),
            (false, true, _) => Some(true),
            _ => None,
        }
    }

    /// Takes a list; `last`: one of the same arena that was taken before.
    pub(super) fn take(&mut self, arena: &Arena, list: NodeId, last: Option<NodeId>, counts: bool) {
        let len = arena.list_len(list);
        self.most = self.most.max(len as u64);
        self.fuel += FUEL_EACH;
        let (front, back) = last.map_or((0, 0), |last| arena.list_common(last, list));
        // Neighbours within what is shared were compared before.
        let from = if cfg!(mutant = "infer_sorted_skips_seams") {
            front
        } else {
            front.saturating_sub(1)
        };
        let to = (len - back + 1).min(len);
        let looked = to.saturating_sub(from) as u64;
        if looked > self.fuel {
            (self.rising, self.falling) = (false, false);
            return;
        }
        self.fuel -= looked;
        let mut before = None;
        for at in from..to {
            let Some(item) = arena.list_get(list, at) else { return };
            if let Some(before) = before {
                self.neighbours(order(arena, before, item));
            }
            before = Some(item);
        }
        // In a sorted list the first and the last differ if any two do.
        let ends = (
            arena.list_get(list, 0),
            len.checked_sub(1).and_then(|last| arena.list_get(list, last)),
        );
        self.n += u64::from(counts && ends.0 != ends.1);
    }

    fn neighbours(&mut self, order: Option<Ordering>) {
        match order {
            Some(Ordering::Equal) => {}
            Some(Ordering::Less) => self.falling = false,
            Some(Ordering::Greater) => self.rising = false,
            None => (self.rising, self.falling) = (false, false),
        }
    }
}

/// The order of two numbers or two binaries; of other things none is told.
fn order(arena: &Arena, a: NodeId, b: NodeId) -> Option<Ordering> {
    match (arena.node(a), arena.node(b)) {
        (Node::Int(a), Node::Int(b)) => Some(a.cmp(&b)),
        (Node::Float(a), Node::Float(b)) => f64::from_bits(a).partial_cmp(&f64::from_bits(b)),
        (Node::Binary(a), Node::Binary(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
