//! First ends that take time: a message that is handled, the state that comes of it. They are known when they are over, but what
//! they lead to may come before.

use crate::pattern::Answer;

use super::super::check::Rule;
use super::super::plan::CheckPlan;
use super::super::subject::Place;
use super::super::waiting::{Visit, Waiter, Waiting};
use super::{is_caused, Form, Pairs};

/// A message that is handled for longer than this is no cause of what comes meanwhile.
const LONGEST_NS: u64 = 10_000_000_000;

impl Pairs {
    /// Whether a first end that took time needs its second no more: that came meanwhile.
    pub(super) fn meet(&mut self, plan: &CheckPlan, first: &Waiter) -> bool {
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

    /// An effect has no cause, unless one turns out to have begun before.
    pub(super) fn lack_cause(&mut self, plan: &CheckPlan, place: Place, forms: &[Form]) {
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

    /// An effect that has waited for so long has no cause.
    pub(super) fn give_up_early(&mut self, plan: &CheckPlan, now_ns: u64) {
        self.give_up(plan, |_, place| place.at_ns.saturating_add(LONGEST_NS) < now_ns);
    }

    /// Everything up to `read_ns` was read. `busy`: since which event, at the earliest, something of a step has been going on. What
    /// had begun before an event and was not over then is known: once all of it is over, so is the waiting.
    pub(in crate::expect) fn settle(&mut self, plan: &CheckPlan, read_ns: u64, busy: impl Fn(usize) -> Option<u64>) {
        self.read_ns = read_ns;
        let since = [(0, &self.early), (1, &self.closed)].map(|(step, waiting)| {
            let waits = waiting.as_ref().is_some_and(|waiting| !waiting.is_empty());
            waits.then(|| busy(step)).flatten()
        });
        self.give_up(plan, |step, place| since[step].is_none_or(|since| since >= place.seq));
        if self.early.as_ref().is_some_and(Waiting::is_empty) {
            self.met.clear();
        }
    }

    /// What waits for something of a step that had begun by then waits no longer.
    fn give_up(&mut self, plan: &CheckPlan, over: impl Fn(usize, &Place) -> bool) {
        let old = |second: &Waiter| over(0, &second.place);
        while let Some(second) = self.early.as_mut().and_then(|early| early.pop_if(old)) {
            if !self.met.remove(&second.place.seq) && is_caused(plan) {
                self.miss(plan, second.place, 0, None);
            }
        }
        let old = |first: &Waiter| first.by.is_none_or(|by| over(1, &by));
        while let Some(first) = self.closed.as_mut().and_then(|closed| closed.pop_if(old)) {
            self.too_late(plan, &first);
        }
    }
}

/// Whether what matches the first step takes time, so that what it leads to may be told before it.
pub(super) fn takes_time(plan: &CheckPlan) -> bool {
    plan.steps[0].takes_time()
        && !matches!(plan.rule, Rule::Excludes { .. })
        && !cfg!(mutant = "expect_causes_take_no_time")
}

/// Whether what matches the second step takes time, so that it may have come before what is told before it.
pub(super) fn ends_late(plan: &CheckPlan) -> bool {
    plan.steps[1].takes_time() && !cfg!(mutant = "expect_seconds_take_no_time")
}

/// Whether the second end came while the first was coming about.
const fn meanwhile(first: &Place, second: &Place) -> bool {
    first.since < second.seq && second.seq < first.seq
}
