//! Which ends of a process are failures.

use crate::term::arena::{Arena, Node, NodeId};
use crate::timeline::{Word, Words};

fn items(arena: &Arena, id: NodeId) -> &[NodeId] {
    match arena.node(id) {
        Node::Tuple(items) => items,
        _ => &[],
    }
}

fn word(words: &Words, arena: &Arena, id: NodeId) -> Option<Word> {
    match arena.node(id) {
        Node::Atom(atom) => Some(words.of(atom)),
        _ => None,
    }
}

/// Whether a process that ended for this reason has failed: all but `normal`, `shutdown` and `{shutdown, _}`.
pub(super) fn is_failure(words: &Words, arena: &Arena, reason: NodeId) -> bool {
    let orderly = match (word(words, arena, reason), items(arena, reason)) {
        (Some(Word::Normal | Word::Shutdown), _) => true,
        (_, &[tag, _]) => word(words, arena, tag) == Some(Word::Shutdown),
        _ => false,
    };
    !orderly
}

/// The reason in `{Reason, Stacktrace}`, as an error leaves it; any other reason as it is.
pub(super) fn inner_reason(arena: &Arena, reason: NodeId) -> NodeId {
    let &[inner, trace] = items(arena, reason) else {
        return reason;
    };
    let entry = arena.list_get(trace, 0);
    match entry.map(|entry| items(arena, entry).len()) {
        Some(4) => inner,
        _ => reason,
    }
}
