//! Checks of two steps: what must be followed, and what must have a cause.
//!
//! Of both the first step's matches wait. In a `LeadsTo` each match of the second step serves all of those that agree with
//! it; in a `Causality` it takes the oldest. What waits too long for its other end, or finds none, is *missed*: that breaks
//! the check, unless events were lost among which the other end may have been.

use std::collections::VecDeque;

use crate::pattern::Answer;

use super::check::Rule;
use super::finding::Verdict;
use super::gaps::Losses;
use super::joint::{Joint, Values};
use super::plan::{CheckPlan, Lens};
use super::subject::{Happened, Place};
use super::tally::Crashes;
use super::waiting::{Visit, Waiter, Waiting, MOST};

/// What the variables of all that waits stand for takes no more bytes than this.
const MOST_BYTES: usize = 64 << 20;
/// So many misses are kept to look for one that no loss explains.
const MOST_MISSES: usize = 256;

/// Something whose other end did not come in time.
#[derive(Clone, Copy, Debug)]
struct Miss {
    place: Place,
    /// The step of the end that is missing, and when it should have come.
    step: usize,
    span: (u64, u64),
}

/// How a check of two steps stands.
#[derive(Debug)]
pub(super) struct Pairs {
    joint: Joint,
    waiting: Waiting,
    /// When first ends came of which a shared variable is hidden in part.
    vague: VecDeque<u64>,
    /// Variables that both heads bind: what must be equal.
    shared: Vec<usize>,
    within_ns: Option<u64>,
    pub(super) count: u64,
    pub(super) seen: u64,
    unknown: u64,
    pub(super) first: Option<Place>,
    pub(super) doubt: Option<Place>,
    /// The first two ends that belong together.
    pub(super) pair: Option<(Place, Place)>,
    misses: Vec<Miss>,
    /// Too much to look at.
    gave_up: bool,
    crashes: [Crashes; 2],
}

/// What is left when nothing more comes.
struct Rest {
    misses: Vec<Miss>,
    unknown: u64,
    open: u64,
}

/// How a check of two steps ends.
pub(super) struct PairsEnd {
    pub(super) verdict: Verdict,
    pub(super) unknown: u64,
    pub(super) open: u64,
    pub(super) violation: Option<Place>,
    /// The step that the violation lacks.
    pub(super) missing: Option<usize>,
}

impl Pairs {
    pub(super) fn new(plan: &CheckPlan) -> Self {
        let joint = Joint::new(plan);
        let shared = joint.binds(0).iter().copied().filter(|at| joint.binds(1).contains(at));
        let shared = shared.collect();
        let within_ns = match plan.rule {
            Rule::LeadsTo { within_ns } | Rule::Causality { within_ns, .. } => within_ns,
            _ => None,
        };
        Self {
            joint,
            waiting: Waiting::default(),
            vague: VecDeque::new(),
            shared,
            within_ns,
            count: 0,
            seen: 0,
            unknown: 0,
            first: None,
            doubt: None,
            pair: None,
            misses: Vec::new(),
            gave_up: false,
            crashes: Default::default(),
        }
    }

    /// So many of those that wait may be looked at from now on.
    pub(super) fn refill(&mut self, budget: u64) {
        self.waiting.budget = budget;
    }

    /// Takes the next thing that one of the steps is about. Where it is about both, the second step comes first: nothing
    /// follows itself.
    pub(super) fn take(
        &mut self,
        plan: &CheckPlan,
        (at, step): (usize, usize),
        lens: &Lens<'_>,
        happened: &Happened<'_>,
    ) {
        if self.crashes[step].is_known(happened) {
            return;
        }
        self.expire(plan, happened.place.at_ns);
        self.seen += u64::from(!happened.again);
        let asked = happened.content.ask(lens.step(at, step), &Default::default());
        if asked.answer == Answer::No {
            return;
        }
        self.crashes[step].note(happened);
        let values = self.joint.values(step, &asked);
        let answer = asked.answer;
        match (step, plan.rule) {
            (0, _) => self.begin(plan, happened.place, values, answer),
            (_, Rule::Causality { .. }) => self.effect(plan, happened.place, &values, answer),
            _ => self.follow(plan, happened.place, &values, answer),
        }
        self.clear();
    }

    /// Lets go of values that nothing needs any more; of too many the older half of what waits goes too.
    fn clear(&mut self) {
        if !self.joint.is_full() {
            return;
        }
        self.joint.pool.keep(self.waiting.held_mut());
        if self.joint.pool.bytes() > MOST_BYTES {
            self.waiting.forget_half();
            self.joint.pool.keep(self.waiting.held_mut());
        }
        self.joint.cleared();
    }

    fn count(&mut self, place: Place) {
        self.count += 1;
        self.first.get_or_insert(place);
    }

    fn doubt(&mut self, place: Place) {
        self.unknown += 1;
        self.doubt.get_or_insert(place);
    }

    fn key(&self, values: &Values) -> Option<u64> {
        self.joint.key(self.shared.iter().copied(), values)
    }

    /// The first end came. Where what it shares with the other is hidden in part nobody can tell which one that is.
    fn begin(&mut self, plan: &CheckPlan, place: Place, values: Values, answer: Answer) {
        let doubtful = answer != Answer::Yes;
        if !doubtful && matches!(plan.rule, Rule::LeadsTo { .. }) {
            self.count(place);
        }
        match self.key(&values) {
            Some(key) => self.waiting.push(Waiter::new(place, values, key, doubtful)),
            None => {
                if self.vague.len() < MOST {
                    self.vague.push_back(place.at_ns);
                }
                if must_be_met(plan) {
                    self.doubt(place);
                }
            }
        }
    }

    /// `LeadsTo`: serves all that agree.
    fn follow(&mut self, plan: &CheckPlan, place: Place, values: &Values, answer: Answer) {
        let Some(key) = self.key(values).filter(|_| answer == Answer::Yes) else {
            self.waiting.doubt_all();
            return;
        };
        let pattern = &plan.steps[1].step.pattern;
        let (joint, pair) = (&self.joint, &mut self.pair);
        let whole = self.waiting.visit(key, |waiter| {
            match joint.agree(pattern, &waiter.values, values) {
                _ if waiter.place.seq >= place.seq => {}
                Answer::Yes => {
                    pair.get_or_insert((waiter.place, place));
                    return Visit::Take;
                }
                Answer::Unknown(_) => waiter.doubtful = true,
                Answer::No => {}
            }
            Visit::Leave
        });
        self.gave_up |= !whole;
    }

    /// `Causality`: takes the oldest that agrees.
    fn effect(&mut self, plan: &CheckPlan, place: Place, values: &Values, answer: Answer) {
        let sure = answer == Answer::Yes;
        if sure {
            self.count(place);
        }
        let Some(key) = self.key(values).filter(|_| sure) else {
            self.vague_effect(plan, place, sure);
            return;
        };
        let pattern = &plan.steps[1].step.pattern;
        let joint = &self.joint;
        let (mut cause, mut maybe) = (None, false);
        let whole = self.waiting.visit(key, |waiter| {
            match joint.agree(pattern, &waiter.values, values) {
                _ if waiter.place.seq >= place.seq => {}
                Answer::Yes if !waiter.doubtful => {
                    cause = Some(waiter.place);
                    return if cfg!(mutant = "expect_causes_serve_twice") {
                        Visit::Leave
                    } else {
                        Visit::TakeAndStop
                    };
                }
                Answer::No => {}
                _ => {
                    waiter.doubtful = true;
                    maybe = true;
                }
            }
            Visit::Leave
        });
        self.gave_up |= !whole;
        match cause {
            Some(cause) => {
                self.pair.get_or_insert((cause, place));
            }
            None if maybe || !self.vague.is_empty() || self.waiting.forgotten > 0 => self.doubt(place),
            None => self.miss(plan, place, 0),
        }
    }

    /// Nobody can tell whether it is one, or which cause is its own.
    fn vague_effect(&mut self, plan: &CheckPlan, place: Place, sure: bool) {
        let has_cause = !self.waiting.is_empty() || !self.vague.is_empty() || self.waiting.forgotten > 0;
        self.waiting.doubt_all();
        if sure && !has_cause {
            self.miss(plan, place, 0);
        } else {
            self.doubt(place);
        }
    }

    /// Lets go of what waited too long.
    fn expire(&mut self, plan: &CheckPlan, now_ns: u64) {
        let Some(within) = self.within_ns else { return };
        let over = |at_ns: u64| at_ns.saturating_add(within) < now_ns;
        while self.vague.front().is_some_and(|at_ns| over(*at_ns)) {
            self.vague.pop_front();
        }
        while self.waiting.oldest_ns().is_some_and(over) {
            match self.waiting.pop() {
                Some(waiter) if must_be_met(plan) && waiter.doubtful => self.doubt(waiter.place),
                Some(waiter) if must_be_met(plan) => self.miss(plan, waiter.place, 1),
                _ => {}
            }
        }
    }

    /// The other end, of this step, has not come.
    fn miss(&mut self, plan: &CheckPlan, place: Place, step: usize) {
        if self.misses.len() < MOST_MISSES {
            let miss = self.missed(plan, place, step);
            self.misses.push(miss);
        }
    }

    fn missed(&self, plan: &CheckPlan, place: Place, step: usize) -> Miss {
        let within = self.within_ns.unwrap_or(u64::MAX);
        let span = if step == 0 {
            (place.at_ns.saturating_sub(within).max(plan.span.from_ns), place.at_ns)
        } else {
            (place.at_ns, place.at_ns.saturating_add(within).min(plan.span.to_ns))
        };
        Miss { place, step, span }
    }

    /// What becomes of what still waits.
    fn rest(&self, plan: &CheckPlan, now_ns: u64) -> Rest {
        let mut rest = Rest {
            misses: self.misses.clone(),
            unknown: self.unknown,
            open: 0,
        };
        if !must_be_met(plan) {
            return rest;
        }
        let now = now_ns.min(plan.span.to_ns);
        for (waiter, doubtful) in self.waiting.iter() {
            let in_time = |within| waiter.place.at_ns.saturating_add(within) >= now;
            match () {
                () if self.within_ns.is_some_and(in_time) => rest.open += 1,
                () if doubtful => rest.unknown += 1,
                () if rest.misses.len() < MOST_MISSES => rest.misses.push(self.missed(plan, waiter.place, 1)),
                () => {}
            }
        }
        rest
    }

    /// A miss that no loss explains: it decides.
    pub(super) fn decided(&self, losses: &Losses<'_>, plan: &CheckPlan) -> bool {
        let certain = !self.gave_up && self.waiting.forgotten == 0;
        certain && self.misses.iter().any(|miss| !is_explained(losses, plan, miss))
    }

    /// Whether anything may have been decided.
    pub(super) fn has_misses(&self) -> bool {
        !self.misses.is_empty()
    }

    /// Time passes, and nothing comes.
    pub(super) fn pass(&mut self, plan: &CheckPlan, now_ns: u64) {
        self.expire(plan, now_ns.min(plan.span.to_ns));
    }

    /// When the time of what has waited longest is over.
    pub(super) fn next_ns(&self, plan: &CheckPlan) -> Option<u64> {
        let within = self.within_ns.filter(|_| must_be_met(plan))?;
        let oldest = self.waiting.oldest_ns()?;
        Some(oldest.saturating_add(within).saturating_add(1))
    }

    /// The answer when nothing more comes.
    pub(super) fn end(&self, plan: &CheckPlan, losses: &Losses<'_>, lost: bool, now_ns: u64) -> PairsEnd {
        let rest = self.rest(plan, now_ns);
        let broken = rest.misses.iter().find(|miss| !is_explained(losses, plan, miss));
        let forgotten = self.waiting.forgotten > 0;
        let verdict = match () {
            () if self.gave_up => Verdict::Unknown,
            () if broken.is_some() => Verdict::Broken,
            () if rest.unknown > 0 || forgotten => Verdict::Unknown,
            () if lost || !rest.misses.is_empty() => Verdict::Gap,
            () if self.count == 0 => Verdict::Empty,
            () => Verdict::Held,
        };
        let violation = broken.or(rest.misses.first());
        PairsEnd {
            verdict,
            unknown: rest.unknown,
            open: rest.open,
            violation: violation.map(|miss| miss.place),
            missing: violation.map(|miss| miss.step),
        }
    }
}

/// Whether the first end needs the second.
const fn must_be_met(plan: &CheckPlan) -> bool {
    match plan.rule {
        Rule::Causality { strict, .. } => strict,
        _ => true,
    }
}

/// Whether what is missing may be among what was lost.
fn is_explained(losses: &Losses<'_>, plan: &CheckPlan, miss: &Miss) -> bool {
    losses.of_step(&plan.steps[miss.step], miss.span).is_some() && !cfg!(mutant = "expect_blames_for_losses")
}
