//! What a callback's return says about the state, the reply and the end of the process.

use crate::term::arena::{Arena, NodeId};

use super::shape::{tuple, word, Behaviour};
use super::words::{Word, Words};

/// What became of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewState {
    /// It is the one that the callback was given.
    Same,
    /// It is this one.
    Whole(NodeId),
    /// gen_statem: another state and data.
    Named(NodeId, NodeId),
    /// gen_statem: the state as before, other data.
    Data(NodeId),
    /// There is none any more (`remove_handler`, `ignore`, a failed `init`).
    Gone,
    /// The return cannot be read.
    Unknown,
}

/// How the callback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The process goes on.
    On,
    /// It stops for this reason; `None` for gen_statem's bare `stop`.
    Stop(Option<NodeId>),
}

/// A return taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Returned {
    /// What became of the state.
    pub(super) state: NewState,
    /// The reply, where the return holds one.
    pub(super) reply: Option<NodeId>,
    /// Whether the process goes on.
    pub(super) ending: Ending,
    /// What the behaviour was asked to do next.
    pub(super) action: Option<NodeId>,
}

impl Returned {
    const fn on(state: NewState, action: Option<NodeId>) -> Self {
        Self {
            state,
            reply: None,
            ending: Ending::On,
            action,
        }
    }

    const fn stop(state: NewState, reason: Option<NodeId>) -> Self {
        Self {
            state,
            reply: None,
            ending: Ending::Stop(reason),
            action: None,
        }
    }

    const fn with_reply(mut self, reply: NodeId) -> Self {
        self.reply = Some(reply);
        self
    }
}

/// Takes the return of a documented callback apart.
#[must_use]
pub(super) fn returned(words: &Words, arena: &Arena, behaviour: Behaviour, callback: Word, id: NodeId) -> Returned {
    let items = tuple(arena, id);
    let head = items.first().copied().unwrap_or(id);
    let Some(head) = word(words, arena, head) else {
        return Returned::on(NewState::Unknown, None);
    };
    match behaviour {
        _ if callback == Word::Terminate => Returned::on(NewState::Same, None),
        Behaviour::GenStatem => statem(words, arena, head, items),
        Behaviour::GenEvent => event(callback, head, items),
        Behaviour::GenServer | Behaviour::Other => server(head, items),
    }
}

fn server(head: Word, items: &[NodeId]) -> Returned {
    use NewState::{Gone, Unknown, Whole};
    match (head, items) {
        (Word::Reply, &[_, reply, state]) => Returned::on(Whole(state), None).with_reply(reply),
        (Word::Reply, &[_, reply, state, action]) => Returned::on(Whole(state), Some(action)).with_reply(reply),
        (Word::Noreply | Word::Ok, &[_, state]) => Returned::on(Whole(state), None),
        (Word::Noreply | Word::Ok, &[_, state, action]) => Returned::on(Whole(state), Some(action)),
        (Word::Stop | Word::Error, &[_, reason]) => Returned::stop(Gone, Some(reason)),
        (Word::Stop, &[_, reason, state]) => Returned::stop(Whole(state), Some(reason)),
        (Word::Stop, &[_, reason, reply, state]) => Returned::stop(Whole(state), Some(reason)).with_reply(reply),
        (Word::Ignore, []) => Returned::stop(Gone, None),
        _ => Returned::on(Unknown, None),
    }
}

fn statem(words: &Words, arena: &Arena, head: Word, items: &[NodeId]) -> Returned {
    use NewState::{Data, Gone, Named, Same, Unknown};
    match (head, items) {
        (Word::NextState | Word::Ok, &[_, name, data]) => Returned::on(Named(name, data), None),
        (Word::NextState | Word::Ok, &[_, name, data, actions]) => {
            with_reply_action(words, arena, Returned::on(Named(name, data), Some(actions)))
        }
        (Word::KeepState | Word::RepeatState, &[_, data]) => Returned::on(Data(data), None),
        (Word::KeepState | Word::RepeatState, &[_, data, actions]) => {
            with_reply_action(words, arena, Returned::on(Data(data), Some(actions)))
        }
        (Word::KeepStateAndData | Word::RepeatStateAndData, []) => Returned::on(Same, None),
        (Word::KeepStateAndData | Word::RepeatStateAndData, &[_, actions]) => {
            with_reply_action(words, arena, Returned::on(Same, Some(actions)))
        }
        (Word::Stop, []) => Returned::stop(Same, None),
        (Word::Stop, &[_, reason]) => Returned::stop(Same, Some(reason)),
        (Word::Stop, &[_, reason, data]) => Returned::stop(Data(data), Some(reason)),
        (Word::StopAndReply, &[_, reason, replies]) => {
            let mut stop = with_reply_action(words, arena, Returned::on(Same, Some(replies)));
            stop.ending = Ending::Stop(Some(reason));
            stop
        }
        (Word::StopAndReply, &[_, reason, replies, data]) => {
            let mut stop = with_reply_action(words, arena, Returned::on(Data(data), Some(replies)));
            stop.ending = Ending::Stop(Some(reason));
            stop
        }
        (Word::Ignore, []) => Returned::stop(Gone, None),
        (Word::Error, &[_, reason]) => Returned::stop(Gone, Some(reason)),
        _ => Returned::on(Unknown, None),
    }
}

/// `{reply, From, Reply}` among gen_statem's actions, the first one.
fn with_reply_action(words: &Words, arena: &Arena, mut out: Returned) -> Returned {
    let reply_of = |id: NodeId| match *tuple(arena, id) {
        [tag, _, reply] if word(words, arena, tag) == Some(Word::Reply) => Some(reply),
        _ => None,
    };
    if let Some(action) = out.action {
        out.reply = reply_of(action).or_else(|| arena.list_iter(action).find_map(reply_of));
    }
    out
}

fn event(callback: Word, head: Word, items: &[NodeId]) -> Returned {
    use NewState::{Gone, Unknown, Whole};
    match (head, items) {
        (Word::Ok, &[_, state]) => Returned::on(Whole(state), None),
        (Word::Ok, &[_, reply, state] | &[_, reply, state, _]) if callback == Word::HandleCall => {
            Returned::on(Whole(state), None).with_reply(reply)
        }
        (Word::Ok, &[_, state, action]) => Returned::on(Whole(state), Some(action)),
        (Word::SwapHandler, &[_, _, state, _, _]) => Returned::on(Whole(state), None),
        (Word::SwapHandler, &[_, reply, _, state, _, _]) => Returned::on(Whole(state), None).with_reply(reply),
        (Word::RemoveHandler, []) => Returned::on(Gone, None),
        (Word::RemoveHandler, &[_, reply]) => Returned::on(Gone, None).with_reply(reply),
        _ => Returned::on(Unknown, None),
    }
}
