//! Something that happened: where it is, what a pattern is asked of there, and how it is told.

use std::cell::OnceCell;

use crate::event::EventKind;
use crate::pattern::Part;
use crate::query::plan::Function;
use crate::query::who::{Ends, Who};
use crate::query::Hit;
use crate::store::{ChunkView, EventRow, TrackId};
use crate::term::arena::Node;
use crate::term::{AtomId, Value};
use crate::timeline::history::sender_pid;
use crate::timeline::view::Inner;
use crate::timeline::{term, Facts, Transition};

use super::check::{Parties, What};
use super::content::Content;

/// Where something that happened is in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) what: What,
    pub(crate) track: TrackId,
    /// The event that completed it.
    pub(crate) seq: u64,
    pub(crate) at_ns: u64,
    /// The event that began it, of a transition or of a call that is asked for its value; else the same.
    pub(crate) began: u64,
    /// When it may have come about at the earliest: of a state or a transition, when its message was taken up.
    pub(crate) since: u64,
    /// Of a state or transition: which of those that the event completed.
    pub(crate) nth: u32,
    /// Of a crash: told by a transition, not by the exit.
    pub(crate) by_transition: bool,
}

/// How far a call has come when it is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has begun, and will be told of again.
    Made,
    /// It has ended, or never will.
    Ended,
    /// It had not ended when the recording did.
    Open,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) struct Happened<'v> {
    pub(crate) place: Place,
    pub(crate) content: Content<'v>,
    /// Of messages.
    pub(crate) mail: Option<Mail<'v>>,
    /// Of calls.
    pub(super) function: Option<Function>,
    /// Of calls.
    pub(super) stage: Stage,
    /// A crash that the process's last transition told already.
    pub(super) again: bool,
}

/// A message on its way. Who took part is looked up when somebody asks.
#[derive(Debug)]
pub(crate) struct Mail<'v> {
    pub(super) inner: &'v Inner,
    pub(crate) view: &'v ChunkView,
    pub(crate) row: &'v EventRow,
    pub(super) ends: OnceCell<Ends>,
}

impl Mail<'_> {
    /// Who sent it and who it was for.
    pub(crate) fn ends(&self) -> &Ends {
        self.ends.get_or_init(|| Ends::of(self.inner, self.view, self.row))
    }

    /// Whether it came from them. Of what was sent the sender is whom it happened to.
    pub(super) fn is_from(&self, who: &Who) -> bool {
        match self.row.kind {
            EventKind::Receive => who.sent(self.view, self.row, self.ends()),
            _ => who.tracks.contains(self.row.track),
        }
    }

    /// Whether it was for them. Of what was received the receiver is whom it happened to.
    pub(super) fn is_for(&self, who: &Who) -> bool {
        match self.row.kind {
            EventKind::Receive => who.tracks.contains(self.row.track),
            _ => who.got(self.view, self.row, self.ends()),
        }
    }
}

impl Mail<'_> {
    fn sender(&self, facts: &Facts) -> Option<Value> {
        let told = || term(self.row, 1).and_then(|sender| sender_pid(&self.view.arena, sender));
        let told = || {
            if self.row.kind == EventKind::Receive {
                told()
            } else {
                None
            }
        };
        let pid = pid_of(facts, self.ends().from).or_else(told);
        pid.map(Value::Pid)
    }

    /// What it was sent to, where nobody knows who that was.
    fn receiver(&self, facts: &Facts) -> Option<Value> {
        let ends = self.ends();
        if let Some(pid) = pid_of(facts, ends.to).or(ends.to_pid) {
            return Some(Value::Pid(pid));
        }
        let to = term(self.row, 0).filter(|_| self.row.kind != EventKind::Receive)?;
        match self.view.arena.node(to) {
            Node::Pid(_) | Node::Atom(_) => Some(self.view.arena.to_value(to)),
            _ => None,
        }
    }
}

/// The pid of a process.
pub(super) fn pid_of(facts: &Facts, track: Option<TrackId>) -> Option<u64> {
    facts.track(track?).map(|track| track.pid)
}

impl<'v> Happened<'v> {
    /// What a step's variables for processes stand for; `None` where that is not known.
    pub(super) fn parties<'a>(
        &'a self,
        parties: Parties,
        facts: &'a Facts,
    ) -> impl Iterator<Item = (AtomId, Option<Value>)> + 'a {
        let mail = self.mail.as_ref();
        let own = move || pid_of(facts, Some(self.place.track)).map(Value::Pid);
        let process = parties.process.map(|name| (name, own()));
        let from = parties
            .from
            .map(|name| (name, mail.and_then(|mail| mail.sender(facts))));
        let to = parties
            .to
            .map(|name| (name, mail.and_then(|mail| mail.receiver(facts))));
        [process, from, to].into_iter().flatten()
    }

    pub(super) const fn new(place: Place, content: Content<'v>) -> Self {
        Self {
            place,
            content,
            mail: None,
            function: None,
            stage: Stage::Ended,
            again: false,
        }
    }

    /// A process's first state.
    pub(super) const fn begins(&self) -> bool {
        matches!(self.content, Content::Step([Part::Absent, _], _))
    }
}

/// Something that happened, as it is told.
#[derive(Debug)]
pub enum Subject {
    /// An event; of a call also the event that ended it.
    Event {
        /// What it was found as.
        what: What,
        /// The event.
        hit: Box<Hit>,
        /// The return or exception of a call.
        end: Option<Box<Hit>>,
    },
    /// A state or a transition, or the one that ended in a crash.
    Transition {
        /// What it was found as.
        what: What,
        /// The transition.
        transition: Box<Transition>,
    },
}

impl Subject {
    /// What a step's variables for processes stand for, where that is known.
    pub(super) fn parties(&self, parties: Parties, facts: &Facts) -> Vec<(AtomId, u64)> {
        let pid = |track| pid_of(facts, track);
        let (own, from, to) = match self {
            Self::Transition { transition, .. } => (pid(Some(transition.track)), None, None),
            Self::Event { hit, .. } => (
                pid(Some(hit.row.track)),
                pid(hit.from_track),
                pid(hit.to_track).or(hit.to_pid),
            ),
        };
        let all = [(parties.process, own), (parties.from, from), (parties.to, to)];
        all.into_iter().filter_map(|(name, pid)| Some((name?, pid?))).collect()
    }

    /// The event that completed it.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Event { hit, end, .. } => end.as_ref().unwrap_or(hit).row.seq,
            Self::Transition { transition, .. } => transition.seq,
        }
    }
}
