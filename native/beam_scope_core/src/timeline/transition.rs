//! Transitions: state before, what happened, state after.

use crate::store::TrackId;

use super::shape::TransitionKind;
use super::term_ref::TermRef;

/// A state, as far as it is known.
#[derive(Clone, Debug, Default)]
pub enum Known {
    /// Nothing is known of it: never seen, or events were lost since it was.
    #[default]
    Unknown,
    /// It is this.
    Is(TermRef),
}

impl Known {
    /// The term, if it is known.
    #[must_use]
    pub const fn term(&self) -> Option<&TermRef> {
        match self {
            Self::Is(term) => Some(term),
            Self::Unknown => None,
        }
    }

    pub(super) const fn term_mut(&mut self) -> Option<&mut TermRef> {
        match self {
            Self::Is(term) => Some(term),
            Self::Unknown => None,
        }
    }

    /// Whether both are known and equal.
    #[must_use]
    pub fn is_same(&self, other: &TermRef) -> bool {
        self.term().is_some_and(|term| term.same(other))
    }
}

/// How a transition ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The process went on.
    Ok,
    /// Its end is not in the recording (yet), or was lost.
    Pending,
    /// The process was stopped: a callback asked for it, the parent did, or it was killed.
    Stop(TermRef),
    /// A callback failed: class, where it was told, and reason.
    Crash(Option<TermRef>, TermRef),
}

/// One step of a process's state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The event that completed it: from here on the state is `to`. Where nothing completed it (yet), the one that began it.
    pub seq: u64,
    /// When that was, since the recording's start.
    pub at_ns: u64,
    /// The event that began it: the message being taken up. Equal to `seq` where one event tells all.
    pub began_seq: u64,
    /// When that was.
    pub began_ns: u64,
    /// Whose state it is.
    pub track: TrackId,
    /// What made it.
    pub kind: TransitionKind,
    /// The message without its envelope.
    pub message: Option<TermRef>,
    /// The message as it was handled.
    pub raw: Option<TermRef>,
    /// The state before.
    pub from: Known,
    /// The state after.
    pub to: Known,
    /// How it ended.
    pub outcome: Outcome,
    /// What the caller got, where that was seen.
    pub reply: Option<TermRef>,
    /// Who sent the message: a pid word.
    pub from_process: Option<u64>,
    /// The tag of the reply that the caller waits for.
    pub tag: Option<TermRef>,
    /// gen_event: whose state it is, `{module, id}` as an owned term.
    pub handler: Option<TermRef>,
    /// For a gap: how many events were lost; 0 where that is not known, or where what happened was not looked for.
    pub lost: u32,
}

impl Transition {
    /// Every term that it holds, an outcome's aside: what has not ended has none.
    pub(super) fn terms_mut(&mut self) -> impl Iterator<Item = &mut TermRef> {
        let optional = [
            &mut self.message,
            &mut self.raw,
            &mut self.reply,
            &mut self.tag,
            &mut self.handler,
        ];
        let states = [self.from.term_mut(), self.to.term_mut()];
        optional
            .into_iter()
            .filter_map(Option::as_mut)
            .chain(states.into_iter().flatten())
    }
}
