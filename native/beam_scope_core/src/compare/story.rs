//! What one role did in one recording, as numbers: fingerprints of what happened, and where it is in the recording.
//!
//! A server's story is a sequence of *units*: a message that it handled, with what it did meanwhile and the state it was left in.
//! Whoever is not seen handling anything has one unit, its life. Messages that came and were not seen handled stand apart, by
//! sender: when they came, says nothing about when they were read.

use crate::store::TrackId;
use crate::timeline::TransitionKind;

use super::hash::mix;
use super::roles::Party;

/// No send is known.
pub(super) const UNSENT: u64 = u64::MAX;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Face {
    /// What kind of thing, and with whom: those of one group keep their order.
    pub(super) group: u64,
    /// Group and content.
    pub(super) key: u64,
    /// Of a message: what is in its envelope.
    pub(super) inner: u64,
    /// Whether a part of the content was not captured.
    pub(super) hidden: bool,
    /// The event that sent it, if it is a message.
    pub(super) sent: u64,
}

impl Face {
    pub(super) const fn new(kind: u64, party: Party, content: u64) -> Self {
        let group = mix(mix(0, kind), party.0 as u64);
        Self {
            group,
            key: mix(group, content),
            inner: 0,
            hidden: false,
            sent: UNSENT,
        }
    }
}

/// Where something is in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) track: TrackId,
    pub(super) seq: u64,
    pub(super) at_ns: u64,
}

/// A state, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// It has none to be compared: a supervisor's is OTP's own.
    #[default]
    None,
    /// Not seen, or not whole.
    Unknown,
    /// Its fingerprint.
    Is(u64),
}

/// How a unit ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// The process went on.
    #[default]
    On,
    /// Its end is not in the recording.
    Pending,
    /// The process ended with it; the reason.
    Stop(u64),
    /// It failed.
    Crash(u64),
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// The first state of a process that began, or that lived before.
    Start,
    /// A message was handled.
    Handled(TransitionKind),
    /// The state is another one, and no message made it so.
    Changed,
    /// What it did where nobody saw it handle anything.
    Life,
    /// Events were lost.
    Gap,
}

/// One unit of a story.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) kind: UnitKind,
    pub(super) party: Party,
    pub(super) face: Face,
    /// What followed by itself: `{continue, _}`, internal events, further handlers.
    pub(super) after: u64,
    pub(super) state: State,
    pub(super) end: End,
    /// What it did: a part of [`Story::acts`].
    pub(super) acts: (u32, u32),
    pub(super) at: At,
    pub(super) began_seq: u64,
    /// The event that told the state that it was left in.
    pub(super) last_seq: u64,
    /// How long it took, 0 where that is not known.
    pub(super) took_ns: u64,
    /// How many messages waited when it began.
    pub(super) queue: u32,
}

impl Unit {
    pub(super) const fn is_gap(&self) -> bool {
        matches!(self.kind, UnitKind::Gap)
    }
}

/// What a process did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActKind {
    Sent,
    Called,
    Returned,
    Raised,
    Ended,
    /// Events were lost.
    Gap,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    pub(super) kind: ActKind,
    pub(super) face: Face,
    pub(super) at: At,
}

/// A message that came and was not seen handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Got {
    pub(super) party: Party,
    pub(super) face: Face,
    pub(super) at: At,
}

/// What a role did in one recording.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) units: Vec<Unit>,
    pub(super) acts: Vec<Act>,
    pub(super) gots: Vec<Got>,
    /// From this event on some of it is not in the recording.
    pub(super) lost_from: Option<u64>,
    pub(super) lost: u64,
    pub(super) processes: u32,
    pub(super) crashes: u32,
    pub(super) messages: u64,
    pub(super) sends: u64,
    pub(super) calls: u64,
    /// How long calls of traced functions took.
    pub(super) call_ns: Vec<u64>,
    /// When it began.
    pub(super) began: Option<At>,
}

impl Story {
    /// Another incarnation of the same role goes on where this one ended.
    pub(super) fn append(&mut self, mut next: Self) {
        let shift = self.acts.len() as u32;
        for unit in &mut next.units {
            unit.acts = (unit.acts.0 + shift, unit.acts.1 + shift);
        }
        self.units.append(&mut next.units);
        self.acts.append(&mut next.acts);
        self.gots.append(&mut next.gots);
        self.call_ns.append(&mut next.call_ns);
        self.lost_from = match (self.lost_from, next.lost_from) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.lost += next.lost;
        self.processes += next.processes;
        self.crashes += next.crashes;
        self.messages += next.messages;
        self.sends += next.sends;
        self.calls += next.calls;
        self.began = self.began.or(next.began);
    }

    pub(super) fn acts_of(&self, unit: &Unit) -> &[Act] {
        self.acts
            .get(unit.acts.0 as usize..unit.acts.1 as usize)
            .unwrap_or_default()
    }

    /// Whether there is anything in it to compare.
    pub(super) fn is_empty(&self) -> bool {
        self.units
            .iter()
            .all(|unit| unit.kind == UnitKind::Life && unit.acts.0 == unit.acts.1)
            && self.gots.is_empty()
    }

    /// The last state, and the unit that left it.
    pub(super) fn last_state(&self) -> Option<(&Unit, State)> {
        let last = self.units.iter().rev().find(|unit| unit.state != State::None)?;
        Some((last, last.state))
    }
}
