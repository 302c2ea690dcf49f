//! From a place in the recording to what is there.

use std::sync::Arc;

use crate::event::EventKind;
use crate::query::who::Ends;
use crate::query::Hit;
use crate::store::{ChunkView, EventRow, StoreError};
use crate::timeline::view::Inner;
use crate::timeline::{Timeline, Transition};

use super::check::What;
use super::subject::{Place, Subject};

/// Looks up what happened.
pub(super) struct Reader<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) inner: &'a Inner,
}

impl Reader<'_> {
    /// What is at a place; `None` where it was dropped since.
    pub(super) fn subject(&self, place: &Place) -> Result<Option<Subject>, StoreError> {
        let what = place.what;
        let by_event = match what {
            What::State | What::Transition => false,
            What::Crashed => !place.by_transition,
            _ => true,
        };
        if by_event {
            let hit = self.hit(place.began)?;
            let end = match place.began == place.seq {
                true => None,
                false => self.hit(place.seq)?.filter(ends_call),
            };
            return Ok(hit.map(|hit| Subject::Event {
                what,
                hit: Box::new(hit),
                end: end.map(Box::new),
            }));
        }
        let found = self.transition(place)?;
        Ok(found.map(|transition| Subject::Transition {
            what,
            transition: Box::new(transition),
        }))
    }

    fn row(&self, seq: u64) -> Result<Option<(Arc<ChunkView>, EventRow)>, StoreError> {
        let chunks = &self.inner.index.chunks;
        let at = chunks.partition_point(|chunk| chunk.chunk.carried || chunk.first_seq() <= seq);
        let Some(chunk) = at.checked_sub(1).and_then(|at| chunks.get(at)) else {
            return Ok(None);
        };
        match self.timeline.recording().view(&chunk.chunk) {
            Ok(view) => {
                let row = view.row(seq).copied();
                Ok(row.map(|row| (view, row)))
            }
            Err(StoreError::Evicted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn hit(&self, seq: u64) -> Result<Option<Hit>, StoreError> {
        let Some((view, row)) = self.row(seq)? else {
            return Ok(None);
        };
        let ends = Ends::of(self.inner, &view, &row);
        Ok(Some(Hit {
            view,
            row,
            partner: ends.partner,
            from_track: ends.from,
            to_track: ends.to,
            to_pid: ends.to_pid,
        }))
    }

    fn transition(&self, place: &Place) -> Result<Option<Transition>, StoreError> {
        let found = self.timeline.completed_at(self.inner, place.track, place.seq)?;
        Ok(found.into_iter().nth(place.nth as usize))
    }
}

fn ends_call(hit: &Hit) -> bool {
    matches!(hit.row.kind, EventKind::Return | EventKind::Exception)
}
