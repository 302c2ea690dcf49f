//! Answering a query over what is recorded.

use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use crate::pattern::Prepared;
use crate::store::{ChunkView, EventRow, StoreError};
use crate::timeline::index::ChunkIndex;
use crate::timeline::view::Inner;
use crate::timeline::{Moment, Timeline, TimelineError, Verdict};

use super::plan::Plan;
use super::who::Ends;
use super::{Answer, Hit, Order, Query};

/// Answers a query.
pub fn run(timeline: &Timeline, query: &Query) -> Result<Answer, TimelineError> {
    let inner = timeline.paired()?;
    let span = span(timeline, &inner, query)?;
    let plan = Arc::new(Plan::new(&inner, query));
    plan.check()?;
    let mut reading = Reading {
        timeline,
        inner: &inner,
        plan,
        limit: query.limit,
        answer: Answer::default(),
    };
    let chunks: Box<dyn Iterator<Item = &ChunkIndex>> = match query.order {
        Order::Asc => Box::new(inner.index.chunks.iter()),
        Order::Desc => Box::new(inner.index.chunks.iter().rev()),
    };
    for chunk in chunks {
        if reading.full() {
            break;
        }
        reading.chunk(chunk, &span, query)?;
    }
    Ok(reading.finish())
}

/// The events that a query's moments leave.
fn span(timeline: &Timeline, inner: &Inner, query: &Query) -> Result<Range<u64>, TimelineError> {
    let index = &inner.index;
    let start = match query.since {
        None | Some(Moment::Start) => 0,
        Some(Moment::AtNs(ns)) => ns
            .checked_sub(1)
            .map_or(Ok(0), |ns| index.seq_after(timeline.recording(), ns))?,
        Some(Moment::End) => index.next_seq,
        // One past the last event is where a reader stands who has read all.
        Some(Moment::Seq(seq)) if seq <= index.next_seq => seq,
        Some(moment) => timeline.seq_of(index, moment)?,
    };
    let end = match query.until {
        None | Some(Moment::End) => u64::MAX,
        Some(Moment::AtNs(ns)) => index.seq_after(timeline.recording(), ns)?,
        Some(moment) => timeline.seq_of(index, moment)?.saturating_add(1),
    };
    Ok(start..end)
}

/// A query being answered.
pub(super) struct Reading<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) inner: &'a Inner,
    pub(super) plan: Arc<Plan<'a>>,
    pub(super) limit: Option<usize>,
    pub(super) answer: Answer,
}

impl Reading<'_> {
    pub(super) fn full(&self) -> bool {
        self.limit.is_some_and(|limit| self.answer.hits.len() > limit)
    }

    pub(super) fn finish(mut self) -> Answer {
        if let Some(limit) = self.limit {
            self.answer.more = self.answer.hits.len() > limit;
            self.answer.hits.truncate(limit);
        }
        self.answer
    }

    pub(super) fn chunk(&mut self, chunk: &ChunkIndex, span: &Range<u64>, query: &Query) -> Result<(), TimelineError> {
        let outside = chunk.first_seq() >= span.end || chunk.next_seq <= span.start;
        let other_kinds = query.kinds.is_some_and(|kinds| kinds & chunk.kinds == 0);
        if chunk.chunk.carried || outside || other_kinds {
            return Ok(());
        }
        let view = match self.timeline.recording().view(&chunk.chunk) {
            // Dropped since: as if it had never been.
            Err(StoreError::Evicted) => return Ok(()),
            found => found?,
        };
        let plan = Arc::clone(&self.plan);
        let sieve = plan.sieve(&view);
        let mut rows = self.candidates(&view, span.start..span.end.min(chunk.next_seq));
        if query.order == Order::Desc {
            rows.reverse();
        }
        for row in rows {
            if self.full() {
                return Ok(());
            }
            self.row(&view, *row, sieve.as_ref());
        }
        Ok(())
    }

    /// The rows to judge, in order.
    fn candidates<'v>(&self, view: &'v ChunkView, span: Range<u64>) -> Vec<&'v EventRow> {
        let Some(tracks) = self.plan.tracks() else {
            let rows = view.rows();
            let start = rows.partition_point(|row| row.seq < span.start);
            let end = rows.partition_point(|row| row.seq < span.end);
            return rows[start.min(end)..end].iter().collect();
        };
        let mut rows: Vec<&EventRow> = tracks
            .iter()
            .flat_map(|track| view.track_rows(track))
            .filter(|row| cfg!(mutant = "query_track_ignores_span") || span.contains(&row.seq))
            .collect();
        rows.sort_unstable_by_key(|row| row.seq);
        rows
    }

    fn row(&mut self, view: &Arc<ChunkView>, row: EventRow, sieve: Option<&Prepared<'_>>) {
        if !self.plan.admits(view, &row) {
            return;
        }
        let ends = OnceCell::new();
        let ends = || *ends.get_or_init(|| Ends::of(self.inner, view, &row));
        if self.plan.asks_for_ends() && !self.plan.admits_ends(view, &row, &ends()) {
            return;
        }
        match Plan::judge(self.timeline.words(), view, &row, sieve) {
            Verdict::Yes => {
                let ends = ends();
                self.answer.hits.push(Hit {
                    view: Arc::clone(view),
                    row,
                    partner: ends.partner,
                    from_track: ends.from,
                    to_track: ends.to,
                    to_pid: ends.to_pid,
                });
            }
            Verdict::Unknown => self.answer.unknown += 1,
            Verdict::No => {}
        }
    }
}
