//! A query made ready: names looked up, one row judged at a time.

use std::collections::HashSet;

use crate::event::{EventKind, Fields};
use crate::store::{ChunkView, EventRow, TrackId};
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::Value;
use crate::timeline::history::{sender_pid, tagged_reply};
use crate::timeline::view::{select, Inner};
use crate::timeline::{envelope, field, term, Selector, TimelineError, Verdict, Words};

use super::{Mfa, Query};

/// The processes that a selector stands for, in every form in which a row may name them.
#[derive(Debug)]
struct Who {
    tracks: HashSet<TrackId>,
    pid: Option<u64>,
    name: Option<Value>,
}

impl Who {
    fn of(inner: &Inner, who: &Selector) -> Self {
        let tracks = select(&inner.index.facts, who)
            .unwrap_or_default()
            .into_iter()
            .collect();
        let pid = if let Selector::Pid(pid) = who { Some(*pid) } else { None };
        let name = if let Selector::Name(name) = who {
            Some(name.clone())
        } else {
            None
        };
        Self { tracks, pid, name }
    }

    fn is_unknown(&self) -> bool {
        self.tracks.is_empty()
    }

    fn has(&self, track: Option<TrackId>) -> bool {
        track.is_some_and(|track| self.tracks.contains(&track))
    }

    fn is_node(&self, arena: &Arena, node: NodeId) -> bool {
        match arena.node(node) {
            Node::Pid(pid) => self.pid == Some(pid),
            _ => self.name.as_ref().is_some_and(|name| arena.find(name) == Some(node)),
        }
    }
}

/// A query made ready for one reading.
pub(super) struct Plan<'q> {
    query: &'q Query,
    track: Option<Who>,
    from: Option<Who>,
    to: Option<Who>,
}

/// Who sent a message and who it was for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub(super) partner: Option<u64>,
    pub(super) from: Option<TrackId>,
    pub(super) to: Option<TrackId>,
    pub(super) to_pid: Option<u64>,
}

impl<'q> Plan<'q> {
    pub(super) fn new(inner: &Inner, query: &'q Query) -> Self {
        let who = |selector: &Option<Selector>| selector.as_ref().map(|selector| Who::of(inner, selector));
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
    pub(super) fn tracks(&self) -> Option<&HashSet<TrackId>> {
        self.track.as_ref().map(|who| &who.tracks)
    }

    /// Judges by everything but the content.
    pub(super) fn admits(&self, inner: &Inner, view: &ChunkView, row: &EventRow, ends: &Ends) -> bool {
        self.query.kinds.is_none_or(|kinds| kinds & row.kind.bit() != 0)
            && self.track.as_ref().is_none_or(|who| who.tracks.contains(&row.track))
            && self.query.mfa.as_ref().is_none_or(|mfa| is_of(&view.arena, row, mfa))
            && self.is_from(view, row, ends)
            && self.is_to(inner, view, row, ends)
    }

    fn is_from(&self, view: &ChunkView, row: &EventRow, ends: &Ends) -> bool {
        let Some(who) = &self.from else { return true };
        let sender = match row.kind {
            EventKind::Receive => term(row, 1),
            EventKind::Send | EventKind::SendToDead => None,
            _ => return false,
        };
        let by_pid = sender.and_then(|sender| sender_pid(&view.arena, sender));
        who.has(ends.from) || by_pid.is_some_and(|pid| who.pid == Some(pid))
    }

    fn is_to(&self, _inner: &Inner, view: &ChunkView, row: &EventRow, ends: &Ends) -> bool {
        let Some(who) = &self.to else { return true };
        match row.kind {
            EventKind::Receive => who.has(Some(row.track)),
            EventKind::Send | EventKind::SendToDead => {
                let by_alias = ends.to_pid.is_some_and(|pid| who.pid == Some(pid));
                who.has(ends.to) || by_alias || term(row, 0).is_some_and(|to| who.is_node(&view.arena, to))
            }
            _ => false,
        }
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
        EventKind::Send | EventKind::SendToDead => term(row, 1).map_or_else(Vec::new, |m| message(words, arena, m)),
        EventKind::Receive => term(row, 0).map_or_else(Vec::new, |m| message(words, arena, m)),
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

/// A message as it was sent, and what is in its envelope.
fn message(words: &Words, arena: &Arena, message: NodeId) -> Vec<NodeId> {
    let body = envelope(words, arena, message).body;
    let reply = tagged_reply(arena, message).map(|(_, reply)| reply);
    let mut all = vec![message];
    all.extend(
        [Some(body), reply]
            .into_iter()
            .flatten()
            .filter(|inner| *inner != message),
    );
    all
}

fn is_of(arena: &Arena, row: &EventRow, mfa: &Mfa) -> bool {
    if !matches!(row.kind, EventKind::Call | EventKind::Return | EventKind::Exception) {
        return false;
    }
    let atom = |i| match term(row, i).map(|node| arena.node(node)) {
        Some(Node::Atom(atom)) => Some(atom),
        _ => None,
    };
    let arity = || match term(row, 2).map(|node| (node, arena.node(node))) {
        Some((_, Node::Int(n))) => u32::try_from(n).ok(),
        Some((_, Node::TruncatedList { full, .. } | Node::Truncated(_, full))) => u32::try_from(full).ok(),
        Some((node, _)) => Some(arena.list_len(node) as u32),
        None => None,
    };
    mfa.module.is_none_or(|module| atom(0) == Some(module))
        && mfa.function.is_none_or(|function| atom(1) == Some(function))
        && mfa.arity.is_none_or(|n| arity() == Some(n))
}
