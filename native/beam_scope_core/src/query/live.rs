//! A query asked again and again of what came since.

use std::sync::Arc;

use crate::timeline::{Timeline, TimelineError};

use super::plan::Plan;
use super::run::Reading;
use super::{Answer, Query};

/// A standing query. Each poll answers for the events since the last one.
#[derive(Debug)]
pub struct Live {
    query: Query,
    next_seq: u64,
}

impl Live {
    /// A standing query that begins with the next event of the recording. Its moments and its order do not count.
    pub fn new(timeline: &Timeline, query: Query) -> Result<Self, TimelineError> {
        let next_seq = timeline.fresh()?.index.next_seq;
        Ok(Self { query, next_seq })
    }

    /// What came since the last poll and matches, at most `limit`. With `more`, ask again at once.
    pub fn poll(&mut self, timeline: &Timeline, limit: usize) -> Result<Answer, TimelineError> {
        let inner = timeline.paired()?;
        let plan = Arc::new(Plan::new(&inner, &self.query));
        let answer = Answer::default();
        let mut reading = Reading {
            timeline,
            inner: &inner,
            plan,
            limit: Some(limit),
            answer,
        };
        let span = self.next_seq..u64::MAX;
        for chunk in &inner.index.chunks {
            if reading.full() {
                break;
            }
            reading.chunk(chunk, &span, &self.query)?;
        }
        let cut = reading.answer.hits.get(limit).map(|hit| hit.row.seq);
        self.next_seq = cut.unwrap_or(inner.index.next_seq).max(self.next_seq);
        Ok(reading.finish())
    }

    /// Leaves out everything that has come so far.
    pub fn skip(&mut self, timeline: &Timeline) -> Result<(), TimelineError> {
        self.next_seq = timeline.fresh()?.index.next_seq;
        Ok(())
    }
}
