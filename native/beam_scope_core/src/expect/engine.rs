//! Checks at work: fed rows in order, once.

use std::sync::Arc;

use crate::store::{ChunkView, Loss, LossCause, StoreError};
use crate::timeline::index::ChunkIndex;
use crate::timeline::view::Inner;
use crate::timeline::{Facts, Timeline, TimelineError};

use super::check::{Check, What};
use super::content::{part, Content};
use super::feed::{Feed, Sink};
use super::finding::Finding;
use super::gaps::dropped;
use super::nearest::nearest;
use super::plan::{Lens, Plan, Seen};
use super::progress::{Bench, Progress};
use super::subject::Happened;

/// How long an event may be on its way: until then it is not said that it did not come in time.
const ON_ITS_WAY_NS: u64 = 30_000_000;

/// Checks, and how they stand.
pub(super) struct Engine {
    plan: Plan,
    progress: Vec<Progress>,
    /// Live: which were told to be decided.
    told: Vec<bool>,
    live: bool,
    feed: Feed,
    /// Every event before this one was read, or will never be.
    read_to: u64,
    /// When the last one was that was read.
    read_ns: u64,
    /// Events that were dropped before they could be read.
    dropped: Vec<Loss>,
    /// Checks that begin later than the recording: states may be known by then.
    late: Vec<usize>,
}

impl Engine {
    pub(super) fn new(
        timeline: &Timeline,
        inner: &Inner,
        checks: Vec<Check>,
        live: bool,
    ) -> Result<Self, TimelineError> {
        let plan = Plan::new(timeline, inner, checks, live)?;
        let progress = plan.checks.iter().map(Progress::new).collect();
        let late = (0..plan.checks.len()).filter(|at| plan.checks[*at].span.begins_late());
        Ok(Self {
            late: late.collect(),
            told: vec![false; plan.checks.len()],
            plan,
            progress,
            live,
            feed: Feed::new(Arc::clone(timeline.words())),
            read_to: 0,
            read_ns: 0,
            dropped: Vec::new(),
        })
    }

    /// Reads what came since the last time.
    pub(super) fn read(&mut self, timeline: &Timeline, inner: &Inner) -> Result<(), StoreError> {
        self.plan.refresh(&inner.index.facts);
        self.progress.iter_mut().for_each(|progress| progress.refill(self.live));
        self.skip(inner);
        for chunk in &inner.index.chunks {
            if chunk.next_seq <= self.read_to {
                continue;
            }
            match timeline.recording().view(&chunk.chunk) {
                Err(StoreError::Evicted) if chunk.chunk.carried => {}
                Err(StoreError::Evicted) => self.missed(chunk.next_seq, chunk.chunk.last_ns),
                view => self.chunk(inner, chunk, &view?),
            }
            if !chunk.chunk.carried {
                (self.read_to, self.read_ns) = (chunk.next_seq, chunk.chunk.last_ns);
            }
        }
        Ok(())
    }

    /// Notices events that were dropped before they could be read.
    fn skip(&mut self, inner: &Inner) {
        let Some(first) = inner.index.chunks.iter().find(|chunk| !chunk.chunk.carried) else {
            return;
        };
        if first.first_seq() > self.read_to {
            self.missed(first.first_seq(), first.chunk.first_ns);
        }
    }

    /// Everything before this event that was not read yet was dropped.
    fn missed(&mut self, to_seq: u64, to_ns: u64) {
        if self.read_to > 0 {
            self.feed.skipped(to_seq, to_ns);
        }
        let count = to_seq.saturating_sub(self.read_to);
        self.dropped.push(dropped(count, self.read_ns, to_ns));
    }

    fn chunk(&mut self, inner: &Inner, chunk: &ChunkIndex, view: &Arc<ChunkView>) {
        self.feed.next_reading();
        let mut asking = Asking {
            plan: &self.plan,
            told: &self.told,
            progress: &mut self.progress,
            lens: Lens::new(&self.plan, view),
            facts: &inner.index.facts,
        };
        for row in chunk.rows_from(view, self.read_to) {
            if !self.late.is_empty() {
                let begun = |at: &usize| asking.plan.checks[*at].span.begun(row.seq, row.at_ns);
                for at in self.late.extract_if(.., |at| begun(at)) {
                    asking.standing(at, &self.feed);
                }
            }
            if row.kind.bit() & self.plan.kinds != 0 || row.lost_before > 0 {
                self.feed.row(&self.plan, inner, view, row, &mut asking);
            }
        }
        self.settle(chunk.chunk.last_ns);
    }

    /// What waits for what was going on need not wait for what is over by now.
    fn settle(&mut self, read_ns: u64) {
        let checks = self.plan.checks.iter().zip(&mut self.progress).zip(&self.told);
        for ((plan, progress), _) in checks.filter(|(_, told)| !**told) {
            progress.settle(plan, read_ns, |step| self.feed.busy_since(&plan.steps[step]));
        }
    }

    /// The checks that are decided and were not told of before.
    pub(super) fn decided(
        &mut self,
        timeline: &Timeline,
        inner: &Inner,
        now_ns: u64,
    ) -> Result<Vec<(usize, Finding)>, StoreError> {
        // What has happened by now may still be on its way; once something later has come it is not.
        let past = inner.index.last_ns.max(now_ns.saturating_sub(ON_ITS_WAY_NS));
        let mut losses = None;
        let mut all = Vec::new();
        for at in 0..self.progress.len() {
            let plan = &self.plan.checks[at];
            if self.told[at] || !self.progress[at].may_be_decided(plan, past, inner.index.next_seq) {
                continue;
            }
            let losses = losses.get_or_insert_with(|| self.losses(timeline));
            let bench = Bench::new(timeline, inner, losses, past);
            if let Some(finding) = self.progress[at].decide(plan, &bench)? {
                self.told[at] = true;
                all.push((at, finding));
            }
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
        self.finish_calls(timeline, inner)?;
        let losses = self.losses(timeline);
        let bench = Bench::new(timeline, inner, &losses, now_ns.max(inner.index.last_ns));
        let checks = self.plan.checks.iter().zip(&mut self.progress);
        let findings: Result<Vec<Finding>, _> = checks.map(|(plan, progress)| progress.finding(plan, &bench)).collect();
        let mut findings = findings?;
        for (at, place) in nearest(&self.plan, &findings, timeline, inner)? {
            findings[at].nearest = bench.reader.subject(&place)?;
        }
        Ok(findings)
    }

    /// Calls that have not ended count as such, if nothing more comes.
    fn finish_calls(&mut self, timeline: &Timeline, inner: &Inner) -> Result<(), StoreError> {
        let Some(chunk) = inner.index.chunks.back() else {
            return Ok(());
        };
        let view = match timeline.recording().view(&chunk.chunk) {
            Err(StoreError::Evicted) => return Ok(()),
            view => view?,
        };
        let Some(last) = view.rows().last() else { return Ok(()) };
        let mut asking = Asking {
            plan: &self.plan,
            told: &self.told,
            progress: &mut self.progress,
            lens: Lens::new(&self.plan, &view),
            facts: &inner.index.facts,
        };
        self.feed.finish(last, &mut asking);
        Ok(())
    }

    /// When time alone may decide something.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let checks = self.plan.checks.iter().zip(&self.progress).zip(&self.told);
        let open = checks.filter(|(_, told)| !**told);
        let next = open.filter_map(|((plan, progress), _)| progress.next_ns(plan)).min()?;
        Some(next.saturating_add(ON_ITS_WAY_NS))
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
    /// What was told stays as it was.
    told: &'a [bool],
    progress: &'a mut [Progress],
    lens: Lens<'a>,
    facts: &'a Facts,
}

impl Asking<'_> {
    /// A check begins: the states that are known count as if they had just become so.
    fn standing(&mut self, check: usize, feed: &Feed) {
        let Progress::One(tally) = &mut self.progress[check] else {
            return;
        };
        let plan = &self.plan.checks[check];
        let step = &plan.steps[0];
        if step.step.what != What::State {
            return;
        }
        for (place, state) in feed.states().filter(|(place, _)| step.follows(place.track)) {
            let content = Content::State(part(state));
            tally.take(plan, check, &self.lens, &Happened::new(place, content));
        }
    }
}

impl Sink for Asking<'_> {
    fn take(&mut self, happened: &Happened<'_>) {
        for (check, step) in self.plan.asked(happened).filter(|(check, _)| !self.told[*check]) {
            let seen = Seen {
                lens: &self.lens,
                facts: self.facts,
            };
            self.progress[check].take(&self.plan.checks[check], (check, step), &seen, happened);
        }
    }
}
