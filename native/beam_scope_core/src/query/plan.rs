//! A query made ready: names looked up, one row judged at a time.

use crate::event::{EventKind, Fields};
use crate::store::{ChunkView, EventRow};
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::AtomId;
use crate::timeline::history::tagged_reply;
use crate::timeline::view::Inner;
use crate::timeline::{envelope, field, term, Selector, TimelineError, Verdict, Words};

use super::who::{Ends, Tracks, Who};
use super::{Mfa, Query};

/// A query made ready for one reading.
pub(super) struct Plan<'q> {
    query: &'q Query,
    track: Option<Who>,
    from: Option<Who>,
    to: Option<Who>,
}

impl<'q> Plan<'q> {
    pub(super) fn new(inner: &Inner, query: &'q Query) -> Self {
        let who = |selector: &Option<Selector>| selector.as_ref().map(|selector| Who::of(&inner.index.facts, selector));
        Self {
            query,
            track: who(&query.track),
            from: who(&query.from),
            to: who(&query.to),
        }
    }

    /// A query about a process that the recording does not know is a mistake, not an empty answer.
    pub(super) fn check(&self) -> Result<(), TimelineError> {
        let unknown = self.track.as_ref().is_some_and(Who::is_unknown);
        if unknown {
            return Err(TimelineError::NoSuchProcess);
        }
        Ok(())
    }

    /// The tracks to read, when not all are to be read.
    pub(super) fn tracks(&self) -> Option<&Tracks> {
        self.track.as_ref().map(|who| &who.tracks)
    }

    /// Judges by everything but the content.
    pub(super) fn admits(&self, view: &ChunkView, row: &EventRow, ends: &Ends) -> bool {
        self.query.kinds.is_none_or(|kinds| kinds & row.kind.bit() != 0)
            && self.track.as_ref().is_none_or(|who| who.tracks.contains(row.track))
            && self
                .query
                .mfa
                .as_ref()
                .is_none_or(|mfa| Function::of(&view.arena, row).is_some_and(|function| function.is(mfa)))
            && self.from.as_ref().is_none_or(|who| who.sent(view, row, ends))
            && self.to.as_ref().is_none_or(|who| who.got(view, row, ends))
    }

    /// Judges by content.
    pub(super) fn judge(&self, words: &Words, arena: &Arena, row: &EventRow) -> Verdict {
        let Some(matches) = &self.query.matches else {
            return Verdict::Yes;
        };
        let mut verdict = Verdict::No;
        for subject in subjects(words, arena, row) {
            match matches(arena, subject) {
                Verdict::Yes => return Verdict::Yes,
                Verdict::Unknown => verdict = Verdict::Unknown,
                Verdict::No => {}
            }
        }
        verdict
    }
}

/// The terms of a row that a pattern is asked of.
fn subjects(words: &Words, arena: &Arena, row: &EventRow) -> Vec<NodeId> {
    match row.kind {
        EventKind::Send | EventKind::SendToDead => {
            term(row, 1).map_or_else(Vec::new, |m| contents(words, arena, m).into())
        }
        EventKind::Receive => term(row, 0).map_or_else(Vec::new, |m| contents(words, arena, m).into()),
        EventKind::State => {
            let bits = [Fields::MESSAGE, Fields::AFTER, Fields::BEFORE, Fields::RETURNED];
            bits.into_iter().filter_map(|bit| field(row, bit)).collect()
        }
        kind => term(row, main_term(kind)).into_iter().collect(),
    }
}

const fn main_term(kind: EventKind) -> usize {
    match kind {
        EventKind::Spawn | EventKind::Spawned => 1,
        EventKind::Call => 2,
        EventKind::Return => 3,
        EventKind::Exception => 4,
        _ => 0,
    }
}

/// What a pattern may be asked of where one is asked of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents {
    nodes: [NodeId; 3],
    len: usize,
}

impl std::ops::Deref for Contents {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.nodes[..self.len]
    }
}

impl From<Contents> for Vec<NodeId> {
    fn from(contents: Contents) -> Self {
        contents.to_vec()
    }
}

/// A message as it was sent, and what is in its envelope.
pub(crate) fn contents(words: &Words, arena: &Arena, message: NodeId) -> Contents {
    let body = envelope(words, arena, message).body;
    let reply = tagged_reply(arena, message).map(|(_, reply)| reply);
    let mut all = Contents {
        nodes: [message; 3],
        len: 1,
    };
    for inner in [Some(body), reply]
        .into_iter()
        .flatten()
        .filter(|inner| *inner != message)
    {
        all.nodes[all.len] = inner;
        all.len += 1;
    }
    all
}

/// The function that a call, or how it ended, is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    module: Option<AtomId>,
    function: Option<AtomId>,
    arity: Option<u32>,
}

impl Function {
    /// Of a row; `None` where it is about no function.
    pub(crate) fn of(arena: &Arena, row: &EventRow) -> Option<Self> {
        if !matches!(row.kind, EventKind::Call | EventKind::Return | EventKind::Exception) {
            return None;
        }
        let atom = |i| match term(row, i).map(|node| arena.node(node)) {
            Some(Node::Atom(atom)) => Some(atom),
            _ => None,
        };
        let arity = match term(row, 2).map(|node| (node, arena.node(node))) {
            Some((_, Node::Int(n))) => u32::try_from(n).ok(),
            Some((_, Node::TruncatedList { full, .. } | Node::Truncated(_, full))) => u32::try_from(full).ok(),
            Some((node, _)) => Some(arena.list_len(node) as u32),
            None => None,
        };
        Some(Self {
            module: atom(0),
            function: atom(1),
            arity,
        })
    }

    /// Whether it is this one, or one of these.
    pub(crate) fn is(&self, mfa: &Mfa) -> bool {
        let same = |wanted: Option<AtomId>, found| wanted.is_none_or(|wanted| found == Some(wanted));
        same(mfa.module, self.module)
            && same(mfa.function, self.function)
            && mfa.arity.is_none_or(|arity| self.arity == Some(arity))
    }
}
