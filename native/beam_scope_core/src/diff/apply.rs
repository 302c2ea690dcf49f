//! Making the new term out of the old one and the difference.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{Change, Diff, KeywordDiff, ListDiff, ListOp, MapDiff, SetDiff, TextDiff, TextOp, TupleDiff};
use crate::term::arena::{Arena, Node, NodeId};

/// The difference is not one from this term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyError;

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the difference does not start from this term")
    }
}

impl std::error::Error for ApplyError {}

type Applied = Result<NodeId, ApplyError>;

/// The term that `diff` leads to from `a`.
///
/// # Errors
/// Where the difference does not start from `a`.
pub fn apply(arena: &mut Arena, diff: &Diff, a: NodeId) -> Applied {
    match diff {
        Diff::Same => Ok(a),
        Diff::Unknown(_, new) => Ok(*new),
        Diff::Replace(old, new) if *old == a => Ok(*new),
        Diff::Replace(..) => Err(ApplyError),
        Diff::Map(diff) => map(arena, diff, a),
        Diff::Keyword(diff) => keyword(arena, diff, a),
        Diff::Set(diff) => set(arena, diff, a),
        Diff::Tuple(diff) => tuple(arena, diff, a),
        Diff::List(diff) => list(arena, diff, a),
        Diff::Text(diff) => text(arena, diff, a),
    }
}

/// The new value of a key.
fn changed(arena: &mut Arena, change: &Change, old: Option<NodeId>) -> Result<Option<NodeId>, ApplyError> {
    match (change, old) {
        (Change::Added(value), None) => Ok(Some(*value)),
        (Change::Removed(value), Some(old)) if *value == old => Ok(None),
        (Change::Changed(diff), Some(old)) => apply(arena, diff, old).map(Some),
        _ => Err(ApplyError),
    }
}

fn map(arena: &mut Arena, diff: &MapDiff, a: NodeId) -> Applied {
    if let Some(hidden) = diff.hidden {
        return Ok(hidden.new);
    }
    let mut pairs: HashMap<NodeId, NodeId> = arena.map_iter(a).collect();
    for (key, change) in &diff.changes {
        match changed(arena, change, pairs.get(key).copied())? {
            Some(value) => pairs.insert(*key, value),
            None => pairs.remove(key),
        };
    }
    Ok(arena.make_map(pairs))
}

fn keyword(arena: &mut Arena, diff: &KeywordDiff, a: NodeId) -> Applied {
    let mut pairs: Vec<(NodeId, NodeId)> = Vec::new();
    for item in arena.list_iter(a) {
        match arena.node(item) {
            Node::Tuple([key, value]) => pairs.push((*key, *value)),
            _ => return Err(ApplyError),
        }
    }
    let mut values: HashMap<NodeId, NodeId> = pairs.iter().copied().collect();
    let mut order: Vec<NodeId> = pairs.into_iter().map(|(key, _)| key).collect();
    for (key, change) in &diff.changes {
        match changed(arena, change, values.get(key).copied())? {
            Some(value) => {
                if values.insert(*key, value).is_none() {
                    order.push(*key);
                }
            }
            None => {
                values.remove(key);
            }
        }
    }
    let order = diff.order.as_ref().unwrap_or(&order);
    let items: Vec<NodeId> = order
        .iter()
        .filter_map(|key| Some(arena.make_tuple(&[*key, *values.get(key)?])))
        .collect();
    Ok(arena.make_list(&items))
}

fn set(arena: &mut Arena, diff: &SetDiff, a: NodeId) -> Applied {
    let members = arena.map_get(a, diff.field).ok_or(ApplyError)?;
    let removed: HashSet<NodeId> = diff.removed.iter().copied().collect();
    let mut pairs: Vec<(NodeId, NodeId)> = arena.map_iter(members).collect();
    pairs.retain(|(member, _)| !removed.contains(member));
    pairs.extend(diff.added.iter().map(|member| (*member, diff.mark)));
    let members = arena.make_map(pairs);
    let outer: Vec<(NodeId, NodeId)> = arena.map_iter(a).chain([(diff.field, members)]).collect();
    Ok(arena.make_map(outer))
}

fn tuple(arena: &mut Arena, diff: &TupleDiff, a: NodeId) -> Applied {
    if let Some(hidden) = diff.hidden {
        return Ok(hidden.new);
    }
    let Node::Tuple(items) = arena.node(a) else {
        return Err(ApplyError);
    };
    let mut items = items.to_vec();
    for (at, diff) in &diff.changes {
        let place = items.get_mut(*at).ok_or(ApplyError)?;
        *place = apply(arena, diff, *place)?;
    }
    Ok(arena.make_tuple(&items))
}

fn list(arena: &mut Arena, diff: &ListDiff, a: NodeId) -> Applied {
    if let Some(hidden) = diff.hidden {
        return Ok(hidden.new);
    }
    let old: Vec<NodeId> = arena.list_iter(a).collect();
    let mut rest = old.as_slice();
    let mut new = Vec::with_capacity(old.len());
    for op in &diff.ops {
        match op {
            ListOp::Add(items) => new.extend(items),
            ListOp::Keep(len) => {
                let (kept, after) = rest.split_at_checked(*len).ok_or(ApplyError)?;
                new.extend(kept);
                rest = after;
            }
            ListOp::Remove(items) => rest = rest.strip_prefix(items.as_slice()).ok_or(ApplyError)?,
            ListOp::Change(diff) => {
                let (item, after) = rest.split_first().ok_or(ApplyError)?;
                new.push(apply(arena, diff, *item)?);
                rest = after;
            }
        }
    }
    if !rest.is_empty() {
        return Err(ApplyError);
    }
    Ok(arena.make_list(&new))
}

fn text(arena: &mut Arena, diff: &TextDiff, a: NodeId) -> Applied {
    if let Some(hidden) = diff.hidden {
        return Ok(hidden.new);
    }
    let Node::Binary(mut rest) = arena.node(a) else {
        return Err(ApplyError);
    };
    let mut new = Vec::with_capacity(rest.len());
    for op in &diff.ops {
        match op {
            TextOp::Add(part) => new.extend(part),
            TextOp::Keep(part) => {
                rest = rest.strip_prefix(part.as_slice()).ok_or(ApplyError)?;
                new.extend(part);
            }
            TextOp::Remove(part) => rest = rest.strip_prefix(part.as_slice()).ok_or(ApplyError)?,
        }
    }
    if !rest.is_empty() {
        return Err(ApplyError);
    }
    Ok(arena.make_binary(&new))
}
