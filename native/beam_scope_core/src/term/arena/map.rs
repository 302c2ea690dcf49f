//! Maps: small ones are one node, large ones a trie over the hashes of their keys.
//!
//! A node of the trie covers the pairs whose keys' hashes share a prefix. At most [`SMALL`] of them are a leaf, more are
//! a branch with one child for each next nibble that occurs. So the shape follows from the set of pairs alone. Pairs
//! come out in the order of `(hash of the key, id of the key)`.

use super::node::{Body, Draft, Slot, Tag};
use super::{Arena, NodeId, Place};

/// Maps of at most this many pairs are one node.
const SMALL: usize = 16;
/// A 64-bit hash has this many nibbles; keys that share all of them share a leaf of any size.
const LEVELS: u8 = 16;

/// A pair and its key's hash.
#[derive(Clone, Copy)]
struct Pair {
    hash: u64,
    key: NodeId,
    value: NodeId,
}

/// A difference between two maps: the key, its value in the first and in the second.
pub type MapChange = (NodeId, Option<NodeId>, Option<NodeId>);

/// A map of these keys and values, alternating. Of equal keys the last one counts.
pub(super) fn build(place: &mut impl Place, parts: &[NodeId]) -> Option<NodeId> {
    let mut pairs: Vec<Pair> = parts
        .chunks_exact(2)
        .map(|pair| Pair {
            hash: place.arena().hash(pair[0]),
            key: pair[0],
            value: pair[1],
        })
        .collect();
    // Without the sort the order of the VM would show: equal maps would be different nodes.
    // Stable, so that among equal keys the later stays later.
    if !cfg!(mutant = "arena_map_order") {
        pairs.sort_by_key(|pair| (pair.hash, pair.key));
    }
    pairs.dedup_by(|later, earlier| {
        let same = later.key == earlier.key;
        if same {
            earlier.value = later.value;
        }
        same
    });
    trie(place, &pairs, 0)
}

/// The trie of sorted pairs that share `level` nibbles. Recursion ends at [`LEVELS`].
fn trie(place: &mut impl Place, pairs: &[Pair], level: u8) -> Option<NodeId> {
    if pairs.len() <= SMALL || level >= LEVELS {
        let kids: Vec<NodeId> = pairs.iter().flat_map(|pair| [pair.key, pair.value]).collect();
        return place.place(Draft::new(Tag::Map, Body::Kids(&kids, pairs.len() as u32)));
    }
    let mut kids = Vec::with_capacity(16);
    let mut bitmap = 0;
    for group in pairs.chunk_by(|a, b| nibble(a.hash, level) == nibble(b.hash, level)) {
        bitmap |= 1 << nibble(group[0].hash, level);
        kids.push(trie(place, group, level + 1)?);
    }
    place.place(Draft {
        tag: Tag::Trie,
        level,
        aux: bitmap,
        body: Body::Kids(&kids, pairs.len() as u32),
    })
}

/// A change of a map: the hash of a key, the key, and its new value if it has one.
type Change = (u64, NodeId, Option<NodeId>);

/// The map with changes made, at a level of the trie: what is above a change is copied, once, the rest shared.
fn update(arena: &mut Arena, at: NodeId, changes: &[Change], level: u8) -> NodeId {
    let slot = *arena.slot(at);
    if slot.tag == Tag::Map {
        let pairs = merged(arena.leaf_pairs(at), changes);
        return trie(arena, &pairs, level).unwrap_or(at);
    }
    let mut kids = [None; 16];
    for nibble in (0..16).filter(|nibble| slot.aux & (1 << nibble) != 0) {
        kids[usize::from(nibble)] = arena.child(&slot, nibble);
    }
    for group in changes.chunk_by(|a, b| nibble(a.0, level) == nibble(b.0, level)) {
        let kid = &mut kids[usize::from(nibble(group[0].0, level))];
        let changed = match *kid {
            Some(kid) => Some(update(arena, kid, group, level + 1)),
            None => trie(arena, &merged(Vec::new(), group), level + 1),
        };
        *kid = changed.filter(|kid| arena.slot(*kid).c > 0);
    }
    arena.branch(&kids, level)
}

/// Pairs in the order of the trie, with changes in that order made.
fn merged(mut pairs: Vec<Pair>, changes: &[Change]) -> Vec<Pair> {
    for (hash, key, value) in changes {
        let at = pairs.iter().position(|pair| pair.key == *key);
        match (at, *value) {
            (Some(at), Some(value)) => pairs[at].value = value,
            (Some(at), None) => {
                pairs.remove(at);
            }
            (None, Some(value)) => pairs.push(Pair {
                hash: *hash,
                key: *key,
                value,
            }),
            (None, None) => {}
        }
    }
    pairs.sort_by_key(|pair| (pair.hash, pair.key));
    pairs
}

/// From the top, so that the trie's order is the hashes' order.
const fn nibble(hash: u64, level: u8) -> u16 {
    ((hash >> (60 - 4 * level as u32)) & 15) as u16
}

impl Arena {
    /// The map with other values of these keys; `None` takes a key out, and of equal keys the last counts. The cost follows the
    /// changes and the map's depth.
    pub fn map_update(&mut self, map: NodeId, changes: impl IntoIterator<Item = (NodeId, Option<NodeId>)>) -> NodeId {
        let mut changes: Vec<Change> = changes
            .into_iter()
            .map(|(key, value)| (self.hash(key), key, value))
            .collect();
        changes.sort_by_key(|(hash, key, _)| (*hash, *key));
        if changes.is_empty() {
            return map;
        }
        update(self, map, &changes, 0)
    }

    fn leaf_pairs(&self, leaf: NodeId) -> Vec<Pair> {
        let pairs = self.slot_kids(self.slot(leaf)).chunks_exact(2);
        pairs
            .map(|pair| Pair {
                hash: self.hash(pair[0]),
                key: pair[0],
                value: pair[1],
            })
            .collect()
    }

    /// A branch of these children; one that has few pairs is a leaf.
    fn branch(&mut self, kids: &[Option<NodeId>; 16], level: u8) -> NodeId {
        let there: Vec<NodeId> = kids.iter().copied().flatten().collect();
        let count: u32 = there.iter().map(|kid| self.slot(*kid).c).sum();
        if count as usize <= SMALL {
            let pairs: Vec<Pair> = there.iter().flat_map(|kid| self.leaf_pairs(*kid)).collect();
            return trie(self, &pairs, level).unwrap_or_else(|| self.overflow());
        }
        let bitmap = (0..16u16).fold(0, |bits, i| bits | u16::from(kids[usize::from(i)].is_some()) << i);
        self.put(Draft {
            tag: Tag::Trie,
            level,
            aux: bitmap,
            body: Body::Kids(&there, count),
        })
    }

    /// The node that holds a map's pairs: itself, or what a cut map wraps.
    fn pairs_of(&self, id: NodeId) -> Option<NodeId> {
        let slot = self.slot(id);
        match slot.tag {
            Tag::Map | Tag::Trie => Some(id),
            Tag::TruncatedMap => Some(NodeId(slot.c)),
            _ => None,
        }
    }

    /// How many pairs a map has, of a cut one the known; 0 of any other term.
    #[must_use]
    pub fn map_len(&self, id: NodeId) -> usize {
        self.pairs_of(id).map_or(0, |map| self.slot(map).c as usize)
    }

    /// The (known) pairs of a map, in an order that depends on the keys alone.
    #[must_use]
    pub fn map_iter(&self, id: NodeId) -> MapIter<'_> {
        MapIter {
            arena: self,
            left: self.map_len(id),
            stack: self.pairs_of(id).into_iter().map(|m| (m, 0)).collect(),
        }
    }

    /// The value of a key, if it is among the (known) pairs.
    #[must_use]
    pub fn map_get(&self, id: NodeId, key: NodeId) -> Option<NodeId> {
        let hash = self.hash(key);
        let mut at = self.pairs_of(id)?;
        loop {
            let slot = self.slot(at);
            if slot.tag == Tag::Map {
                return self.leaf_get(slot, hash, key);
            }
            at = self.child(slot, nibble(hash, slot.level()))?;
        }
    }

    fn leaf_get(&self, slot: &Slot, hash: u64, key: NodeId) -> Option<NodeId> {
        let kids = self.slot_kids(slot);
        if kids.len() <= 2 * SMALL {
            return kids.chunks_exact(2).find(|pair| pair[0] == key).map(|pair| pair[1]);
        }
        let (mut low, mut high) = (0, kids.len() / 2);
        while low < high {
            let middle = (low + high) / 2;
            let found = kids[2 * middle];
            match (self.hash(found), found).cmp(&(hash, key)) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(kids[2 * middle + 1]),
            }
        }
        None
    }

    /// The child of a branch for a nibble.
    fn child(&self, slot: &Slot, nibble: u16) -> Option<NodeId> {
        let bit = 1 << nibble;
        if slot.aux & bit == 0 {
            return None;
        }
        let index = (slot.aux & (bit - 1)).count_ones() as usize;
        self.slot_kids(slot).get(index).copied()
    }

    /// The (known) pairs that differ between two maps. Shared parts are skipped, so the cost follows the difference,
    /// not the size. In the order of [`map_iter`](Self::map_iter).
    #[must_use]
    pub fn map_changes(&self, a: NodeId, b: NodeId) -> Vec<MapChange> {
        self.map_changes_counted(a, b).0
    }

    /// The changes, and how many pairs of nodes were looked at.
    pub(super) fn map_changes_counted(&self, a: NodeId, b: NodeId) -> (Vec<MapChange>, usize) {
        let (mut changes, mut visited) = (Vec::new(), 0);
        let mut stack = vec![(self.pairs_of(a), self.pairs_of(b))];
        while let Some((a, b)) = stack.pop() {
            visited += 1;
            if a == b && !cfg!(mutant = "arena_compares_all") {
                continue;
            }
            match (a.map(|id| self.slot(id)), b.map(|id| self.slot(id))) {
                (Some(x), Some(y)) if x.tag == Tag::Trie && y.tag == Tag::Trie && x.level() == y.level() => {
                    let either = x.aux | y.aux;
                    let nibbles = (0..16u16).rev().filter(|n| either & (1 << n) != 0);
                    stack.extend(nibbles.map(|n| (self.child(x, n), self.child(y, n))));
                }
                _ => self.merge_changes(a, b, &mut changes),
            }
        }
        (changes, visited)
    }

    /// The differences of two sorted runs of pairs.
    fn merge_changes(&self, a: Option<NodeId>, b: Option<NodeId>, changes: &mut Vec<MapChange>) {
        let run = |id: Option<NodeId>| id.into_iter().flat_map(|id| self.map_iter(id)).peekable();
        let (mut left, mut right) = (run(a), run(b));
        let order = |pair: Option<&(NodeId, NodeId)>| pair.map(|(key, _)| (self.hash(*key), *key));
        loop {
            match (order(left.peek()), order(right.peek())) {
                (None, None) => return,
                (Some(x), Some(y)) if x == y => {
                    if let (Some((key, old)), Some((_, new))) = (left.next(), right.next()) {
                        if old != new {
                            changes.push((key, Some(old), Some(new)));
                        }
                    }
                }
                (Some(x), y) if y.is_none_or(|y| x < y) => {
                    changes.extend(left.next().map(|(key, old)| (key, Some(old), None)));
                }
                _ => changes.extend(right.next().map(|(key, new)| (key, None, Some(new)))),
            }
        }
    }
}

/// The pairs of a map.
#[derive(Clone)]
pub struct MapIter<'a> {
    arena: &'a Arena,
    left: usize,
    stack: Vec<(NodeId, usize)>,
}

impl Iterator for MapIter<'_> {
    type Item = (NodeId, NodeId);

    fn next(&mut self) -> Option<(NodeId, NodeId)> {
        loop {
            let (id, next) = self.stack.last_mut()?;
            let slot = self.arena.slot(*id);
            let kids = self.arena.slot_kids(slot);
            let Some(&kid) = kids.get(*next) else {
                self.stack.pop();
                continue;
            };
            if slot.tag == Tag::Map {
                let value = *kids.get(*next + 1)?;
                *next += 2;
                self.left = self.left.saturating_sub(1);
                return Some((kid, value));
            }
            *next += 1;
            self.stack.push((kid, 0));
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for MapIter<'_> {}
