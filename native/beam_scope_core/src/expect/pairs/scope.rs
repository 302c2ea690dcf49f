//! What must not follow, and what ends the time in which it must, or must not.

use crate::pattern::Answer;

use super::super::plan::CheckPlan;
use super::super::subject::Place;
use super::super::waiting::{Visit, Waiter};
use super::{must_be_met, Form, Miss, Pairs};

impl Pairs {
    /// `Excludes`: there must be none that agrees. The latest is told.
    pub(super) fn intrude(&mut self, plan: &CheckPlan, place: Place, forms: &[Form]) {
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
    pub(super) fn close_off(&mut self, plan: &CheckPlan, place: Place, (values, answer): &Form) {
        if cfg!(mutant = "expect_third_closes_nothing") {
            return;
        }
        let pattern = &plan.steps[2].step.pattern;
        let (sure, missing) = (*answer == Answer::Yes, must_be_met(plan));
        let joint = &self.joint;
        let mut over = Vec::new();
        let look = |waiter: &mut Waiter| {
            // What takes time and began before may have come before, too.
            let begun = missing && place.since < waiter.place.seq && !cfg!(mutant = "expect_thirds_take_no_time");
            match joint.agree(pattern, &waiter.values, values) {
                _ if waiter.place.seq >= place.seq || begun => {}
                Answer::No => {}
                Answer::Yes if sure => {
                    over.push(Waiter {
                        by: Some(place),
                        ..waiter.clone()
                    });
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
        over.sort_unstable_by_key(|one| one.place.seq);
        for one in over.into_iter().filter(|_| missing) {
            match &mut self.closed {
                Some(closed) => closed.push(one),
                None => self.too_late(plan, &one),
            }
        }
    }

    /// The second step did not come before the third.
    pub(super) fn too_late(&mut self, plan: &CheckPlan, first: &Waiter) {
        if first.doubtful {
            self.doubt(first.place);
        } else {
            self.miss(plan, first.place, 1, first.by);
        }
    }
}
