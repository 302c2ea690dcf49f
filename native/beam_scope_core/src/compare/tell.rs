//! From places in stories back to what is shown of them: moments, and terms.

use std::sync::Arc;

use crate::query::plan::contents;
use crate::store::{ChunkView, EventRow, StoreError};
use crate::term::arena::{Arena, NodeId};
use crate::timeline::history::tagged_reply;
use crate::timeline::view::Inner;
use crate::timeline::{envelope, term, Known, Outcome, Timeline, Transition, TransitionKind};

use super::canon::Canon;
use super::roles::Party;
use super::split::Place;
use super::story::{Act, ActKind, At, Got, Story, Unit, UnitKind};

/// Something that happened, to be shown. Terms are nodes of [`Comparison::arena`](super::Comparison::arena).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// A kind of transition, or `start`, `got`, `ask`, `tell`, `send`, `answer`, `invoke`, `returned`, `raised`, `exit`, `born`,
    /// `gap`.
    pub what: &'static str,
    /// The event.
    pub seq: u64,
    /// When that was.
    pub at_ns: u64,
    /// Whom it happened to.
    pub track: u32,
    /// The other party: who sent it, or who it was for. `None` for the runtime.
    pub party: Option<String>,
    /// The message, the arguments, the reason.
    pub message: Option<NodeId>,
    /// What was answered or returned.
    pub reply: Option<NodeId>,
    /// The state that it was left in.
    pub state: Option<NodeId>,
    /// Why it ended with this, and whether that was a failure.
    pub ended: Option<(bool, NodeId)>,
    /// The event that sent the message.
    pub sent_seq: Option<u64>,
}

impl Told {
    const fn new(what: &'static str, at: At) -> Self {
        Self {
            what,
            seq: at.seq,
            at_ns: at.at_ns,
            track: at.track.0,
            party: None,
            message: None,
            reply: None,
            state: None,
            ended: None,
            sent_seq: None,
        }
    }
}

/// Looks up what is shown, in one recording.
pub(super) struct Teller<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) inner: &'a Inner,
    pub(super) canon: Canon<'a>,
}

type Looked = Result<Option<Told>, StoreError>;

impl Teller<'_> {
    /// What is at a place of a story.
    pub(super) fn place(&mut self, story: &Story, place: Place) -> Looked {
        match place {
            Place::Unit(at) => match story.units.get(at) {
                Some(unit) => self.unit(unit).map(Some),
                None => Ok(None),
            },
            Place::Act(unit, nth) => {
                let act = story.units.get(unit).and_then(|unit| story.acts_of(unit).get(nth));
                act.map_or(Ok(None), |act| self.act(act))
            }
            Place::Got(at) => story.gots.get(at).map_or(Ok(None), |got| self.got(got)),
            Place::Birth => Ok(story.began.map(|at| Told::new("born", at))),
        }
    }

    /// The state that a unit was left in.
    pub(super) fn state(&mut self, unit: &Unit) -> Result<Option<NodeId>, StoreError> {
        let found = self.transitions(unit, unit.last_seq)?;
        let state = found.iter().rev().find_map(|one| one.to.term());
        Ok(state.map(|state| self.canon.of(state, unit.last_seq)))
    }

    fn transitions(&self, unit: &Unit, seq: u64) -> Result<Vec<Transition>, StoreError> {
        self.timeline.completed_at(self.inner, unit.at.track, seq)
    }

    pub(super) fn unit(&mut self, unit: &Unit) -> Result<Told, StoreError> {
        let what = match unit.kind {
            UnitKind::Start => "start",
            UnitKind::Handled(kind) => kind.name(),
            UnitKind::Changed => "changed",
            UnitKind::Life => "life",
            UnitKind::Gap => "gap",
        };
        let mut told = Told::new(what, unit.at);
        if matches!(unit.kind, UnitKind::Gap | UnitKind::Life) {
            return Ok(told);
        }
        told.party = self.canon.party(unit.party);
        told.sent_seq = (unit.face.sent != super::story::UNSENT).then_some(unit.face.sent);
        let found = self.transitions(unit, unit.at.seq)?;
        let is_it = |one: &&Transition| matches!(unit.kind, UnitKind::Handled(kind) if kind == one.kind);
        if let Some(one) = found.iter().find(is_it).or_else(|| found.last()) {
            let seq = one.seq;
            told.message = one.message.as_ref().map(|term| self.canon.of(term, seq));
            told.reply = one.reply.as_ref().map(|term| self.canon.of(term, seq));
            told.ended = match &one.outcome {
                Outcome::Stop(reason) => Some((false, self.canon.of(reason, seq))),
                Outcome::Crash(_, reason) => Some((true, self.canon.of(reason, seq))),
                Outcome::Ok | Outcome::Pending => None,
            };
            told.state = match &one.to {
                Known::Is(state) if unit.last_seq == unit.at.seq => Some(self.canon.of(state, seq)),
                _ => None,
            };
        }
        if unit.last_seq != unit.at.seq {
            told.state = self.state(unit)?;
        }
        if unit.state == super::story::State::None {
            told.state = None;
        }
        Ok(told)
    }

    fn row(&self, seq: u64) -> Result<Option<(Arc<ChunkView>, EventRow)>, StoreError> {
        let chunks = self.inner.index.chunks.iter().rev();
        let Some(chunk) = chunks
            .filter(|chunk| !chunk.chunk.carried)
            .find(|chunk| chunk.first_seq() <= seq)
        else {
            return Ok(None);
        };
        let view = match self.timeline.recording().view(&chunk.chunk) {
            Err(StoreError::Evicted) => return Ok(None),
            view => view?,
        };
        let row = view.row(seq).copied();
        Ok(row.map(|row| (view, row)))
    }

    pub(super) fn act(&mut self, act: &Act) -> Looked {
        let Some((view, row)) = self.row(act.at.seq)? else {
            return Ok(None);
        };
        let arena = &view.arena;
        Ok(Some(match act.kind {
            ActKind::Sent => self.sent(arena, &row, act.at),
            ActKind::Called => self.called("invoke", arena, &row, act.at, None),
            ActKind::Returned => self.called("returned", arena, &row, act.at, term(&row, 3)),
            ActKind::Raised => self.called("raised", arena, &row, act.at, term(&row, 4)),
            ActKind::Ended => {
                let mut told = Told::new("exit", act.at);
                told.message = term(&row, 0).map(|node| self.canon.term(arena, node, row.seq));
                told
            }
            ActKind::Gap => Told::new("gap", act.at),
        }))
    }

    fn sent(&mut self, arena: &Arena, row: &EventRow, at: At) -> Told {
        let Some(message) = term(row, 1) else {
            return Told::new("send", at);
        };
        let words = self.timeline.words();
        let what = match envelope(words, arena, message).kind {
            TransitionKind::Call => "ask",
            TransitionKind::Cast => "tell",
            _ if tagged_reply(arena, message).is_some() => "answer",
            _ => "send",
        };
        let mut told = Told::new(what, at);
        let inner = contents(words, arena, message).last().copied().unwrap_or(message);
        told.message = Some(self.canon.term(arena, inner, row.seq));
        let party = self
            .inner
            .pairs
            .destination(row.seq)
            .map(|track| self.canon.cast.of(track));
        told.party = self.canon.party(party.unwrap_or(Party::OTHER));
        told.sent_seq = Some(row.seq);
        told
    }

    fn called(&mut self, what: &'static str, arena: &Arena, row: &EventRow, at: At, value: Option<NodeId>) -> Told {
        let mut told = Told::new(what, at);
        let parts: Vec<NodeId> = (0..3)
            .filter_map(|i| term(row, i))
            .map(|node| self.canon.term(arena, node, row.seq))
            .collect();
        told.message = Some(self.canon.arena.make_tuple(&parts));
        told.reply = value.map(|node| self.canon.term(arena, node, row.seq));
        told
    }

    pub(super) fn got(&mut self, got: &Got) -> Looked {
        let Some((view, row)) = self.row(got.at.seq)? else {
            return Ok(None);
        };
        let mut told = Told::new("got", got.at);
        if let Some(message) = term(&row, 0) {
            let words = self.timeline.words();
            let inner = contents(words, &view.arena, message).last().copied().unwrap_or(message);
            told.message = Some(self.canon.term(&view.arena, inner, row.seq));
        }
        told.party = self.canon.party(got.party);
        told.sent_seq = (got.face.sent != super::story::UNSENT).then_some(got.face.sent);
        Ok(Some(told))
    }

    /// What was done, from a unit or act before a place to one behind it.
    pub(super) fn around(&mut self, story: &Story, place: Option<Place>) -> Result<Vec<Told>, StoreError> {
        let mut out = Vec::new();
        let (unit, act, got) = match place {
            Some(Place::Unit(unit)) => (unit, 0, 0),
            Some(Place::Act(unit, act)) => (unit, act, 0),
            Some(Place::Got(got)) => (0, 0, got),
            Some(Place::Birth) | None => (0, 0, 0),
        };
        for unit in story
            .units
            .iter()
            .skip(unit.saturating_sub(BEFORE))
            .take(BEFORE + BEHIND)
        {
            let handled = self.unit(unit)?;
            let (answered, is_life) = (handled.reply.is_some(), unit.kind == UnitKind::Life);
            if !is_life {
                out.push(handled);
            }
            let first = if is_life { act.saturating_sub(BEFORE) } else { 0 };
            for act in story.acts_of(unit).iter().skip(first).take(BEFORE + BEHIND) {
                let Some(told) = self.act(act)? else { continue };
                if !(answered && told.what == "answer") {
                    out.push(told);
                }
            }
            if out.len() >= MOST_STEPS {
                break;
            }
        }
        for got in story.gots.iter().skip(got.saturating_sub(BEFORE)).take(BEFORE + BEHIND) {
            out.extend(self.got(got)?);
        }
        out.truncate(MOST_STEPS);
        Ok(out)
    }
}

/// So much is shown before the place where stories part, and so much behind it.
const BEFORE: usize = 20;
const BEHIND: usize = 40;
const MOST_STEPS: usize = 400;
