//! How a check stands, and what is said of it.

use std::time::Instant;

use crate::store::{Loss, StoreError};
use crate::timeline::view::Inner;
use crate::timeline::Timeline;

use super::bindings::{bindings, Bindings};
use super::check::Rule;
use super::finding::{Finding, Verdict};
use super::flow::{Flow, Found, SearchEnd};
use super::gaps::Losses;
use super::pairs::Pairs;
use super::plan::{CheckPlan, Seen};
use super::read::Reader;
use super::subject::{Happened, Place, Subject};
use super::tally::Tally;

/// How a check stands.
pub(super) enum Progress {
    One(Box<Tally>),
    Two(Box<Pairs>),
    Flow(Box<Attempts>),
}

/// A flow, and when it may be searched again.
pub(super) struct Attempts {
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

/// What answers are made with.
pub(super) struct Bench<'a> {
    losses: Losses<'a>,
    pub(super) reader: Reader<'a>,
    now_ns: u64,
}

impl<'a> Bench<'a> {
    pub(super) const fn new(timeline: &'a Timeline, inner: &'a Inner, losses: &'a [Loss], now_ns: u64) -> Self {
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
        let facts = &self.reader.inner.index.facts;
        let bindings = bindings(self.reader.timeline.words(), facts, plan, &matched);
        Ok((found, bindings))
    }
}

impl Progress {
    pub(super) fn new(plan: &CheckPlan) -> Self {
        match plan.rule {
            Rule::Count { .. } | Rule::Every { .. } => Self::One(Box::default()),
            Rule::LeadsTo { .. } | Rule::Excludes { .. } | Rule::Precedes { .. } | Rule::Causality { .. } => {
                Self::Two(Box::new(Pairs::new(plan)))
            }
            Rule::Flow => Self::Flow(Box::new(Attempts {
                flow: Flow::new(plan),
                rest_until: None,
            })),
        }
    }

    pub(super) fn take(&mut self, plan: &CheckPlan, at: (usize, usize), seen: &Seen<'_>, happened: &Happened<'_>) {
        match self {
            Self::One(tally) => tally.take(plan, at.0, seen.lens, happened),
            Self::Two(pairs) => pairs.take(plan, at, seen, happened),
            Self::Flow(attempts) => attempts.flow.take(plan, at, seen, happened),
        }
    }

    /// Another reading begins.
    pub(super) fn refill(&mut self, live: bool) {
        if let Self::Two(pairs) = self {
            pairs.refill(if live { LIVE_VISITS } else { VISITS });
        }
    }

    /// Everything up to then was read; `busy`: since which event something of a step has been going on.
    pub(super) fn settle(&mut self, plan: &CheckPlan, read_ns: u64, busy: impl Fn(usize) -> Option<u64>) {
        if let Self::Two(pairs) = self {
            pairs.settle(plan, read_ns, busy);
        }
    }

    /// Whether it is worth looking. `past_ns`: by then everything has come; `read_to`: all before this event.
    pub(super) fn may_be_decided(&mut self, plan: &CheckPlan, past_ns: u64, read_to: u64) -> bool {
        match self {
            Self::One(tally) => tally.decided(plan).is_some(),
            Self::Two(pairs) => {
                pairs.pass(plan, past_ns);
                pairs.has_misses()
            }
            Self::Flow(attempts) => attempts.is_due(read_to),
        }
    }

    /// The answer, if nothing can change it.
    pub(super) fn decide(&mut self, plan: &CheckPlan, bench: &Bench<'_>) -> Result<Option<Finding>, StoreError> {
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
    pub(super) fn finding(&mut self, plan: &CheckPlan, bench: &Bench<'_>) -> Result<Finding, StoreError> {
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
    pub(super) fn next_ns(&self, plan: &CheckPlan) -> Option<u64> {
        match self {
            Self::Two(pairs) => pairs.next_ns(plan),
            _ => None,
        }
    }
}

impl Attempts {
    fn is_due(&self, read_to: u64) -> bool {
        self.flow.is_ripe(read_to) && self.rest_until.is_none_or(|until| Instant::now() >= until)
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
    let pair = match (plan.rule, pairs.pair) {
        (Rule::Excludes { .. }, _) => vec![end.by, end.violation],
        (_, Some((first, second))) => vec![Some(first), Some(second)],
        _ => vec![None, None],
    };
    let (mut steps, bindings) = bench.matched(plan, &pair)?;
    if matches!(plan.rule, Rule::LeadsTo { .. }) && end.by.is_some() {
        steps.push(bench.look(end.by)?);
    }
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
        bindings,
        first: bench.look(found.places.first().copied())?,
        nearest: bench.look(found.nearest)?,
        steps,
        failed_step: (matched < all).then_some(matched),
        gap,
        ..Finding::new(verdict)
    })
}
