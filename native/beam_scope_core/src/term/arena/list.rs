//! Lists: short ones are one node, long ones are cut by content.
//!
//! A cut falls after an element whose hash ends in zeros, so an insertion, a removal or a change moves only the cuts
//! near it, and all other chunks stay the nodes they were. The chunks of a level are cut in the same way into the level
//! above. [`MIN_CHUNK`] makes every level shrink, [`MAX_CHUNK`] bounds a node where no hash says "cut".

use super::node::{Body, Draft, Tag};
use super::{Arena, NodeId, Place};

/// Lists of at most this many elements are one node.
pub(super) const SMALL: usize = 16;
const MIN_CHUNK: usize = 4;
const MAX_CHUNK: usize = 32;
/// One in eight hashes cuts.
const CUT_MASK: u64 = 7;

/// A proper list of these elements.
pub(super) fn build(place: &mut impl Place, items: &[NodeId]) -> Option<NodeId> {
    if items.len() <= SMALL {
        return leaf(place, items);
    }
    let mut level = chunk(place, items, 0)?;
    let mut height = 1;
    while level.len() > 1 {
        level = chunk(place, &level, height)?;
        height += 1;
    }
    level.pop()
}

fn leaf(place: &mut impl Place, items: &[NodeId]) -> Option<NodeId> {
    place.place(Draft::new(Tag::List, Body::Kids(items, items.len() as u32)))
}

/// The nodes of one level up.
pub(super) fn chunk(place: &mut impl Place, items: &[NodeId], height: u8) -> Option<Vec<NodeId>> {
    let mut out = Vec::with_capacity(items.len() / 8 + 1);
    let mut start = 0;
    for (i, item) in items.iter().enumerate() {
        if i + 1 == items.len() || is_cut(place.arena(), i + 1 - start, *item, height) {
            out.push(node(place, &items[start..=i], height)?);
            start = i + 1;
        }
    }
    Some(out)
}

/// Whether a chunk of so many items ends with this one.
pub(super) fn is_cut(arena: &Arena, len: usize, last: NodeId, height: u8) -> bool {
    // A level's cuts must not follow from those of the level below, so each looks at other bits.
    let hash = arena.hash(last) >> (3 * u32::from(height) % 60);
    len >= MAX_CHUNK || (len >= MIN_CHUNK && hash & CUT_MASK == 0 && !cfg!(mutant = "arena_list_cuts_by_position"))
}

pub(super) fn node(place: &mut impl Place, items: &[NodeId], height: u8) -> Option<NodeId> {
    if height == 0 {
        return leaf(place, items);
    }
    let count = items.iter().map(|id| place.arena().list_len(*id) as u32).sum();
    place.place(Draft {
        tag: Tag::Seq,
        level: height,
        aux: 0,
        body: Body::Kids(items, count),
    })
}

/// Elements and a tail, the last of `parts`. A tail that is itself a list makes one list of the two.
pub(super) fn build_improper(place: &mut impl Place, parts: &[NodeId]) -> Option<NodeId> {
    let (&tail, items) = parts.split_last()?;
    if items.is_empty() {
        return Some(tail);
    }
    let slot = *place.arena().slot(tail);
    match slot.tag {
        Tag::List | Tag::Seq => {
            let all: Vec<NodeId> = items.iter().copied().chain(place.arena().list_iter(tail)).collect();
            build(place, &all)
        }
        Tag::Improper => {
            let all: Vec<NodeId> = items.iter().copied().chain(place.arena().list_iter(tail)).collect();
            let list = build(place, &all)?;
            place.place(Draft::new(Tag::Improper, Body::Two(list, NodeId(slot.b))))
        }
        _ => {
            let list = build(place, items)?;
            place.place(Draft::new(Tag::Improper, Body::Two(list, tail)))
        }
    }
}

impl Arena {
    /// The node that holds a list's elements: itself, or what an improper or cut list wraps.
    pub(super) fn spine(&self, id: NodeId) -> Option<NodeId> {
        let slot = self.slot(id);
        match slot.tag {
            Tag::List | Tag::Seq => Some(id),
            Tag::Improper => Some(NodeId(slot.a)),
            Tag::TruncatedList => Some(NodeId(slot.c)),
            _ => None,
        }
    }

    /// How many elements a list has: of a cut one the known, of an improper one those before the tail; 0 of any other
    /// term.
    #[must_use]
    pub fn list_len(&self, id: NodeId) -> usize {
        self.spine(id).map_or(0, |spine| self.slot(spine).c as usize)
    }

    /// The elements of a list, as [`list_len`](Self::list_len) counts them.
    #[must_use]
    pub fn list_iter(&self, id: NodeId) -> ListIter<'_> {
        ListIter {
            arena: self,
            left: self.list_len(id),
            stack: self.spine(id).into_iter().map(|s| (s, 0)).collect(),
        }
    }

    /// The elements from an index on.
    #[must_use]
    pub fn list_from(&self, id: NodeId, index: usize) -> ListIter<'_> {
        let (mut stack, mut skip) = (Vec::new(), index);
        let mut at = self.spine(id).filter(|_| index < self.list_len(id));
        while let Some(node) = at {
            let slot = self.slot(node);
            if slot.tag == Tag::List {
                stack.push((node, skip));
                break;
            }
            let kids = self.slot_kids(slot);
            let next = kids.iter().position(|kid| {
                let len = self.list_len(*kid);
                let here = skip < len;
                skip -= if here { 0 } else { len };
                here
            });
            at = next.map(|next| {
                stack.push((node, next + 1));
                kids[next]
            });
        }
        let left = self.list_len(id).saturating_sub(index);
        ListIter {
            arena: self,
            left,
            stack,
        }
    }

    /// The element at an index, from 0.
    #[must_use]
    pub fn list_get(&self, id: NodeId, index: usize) -> Option<NodeId> {
        let mut at = self.spine(id)?;
        let mut index = index;
        loop {
            let slot = self.slot(at);
            let kids = self.slot_kids(slot);
            if slot.tag == Tag::List {
                return kids.get(index).copied();
            }
            at = *kids.iter().find(|kid| {
                let len = self.list_len(**kid);
                let here = index < len;
                if !here {
                    index -= len;
                }
                here
            })?;
        }
    }

    /// How many elements two lists share at the front, and how many of the rest at the back. Shared chunks are skipped,
    /// so the cost follows the difference, not the length.
    #[must_use]
    pub fn list_common(&self, a: NodeId, b: NodeId) -> (usize, usize) {
        let (Some(a), Some(b)) = (self.spine(a), self.spine(b)) else {
            return (0, 0);
        };
        let shorter = self.list_len(a).min(self.list_len(b));
        let prefix = self.common(a, b, false).min(shorter);
        let suffix = self.common(a, b, true).min(shorter - prefix);
        (prefix, suffix)
    }

    /// Equal elements from one end on.
    fn common(&self, a: NodeId, b: NodeId, from_back: bool) -> usize {
        let (mut left, mut right) = (vec![(a, self.height(a))], vec![(b, self.height(b))]);
        let mut same = 0;
        while let (Some(&(x, x_height)), Some(&(y, y_height))) = (left.last(), right.last()) {
            if x == y && x_height == y_height {
                same += if x_height == 0 { 1 } else { self.list_len(x) };
                left.pop();
                right.pop();
            } else if x_height == 0 && y_height == 0 {
                break;
            } else {
                if x_height >= y_height {
                    self.open(&mut left, from_back);
                }
                if y_height >= x_height {
                    self.open(&mut right, from_back);
                }
            }
        }
        same
    }

    /// 0 an element, 1 a leaf, then the levels.
    pub(super) fn height(&self, id: NodeId) -> u8 {
        self.slot(id).level() + 1
    }

    /// Replaces the chunk on top of the stack by its parts.
    fn open(&self, stack: &mut Vec<(NodeId, u8)>, from_back: bool) {
        if let Some((id, height)) = stack.pop() {
            let kids = self.slot_kids(self.slot(id)).iter().map(|kid| (*kid, height - 1));
            if from_back {
                stack.extend(kids);
            } else {
                stack.extend(kids.rev());
            }
        }
    }
}

/// The elements of a list in order.
#[derive(Clone)]
pub struct ListIter<'a> {
    arena: &'a Arena,
    left: usize,
    stack: Vec<(NodeId, usize)>,
}

impl Iterator for ListIter<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        loop {
            let (id, next) = self.stack.last_mut()?;
            let slot = self.arena.slot(*id);
            let Some(&kid) = self.arena.slot_kids(slot).get(*next) else {
                self.stack.pop();
                continue;
            };
            *next += 1;
            if slot.tag == Tag::List {
                self.left = self.left.saturating_sub(1);
                return Some(kid);
            }
            self.stack.push((kid, 0));
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ListIter<'_> {}
