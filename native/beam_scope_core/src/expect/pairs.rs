//! Checks of two steps: what must be followed, and what must have a cause.
//!
//! The first step's matches wait. In a `LeadsTo` each match of the second step serves all of those that agree with it; in a
//! `Causality` it takes the oldest, in a `Precedes` it needs one; in an `Excludes` there must be none. Where there is a third
//! step, what agrees with a match of it waits no longer. A first end that takes time, a message that is handled and the state
//! that comes of it, is known when it is over, but what it leads to may come before: the matches of the second step are kept, and
//! met by a first end that had begun by then; likewise what a third step ends the time of still meets a second end that had begun by
//! then. What waits too long for its other end, or finds none, is *missed*:
//! that breaks the check, unless events were lost among which the other end may have been.

use std::collections::{HashSet, VecDeque};

use crate::pattern::Answer;

use super::check::Rule;
use super::joint::{Joint, Values};
use super::plan::{CheckPlan, Seen};
use super::subject::{Happened, Place};
use super::tally::Crashes;
use super::waiting::{Visit, Waiter, Waiting, MOST};

mod cause;
mod early;
mod end;
mod scope;

use early::{ends_late, takes_time};

/// What the variables of all that waits stand for takes no more bytes than this.
const MOST_BYTES: usize = 64 << 20;
/// So many misses are kept to look for one that no loss explains.
const MOST_MISSES: usize = 256;

/// What one form of something that happened binds, and whether it is what it seems.
type Form = (Values, Answer);

/// Something whose other end did not come in time.
#[derive(Clone, Copy, Debug)]
struct Miss {
    place: Place,
    /// The step that would have kept it from being one, if any could, and when that should have come.
    step: Option<usize>,
    span: (u64, u64),
    /// What ended the time for that; of an `Excludes` what should not have been followed.
    by: Option<Place>,
}

/// How a check of two steps stands.
#[derive(Debug)]
pub(super) struct Pairs {
    joint: Joint,
    waiting: Waiting,
    /// Where first ends take time: second ends that one of them may still turn out to have come before.
    early: Option<Waiting>,
    /// Where second ends take time: first ends whose time a third has ended, unless a second turns out to have begun before.
    closed: Option<Waiting>,
    /// Everything up to then was read.
    read_ns: u64,
    /// Second ends that came while a first one came about.
    met: HashSet<u64>,
    /// When first ends came of which a shared variable is hidden in part.
    vague: VecDeque<u64>,
    /// Variables that both heads bind: what must be equal.
    shared: Vec<usize>,
    /// Whether the third step shares the same.
    closing: bool,
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
    crashes: [Crashes; 3],
}

impl Pairs {
    pub(super) fn new(plan: &CheckPlan) -> Self {
        let joint = Joint::new(plan);
        let shared = shared(&joint, 1);
        let closing = plan.steps.len() > 2 && shared == self::shared(&joint, 2);
        let within_ns = match plan.rule {
            Rule::LeadsTo { within_ns }
            | Rule::Excludes { within_ns }
            | Rule::Precedes { within_ns }
            | Rule::Causality { within_ns, .. } => within_ns,
            _ => None,
        };
        Self {
            joint,
            waiting: Waiting::default(),
            early: takes_time(plan).then(Waiting::default),
            closed: (must_be_met(plan) && plan.steps.len() > 2 && ends_late(plan)).then(Waiting::default),
            read_ns: 0,
            met: HashSet::new(),
            vague: VecDeque::new(),
            shared,
            closing,
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
        self.all_waiting().for_each(|waiting| waiting.budget = budget);
    }

    /// Takes the next thing that one of the steps is about. Where it is about both, the second step comes first: nothing
    /// follows itself.
    pub(super) fn take(
        &mut self,
        plan: &CheckPlan,
        (at, step): (usize, usize),
        seen: &Seen<'_>,
        happened: &Happened<'_>,
    ) {
        if self.crashes[step].is_known(happened) {
            return;
        }
        self.expire(plan, happened.place.at_ns);
        self.seen += u64::from(!happened.again);
        let asked = happened.content.ask_forms(seen.lens.step(at, step));
        if asked.is_empty() {
            return;
        }
        self.crashes[step].note(happened);
        let pattern = &plan.steps[step].step.pattern;
        let mut forms = self.joint.forms(pattern, step, (&asked, happened), seen.facts);
        let place = happened.place;
        match (step, plan.rule) {
            _ if forms.is_empty() => {}
            (0, _) => {
                // Of what begins there is one, however many forms it has.
                let (values, answer) = forms.swap_remove(0);
                self.begin(plan, place, values, answer);
            }
            (_, Rule::Causality { .. } | Rule::Precedes { .. }) => self.effect(plan, place, &forms),
            (1, Rule::Excludes { .. }) => self.intrude(plan, place, &forms),
            (1, _) => forms.iter().for_each(|form| self.follow(plan, place, form)),
            _ => forms.iter().for_each(|form| self.close_off(plan, place, form)),
        }
        self.clear();
    }

    /// Lets go of values that nothing needs any more; of too many the older half of what waits goes too.
    fn clear(&mut self) {
        if !self.joint.is_full() {
            return;
        }
        self.keep();
        if self.joint.pool.bytes() > MOST_BYTES {
            self.all_waiting().for_each(Waiting::forget_half);
            self.keep();
        }
        self.joint.cleared();
    }

    fn keep(&mut self) {
        let others = [&mut self.early, &mut self.closed].into_iter().flatten();
        let all = std::iter::once(&mut self.waiting).chain(others);
        self.joint.pool.keep(all.flat_map(Waiting::held_mut));
    }

    fn all_waiting(&mut self) -> impl Iterator<Item = &mut Waiting> {
        let others = [&mut self.early, &mut self.closed].into_iter().flatten();
        std::iter::once(&mut self.waiting).chain(others)
    }

    /// First ends of which nobody can say any more what became of them.
    fn forgotten(&self) -> u64 {
        self.waiting.forgotten + self.closed.as_ref().map_or(0, |closed| closed.forgotten)
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
        if !doubtful && matches!(plan.rule, Rule::LeadsTo { .. } | Rule::Excludes { .. }) {
            self.count(place);
        }
        match self.key(&values) {
            Some(key) => {
                let waiter = Waiter::new(place, values, key, doubtful);
                if !self.meet(plan, &waiter) {
                    self.waiting.push(waiter);
                }
            }
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

    /// `LeadsTo`: serves all that agree, those too whose time ended after it had begun.
    fn follow(&mut self, plan: &CheckPlan, place: Place, (values, answer): &Form) {
        let waiting = [Some(&mut self.waiting), self.closed.as_mut()].into_iter().flatten();
        let Some(key) = self
            .joint
            .key(self.shared.iter().copied(), values)
            .filter(|_| *answer == Answer::Yes)
        else {
            waiting.for_each(Waiting::doubt_all);
            return;
        };
        let pattern = &plan.steps[1].step.pattern;
        let (joint, pair, within) = (&self.joint, &mut self.pair, self.within_ns.unwrap_or(u64::MAX));
        let mut late = Vec::new();
        let mut serve = |waiter: &mut Waiter| {
            let over = waiter.by.is_some_and(|by| place.since >= by.seq)
                || waiter.place.at_ns.saturating_add(within) < place.at_ns;
            match joint.agree(pattern, &waiter.values, values) {
                _ if waiter.place.seq >= place.seq || over => {}
                Answer::Yes => {
                    pair.get_or_insert((waiter.place, place));
                    late.extend(waiter.late.then_some(waiter.place));
                    return Visit::Take;
                }
                Answer::Unknown(_) => waiter.doubtful = true,
                Answer::No => {}
            }
            Visit::Leave
        };
        let whole: Vec<bool> = waiting.map(|waiting| waiting.visit(key, &mut serve)).collect();
        self.gave_up |= whole.contains(&false);
        late.into_iter().for_each(|one| self.doubt(one));
        if let Some(early) = &mut self.early {
            early.push(Waiter::new(place, values.clone(), key, false));
        }
    }

    /// Lets go of what waited too long.
    fn expire(&mut self, plan: &CheckPlan, now_ns: u64) {
        self.give_up_early(plan, now_ns);
        let Some(within) = self.within_ns else { return };
        let over = |at_ns: u64| at_ns.saturating_add(within) < now_ns;
        while self.vague.front().is_some_and(|at_ns| over(*at_ns)) {
            self.vague.pop_front();
        }
        while self.waiting.oldest_ns().is_some_and(over) {
            match self.waiting.pop() {
                Some(waiter) if must_be_met(plan) && waiter.doubtful => self.doubt(waiter.place),
                Some(waiter) if must_be_met(plan) => self.miss(plan, waiter.place, 1, None),
                _ => {}
            }
        }
    }

    /// The other end, of this step, has not come.
    fn miss(&mut self, plan: &CheckPlan, place: Place, step: usize, by: Option<Place>) {
        if self.misses.len() < MOST_MISSES {
            let miss = self.missed(plan, place, step, by);
            self.misses.push(miss);
        }
    }

    fn missed(&self, plan: &CheckPlan, place: Place, step: usize, by: Option<Place>) -> Miss {
        let within = self.within_ns.unwrap_or(u64::MAX);
        // What takes time may have ended among what was lost, after it would have had to begin.
        let ended_ns = if plan.steps[step].takes_time() { self.read_ns } else { 0 };
        let span = if step == 0 {
            let first = place.at_ns.saturating_sub(within).max(plan.span.from_ns);
            (first, place.at_ns.max(ended_ns))
        } else {
            let last = by.map_or(plan.span.to_ns, |by| by.at_ns.max(ended_ns).min(plan.span.to_ns));
            (place.at_ns, place.at_ns.saturating_add(within).min(last))
        };
        Miss {
            place,
            step: Some(step),
            span,
            by,
        }
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
}

/// Whether the first end needs the second.
const fn must_be_met(plan: &CheckPlan) -> bool {
    match plan.rule {
        Rule::Causality { strict, .. } => strict,
        Rule::Excludes { .. } | Rule::Precedes { .. } => false,
        _ => true,
    }
}

/// Whether second ends must follow a first.
const fn is_caused(plan: &CheckPlan) -> bool {
    matches!(plan.rule, Rule::Causality { .. } | Rule::Precedes { .. })
}

/// The variables that the first step and another both bind.
fn shared(joint: &Joint, step: usize) -> Vec<usize> {
    let other = joint.binds(step);
    let own = joint.binds(0).iter().copied();
    own.filter(|at| other.contains(at)).collect()
}
