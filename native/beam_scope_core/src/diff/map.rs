//! Maps, structs, sets and keyword lists: by key.

use std::collections::HashMap;

use super::tree::Walk;
use super::{Change, Diff, KeywordDiff, MapDiff, SetDiff};
use crate::term::arena::{Node, NodeId};

/// A longer list is taken for a list, not for a keyword list.
const MAX_KEYWORD: usize = 256;

impl Walk<'_> {
    pub(super) fn maps(&self, a: NodeId, b: NodeId, depth: usize) -> Diff {
        if let Some(set) = self.sets(a, b) {
            return set;
        }
        let whole = |id| matches!(self.arena.node(id), Node::Map { .. });
        let (whole_a, whole_b) = (whole(a), whole(b));
        let mut changes = Vec::new();
        let mut gone = 0;
        for (key, old, new) in self.arena.map_changes(a, b) {
            gone += usize::from(old.is_some());
            match (old, new) {
                (Some(old), Some(new)) => changes.push((key, Change::Changed(self.diff(old, new, depth + 1)))),
                // A key that a cut map does not show may still be there.
                (None, Some(new)) if whole_a => changes.push((key, Change::Added(new))),
                (Some(_), None) if cfg!(mutant = "diff-map-removed") => {}
                (Some(old), None) if whole_b => changes.push((key, Change::Removed(old))),
                _ => {}
            }
        }
        let mut unchanged = self.arena.map_len(a) - gone;
        if !self.arena.is_complete(a) && !self.arena.is_complete(b) {
            let unknown = self.unknown_values(a, b, depth);
            unchanged -= unknown.len();
            changes.extend(unknown);
        }
        changes.retain(|(_, change)| !matches!(change, Change::Changed(Diff::Same)));
        let hidden = self.hidden(a, b);
        if changes.is_empty() {
            return self.nothing_found(a, b, hidden);
        }
        let name = self.name(a).or_else(|| self.name(b));
        Diff::Map(MapDiff {
            name: name.and_then(|name| match self.arena.node(name) {
                Node::Atom(atom) => Some(atom),
                _ => None,
            }),
            changes,
            unchanged,
            hidden,
        })
    }

    /// Values that are the same node on both sides, but not wholly there.
    fn unknown_values(&self, a: NodeId, b: NodeId, depth: usize) -> Vec<(NodeId, Change)> {
        let pairs = self
            .arena
            .map_iter(a)
            .filter(|(_, value)| !self.arena.is_complete(*value));
        pairs
            .filter(|(key, value)| self.arena.map_get(b, *key) == Some(*value))
            .map(|(key, value)| (key, Change::Changed(self.diff(value, value, depth + 1))))
            .collect()
    }

    /// `None`: these are no two sets.
    fn sets(&self, a: NodeId, b: NodeId) -> Option<Diff> {
        let (name, field) = (self.map_set?, self.map_set_field?);
        if self.name(a)? != name || self.name(b)? != name {
            return None;
        }
        let outer = self.arena.map_changes(a, b);
        let [(key, Some(old), Some(new))] = outer.as_slice() else {
            return None;
        };
        let is_map = |id| matches!(self.arena.node(id), Node::Map { .. }) && self.arena.is_complete(id);
        if *key != field || !is_map(*old) || !is_map(*new) {
            return None;
        }
        let (mut removed, mut added, mut mark) = (Vec::new(), Vec::new(), None);
        for (member, old, new) in self.arena.map_changes(*old, *new) {
            match (old, new) {
                (Some(_), None) => removed.push(member),
                (None, Some(value)) if mark.is_none_or(|mark| mark == value) => {
                    mark = Some(value);
                    added.push(member);
                }
                _ => return None,
            }
        }
        let unchanged = self.arena.map_len(*old) - removed.len();
        Some(Diff::Set(SetDiff {
            removed,
            added,
            unchanged,
            field,
            mark: mark.unwrap_or(field),
        }))
    }

    /// `None`: these are not two keyword lists with unique keys.
    pub(super) fn keywords(&self, a: NodeId, b: NodeId, depth: usize) -> Option<Diff> {
        let (old, new) = (self.keyword(a)?, self.keyword(b)?);
        let old_values: HashMap<NodeId, NodeId> = old.iter().copied().collect();
        let new_values: HashMap<NodeId, NodeId> = new.iter().copied().collect();
        if old_values.len() < old.len() || new_values.len() < new.len() || old.is_empty() && new.is_empty() {
            return None;
        }
        let mut changes = Vec::new();
        for (key, value) in &old {
            match new_values.get(key) {
                None => changes.push((*key, Change::Removed(*value))),
                Some(other) => match self.diff(*value, *other, depth + 1) {
                    Diff::Same => {}
                    diff => changes.push((*key, Change::Changed(diff))),
                },
            }
        }
        let unchanged = old.len() - changes.len();
        let added = new.iter().filter(|(key, _)| !old_values.contains_key(key));
        changes.extend(added.map(|(key, value)| (*key, Change::Added(*value))));

        let kept = old.iter().filter(|(key, _)| new_values.contains_key(key));
        let fresh = new.iter().filter(|(key, _)| !old_values.contains_key(key));
        let expected = kept.chain(fresh).map(|(key, _)| *key);
        let order: Vec<NodeId> = new.iter().map(|(key, _)| *key).collect();
        let moved = !cfg!(mutant = "diff-keyword-order") && !expected.eq(order.iter().copied());
        Some(Diff::Keyword(KeywordDiff {
            changes,
            unchanged,
            order: moved.then_some(order),
        }))
    }

    fn keyword(&self, id: NodeId) -> Option<Vec<(NodeId, NodeId)>> {
        match self.arena.node(id) {
            Node::List { len } if len <= MAX_KEYWORD => {}
            _ => return None,
        }
        let pair = |item| match self.arena.node(item) {
            Node::Tuple([key, value]) if matches!(self.arena.node(*key), Node::Atom(_)) => Some((*key, *value)),
            _ => None,
        };
        self.arena.list_iter(id).map(pair).collect()
    }
}
