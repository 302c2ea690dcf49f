//! Checks of two steps: what must be followed, and what must have a cause.
//!
//! The first step's matches wait. In a `LeadsTo` each match of the second step serves all of those that agree with it; in a
//! `Causality` it takes the oldest, in a `Precedes` it needs one; in an `Excludes` there must be none. Where there is a third
//! step, what agrees with a match of it waits no longer. A first end that takes time, a message that is handled and the state
//! that comes of it, is known when it is over, but what it leads to may come before: the matches of the second step are kept, and
//! met by a first end that had begun by then. What waits too long for its other end, or finds none, is *missed*:
//! that breaks the check, unless events were lost among which the other end may have been.

use std::collections::{HashSet, VecDeque};

use crate::pattern::{Answer, Held};

use super::check::{Rule, What};
use super::finding::Verdict;
use super::gaps::Losses;
use super::joint::{Joint, Values};
use super::plan::{CheckPlan, Seen};
use super::subject::{Happened, Place};
use super::tally::Crashes;
use super::waiting::{Visit, Waiter, Waiting, MOST};

/// What the variables of all that waits stand for takes no more bytes than this.
const MOST_BYTES: usize = 64 << 20;
/// So many misses are kept to look for one that no loss explains.
const MOST_MISSES: usize = 256;
/// A message that is handled for longer than this is no cause of what comes meanwhile.
const LONGEST_NS: u64 = 10_000_000_000;

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
    /// Those that it did.
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
    /// What ended the time for that; of an `Excludes` what should not have been followed.
    pub(super) by: Option<Place>,
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
        self.waiting.budget = budget;
        if let Some(early) = &mut self.early {
            early.budget = budget;
        }
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
        self.joint.pool.keep(held_mut(&mut self.waiting, &mut self.early));
        if self.joint.pool.bytes() > MOST_BYTES {
            self.waiting.forget_half();
            if let Some(early) = &mut self.early {
                early.forget_half();
            }
            self.joint.pool.keep(held_mut(&mut self.waiting, &mut self.early));
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

    /// Whether a first end that took time needs its second no more: that came meanwhile.
    fn meet(&mut self, plan: &CheckPlan, first: &Waiter) -> bool {
        let Some(early) = &mut self.early else { return false };
        let (pattern, joint) = (&plan.steps[1].step.pattern, &self.joint);
        let leads_to = matches!(plan.rule, Rule::LeadsTo { .. });
        let many = leads_to || matches!(plan.rule, Rule::Precedes { .. });
        let (met, mut last) = (&mut self.met, None);
        let whole = early.visit(first.key, |second| {
            let there = met.contains(&second.place.seq);
            let fits = meanwhile(&first.place, &second.place) && !there && !first.doubtful;
            if !fits || joint.agree(pattern, &first.values, &second.values) != Answer::Yes {
                return Visit::Leave;
            }
            last = Some(second.place);
            if leads_to {
                return Visit::Stop;
            }
            met.insert(second.place.seq);
            if many {
                Visit::Take
            } else {
                Visit::TakeAndStop
            }
        });
        self.gave_up |= !whole;
        let Some(second) = last else { return false };
        self.pair.get_or_insert((first.place, second));
        !matches!(plan.rule, Rule::Precedes { .. })
    }

    /// `LeadsTo`: serves all that agree.
    fn follow(&mut self, plan: &CheckPlan, place: Place, (values, answer): &Form) {
        let Some(key) = self.key(values).filter(|_| *answer == Answer::Yes) else {
            self.waiting.doubt_all();
            return;
        };
        let pattern = &plan.steps[1].step.pattern;
        let (joint, pair) = (&self.joint, &mut self.pair);
        let mut late = Vec::new();
        let whole = self.waiting.visit(key, |waiter| {
            match joint.agree(pattern, &waiter.values, values) {
                _ if waiter.place.seq >= place.seq => {}
                Answer::Yes => {
                    pair.get_or_insert((waiter.place, place));
                    late.extend(waiter.late.then_some(waiter.place));
                    return Visit::Take;
                }
                Answer::Unknown(_) => waiter.doubtful = true,
                Answer::No => {}
            }
            Visit::Leave
        });
        self.gave_up |= !whole;
        late.into_iter().for_each(|one| self.doubt(one));
        if let Some(early) = &mut self.early {
            early.push(Waiter::new(place, values.clone(), key, false));
        }
    }

    /// `Excludes`: there must be none that agrees. The latest is told.
    fn intrude(&mut self, plan: &CheckPlan, place: Place, forms: &[Form]) {
        if !self.misses.is_empty() {
            return;
        }
        let pattern = &plan.steps[1].step.pattern;
        let (mut first, mut maybe) = (None, false);
        for (values, answer) in forms {
            let Some(key) = self.key(values).filter(|_| *answer == Answer::Yes) else {
                maybe |= !self.waiting.is_empty();
                continue;
            };
            let joint = &self.joint;
            let whole = self.waiting.visit(key, |waiter| {
                match joint.agree(pattern, &waiter.values, values) {
                    _ if waiter.place.seq >= place.seq => {}
                    Answer::Yes if !waiter.doubtful => first = Some(waiter.place),
                    Answer::No => {}
                    _ => maybe = true,
                }
                Visit::Leave
            });
            self.gave_up |= !whole;
        }
        match first {
            Some(first) => self.misses.push(Miss {
                place,
                step: (plan.steps.len() > 2).then_some(2),
                span: (first.at_ns, place.at_ns),
                by: Some(first),
            }),
            None if maybe || !self.vague.is_empty() || self.waiting.forgotten > 0 => self.doubt(place),
            None => {}
        }
    }

    /// The third step: what agrees waits no longer.
    fn close_off(&mut self, plan: &CheckPlan, place: Place, (values, answer): &Form) {
        if cfg!(mutant = "expect_third_closes_nothing") {
            return;
        }
        let pattern = &plan.steps[2].step.pattern;
        let (sure, missing) = (*answer == Answer::Yes, must_be_met(plan));
        let joint = &self.joint;
        let (mut missed, mut doubtful) = (Vec::new(), Vec::new());
        let look = |waiter: &mut Waiter| {
            match joint.agree(pattern, &waiter.values, values) {
                _ if waiter.place.seq >= place.seq => {}
                Answer::No => {}
                Answer::Yes if sure => {
                    let over = if waiter.doubtful { &mut doubtful } else { &mut missed };
                    over.push(waiter.place);
                    return Visit::Take;
                }
                _ if missing => waiter.late = true,
                _ => waiter.doubtful = true,
            }
            Visit::Leave
        };
        let whole = match self.key(values).filter(|_| self.closing) {
            Some(key) => self.waiting.visit(key, look),
            None => self.waiting.visit_all(look),
        };
        self.gave_up |= !whole;
        if missing {
            missed.sort_unstable_by_key(|one| one.seq);
            missed.into_iter().for_each(|one| self.miss(plan, one, 1, Some(place)));
            doubtful.into_iter().for_each(|one| self.doubt(one));
        }
    }

    /// `Causality`: takes the oldest that agrees. `Precedes`: needs one.
    fn effect(&mut self, plan: &CheckPlan, place: Place, forms: &[Form]) {
        let sure = forms.iter().any(|(_, answer)| *answer == Answer::Yes);
        if sure {
            self.count(place);
        }
        let (mut cause, mut maybe, mut vague) = (None, false, false);
        for (values, answer) in forms {
            match self.key(values).filter(|_| *answer == Answer::Yes) {
                Some(key) if cause.is_none() => maybe |= self.cause(plan, place, (key, values), &mut cause),
                Some(_) => {}
                None => vague = true,
            }
        }
        match cause {
            Some(cause) => {
                self.pair.get_or_insert((cause, place));
            }
            None if vague => self.vague_effect(plan, place, sure),
            None if maybe || !self.vague.is_empty() || self.waiting.forgotten > 0 => self.doubt(place),
            None => self.lack_cause(plan, place, forms),
        }
    }

    /// An effect has no cause, unless one turns out to have begun before.
    fn lack_cause(&mut self, plan: &CheckPlan, place: Place, forms: &[Form]) {
        let Some(mut early) = self.early.take() else {
            self.miss(plan, place, 0, None);
            return;
        };
        for (values, _) in forms {
            if let Some(key) = self.key(values) {
                early.push(Waiter::new(place, values.clone(), key, false));
            }
        }
        self.early = Some(early);
    }

    /// Looks for the cause of an effect; whether something may be it.
    fn cause(
        &mut self,
        plan: &CheckPlan,
        place: Place,
        (key, values): (u64, &Values),
        cause: &mut Option<Place>,
    ) -> bool {
        let pattern = &plan.steps[1].step.pattern;
        let joint = &self.joint;
        let mut maybe = false;
        let whole = self.waiting.visit(key, |waiter| {
            match joint.agree(pattern, &waiter.values, values) {
                _ if waiter.place.seq >= place.seq => {}
                Answer::Yes if !waiter.doubtful => {
                    *cause = Some(waiter.place);
                    let stays = matches!(plan.rule, Rule::Precedes { .. });
                    return if stays || cfg!(mutant = "expect_causes_serve_twice") {
                        Visit::Stop
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
        maybe
    }

    /// Nobody can tell whether it is one, or which cause is its own.
    fn vague_effect(&mut self, plan: &CheckPlan, place: Place, sure: bool) {
        let has_cause = !self.waiting.is_empty() || !self.vague.is_empty() || self.waiting.forgotten > 0;
        self.waiting.doubt_all();
        if sure && !has_cause {
            self.miss(plan, place, 0, None);
        } else {
            self.doubt(place);
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

    /// An effect that has waited for so long has no cause.
    fn give_up_early(&mut self, plan: &CheckPlan, now_ns: u64) {
        let old = |place: &Place| place.at_ns.saturating_add(LONGEST_NS) < now_ns;
        while let Some(second) = self.early.as_mut().and_then(|early| early.pop_if(old)) {
            if !self.met.remove(&second.place.seq) && is_caused(plan) {
                self.miss(plan, second.place, 0, None);
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
        let span = if step == 0 {
            (place.at_ns.saturating_sub(within).max(plan.span.from_ns), place.at_ns)
        } else {
            let last = by.map_or(plan.span.to_ns, |by| by.at_ns.min(plan.span.to_ns));
            (place.at_ns, place.at_ns.saturating_add(within).min(last))
        };
        Miss {
            place,
            step: Some(step),
            span,
            by,
        }
    }

    /// What becomes of what still waits.
    fn rest(&self, plan: &CheckPlan, now_ns: u64) -> Rest {
        let mut rest = Rest {
            misses: self.misses.clone(),
            unknown: self.unknown,
            open: 0,
        };
        let early = self
            .early
            .iter()
            .flat_map(Waiting::iter)
            .map(|(second, _)| second.place);
        for place in early.filter(|place| is_caused(plan) && !self.met.contains(&place.seq)) {
            if rest.misses.len() < MOST_MISSES {
                rest.misses.push(self.missed(plan, place, 0, None));
            }
        }
        if !must_be_met(plan) {
            return rest;
        }
        let now = now_ns.min(plan.span.to_ns);
        for (waiter, doubtful) in self.waiting.iter() {
            let in_time = |within| waiter.place.at_ns.saturating_add(within) >= now;
            match () {
                () if self.within_ns.is_some_and(in_time) => rest.open += 1,
                // What should have come too late for it never came either.
                () if waiter.late => rest.unknown += 1,
                () if self.within_ns.is_none() && plan.steps.len() > 2 => rest.open += 1,
                () if doubtful => rest.unknown += 1,
                () if rest.misses.len() < MOST_MISSES => rest.misses.push(self.missed(plan, waiter.place, 1, None)),
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
            missing: violation.and_then(|miss| miss.step.filter(|step| *step < 2)),
            by: violation.and_then(|miss| miss.by),
        }
    }
}

/// Whether second ends must follow a first.
const fn is_caused(plan: &CheckPlan) -> bool {
    matches!(plan.rule, Rule::Causality { .. } | Rule::Precedes { .. })
}

/// Whether what matches the first step takes time, so that what it leads to may be told before it.
fn takes_time(plan: &CheckPlan) -> bool {
    let first = plan.steps[0].step.what;
    let spans = matches!(first, What::State | What::Transition | What::Called);
    spans && !matches!(plan.rule, Rule::Excludes { .. }) && !cfg!(mutant = "expect_causes_take_no_time")
}

/// Whether the second end came while the first was coming about.
const fn meanwhile(first: &Place, second: &Place) -> bool {
    first.since < second.seq && second.seq < first.seq
}

fn held_mut<'p>(waiting: &'p mut Waiting, early: &'p mut Option<Waiting>) -> impl Iterator<Item = &'p mut Held> {
    let early = early.iter_mut().flat_map(Waiting::held_mut);
    waiting.held_mut().chain(early)
}

/// The variables that the first step and another both bind.
fn shared(joint: &Joint, step: usize) -> Vec<usize> {
    let other = joint.binds(step);
    let own = joint.binds(0).iter().copied();
    own.filter(|at| other.contains(at)).collect()
}

/// Whether the first end needs the second.
const fn must_be_met(plan: &CheckPlan) -> bool {
    match plan.rule {
        Rule::Causality { strict, .. } => strict,
        Rule::Excludes { .. } | Rule::Precedes { .. } => false,
        _ => true,
    }
}

/// Whether what is missing may be among what was lost.
fn is_explained(losses: &Losses<'_>, plan: &CheckPlan, miss: &Miss) -> bool {
    let lost = |step: usize| losses.of_step(&plan.steps[step], miss.span).is_some();
    miss.step.is_some_and(lost) && !cfg!(mutant = "expect_blames_for_losses")
}
