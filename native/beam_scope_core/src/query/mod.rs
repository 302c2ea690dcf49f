//! Everything a user asks about events is one [`Query`]: which kinds, of whom, when, with what in them.
//!
//! [`run`] answers it over what is recorded. [`Live`] answers it again and again over what came since.

mod live;
pub(crate) mod plan;
mod run;
pub(crate) mod who;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::pattern::Pattern;
use crate::store::{ChunkView, EventRow, TrackId};
use crate::term::AtomId;
use crate::timeline::{Moment, Selector};

pub use live::Live;
pub use plan::{contents, Contents};
pub use run::run;

/// Which of two ends comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    #[default]
    Asc,
    /// Newest first.
    Desc,
}

/// A function, or several: what is `None` may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mfa {
    /// The module.
    pub module: Option<AtomId>,
    /// The function.
    pub function: Option<AtomId>,
    /// How many arguments.
    pub arity: Option<u32>,
}

/// A question about events. What is `None` does not restrict.
#[derive(Clone, Default)]
pub struct Query {
    /// A set of [`crate::event::EventKind::bit`]s.
    pub kinds: Option<u32>,
    /// Whom it happened to.
    pub track: Option<Selector>,
    /// Messages: who sent it.
    pub from: Option<Selector>,
    /// Messages: who it was for.
    pub to: Option<Selector>,
    /// Events after this moment, the event of the moment included.
    pub since: Option<Moment>,
    /// Events up to this moment.
    pub until: Option<Moment>,
    /// What the message, the arguments, the value, the reason or the state must match. A message also matches without its
    /// `'$gen_call'`, `'$gen_cast'` or reply envelope.
    pub matches: Option<Arc<Pattern>>,
    /// Calls, returns and exceptions of this function.
    pub mfa: Option<Mfa>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Which come first.
    pub order: Order,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("kinds", &self.kinds)
            .field("track", &self.track)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("since", &self.since)
            .field("until", &self.until)
            .field("matches", &self.matches.is_some())
            .field("mfa", &self.mfa)
            .field("limit", &self.limit)
            .field("order", &self.order)
            .finish()
    }
}

/// An event that answers a query.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The chunk whose arena holds its terms.
    pub view: Arc<ChunkView>,
    /// The event.
    pub row: EventRow,
    /// For a send its receive, for a receive its send.
    pub partner: Option<u64>,
    /// For messages: who sent it, when that is a process of the recording.
    pub from_track: Option<TrackId>,
    /// For messages: who it was for, when that is a process of the recording.
    pub to_track: Option<TrackId>,
    /// For messages to an alias: the pid behind it, when a call told it.
    pub to_pid: Option<u64>,
}

/// What a query found.
#[derive(Debug, Default)]
pub struct Answer {
    /// In the order asked for.
    pub hits: Vec<Hit>,
    /// Whether a limit cut them.
    pub more: bool,
    /// How many events could not be decided, because what decides was truncated or redacted.
    pub unknown: u64,
}
