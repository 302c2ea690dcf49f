//! A place inside a term: keys of maps, positions in tuples and lists.

use crate::term::arena::{Arena, Node, NodeId};
use crate::term::Value;

/// What is at a path. `Err`: the way there was truncated or redacted, so nobody can tell.
pub fn at(arena: &Arena, node: NodeId, path: &[Value]) -> Result<Option<NodeId>, Unknown> {
    let mut here = node;
    for key in path {
        match step(arena, here, key)? {
            Some(next) => here = next,
            None => return Ok(None),
        }
    }
    Ok(Some(here))
}

/// What the path leads to was not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

fn step(arena: &Arena, here: NodeId, key: &Value) -> Result<Option<NodeId>, Unknown> {
    match (arena.node(here), key) {
        (Node::Tuple(items), Value::Int(at)) => Ok(usize::try_from(*at).ok().and_then(|at| items.get(at).copied())),
        (Node::TruncatedTuple(items, _), Value::Int(at)) => {
            let known = usize::try_from(*at).ok().and_then(|at| items.get(at).copied());
            known.map(Some).ok_or(Unknown)
        }
        (Node::TruncatedMap { .. }, _) => get(arena, here, key).map(Some).ok_or(Unknown),
        (Node::Truncated(..) | Node::Redacted(..) | Node::TruncatedTuple(..) | Node::TruncatedList { .. }, _) => {
            Err(Unknown)
        }
        (Node::Map { .. }, _) => Ok(get(arena, here, key)),
        (Node::List { .. }, Value::Int(at)) => Ok(usize::try_from(*at).ok().and_then(|at| arena.list_get(here, at))),
        // A keyword list.
        (Node::List { .. }, _) => {
            let key = arena.find(key);
            let pair = |node: NodeId| match arena.node(node) {
                Node::Tuple(&[own, value]) if Some(own) == key => Some(value),
                _ => None,
            };
            Ok(key.and_then(|_| arena.list_iter(here).find_map(pair)))
        }
        _ => Ok(None),
    }
}

fn get(arena: &Arena, map: NodeId, key: &Value) -> Option<NodeId> {
    arena.map_get(map, arena.find(key)?)
}
