//! A query made ready: names looked up, one row judged at a time.

use std::sync::Arc;

use crate::event::{EventKind, Fields};
use crate::pattern::{Answer, Part, Prepared};
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

    /// Judges by what a row says of itself, its content apart.
    pub(super) fn admits(&self, view: &ChunkView, row: &EventRow) -> bool {
        self.query.kinds.is_none_or(|kinds| kinds & row.kind.bit() != 0)
            && self.track.as_ref().is_none_or(|who| who.tracks.contains(row.track))
            && self
                .query
                .mfa
                .as_ref()
                .is_none_or(|mfa| Function::of(&view.arena, row).is_some_and(|function| function.is(mfa)))
    }

    /// Whether it matters who sent a message and who it was for.
    pub(super) const fn asks_for_ends(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Judges by that.
    pub(super) fn admits_ends(&self, view: &ChunkView, row: &EventRow, ends: &Ends) -> bool {
        self.from.as_ref().is_none_or(|who| who.sent(view, row, ends))
            && self.to.as_ref().is_none_or(|who| who.got(view, row, ends))
    }

    /// The pattern for the content, its keys and literals looked up in one chunk.
    pub(super) fn sieve<'v>(&'v self, view: &'v ChunkView) -> Option<Prepared<'v>> {
        Some(self.query.matches.as_ref()?.prepare_sieve(&view.arena))
    }

    /// Judges by content.
    pub(super) fn judge(words: &Words, view: &Arc<ChunkView>, row: &EventRow, sieve: Option<&Prepared<'_>>) -> Verdict {
        let Some(sieve) = sieve else { return Verdict::Yes };
        let mut verdict = Verdict::No;
        for subject in subjects(words, &view.arena, row).iter() {
            match sieve.answer(Part::Term(&view.arena, *subject)) {
                Answer::Yes => return Verdict::Yes,
                Answer::Unknown(_) => verdict = Verdict::Unknown,
                Answer::No => {}
            }
        }
        verdict
    }
}

/// The terms of a row that a pattern is asked of.
fn subjects(words: &Words, arena: &Arena, row: &EventRow) -> Contents {
    let message = match row.kind {
        EventKind::Send | EventKind::SendToDead => term(row, 1),
        EventKind::Receive => term(row, 0),
        EventKind::State => {
            let bits = [Fields::MESSAGE, Fields::AFTER, Fields::BEFORE, Fields::RETURNED];
            return bits.into_iter().filter_map(|bit| field(row, bit)).collect();
        }
        kind => return term(row, main_term(kind)).into_iter().collect(),
    };
    message.map_or(Contents::NONE, |message| contents(words, arena, message))
}

const fn main_term(kind: EventKind) -> usize {
    match kind {
        EventKind::Spawn | EventKind::Spawned => 1,
        // What the variables held; the place is a number that means nothing to a user.
        EventKind::Line | EventKind::Mark if !cfg!(mutant = "query_lines_by_place") => 1,
        EventKind::Call => 2,
        EventKind::Return => 3,
        EventKind::Exception => 4,
        _ => 0,
    }
}

/// What a pattern may be asked of where one is asked of a message.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    nodes: [NodeId; 4],
    len: usize,
}

impl std::ops::Deref for Contents {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.nodes[..self.len]
    }
}

impl Contents {
    const NONE: Self = Self {
        nodes: [NodeId(0); 4],
        len: 0,
    };
}

impl FromIterator<NodeId> for Contents {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut all = Self::NONE;
        for node in nodes.into_iter().take(all.nodes.len()) {
            all.nodes[all.len] = node;
            all.len += 1;
        }
        all
    }
}

/// A message as it was sent, and what is in its envelope.
#[must_use]
pub fn contents(words: &Words, arena: &Arena, message: NodeId) -> Contents {
    let body = envelope(words, arena, message).body;
    let reply = tagged_reply(arena, message).map(|(_, reply)| reply);
    let mut all = Contents {
        nodes: [message; 4],
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
