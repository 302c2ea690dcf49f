//! What must have a cause.

use crate::pattern::Answer;

use super::super::check::Rule;
use super::super::joint::Values;
use super::super::plan::CheckPlan;
use super::super::subject::Place;
use super::super::waiting::Visit;
use super::{Form, Pairs};

impl Pairs {
    /// `Causality`: takes the oldest that agrees. `Precedes`: needs one.
    pub(super) fn effect(&mut self, plan: &CheckPlan, place: Place, forms: &[Form]) {
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
}
