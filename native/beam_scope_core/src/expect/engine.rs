//! Checks at work: fed rows in order, once.

use std::sync::Arc;
use std::time::Instant;

use crate::store::{ChunkView, Loss, LossCause, StoreError};
use crate::timeline::index::ChunkIndex;
use crate::timeline::view::Inner;
use crate::timeline::{Timeline, TimelineError};

use super::bindings::{bindings, Bindings};
use super::check::{Check, Rule, What};
use super::content::{part, Content};
use super::feed::{Feed, Sink};
use super::finding::{Finding, Verdict};
use super::flow::{Flow, Found, SearchEnd};
use super::gaps::{dropped, Losses};
use super::nearest::nearest;
use super::pairs::Pairs;
use super::plan::{CheckPlan, Lens, Plan};
use super::read::Reader;
use super::subject::{Happened, Place, Subject};
use super::tally::Tally;

/// How a check stands.
enum Progress {
    One(Tally),
    Two(Box<Pairs>),
    Flow(Box<Attempts>),
}

/// A flow, and when it may be searched again.
struct Attempts {
    flow: Flow,
    rest_until: Option<Instant>,
}

/// A flow is searched for this much at the end, and for so much at once while it runs.
const FUEL: u64 = 5_000_000;
const LIVE_FUEL: u64 = 200_000;
/// So many of what waits may be looked at in a reading; while a recording runs readings are many and small.
const VISITS: u64 = 20_000_000;
const LIVE_VISITS: u64 = 500_000;
/// A flow that is searched beside a running recording takes at most this share of the time.
const REST: u32 = 10;
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
            dropped: Vec::new(),
        })
    }

    /// Reads what came since the last time.
    pub(super) fn read(&mut self, timeline: &Timeline, inner: &Inner) -> Result<(), StoreError> {
        self.plan.refresh(&inner.index.facts);
        self.refill();
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

    fn refill(&mut self) {
        let visits = if self.live { LIVE_VISITS } else { VISITS };
        for progress in &mut self.progress {
            if let Progress::Two(pairs) = progress {
                pairs.refill(visits);
            }
        }
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
        let mut asking = Asking {
            plan: &self.plan,
            progress: &mut self.progress,
            lens: Lens::new(&self.plan, view),
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
            if self.told[at] || !self.progress[at].may_be_decided(plan, past) {
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
            progress: &mut self.progress,
            lens: Lens::new(&self.plan, &view),
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
    progress: &'a mut [Progress],
    lens: Lens<'a>,
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
        for (check, step) in self.plan.asked(happened) {
            self.progress[check].take(&self.plan.checks[check], (check, step), &self.lens, happened);
        }
    }
}

/// What answers are made with.
struct Bench<'a> {
    losses: Losses<'a>,
    reader: Reader<'a>,
    now_ns: u64,
}

impl<'a> Bench<'a> {
    const fn new(timeline: &'a Timeline, inner: &'a Inner, losses: &'a [Loss], now_ns: u64) -> Self {
        Self {
            losses: Losses {
                all: losses,
                facts: &inner.index.facts,
            },
            reader: Reader { timeline, inner },
            now_ns,
        }
    }

    fn look(&self, place: Option<Place>) -> Result<Option<Subject>, StoreError> {
        place.map_or(Ok(None), |place| self.reader.subject(&place))
    }

    /// What steps have matched, and their variables.
    fn matched(
        &self,
        plan: &CheckPlan,
        places: &[Option<Place>],
    ) -> Result<(Vec<Option<Subject>>, Bindings), StoreError> {
        let found: Result<Vec<_>, _> = places.iter().map(|place| self.look(*place)).collect();
        let found = found?;
        let matched: Vec<(usize, &Subject)> = found
            .iter()
            .enumerate()
            .filter_map(|(step, subject)| Some((step, subject.as_ref()?)))
            .collect();
        let bindings = bindings(self.reader.timeline.words(), plan, &matched);
        Ok((found, bindings))
    }
}

impl Progress {
    fn new(plan: &CheckPlan) -> Self {
        match plan.rule {
            Rule::Count { .. } | Rule::Every { .. } => Self::One(Tally::default()),
            Rule::LeadsTo { .. } | Rule::Causality { .. } => Self::Two(Box::new(Pairs::new(plan))),
            Rule::Flow => Self::Flow(Box::new(Attempts {
                flow: Flow::new(plan),
                rest_until: None,
            })),
        }
    }

    fn take(&mut self, plan: &CheckPlan, at: (usize, usize), lens: &Lens<'_>, happened: &Happened<'_>) {
        match self {
            Self::One(tally) => tally.take(plan, at.0, lens, happened),
            Self::Two(pairs) => pairs.take(plan, at, lens, happened),
            Self::Flow(attempts) => attempts.flow.take(at, lens, happened),
        }
    }

    /// Whether it is worth looking. `past_ns`: by then everything has come.
    fn may_be_decided(&mut self, plan: &CheckPlan, past_ns: u64) -> bool {
        match self {
            Self::One(tally) => tally.decided(plan).is_some(),
            Self::Two(pairs) => {
                pairs.pass(plan, past_ns);
                pairs.has_misses()
            }
            Self::Flow(attempts) => attempts.is_due(),
        }
    }

    /// The answer, if nothing can change it.
    fn decide(&mut self, plan: &CheckPlan, bench: &Bench<'_>) -> Result<Option<Finding>, StoreError> {
        match self {
            Self::One(tally) => {
                let Some(verdict) = tally.decided(plan) else {
                    return Ok(None);
                };
                let finding = one(plan, tally, bench)?;
                Ok(Some(Finding { verdict, ..finding }))
            }
            Self::Two(pairs) if pairs.decided(&bench.losses, plan) => two(plan, pairs, bench).map(Some),
            Self::Two(_) => Ok(None),
            Self::Flow(attempts) => {
                let found = attempts.search(plan, bench, LIVE_FUEL);
                match found.outcome {
                    SearchEnd::All => flow(plan, &attempts.flow, &found, bench).map(Some),
                    _ => Ok(None),
                }
            }
        }
    }

    /// The answer if nothing more comes.
    fn finding(&mut self, plan: &CheckPlan, bench: &Bench<'_>) -> Result<Finding, StoreError> {
        match self {
            Self::One(tally) => one(plan, tally, bench),
            Self::Two(pairs) => two(plan, pairs, bench),
            Self::Flow(attempts) => {
                let found = attempts.search(plan, bench, FUEL);
                flow(plan, &attempts.flow, &found, bench)
            }
        }
    }

    /// When time alone may decide something.
    fn next_ns(&self, plan: &CheckPlan) -> Option<u64> {
        match self {
            Self::Two(pairs) => pairs.next_ns(plan),
            _ => None,
        }
    }
}

impl Attempts {
    fn is_due(&self) -> bool {
        self.flow.grown && self.rest_until.is_none_or(|until| Instant::now() >= until)
    }

    fn search(&mut self, plan: &CheckPlan, bench: &Bench<'_>, fuel: u64) -> Found {
        let began = Instant::now();
        let found = self.flow.search(plan, bench.reader.inner, fuel);
        self.rest_until = Some(Instant::now() + began.elapsed() * REST);
        found
    }
}

fn one(plan: &CheckPlan, tally: &Tally, bench: &Bench<'_>) -> Result<Finding, StoreError> {
    let gap = bench.losses.of_check(plan);
    let verdict = tally.verdict(plan, gap.is_some());
    let (mut steps, found) = bench.matched(plan, &[tally.first])?;
    let binds = matches!(plan.rule, Rule::Count { .. });
    Ok(Finding {
        count: tally.count,
        seen: tally.seen,
        unknown: tally.unknown,
        bindings: if binds { found } else { Vec::new() },
        first: steps.pop().flatten(),
        violation: bench.look(tally.violation)?,
        nearest: bench.look(tally.doubt.filter(|_| verdict == Verdict::Unknown))?,
        gap,
        ..Finding::new(verdict)
    })
}

fn two(plan: &CheckPlan, pairs: &Pairs, bench: &Bench<'_>) -> Result<Finding, StoreError> {
    let gap = bench.losses.of_check(plan);
    let end = pairs.end(plan, &bench.losses, gap.is_some(), bench.now_ns);
    let pair = match pairs.pair {
        Some((first, second)) => vec![Some(first), Some(second)],
        None => vec![None, None],
    };
    let (steps, bindings) = bench.matched(plan, &pair)?;
    Ok(Finding {
        count: pairs.count,
        seen: pairs.seen,
        unknown: end.unknown,
        bindings,
        first: bench.look(pairs.first)?,
        violation: bench.look(end.violation)?,
        nearest: bench.look(pairs.doubt.filter(|_| end.verdict == Verdict::Unknown))?,
        steps,
        failed_step: end.missing,
        open: end.open,
        gap,
        ..Finding::new(end.verdict)
    })
}

fn flow(plan: &CheckPlan, flow: &Flow, found: &Found, bench: &Bench<'_>) -> Result<Finding, StoreError> {
    let gap = bench.losses.of_check(plan);
    let verdict = match found.outcome {
        SearchEnd::All => Verdict::Held,
        SearchEnd::Maybe | SearchEnd::GaveUp => Verdict::Unknown,
        SearchEnd::None if flow.is_cut() => Verdict::Unknown,
        SearchEnd::None if gap.is_some() => Verdict::Gap,
        SearchEnd::None if flow.seen == 0 => Verdict::Empty,
        SearchEnd::None => Verdict::Broken,
    };
    let all = plan.steps.len();
    let places: Vec<Option<Place>> = (0..all).map(|step| found.places.get(step).copied()).collect();
    let (steps, bindings) = bench.matched(plan, &places)?;
    let matched = found.places.len();
    Ok(Finding {
        count: matched as u64,
        seen: flow.seen,
        unknown: u64::from(verdict == Verdict::Unknown),
        bindings: if verdict == Verdict::Held { bindings } else { Vec::new() },
        first: bench.look(found.places.first().copied())?,
        nearest: bench.look(found.nearest)?,
        steps,
        failed_step: (matched < all).then_some(matched),
        gap,
        ..Finding::new(verdict)
    })
}
