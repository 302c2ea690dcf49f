//! Something that happened: where it is, what a pattern is asked of there, and how it is told.

use std::cell::OnceCell;

use crate::event::EventKind;
use crate::pattern::Part;
use crate::query::plan::Function;
use crate::query::who::{Ends, Who};
use crate::query::Hit;
use crate::store::{ChunkView, EventRow, TrackId};
use crate::timeline::view::Inner;
use crate::timeline::Transition;

use super::check::What;
use super::content::Content;

/// Where something that happened is in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) what: What,
    pub(crate) track: TrackId,
    /// The event that completed it.
    pub(crate) seq: u64,
    pub(crate) at_ns: u64,
    /// Of a call: the event that began it.
    pub(crate) call: Option<u64>,
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

impl<'v> Happened<'v> {
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
    /// The event that completed it.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Event { hit, end, .. } => end.as_ref().unwrap_or(hit).row.seq,
            Self::Transition { transition, .. } => transition.seq,
        }
    }
}
