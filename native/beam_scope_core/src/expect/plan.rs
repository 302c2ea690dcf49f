//! Checks made ready: names looked up, steps sorted by what they are about.

use crate::event::EventKind;
use crate::pattern::{Pattern, Prepared};
use crate::query::plan::Function;
use crate::query::who::Who;
use crate::store::{ChunkView, StoreError, TrackId};
use crate::timeline::view::Inner;
use crate::timeline::{Facts, Moment, Selector, Timeline, TimelineError};

use super::check::{Check, Rule, Step, What};
use super::feed::Interest;
use super::subject::{Happened, Stage};

/// From when to when, by both clocks; whichever does not count is without bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    from_seq: u64,
    to_seq: u64,
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl Span {
    /// A moment after the recording's end is a mistake, where the recording has one.
    fn of(timeline: &Timeline, inner: &Inner, check: &Check, live: bool) -> Result<Self, TimelineError> {
        let next = inner.index.next_seq;
        let mut span = Self {
            from_seq: 0,
            to_seq: u64::MAX,
            from_ns: 0,
            to_ns: u64::MAX,
        };
        match check.since {
            None | Some(Moment::Start) => {}
            Some(Moment::AtNs(ns)) => span.from_ns = ns,
            Some(Moment::End) => (span.from_seq, span.from_ns) = (next, inner.index.last_ns),
            Some(Moment::Seq(seq)) if seq > next && !live => return Err(TimelineError::OutsideRecording),
            Some(Moment::Seq(seq)) => (span.from_seq, span.from_ns) = (seq, time_of(timeline, inner, seq)?),
        }
        match check.until {
            None | Some(Moment::End) => {}
            Some(Moment::Start) => span.to_ns = 0,
            Some(Moment::AtNs(ns)) => span.to_ns = ns,
            Some(Moment::Seq(seq)) if seq >= next && !live => return Err(TimelineError::OutsideRecording),
            Some(Moment::Seq(seq)) if seq >= next => span.to_seq = seq,
            Some(Moment::Seq(seq)) => (span.to_seq, span.to_ns) = (seq, time_of(timeline, inner, seq)?),
        }
        Ok(span)
    }

    pub(super) fn has(&self, seq: u64, at_ns: u64) -> bool {
        self.begun(seq, at_ns) && seq <= self.to_seq && at_ns <= self.to_ns
    }

    pub(super) fn begun(&self, seq: u64, at_ns: u64) -> bool {
        seq >= self.from_seq && at_ns >= self.from_ns
    }

    /// Whether it begins after the recording's start, so that states may be known already.
    pub(super) fn begins_late(&self) -> bool {
        self.from_seq > 0 || self.from_ns > 0
    }
}

/// The time of an event, or of the next one there is.
fn time_of(timeline: &Timeline, inner: &Inner, seq: u64) -> Result<u64, StoreError> {
    let index = &inner.index;
    let after = index.chunks.partition_point(|chunk| chunk.next_seq <= seq);
    let Some(chunk) = index.chunks.get(after) else {
        return Ok(index.last_ns);
    };
    match timeline.recording().view(&chunk.chunk) {
        Ok(view) => {
            let at = view.rows().partition_point(|row| row.seq < seq);
            Ok(view.rows().get(at).map_or(index.last_ns, |row| row.at_ns))
        }
        Err(StoreError::Evicted) => Ok(chunk.chunk.last_ns),
        Err(error) => Err(error),
    }
}

/// A step and the processes it is about.
pub(super) struct StepPlan {
    pub(super) step: Step,
    process: Option<Who>,
    from: Option<Who>,
    to: Option<Who>,
    /// Calls: their value is of no account.
    pub(super) at_call: bool,
}

impl StepPlan {
    fn new(step: Step) -> Self {
        let at_call = step.what == What::Called && !step.pattern.looks_at(1);
        Self {
            step,
            process: None,
            from: None,
            to: None,
            at_call,
        }
    }

    fn refresh(&mut self, facts: &Facts) {
        let who = |known: &mut Option<Who>, selector: &Option<Selector>| match (known, selector) {
            (Some(who), Some(selector)) => who.refresh(facts, selector),
            (known, selector) => *known = selector.as_ref().map(|selector| Who::of(facts, selector)),
        };
        who(&mut self.process, &self.step.process);
        who(&mut self.from, &self.step.from);
        who(&mut self.to, &self.step.to);
    }

    fn is_unknown(&self) -> bool {
        self.process.as_ref().is_some_and(Who::is_unknown)
    }

    /// Whether it looks at what happens to this process.
    pub(super) fn follows(&self, track: TrackId) -> bool {
        self.process.as_ref().is_none_or(|who| who.tracks.contains(track))
    }

    /// Whose events it needs; `None`: anybody's.
    pub(super) fn watched(&self) -> Option<&Who> {
        let other = match self.step.what {
            What::Sent => self.from.as_ref(),
            What::Received => self.to.as_ref(),
            _ => None,
        };
        self.process.as_ref().or(other)
    }

    /// Whether it is about calls of this function.
    pub(super) fn is_about(&self, function: Option<Function>) -> bool {
        let mfa = self.step.mfa.as_ref();
        mfa.is_none_or(|mfa| function.is_some_and(|function| function.is(mfa)))
    }

    /// Whether what it is about is told when it is over, and may have had its effect before.
    pub(super) const fn takes_time(&self) -> bool {
        match self.step.what {
            What::State | What::Transition => true,
            What::Called => !self.at_call,
            _ => false,
        }
    }

    /// Judges by everything but the pattern.
    fn admits(&self, happened: &Happened<'_>) -> bool {
        if !self.follows(happened.place.track) {
            return false;
        }
        match (self.step.what, &happened.mail) {
            (What::Sent | What::Received, Some(mail)) => {
                self.from.as_ref().is_none_or(|who| mail.is_from(who))
                    && self.to.as_ref().is_none_or(|who| mail.is_for(who))
            }
            (What::Called, _) => self.at_call == (happened.stage == Stage::Made) && self.is_about(happened.function),
            // A process's first state has none before it: a pattern that asks for one is not about it.
            (What::Transition, _) => !happened.begins() || !self.step.pattern.looks_at(0),
            _ => true,
        }
    }
}

/// A check made ready.
pub(super) struct CheckPlan {
    pub(super) rule: Rule,
    pub(super) steps: Vec<StepPlan>,
    pub(super) scope: Option<Pattern>,
    pub(super) span: Span,
    lenient: bool,
}

/// Every check, made ready.
pub(super) struct Plan {
    pub(super) checks: Vec<CheckPlan>,
    /// Check and step, by what the step is about.
    by_what: [Vec<(usize, usize)>; What::ALL.len()],
    /// The kinds of events that any step needs.
    pub(super) kinds: u32,
}

impl Plan {
    pub(super) fn new(
        timeline: &Timeline,
        inner: &Inner,
        checks: Vec<Check>,
        live: bool,
    ) -> Result<Self, TimelineError> {
        let mut by_what: [Vec<(usize, usize)>; What::ALL.len()] = Default::default();
        let mut kinds = 0;
        let mut plans = Vec::with_capacity(checks.len());
        for (at, check) in checks.into_iter().enumerate() {
            let span = Span::of(timeline, inner, &check, live)?;
            // Nothing follows itself: of two steps the second is asked first. What ends the time for that comes between them.
            let (first, others) = check.steps.split_at(1);
            let others = others.iter().enumerate().map(|(at, step)| (at + 1, step));
            for (step, one) in others.chain(first.iter().enumerate()) {
                by_what[one.what as usize].push((at, step));
                kinds |= kinds_of(one.what);
            }
            plans.push(CheckPlan {
                rule: check.rule,
                steps: check.steps.into_iter().map(StepPlan::new).collect(),
                scope: check.scope,
                span,
                lenient: check.lenient,
            });
        }
        let mut plan = Self {
            checks: plans,
            by_what,
            kinds,
        };
        plan.refresh(&inner.index.facts);
        let strict = plan.checks.iter().filter(|check| !live && !check.lenient);
        if strict.flat_map(|check| &check.steps).any(StepPlan::is_unknown) {
            return Err(TimelineError::NoSuchProcess);
        }
        Ok(plan)
    }

    /// Looks names up again: processes come and take names.
    pub(super) fn refresh(&mut self, facts: &Facts) {
        let steps = self.checks.iter_mut().flat_map(|check| &mut check.steps);
        steps.for_each(|step| step.refresh(facts));
    }

    /// The steps that are about something of this kind.
    pub(super) fn about(&self, what: What) -> impl Iterator<Item = (usize, usize, &StepPlan)> {
        let places = self.by_what[what as usize].iter();
        places.map(|(check, step)| (*check, *step, &self.checks[*check].steps[*step]))
    }

    /// The checks and steps that something is to be asked of.
    pub(super) fn asked<'p>(&'p self, happened: &'p Happened<'_>) -> impl Iterator<Item = (usize, usize)> + 'p {
        let place = happened.place;
        let steps = self.about(place.what).filter(move |(check, _, step)| {
            self.checks[*check].span.has(place.seq, place.at_ns) && step.admits(happened)
        });
        steps.map(|(check, step, _)| (check, step))
    }
}

impl Interest for Plan {
    /// Whether any step of this kind looks at a process.
    fn follows(&self, what: What, track: TrackId) -> bool {
        self.about(what).any(|(_, _, step)| step.follows(track))
    }
}

/// The kinds of events that tell of something.
fn kinds_of(what: What) -> u32 {
    let bits = |kinds: &[EventKind]| kinds.iter().fold(0, |bits, kind| bits | kind.bit());
    match what {
        What::Sent => bits(&[EventKind::Send, EventKind::SendToDead]),
        What::Received => bits(&[EventKind::Receive]),
        What::Called => bits(&[
            EventKind::Call,
            EventKind::Return,
            EventKind::Exception,
            EventKind::Exit,
        ]),
        What::State | What::Transition | What::Crashed => bits(&[EventKind::State, EventKind::Exit]),
        What::Exited => bits(&[EventKind::Exit]),
    }
}

/// What something that happened is judged with.
pub(super) struct Seen<'a> {
    pub(super) lens: &'a Lens<'a>,
    pub(super) facts: &'a Facts,
}

/// The patterns of every check, their keys and literals looked up in one chunk.
pub(super) struct Lens<'v> {
    steps: Vec<Vec<Prepared<'v>>>,
    scopes: Vec<Option<Prepared<'v>>>,
}

impl<'v> Lens<'v> {
    pub(super) fn new(plan: &'v Plan, view: &'v ChunkView) -> Self {
        let of = |check: &'v CheckPlan| {
            let steps = check.steps.iter();
            steps.map(|step| step.step.pattern.prepare_sieve(&view.arena)).collect()
        };
        let scope = |check: &'v CheckPlan| check.scope.as_ref().map(|scope| scope.prepare_sieve(&view.arena));
        Self {
            steps: plan.checks.iter().map(of).collect(),
            scopes: plan.checks.iter().map(scope).collect(),
        }
    }

    pub(super) fn step(&self, check: usize, step: usize) -> &Prepared<'v> {
        &self.steps[check][step]
    }

    pub(super) fn scope(&self, check: usize) -> Option<&Prepared<'v>> {
        self.scopes[check].as_ref()
    }
}
