//! Checks at work: fed rows in order, once.

use std::sync::Arc;

use crate::store::{ChunkView, Loss, LossCause, StoreError};
use crate::timeline::index::ChunkIndex;
use crate::timeline::view::Inner;
use crate::timeline::{Timeline, TimelineError};

use super::bindings::bindings;
use super::check::{Check, Rule};
use super::feed::{Feed, Sink};
use super::finding::{Finding, Verdict};
use super::gaps::{dropped, Losses};
use super::plan::{CheckPlan, Lens, Plan};
use super::read::Reader;
use super::subject::{Happened, Place, Subject};
use super::tally::Tally;

/// How a check stands.
enum Progress {
    One(Tally),
}

/// Checks, and how they stand.
pub(super) struct Engine {
    plan: Plan,
    progress: Vec<Progress>,
    /// Live: which were told to be decided.
    told: Vec<bool>,
    feed: Feed,
    /// Every event before this one was read, or will never be.
    read_to: u64,
    /// Events that were dropped before they could be read.
    dropped: Vec<Loss>,
}

impl Engine {
    pub(super) fn new(
        timeline: &Timeline,
        inner: &Inner,
        checks: Vec<Check>,
        live: bool,
    ) -> Result<Self, TimelineError> {
        let plan = Plan::new(timeline, inner, checks, live)?;
        let progress = plan.checks.iter().map(|_| Progress::One(Tally::default())).collect();
        Ok(Self {
            told: vec![false; plan.checks.len()],
            plan,
            progress,
            feed: Feed::new(Arc::clone(timeline.words())),
            read_to: 0,
            dropped: Vec::new(),
        })
    }

    /// Reads what came since the last time.
    pub(super) fn read(&mut self, timeline: &Timeline, inner: &Inner) -> Result<(), StoreError> {
        self.plan.refresh(&inner.index.facts);
        self.skip(inner);
        for chunk in &inner.index.chunks {
            if chunk.next_seq <= self.read_to {
                continue;
            }
            match timeline.recording().view(&chunk.chunk) {
                // Dropped since: the next reading will notice.
                Err(StoreError::Evicted) => {}
                view => self.chunk(inner, chunk, &view?),
            }
            if !chunk.chunk.carried {
                self.read_to = chunk.next_seq;
            }
        }
        Ok(())
    }

    /// Notices events that were dropped before they could be read.
    fn skip(&mut self, inner: &Inner) {
        let Some(first) = inner.index.chunks.iter().find(|chunk| !chunk.chunk.carried) else {
            return;
        };
        let count = first.first_seq().saturating_sub(self.read_to);
        if count == 0 {
            return;
        }
        if self.read_to > 0 {
            self.feed.skipped(first.first_seq(), first.chunk.first_ns);
        }
        self.dropped.push(dropped(count, 0, first.chunk.first_ns));
    }

    fn chunk(&mut self, inner: &Inner, chunk: &ChunkIndex, view: &Arc<ChunkView>) {
        self.feed.next_reading();
        let rows = view.rows();
        let start = rows.partition_point(|row| row.seq < self.read_to);
        let end = rows.partition_point(|row| row.seq < chunk.next_seq);
        let lens = Lens::new(&self.plan, view);
        let mut asking = Asking {
            plan: &self.plan,
            progress: &mut self.progress,
            lens,
        };
        for row in &rows[start.min(end)..end] {
            if row.kind.bit() & self.plan.kinds != 0 || row.lost_before > 0 {
                self.feed.row(&self.plan, inner, view, row, &mut asking);
            }
        }
    }

    /// The checks that are decided and were not told of before.
    pub(super) fn decided(
        &mut self,
        timeline: &Timeline,
        inner: &Inner,
        now_ns: u64,
    ) -> Result<Vec<(usize, Finding)>, StoreError> {
        let _ = now_ns;
        let fresh: Vec<(usize, Verdict)> = (0..self.progress.len())
            .filter(|at| !self.told[*at])
            .filter_map(|at| Some((at, self.progress[at].decided(&self.plan.checks[at])?)))
            .collect();
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let losses = self.losses(timeline);
        let losses = Losses {
            all: &losses,
            facts: &inner.index.facts,
        };
        let reader = Reader { timeline, inner };
        let mut all = Vec::new();
        for (at, verdict) in fresh {
            self.told[at] = true;
            let finding = self.progress[at].finding(&self.plan.checks[at], &losses, &reader)?;
            all.push((at, Finding { verdict, ..finding }));
        }
        Ok(all)
    }

    /// The answers, if nothing more comes.
    pub(super) fn finish(
        &mut self,
        timeline: &Timeline,
        inner: &Inner,
        now_ns: u64,
    ) -> Result<Vec<Finding>, StoreError> {
        let _ = now_ns;
        let losses = self.losses(timeline);
        let losses = Losses {
            all: &losses,
            facts: &inner.index.facts,
        };
        let reader = Reader { timeline, inner };
        let checks = self.plan.checks.iter().zip(&self.progress);
        checks
            .map(|(plan, progress)| progress.finding(plan, &losses, &reader))
            .collect()
    }

    /// When time alone may decide something.
    pub(super) fn next_ns(&self) -> Option<u64> {
        None
    }

    fn losses(&self, timeline: &Timeline) -> Vec<Loss> {
        let mut losses = timeline.recording().losses();
        losses.retain(|loss| loss.cause != LossCause::Evicted);
        losses.extend(&self.dropped);
        losses
    }
}

/// A chunk being read on behalf of all checks.
struct Asking<'a> {
    plan: &'a Plan,
    progress: &'a mut [Progress],
    lens: Lens<'a>,
}

impl Sink for Asking<'_> {
    fn take(&mut self, view: &Arc<ChunkView>, happened: &Happened<'_>) {
        for (check, step) in self.plan.asked(view, happened) {
            self.progress[check].take(&self.plan.checks[check], (check, step), &self.lens, happened);
        }
    }
}

impl Progress {
    fn take(&mut self, plan: &CheckPlan, (check, _step): (usize, usize), lens: &Lens<'_>, happened: &Happened<'_>) {
        match self {
            Self::One(tally) => tally.take(plan, check, lens, happened),
        }
    }

    fn decided(&self, plan: &CheckPlan) -> Option<Verdict> {
        match self {
            Self::One(tally) => tally.decided(plan),
        }
    }

    fn finding(&self, plan: &CheckPlan, losses: &Losses<'_>, reader: &Reader<'_>) -> Result<Finding, StoreError> {
        let gap = losses.of_check(plan);
        match self {
            Self::One(tally) => {
                let verdict = tally.verdict(plan, gap.is_some());
                let look = |place: &Option<Place>| match place {
                    Some(place) => reader.subject(place),
                    None => Ok(None),
                };
                let first = look(&tally.first)?;
                let bindings = match (&first, plan.rule) {
                    (Some(first), Rule::Count { .. }) => bindings(reader.timeline.words(), plan, &[(0, first)]),
                    _ => Vec::new(),
                };
                Ok(Finding {
                    verdict,
                    count: tally.count,
                    seen: tally.seen,
                    unknown: tally.unknown,
                    bindings,
                    first,
                    violation: look(&tally.violation)?,
                    nearest: look(&tally.doubt.filter(|_| verdict == Verdict::Unknown))?,
                    steps: Vec::new(),
                    failed_step: None,
                    open: 0,
                    gap,
                })
            }
        }
    }
}
