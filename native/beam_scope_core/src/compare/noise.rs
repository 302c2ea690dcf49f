//! Messages that say nothing of the system at work: protocols by which processes are started, stopped, looked at and print.

use crate::term::arena::{Arena, Node, NodeId};
use crate::timeline::{Word, Words};

fn items(arena: &Arena, id: NodeId) -> &[NodeId] {
    match arena.node(id) {
        Node::Tuple(items) => items,
        _ => &[],
    }
}

fn is_pid(arena: &Arena, id: NodeId) -> bool {
    matches!(arena.node(id), Node::Pid(_) | Node::External(..))
}

fn word(words: &Words, arena: &Arena, id: NodeId) -> Option<Word> {
    match arena.node(id) {
        Node::Atom(atom) => Some(words.of(atom)),
        _ => None,
    }
}

/// Whether a message is one of those.
pub(super) fn is_system(words: &Words, arena: &Arena, message: NodeId) -> bool {
    let is = |id, wanted: Word| word(words, arena, id) == Some(wanted);
    match *items(arena, message) {
        [tag, _, _] if is(tag, Word::System) => true,
        [tag, _, request] if is(tag, Word::GenCall) => items(arena, request)
            .first()
            .is_some_and(|tag| is(*tag, Word::Registrar)),
        [tag, _, reason] if is(tag, Word::ExitMsg) => is(reason, Word::Normal),
        [tag, _, _, _, reason] if is(tag, Word::Down) => is(reason, Word::Normal),
        [tag, pid, _] if is(tag, Word::Ack) || is(tag, Word::Nack) => is_pid(arena, pid),
        [tag, _, _] => is(tag, Word::IoReply) || is(tag, Word::CodeCall),
        [tag, _, _, _] => is(tag, Word::IoRequest),
        [tag, _] => is(tag, Word::CodeServer),
        // What a task is to do.
        [owner, _, _, callers, what] => {
            let is_list = matches!(arena.node(callers), Node::List { .. });
            is_pid(arena, owner) && is_list && items(arena, what).len() == 3
        }
        _ => false,
    }
}

/// The tag of the answer that a system message asks for: `{system, {_, Tag}, _}`.
pub(super) fn system_tag(words: &Words, arena: &Arena, message: NodeId) -> Option<NodeId> {
    let [tag, from, _] = *items(arena, message) else {
        return None;
    };
    let [_, answer] = *items(arena, from) else { return None };
    (word(words, arena, tag) == Some(Word::System)).then_some(answer)
}

/// Whether a message tells of an end: it means something even where it changes nothing.
pub(super) fn tells_an_end(words: &Words, arena: &Arena, message: NodeId) -> bool {
    let first = items(arena, message).first().and_then(|tag| word(words, arena, *tag));
    matches!(first, Some(Word::Down | Word::ExitMsg))
}
