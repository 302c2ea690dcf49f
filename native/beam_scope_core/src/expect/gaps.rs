//! What is missing of what a check looks at.

use crate::query::who::Who;
use crate::store::{Loss, LossCause};
use crate::timeline::Facts;

use super::finding::Gap;
use super::plan::{CheckPlan, StepPlan};

/// Losses, and who is who in them.
pub(super) struct Losses<'a> {
    pub(super) all: &'a [Loss],
    pub(super) facts: &'a Facts,
}

impl Losses<'_> {
    /// What was lost of what a check looks at.
    pub(super) fn of_check(&self, plan: &CheckPlan) -> Option<Gap> {
        let span = (plan.span.from_ns, plan.span.to_ns);
        self.gap(|loss| plan.steps.iter().any(|step| self.concerns(step, loss)), span)
    }

    /// What was lost of what a step looks at, within a span of time.
    pub(super) fn of_step(&self, step: &StepPlan, span: (u64, u64)) -> Option<Gap> {
        self.gap(|loss| self.concerns(step, loss), span)
    }

    fn gap(&self, concerns: impl Fn(&Loss) -> bool, (from_ns, to_ns): (u64, u64)) -> Option<Gap> {
        let within = |loss: &&Loss| loss.count > 0 && loss.to_ns >= from_ns && loss.from_ns <= to_ns;
        let losses = self.all.iter().filter(within).filter(|loss| concerns(loss));
        losses.fold(None, |gap: Option<Gap>, loss| {
            let pid = (loss.pid != 0).then_some(loss.pid);
            Some(gap.map_or(
                Gap {
                    count: loss.count,
                    from_ns: loss.from_ns,
                    to_ns: loss.to_ns,
                    pid,
                },
                |gap| Gap {
                    count: gap.count + loss.count,
                    from_ns: gap.from_ns.min(loss.from_ns),
                    to_ns: gap.to_ns.max(loss.to_ns),
                    pid: gap.pid.filter(|one| Some(*one) == pid),
                },
            ))
        })
    }

    fn concerns(&self, step: &StepPlan, loss: &Loss) -> bool {
        step.watched().is_none_or(|who| self.is_theirs(who, loss))
    }

    /// Where nobody knows whose a loss was it may be anybody's.
    fn is_theirs(&self, who: &Who, loss: &Loss) -> bool {
        if let Some(track) = loss.track {
            return who.tracks.contains(track);
        }
        let tracks = self.facts.of_pid(loss.pid);
        loss.pid == 0
            || who.pid == Some(loss.pid)
            || tracks.is_empty()
            || tracks.iter().any(|track| who.tracks.contains(*track))
    }
}

/// A loss of the chunks that were gone before they could be read.
pub(super) const fn dropped(count: u64, from_ns: u64, to_ns: u64) -> Loss {
    Loss {
        track: None,
        pid: 0,
        from_ns,
        to_ns,
        count,
        cause: LossCause::Evicted,
    }
}
