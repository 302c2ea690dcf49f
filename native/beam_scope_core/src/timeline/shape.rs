//! What a message is, by its shape: a call, a cast, a timeout, a notification; and what a callback's return says.

use crate::event::Point;
use crate::term::arena::{Arena, Node, NodeId};

use super::words::{Word, Words};

/// Which behaviour's habits apply to a process's messages and returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// `gen_server`, and everything built on it.
    #[default]
    GenServer,
    /// `gen_statem`: messages are `{Type, Content}`, a state is `{State, Data}`.
    GenStatem,
    /// `gen_event`: a state is a list of handlers.
    GenEvent,
    /// A loop of somebody's own.
    Other,
}

impl Behaviour {
    /// The behaviour that a state record's tag names.
    #[must_use]
    pub fn from_word(word: Word) -> Self {
        match word {
            Word::GenServer => Self::GenServer,
            Word::GenStatem => Self::GenStatem,
            Word::GenEvent => Self::GenEvent,
            _ => Self::Other,
        }
    }

    /// The behaviour to assume where a record does not tell.
    #[must_use]
    pub(super) fn assumed(point: Option<Point>) -> Self {
        match point {
            Some(Point::Step) => Self::GenStatem,
            _ => Self::GenServer,
        }
    }
}

/// What made a state change, or failed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// The first state of a process that began in the recording.
    Init,
    /// A `call`.
    Call,
    /// A `cast`.
    Cast,
    /// Any other message.
    Info,
    /// `{continue, _}`.
    Continue,
    /// A timeout: the behaviour's own, gen_statem's event and generic ones too.
    Timeout,
    /// gen_statem's state timeout.
    StateTimeout,
    /// gen_statem's state enter call.
    Enter,
    /// gen_statem's internal event.
    Internal,
    /// A notification to gen_event.
    Event,
    /// The end of the process without a message to blame.
    End,
    /// A state became known: read from a living process, or seen first after a time of not knowing.
    Read,
    /// The state is another one and no message was seen that made it so: `sys:replace_state`, a code change.
    Changed,
    /// Events were lost here; the state is unknown until it is seen again.
    Gap,
}

impl TransitionKind {
    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Call => "call",
            Self::Cast => "cast",
            Self::Info => "info",
            Self::Continue => "continue",
            Self::Timeout => "timeout",
            Self::StateTimeout => "state_timeout",
            Self::Enter => "enter",
            Self::Internal => "internal",
            Self::Event => "event",
            Self::End => "end",
            Self::Read => "read",
            Self::Changed => "changed",
            Self::Gap => "gap",
        }
    }
}

/// A message taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What it is.
    pub kind: TransitionKind,
    /// What the user sent: the message without its envelope.
    pub body: NodeId,
    /// The pid word of the caller, for calls.
    pub from: Option<u64>,
    /// The tag of the reply that a call waits for.
    pub tag: Option<NodeId>,
}

impl Shape {
    const fn plain(kind: TransitionKind, body: NodeId) -> Self {
        Self {
            kind,
            body,
            from: None,
            tag: None,
        }
    }
}

/// The elements of a tuple, complete ones only.
#[must_use]
pub(crate) fn tuple(arena: &Arena, id: NodeId) -> &[NodeId] {
    match arena.node(id) {
        Node::Tuple(items) => items,
        _ => &[],
    }
}

/// The pid word of a node.
#[must_use]
pub(crate) fn pid(arena: &Arena, id: NodeId) -> Option<u64> {
    match arena.node(id) {
        Node::Pid(word) => Some(word),
        _ => None,
    }
}

/// The word of an atom node.
#[must_use]
pub(crate) fn word(words: &Words, arena: &Arena, id: NodeId) -> Option<Word> {
    match arena.node(id) {
        Node::Atom(atom) => Some(words.of(atom)),
        _ => None,
    }
}

/// Takes a message of this behaviour apart.
#[must_use]
pub fn message(words: &Words, arena: &Arena, behaviour: Behaviour, id: NodeId) -> Shape {
    match behaviour {
        Behaviour::GenStatem => statem(words, arena, id),
        Behaviour::GenEvent => event(words, arena, id),
        Behaviour::GenServer | Behaviour::Other => envelope(words, arena, id),
    }
}

/// Takes a message apart as it stands in a mailbox, whoever receives it.
#[must_use]
pub fn envelope(words: &Words, arena: &Arena, id: NodeId) -> Shape {
    match *tuple(arena, id) {
        [tag, from, body] if word(words, arena, tag) == Some(Word::GenCall) => call(arena, from, body),
        [tag, body] if word(words, arena, tag) == Some(Word::GenCast) => Shape::plain(TransitionKind::Cast, body),
        _ => Shape::plain(TransitionKind::Info, id),
    }
}

fn call(arena: &Arena, from: NodeId, body: NodeId) -> Shape {
    let mut shape = Shape::plain(TransitionKind::Call, body);
    if let [caller, tag] = *tuple(arena, from) {
        shape.from = pid(arena, caller);
        shape.tag = Some(tag);
    }
    shape
}

fn statem(words: &Words, arena: &Arena, id: NodeId) -> Shape {
    let [kind, content] = *tuple(arena, id) else {
        return Shape::plain(TransitionKind::Info, id);
    };
    let simple = |kind| Shape::plain(kind, content);
    match word(words, arena, kind) {
        Some(Word::Cast) => simple(TransitionKind::Cast),
        Some(Word::Info) => simple(TransitionKind::Info),
        Some(Word::Timeout) => simple(TransitionKind::Timeout),
        Some(Word::StateTimeout) => simple(TransitionKind::StateTimeout),
        Some(Word::Enter) => simple(TransitionKind::Enter),
        Some(Word::Internal) if word(words, arena, content) == Some(Word::InitState) => simple(TransitionKind::Init),
        Some(Word::Internal) => simple(TransitionKind::Internal),
        Some(_) => Shape::plain(TransitionKind::Info, id),
        None => match *tuple(arena, kind) {
            [tag, from] if word(words, arena, tag) == Some(Word::Call) => call(arena, from, content),
            [tag, _] if word(words, arena, tag) == Some(Word::Timeout) => simple(TransitionKind::Timeout),
            _ => Shape::plain(TransitionKind::Info, id),
        },
    }
}

fn event(words: &Words, arena: &Arena, id: NodeId) -> Shape {
    match *tuple(arena, id) {
        [tag, body] if word(words, arena, tag) == Some(Word::Notify) => Shape::plain(TransitionKind::Event, body),
        [label, from, request] if pid(arena, label).is_some() => {
            let mut shape = call(arena, from, request);
            match *tuple(arena, request) {
                [tag, body] if word(words, arena, tag) == Some(Word::SyncNotify) => {
                    shape.kind = TransitionKind::Event;
                    shape.body = body;
                }
                [tag, _, body] if word(words, arena, tag) == Some(Word::Call) => shape.body = body,
                _ => {}
            }
            shape
        }
        _ => Shape::plain(TransitionKind::Info, id),
    }
}

/// A message that the behaviour takes from its queue itself, so that no handler ever sees it: system messages, and
/// replies (`{[alias | Ref], _}`, `{Ref, _}`) that a callback waits for.
#[must_use]
pub(crate) fn is_internal(words: &Words, arena: &Arena, id: NodeId) -> bool {
    match *tuple(arena, id) {
        [tag, _, _] => word(words, arena, tag) == Some(Word::System),
        [tag, _] => is_alias_tag(words, arena, tag),
        _ => false,
    }
}

/// `[alias | Ref]`.
#[must_use]
fn is_alias_tag(words: &Words, arena: &Arena, id: NodeId) -> bool {
    alias_ref(words, arena, id).is_some()
}

/// The reference in `[alias | Ref]`.
#[must_use]
pub(crate) fn alias_ref(words: &Words, arena: &Arena, id: NodeId) -> Option<NodeId> {
    let Node::Improper { len: 1, tail } = arena.node(id) else {
        return None;
    };
    let head = arena.list_get(id, 0)?;
    let is_ref = matches!(arena.node(tail), Node::Ref(_));
    (is_ref && word(words, arena, head) == Some(Word::Alias)).then_some(tail)
}
