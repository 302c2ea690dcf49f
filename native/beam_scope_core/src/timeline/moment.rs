//! What a question is about: which processes, and when.

use crate::store::{StoreError, TrackId};
use crate::term::{AtomId, Value};

use super::facts::Stamp;

/// A position in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its beginning.
    Start,
    /// Its end, as far as it is there.
    End,
    /// Nanoseconds since its beginning.
    AtNs(u64),
    /// Just after this event.
    Seq(u64),
}

/// One process, or all that bore a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By its pid word. A pid may come again; the moment decides, else all of them.
    Pid(u64),
    /// By its track.
    Track(TrackId),
    /// By a name: an atom, `{global, _}`, `{via, _, _}`.
    Name(Value),
    /// By a name and the pid of whoever bears it, where the recording knows nobody by that name.
    Bearer(Value, u64),
    /// All that run this module: a behaviour's callback module, or that of the call they began with.
    Module(Module),
}

/// A module, by both of the ways in which the recording may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its atom.
    pub id: AtomId,
    /// What that is called.
    pub text: Box<str>,
}

/// Why a question has no answer.
#[derive(Debug)]
pub enum TimelineError {
    /// Nothing in the recording has that pid, track or name.
    NoSuchProcess,
    /// It had not begun at that moment.
    NotBegun(Stamp),
    /// It had ended by that moment.
    NotAlive(Stamp),
    /// No state of it was seen by that moment.
    NeverSeen,
    /// Events of it were lost just before that moment, so that nobody can tell.
    Lost {
        /// How many.
        count: u64,
        /// The first event after the loss, if there is one.
        seq: Option<u64>,
    },
    /// Nobody looked at what it did from an event on, on purpose.
    Unseen {
        /// That event.
        seq: u64,
        /// What it says of why.
        why: String,
    },
    /// The moment lies outside the recording.
    OutsideRecording,
    /// The store could not give what was asked.
    Store(StoreError),
}

impl From<StoreError> for TimelineError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
