//! A list with a stretch of another one in it, or its end, at the price of what is new.
//!
//! The cuts of a list follow from its elements ([`list`](super::list)), and begin anew after each cut. So once a cut of the new list
//! falls where the old one has one, both are cut alike from there on, and the old one's chunks serve. The same holds for
//! the chunks of each level. What comes out is the very node that building the list from its elements would make.

use std::ops::Range;

use super::list::{build, chunk, is_cut, node, SMALL};
use super::{Arena, NodeId};

/// Lists of this length are built from their elements: there is little to be shared.
const SHORT: usize = 4 * SMALL;

impl Arena {
    /// `items`, then the elements of `old` from index `from` on; `old` may be improper or cut, which what comes out is not.
    pub fn list_splice(&mut self, items: &[NodeId], old: NodeId, from: usize) -> NodeId {
        self.spliced(items, old, from).unwrap_or_else(|| self.overflow())
    }

    fn spliced(&mut self, items: &[NodeId], old: NodeId, from: usize) -> Option<NodeId> {
        let Some(spine) = self.spine(old) else {
            return build(self, items);
        };
        let length = self.list_len(spine);
        let rest = length.saturating_sub(from);
        if length <= SMALL || rest + items.len() <= SHORT {
            let all: Vec<NodeId> = items.iter().copied().chain(self.list_iter(spine).skip(from)).collect();
            return build(self, &all);
        }
        let mut fresh = items.to_vec();
        let mut from = from;
        let top = self.height(spine);
        for height in 0..top {
            let mut old = Cursor::new(self, spine, height, from);
            if height > 0 && old.peek(self).is_none() && fresh.len() == 1 {
                return fresh.pop();
            }
            if height > 0 && fresh.is_empty() && from < length {
                // One left, and nothing new: that is the list.
                let first = old.next(self);
                if old.peek(self).is_none() {
                    return first;
                }
                old = Cursor::new(self, spine, height, from);
            }
            (fresh, from) = rechunk(self, &fresh, &mut old, height)?;
        }
        if from == 0 {
            fresh.push(spine);
        }
        let mut height = top;
        while fresh.len() > 1 {
            fresh = chunk(self, &fresh, height)?;
            height += 1;
        }
        fresh.pop()
    }
}

impl Arena {
    /// `before`, then the elements of `old` in the range, then `after`; `old` may be improper or cut, which what comes out is not.
    pub fn list_join(&mut self, before: &[NodeId], old: NodeId, range: Range<usize>, after: &[NodeId]) -> NodeId {
        self.joined(before, old, range, after)
            .unwrap_or_else(|| self.overflow())
    }

    fn joined(&mut self, before: &[NodeId], old: NodeId, range: Range<usize>, after: &[NodeId]) -> Option<NodeId> {
        let length = self.list_len(old);
        let mut to = range.end.min(length);
        let mut from = range.start.min(to);
        if to == length && after.is_empty() {
            return self.spliced(before, old, from);
        }
        let spine = self.spine(old).filter(|_| to - from > SHORT);
        let Some(spine) = spine else {
            let middle = self.list_from(old, from).take(to - from);
            let all: Vec<NodeId> = before
                .iter()
                .copied()
                .chain(middle)
                .chain(after.iter().copied())
                .collect();
            return build(self, &all);
        };
        let (mut fresh, mut more, mut height) = (before.to_vec(), after.to_vec(), 0);
        while from < to {
            if let Some(only) = self.only(&fresh, spine, (from, to), &more, height) {
                return Some(only);
            }
            let mut old = Cursor::new(self, spine, height, from);
            let mut front = Chunks::of(self, &fresh, height)?;
            while !(front.open.is_empty() && old.starts_node()) && old.element < to {
                front.push(self, old.next(self)?)?;
            }
            from = old.element;
            // What the old list's chunks serve for ends where one of them does that was cut, which the last one need not be.
            let end = node_start(self, spine, height, to).max(from);
            fresh = std::mem::take(&mut front.out);
            let mut back = front;
            let mut old = Cursor::new(self, spine, height, end);
            while old.element < to {
                back.push(self, old.next(self)?)?;
            }
            for item in more {
                back.push(self, item)?;
            }
            more = back.end(self)?;
            (to, height) = (end, height + 1);
        }
        fresh.append(&mut more);
        while fresh.len() > 1 {
            fresh = chunk(self, &fresh, height)?;
            height += 1;
        }
        fresh.pop()
    }

    /// The only item of a level: that is the list. At level 0 there are more.
    fn only(
        &self,
        fresh: &[NodeId],
        spine: NodeId,
        (from, to): (usize, usize),
        more: &[NodeId],
        height: u8,
    ) -> Option<NodeId> {
        if height == 0 || !fresh.is_empty() || !more.is_empty() {
            return None;
        }
        let mut old = Cursor::new(self, spine, height, from);
        old.next(self).filter(|_| old.element >= to)
    }
}

/// The chunks of one level, as its items come.
#[derive(Default)]
struct Chunks {
    height: u8,
    out: Vec<NodeId>,
    open: Vec<NodeId>,
}

impl Chunks {
    fn of(arena: &mut Arena, items: &[NodeId], height: u8) -> Option<Self> {
        let mut chunks = Self {
            height,
            ..Self::default()
        };
        items.iter().try_for_each(|item| chunks.push(arena, *item))?;
        Some(chunks)
    }

    fn push(&mut self, arena: &mut Arena, item: NodeId) -> Option<()> {
        self.open.push(item);
        if is_cut(arena, self.open.len(), item, self.height) {
            self.out.push(node(arena, &self.open, self.height)?);
            self.open.clear();
        }
        Some(())
    }

    fn end(mut self, arena: &mut Arena) -> Option<Vec<NodeId>> {
        if !self.open.is_empty() {
            self.out.push(node(arena, &self.open, self.height)?);
        }
        Some(self.out)
    }
}

/// The first element of the node that an element is in, of the nodes whose kids are the items of a level.
fn node_start(arena: &Arena, root: NodeId, height: u8, element: usize) -> usize {
    let (mut at, mut start) = (root, 0);
    while arena.height(at) > height + 1 {
        let below = arena.height(at) - 1;
        let Some((last, others)) = arena.slot_kids(arena.slot(at)).split_last() else {
            break;
        };
        at = *last;
        for kid in others {
            let len = length(arena, *kid, below);
            if element < start + len {
                at = *kid;
                break;
            }
            start += len;
        }
    }
    start
}

/// The nodes one level up that are new, and the element of the old list from which on the old ones serve.
fn rechunk(arena: &mut Arena, fresh: &[NodeId], old: &mut Cursor, height: u8) -> Option<(Vec<NodeId>, usize)> {
    let mut chunks = Chunks::of(arena, fresh, height)?;
    while !(chunks.open.is_empty() && old.starts_node()) {
        let Some(item) = old.next(arena) else { break };
        chunks.push(arena, item)?;
    }
    Some((chunks.end(arena)?, old.element))
}

/// The items of one level of a list, from some element on.
struct Cursor {
    /// From the root down to the node whose kids are walked, each with the next kid.
    path: Vec<(NodeId, usize)>,
    height: u8,
    /// The element that the next item begins with.
    element: usize,
}

impl Cursor {
    /// The element must be the first of an item of this level, or the list's end.
    fn new(arena: &Arena, root: NodeId, height: u8, element: usize) -> Self {
        let (mut path, mut left, mut at) = (vec![], element, root);
        loop {
            let kids = arena.slot_kids(arena.slot(at));
            let below = arena.height(at) - 1;
            let mut next = 0;
            while next < kids.len() {
                let len = length(arena, kids[next], below);
                if left < len {
                    break;
                }
                left -= len;
                next += 1;
            }
            path.push((at, next));
            if below <= height || next == kids.len() {
                break;
            }
            at = kids[next];
        }
        let mut cursor = Self { path, height, element };
        cursor.settle(arena);
        cursor
    }

    /// Goes up from nodes that are done, and down to the level.
    fn settle(&mut self, arena: &Arena) {
        while let Some((at, next)) = self.path.last().copied() {
            let kids = arena.slot_kids(arena.slot(at));
            if next >= kids.len() {
                self.path.pop();
                if let Some((_, next)) = self.path.last_mut() {
                    *next += 1;
                }
            } else if arena.height(at) - 1 > self.height {
                self.path.push((kids[next], 0));
            } else {
                return;
            }
        }
    }

    /// Whether the next item is the first one of a node above, or there is none.
    fn starts_node(&self) -> bool {
        self.path.last().is_none_or(|(_, next)| *next == 0)
    }

    fn peek(&self, arena: &Arena) -> Option<NodeId> {
        let (at, next) = self.path.last()?;
        arena.slot_kids(arena.slot(*at)).get(*next).copied()
    }

    fn next(&mut self, arena: &Arena) -> Option<NodeId> {
        let item = self.peek(arena)?;
        self.element += length(arena, item, self.height);
        if let Some((_, next)) = self.path.last_mut() {
            *next += 1;
        }
        self.settle(arena);
        Some(item)
    }
}

/// How many elements an item of a level has: at level 0 it is one.
fn length(arena: &Arena, item: NodeId, height: u8) -> usize {
    if height == 0 {
        1
    } else {
        arena.list_len(item)
    }
}
