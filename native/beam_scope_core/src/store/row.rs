//! One event, as readers see it.

use crate::event::{EventKind, Fields};
use crate::term::arena::NodeId;

/// One process incarnation in a recording: 0, 1, 2 ... in the order of first appearance.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct TrackId(pub u32);

/// The terms of one event, in its kind's order. Reads like a slice.
#[derive(Clone, Copy)]
pub struct Terms {
    len: u8,
    ids: [NodeId; Terms::MAX],
}

impl Terms {
    /// No kind of event carries more.
    pub const MAX: usize = 10;

    /// No terms.
    pub const NONE: Self = Self {
        len: 0,
        ids: [NodeId(0); Self::MAX],
    };

    /// Adds a term at the end; `false` when there are [`MAX`](Self::MAX) already.
    pub fn push(&mut self, id: NodeId) -> bool {
        match self.ids.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = id;
                self.len += 1;
                true
            }
            None => false,
        }
    }
}

impl std::ops::Deref for Terms {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.ids[..usize::from(self.len)]
    }
}

impl FromIterator<NodeId> for Terms {
    fn from_iter<I: IntoIterator<Item = NodeId>>(ids: I) -> Self {
        let mut terms = Self::NONE;
        for id in ids.into_iter().take(Self::MAX) {
            terms.push(id);
        }
        terms
    }
}

impl PartialEq for Terms {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Terms {}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// One event, its terms interned in the arena of the chunk it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Position in the recording, from 0: the order of time.
    pub seq: u64,
    /// Nanoseconds since the recording's start.
    pub at_ns: u64,
    /// What happened.
    pub kind: EventKind,
    /// [`crate::event::Point`] as a number for state events, else 0.
    pub point: u8,
    /// Which terms a state event carries.
    pub fields: Fields,
    /// [`crate::capture::record::flags`].
    pub flags: u8,
    /// Whom it happened to.
    pub track: TrackId,
    /// How many events of this track were lost between its previous row and this one.
    pub lost_before: u32,
    /// What it carries.
    pub terms: Terms,
}

/// What the store knows of a track.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TrackInfo {
    /// The track.
    pub id: TrackId,
    /// Its pid word.
    pub pid: u64,
    /// Its first event.
    pub first_seq: u64,
    /// When that was.
    pub began_ns: u64,
    /// Its last event so far.
    pub last_ns: u64,
    /// When it ended, if the recording saw it end, or saw its pid used anew.
    pub ended_ns: Option<u64>,
    /// Whether its first event was its birth.
    pub born: bool,
    /// How many of its events are in the recording.
    pub events: u64,
    /// How many of its events were lost.
    pub lost: u64,
}

impl TrackInfo {
    /// A track of which nothing is known but its number.
    pub(crate) const fn unknown(id: u32) -> Self {
        Self {
            id: TrackId(id),
            pid: 0,
            first_seq: 0,
            began_ns: 0,
            last_ns: 0,
            ended_ns: None,
            born: false,
            events: 0,
            lost: 0,
        }
    }
}

/// Events that are not in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Loss {
    /// Whose they were, if that is known.
    pub track: Option<TrackId>,
    /// The same by pid word; 0 when not known.
    pub pid: u64,
    /// Not before this (nanoseconds since the start).
    pub from_ns: u64,
    /// Not after this.
    pub to_ns: u64,
    /// How many.
    pub count: u64,
    /// Why.
    pub cause: LossCause,
}

/// Why events are not in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum LossCause {
    /// Their ring was full.
    Ring,
    /// The memory cap was reached faster than old chunks could go (`:ring` mode).
    NoRoom,
    /// They came when the recording had stopped.
    Stopped,
    /// They were stored, and dropped later to keep the memory cap.
    Evicted,
    /// Their bytes made no sense.
    Damaged,
}

/// The account of a recording: `offered == stored + dropped`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Events that tracees offered.
    pub offered: u64,
    /// Those that are in the recording now.
    pub stored: u64,
    /// Those that are not: lost, refused, or evicted.
    pub dropped: u64,
    /// Of the dropped, those that had been stored once (`:ring` mode).
    pub evicted: u64,
    /// Of the stored, those with a truncated term.
    pub truncated: u64,
    /// Of the stored, those with a redacted term.
    pub redacted: u64,
    /// Bytes held now.
    pub bytes: u64,
    /// Of the stored, how many of each kind, by the kind's number.
    #[serde(with = "super::account")]
    pub by_kind: ByKind,
}

/// A number for each kind, by the kind's number; no kind has number 0.
pub(super) type ByKind = [u64; EventKind::ALL.len() + 1];

impl Counts {
    /// How many of a kind are stored.
    #[must_use]
    pub fn of_kind(&self, kind: EventKind) -> u64 {
        self.by_kind[kind as usize]
    }

    /// Adds the account of some rows; what they say of offers and drops is no part of it. Files are not trusted to add up.
    pub(crate) fn add_rows(&mut self, rows: &Self) {
        self.each_of_rows(rows, u64::saturating_add);
    }

    /// Takes the account of some rows away.
    pub(crate) fn remove_rows(&mut self, rows: &Self) {
        self.each_of_rows(rows, u64::saturating_sub);
    }

    fn each_of_rows(&mut self, rows: &Self, change: impl Fn(u64, u64) -> u64) {
        self.stored = change(self.stored, rows.stored);
        self.truncated = change(self.truncated, rows.truncated);
        self.redacted = change(self.redacted, rows.redacted);
        for (own, one) in self.by_kind.iter_mut().zip(rows.by_kind) {
            *own = change(*own, one);
        }
    }
}
