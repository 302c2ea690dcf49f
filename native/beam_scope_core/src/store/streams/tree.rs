//! Large maps: from the VM's trees to the arena's.
//!
//! The VM orders a map's pairs by hashes of its own, so its tree is not the arena's. But two versions of a map share most of the
//! VM's nodes, and what they do not share are the pairs that changed: those are taken out of the arena's map of the older
//! version, and put in.

use std::collections::HashSet;
use std::sync::Arc;

use super::reading::{Part, Reading};
use crate::mixed::{MixedMap, MixedSet};
use crate::term::arena::NodeId;

/// A child of a node of the VM's tree.
#[derive(Clone, Copy, Debug)]
pub(super) enum Child {
    Pair(NodeId, NodeId),
    Node(u32),
    Cut,
}

impl Child {
    pub(super) fn of(part: &Part) -> Option<Self> {
        match part {
            Part::Pair(key, value) => Some(Self::Pair(*key, *value)),
            Part::Node(at) => Some(Self::Node(*at)),
            Part::Cut => Some(Self::Cut),
            Part::Term(_) | Part::Rest(..) | Part::Slice(..) | Part::Hole => None,
        }
    }
}

/// What is known of a stream's offsets, in the arena of one chunk.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) terms: MixedMap<u32, NodeId>,
    pub(super) nodes: MixedMap<u32, Arc<[Child]>>,
    /// Maps by where their trees begin: the pairs that are known.
    maps: MixedMap<u32, NodeId>,
    /// The latest map that has a node.
    owners: MixedMap<u32, u32>,
    /// Places that lead nowhere.
    pub(super) lost: MixedSet<u32>,
}

impl Known {
    pub(super) fn add_node(&mut self, at: u32, children: Vec<Child>) {
        self.nodes.insert(at, children.into());
    }

    pub(super) fn bytes(&self) -> usize {
        self.terms.capacity() * 9 + self.nodes.len() * 200 + (self.maps.capacity() + self.owners.capacity()) * 9
    }

    fn children(&self, nodes: &[u32]) -> Vec<Child> {
        let found = nodes.iter().filter_map(|at| self.nodes.get(at));
        found.flat_map(|children| children.iter().copied()).collect()
    }
}

/// Deepest tree, and more.
const LEVELS: usize = 16;

#[derive(Default)]
struct Changes {
    gone: Vec<(NodeId, NodeId)>,
    new: Vec<(NodeId, NodeId)>,
    cut: bool,
}

impl Reading<'_> {
    /// The map whose tree begins at an offset.
    pub(super) fn tree(&mut self, at: u32, size: u64, children: Vec<Child>) -> NodeId {
        let children: Arc<[Child]> = children.into();
        let known = &mut self.stream.known;
        known.nodes.insert(at, Arc::clone(&children));
        let base = self.older(&children).and_then(|root| {
            let known = &self.stream.known;
            Some((known.nodes.get(&root)?.to_vec(), *known.maps.get(&root)?))
        });
        let (old, map) = base.unwrap_or_else(|| (Vec::new(), self.arena.make_map([])));
        let changes = self.changes(at, old, children.to_vec());
        let map = self.apply(map, &changes);
        self.stream.known.maps.insert(at, map);
        if !changes.cut && self.arena.map_len(map) as u64 == size {
            return map;
        }
        self.cut |= !changes.cut;
        self.arena.put_cut_map(size, map)
    }

    /// The latest map that shares a node with these children.
    fn older(&self, children: &[Child]) -> Option<u32> {
        let known = &self.stream.known;
        let mut level = children.to_vec();
        for _ in 0..LEVELS {
            let mut nodes: Vec<u32> = level.iter().filter_map(node).collect();
            nodes.sort_unstable();
            nodes.dedup();
            if let Some(root) = nodes.iter().find_map(|at| known.owners.get(at)) {
                return Some(*root);
            }
            level = known.children(&nodes);
        }
        None
    }

    /// The pairs by which two trees differ. From now on the nodes of the new one are its own.
    fn changes(&mut self, root: u32, old: Vec<Child>, new: Vec<Child>) -> Changes {
        let (mut changes, mut old, mut new) = (Changes::default(), old, new);
        for _ in 0..LEVELS {
            changes.gone.extend(old.iter().filter_map(pair));
            changes.new.extend(new.iter().filter_map(pair));
            let mut before: MixedSet<u32> = old.iter().filter_map(node).collect();
            let (mut after, mut seen) = (Vec::new(), MixedSet::default());
            for at in new.iter().filter_map(node) {
                self.stream.known.owners.insert(at, root);
                if !before.remove(&at) && seen.insert(at) {
                    after.push(at);
                }
            }
            changes.cut |= new.iter().any(|child| matches!(child, Child::Cut));
            if before.is_empty() && after.is_empty() {
                break;
            }
            let before: Vec<u32> = before.into_iter().collect();
            (old, new) = (self.stream.known.children(&before), self.stream.known.children(&after));
        }
        changes
    }

    fn apply(&mut self, map: NodeId, changes: &Changes) -> NodeId {
        // To build a map from its pairs is cheaper than to put most of them in one by one.
        if changes.gone.len() + changes.new.len() > self.arena.map_len(map) / 4 {
            let gone: HashSet<NodeId> = changes.gone.iter().map(|(key, _)| *key).collect();
            let kept: Vec<(NodeId, NodeId)> = self
                .arena
                .map_iter(map)
                .filter(|(key, _)| !gone.contains(key))
                .collect();
            return self.arena.make_map(kept.into_iter().chain(changes.new.iter().copied()));
        }
        let gone = changes.gone.iter().map(|(key, _)| (*key, None));
        let new = changes.new.iter().map(|(key, value)| (*key, Some(*value)));
        self.arena.map_update(map, gone.chain(new))
    }
}

fn pair(child: &Child) -> Option<(NodeId, NodeId)> {
    match child {
        Child::Pair(key, value) => Some((*key, *value)),
        _ => None,
    }
}

fn node(child: &Child) -> Option<u32> {
    match child {
        Child::Node(at) => Some(*at),
        _ => None,
    }
}
