//! The state of a process at a moment: a look into the index, never a replay.

use std::sync::Arc;

use crate::event::{EventKind, Fields, Point};
use crate::store::{ChunkView, EventRow, Recording, StoreError, TrackId};
use crate::term::Value;

use super::facts::Stamp;
use super::index::{returned_state, Index, Reading};
use super::machine::new_state;
use super::moment::TimelineError;
use super::returned::NewState;
use super::rows::{field, is_unseen, point, term};
use super::term_ref::TermRef;
use super::transition::Known;
use super::words::Words;

/// A state and the event that told it.
#[derive(Clone, Debug)]
pub struct StateAt {
    /// Whose it is.
    pub track: TrackId,
    /// The event that told it, and when that was.
    pub told: Stamp,
    /// The state.
    pub state: TermRef,
}

/// What one mark says.
enum Said {
    State(TermRef),
    /// Events were lost, or the state cannot be told.
    Lost,
    Ended,
    /// This mark says nothing: ask the one before.
    Nothing,
}

/// Looks up states of one recording.
pub(super) struct Look<'a> {
    pub(super) rec: &'a Recording,
    pub(super) words: &'a Words,
    pub(super) index: &'a Index,
}

impl Look<'_> {
    const fn reading(&self) -> Reading<'_> {
        Reading {
            rec: self.rec,
            words: self.words,
        }
    }

    /// The state of a track just after an event.
    pub(super) fn state_at(&self, track: TrackId, seq: u64) -> Result<StateAt, TimelineError> {
        let mut upto = seq;
        loop {
            let Some((chunk, mark)) = self.index.mark_at(self.reading(), track, upto)? else {
                return Err(TimelineError::NeverSeen);
            };
            let view = self.rec.view(&chunk.chunk)?;
            let Some(row) = view.row(mark) else {
                return Err(TimelineError::NeverSeen);
            };
            let told = Stamp::of(row);
            match self.said(track, &view, row)? {
                Said::State(state) => return Ok(StateAt { track, told, state }),
                Said::Lost if is_unseen(row) && !cfg!(mutant = "timeline_unseen_is_lost") => {
                    return Err(TimelineError::Unseen {
                        seq: row.seq,
                        why: text(&view, row),
                    })
                }
                Said::Lost => {
                    return Err(TimelineError::Lost {
                        count: u64::from(row.lost_before),
                        seq: Some(row.seq),
                    })
                }
                Said::Ended => return Err(TimelineError::NotAlive(told)),
                Said::Nothing => match row.seq.checked_sub(1) {
                    Some(before) => upto = before,
                    None => return Err(TimelineError::NeverSeen),
                },
            }
        }
    }

    /// The first state ever told of a track, however it began to be known.
    pub(super) fn first(&self, track: TrackId) -> Result<StateAt, TimelineError> {
        let first = self.index.first_mark(self.reading(), track)?;
        self.state_at(track, first.ok_or(TimelineError::NeverSeen)?)
    }

    fn said(&self, track: TrackId, view: &Arc<ChunkView>, row: &EventRow) -> Result<Said, StoreError> {
        if row.kind == EventKind::Exit {
            return Ok(Said::Ended);
        }
        let lost = row.lost_before > 0 && !cfg!(mutant = "timeline_state_ignores_gap");
        let said = if row.kind == EventKind::State {
            self.told(track, view, row, lost)?
        } else {
            Said::Nothing
        };
        Ok(if lost && matches!(said, Said::Nothing) {
            Said::Lost
        } else {
            said
        })
    }

    fn told(&self, track: TrackId, view: &Arc<ChunkView>, row: &EventRow, lost: bool) -> Result<Said, StoreError> {
        let value = |bit| field(row, bit).map(|node| TermRef::in_chunk(view, node));
        let state = match point(row) {
            Some(Point::Loop | Point::Read) => value(Fields::AFTER),
            Some(Point::Step) => return Ok(value(Fields::AFTER).map_or(Said::Lost, Said::State)),
            Some(Point::Handled | Point::End | Point::Callback) => value(Fields::BEFORE),
            Some(Point::Returned) => return self.returned(track, view, row, lost),
            None => None,
        };
        Ok(state.map_or(Said::Nothing, Said::State))
    }

    fn returned(&self, track: TrackId, view: &Arc<ChunkView>, row: &EventRow, lost: bool) -> Result<Said, StoreError> {
        let Some(value) = field(row, Fields::RETURNED).map(|node| TermRef::in_chunk(view, node)) else {
            return Ok(Said::Nothing);
        };
        let new = returned_state(self.words, view, row);
        let before = match new {
            NewState::Data(_) if !lost => self.called_with(track, row)?,
            _ => Known::Unknown,
        };
        Ok(match (new_state(&value, new, &before), new) {
            (Known::Is(state), _) => Said::State(state),
            (Known::Unknown, NewState::Same | NewState::Data(_)) => Said::Nothing,
            (Known::Unknown, _) => Said::Lost,
        })
    }

    /// The state that the callback of a `Returned` row was called with: the mark before it.
    fn called_with(&self, track: TrackId, row: &EventRow) -> Result<Known, StoreError> {
        let Some(before) = row.seq.checked_sub(1) else {
            return Ok(Known::Unknown);
        };
        let Some((chunk, mark)) = self.index.mark_at(self.reading(), track, before)? else {
            return Ok(Known::Unknown);
        };
        let view = self.rec.view(&chunk.chunk)?;
        let Some(row) = view.row(mark) else {
            return Ok(Known::Unknown);
        };
        if row.kind != EventKind::State || point(row) != Some(Point::Callback) {
            return Ok(Known::Unknown);
        }
        let before = field(row, Fields::BEFORE).map(|node| TermRef::in_chunk(&view, node));
        Ok(before.map_or(Known::Unknown, Known::Is))
    }
}

/// The text of a note.
fn text(view: &ChunkView, row: &EventRow) -> String {
    match term(row, 0).map(|node| view.arena.to_value(node)) {
        Some(Value::Binary(text)) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    }
}
