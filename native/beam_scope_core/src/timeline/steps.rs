//! Steps through a recording, forward and back: from event to event, or from transition to transition.

use crate::event::EventKind;
use crate::store::{StoreError, TrackId};

use super::history::{Span, Walk};
use super::index::ChunkIndex;
use super::moment::{Selector, TimelineError};
use super::shape::TransitionKind;
use super::transition::{Outcome, Transition};
use super::view::{select, Inner, Timeline, Verdict};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To what comes after.
    Forward,
    /// To what came before.
    Backward,
}

/// The transition that a search found, and how many before it could not be decided.
#[derive(Debug, Default)]
pub struct Hit {
    /// The transition.
    pub transition: Option<Transition>,
    /// How many were undecided on the way.
    pub unknown: u64,
}

impl Transition {
    /// Whether a message was handled by it, or something that stands for one.
    #[must_use]
    pub const fn is_handling(&self) -> bool {
        self.message.is_some() || self.raw.is_some()
    }

    /// Whether it made another state than there was before, as far as both are known.
    #[must_use]
    pub fn is_change(&self) -> bool {
        match (self.from.term(), self.to.term()) {
            (Some(from), Some(to)) => !from.same(to),
            (None, Some(_)) => self.kind == TransitionKind::Init,
            _ => false,
        }
    }
}

impl Timeline {
    /// The event next to this one, of somebody or of anybody, of these kinds.
    pub fn next_event(
        &self,
        who: Option<&Selector>,
        from: Option<u64>,
        kinds: u32,
        way: Way,
    ) -> Result<Option<u64>, TimelineError> {
        let inner = self.fresh()?;
        let tracks = who.map(|who| select(&inner.index.facts, who)).transpose()?;
        let span = span(from, way);
        for chunk in inner.chunks(span, way) {
            if chunk.kinds & kinds == 0 {
                continue;
            }
            let view = match self.recording().view(&chunk.chunk) {
                Err(StoreError::Evicted) => continue,
                found => found?,
            };
            let is = |row: &&crate::store::EventRow| {
                row.kind.bit() & kinds != 0
                    && row.seq >= span.from
                    && row.seq <= span.to
                    && tracks.as_ref().is_none_or(|tracks| tracks.contains(&row.track))
            };
            let rows = chunk.rows_from(&view, chunk.first_seq());
            let found = match way {
                Way::Forward => rows.iter().find(is),
                Way::Backward => rows.iter().rev().find(is),
            };
            if let Some(row) = found {
                return Ok(Some(row.seq));
            }
        }
        Ok(None)
    }

    /// The nearest transition, of somebody or of anybody, that was completed after this event (or before it) and passes.
    pub fn next_transition(
        &self,
        who: Option<&Selector>,
        from: Option<u64>,
        way: Way,
        mut judge: impl FnMut(&Transition) -> Verdict,
    ) -> Result<Hit, TimelineError> {
        let inner = self.fresh()?;
        let tracks = who.map(|who| select(&inner.index.facts, who)).transpose()?;
        let span = span(from, way);
        let mut hit = Hit::default();
        for chunk in inner.chunks(span, way) {
            let mut found = self.transitions_in(&inner, chunk, tracks.as_deref(), span)?;
            if way == Way::Backward && !cfg!(mutant = "steps_back_first") {
                found.reverse();
            }
            for one in found {
                match judge(&one) {
                    Verdict::Yes => {
                        hit.transition = Some(one);
                        return Ok(hit);
                    }
                    Verdict::Unknown => hit.unknown += 1,
                    Verdict::No => {}
                }
            }
        }
        Ok(hit)
    }

    /// The transitions that rows of one chunk completed, in the order in which they were completed.
    fn transitions_in(
        &self,
        inner: &Inner,
        chunk: &ChunkIndex,
        only: Option<&[TrackId]>,
        span: Span,
    ) -> Result<Vec<Transition>, StoreError> {
        let span = Span {
            from: span.from.max(chunk.first_seq()),
            to: span.to.min(chunk.next_seq.saturating_sub(1)),
        };
        let mut all = Vec::new();
        if span.from > span.to || chunk.kinds & (EventKind::State.bit() | EventKind::Exit.bit()) == 0 {
            return Ok(all);
        }
        let walk = Walk {
            rec: self.recording(),
            words: self.words(),
            index: &inner.index,
        };
        for track in chunk.tracks_with_marks() {
            if only.is_some_and(|only| !only.contains(&track)) {
                continue;
            }
            let found = walk.transitions(track, span, usize::MAX)?;
            // What is open at the end of the span is completed by a later row, or never.
            let done = found
                .into_iter()
                .filter(|one| one.seq >= span.from && one.seq <= span.to && !matches!(one.outcome, Outcome::Pending));
            all.extend(done);
        }
        all.sort_by_key(|one| one.seq);
        Ok(all)
    }
}

/// The events before or after one.
fn span(from: Option<u64>, way: Way) -> Span {
    match (way, from) {
        (Way::Forward, None) => Span { from: 0, to: u64::MAX },
        (Way::Forward, Some(seq)) => Span {
            from: seq.saturating_add(1),
            to: u64::MAX,
        },
        (Way::Backward, None) => Span { from: 0, to: u64::MAX },
        // Nothing is before the first one.
        (Way::Backward, Some(0)) => Span { from: 1, to: 0 },
        (Way::Backward, Some(seq)) => Span { from: 0, to: seq - 1 },
    }
}

impl Inner {
    fn chunks(&self, span: Span, way: Way) -> Box<dyn Iterator<Item = &ChunkIndex> + '_> {
        let within = move |chunk: &&ChunkIndex| {
            !chunk.chunk.carried && chunk.first_seq() <= span.to && chunk.next_seq > span.from
        };
        match way {
            Way::Forward => Box::new(self.index.chunks.iter().filter(within)),
            Way::Backward => Box::new(self.index.chunks.iter().rev().filter(within)),
        }
    }
}
