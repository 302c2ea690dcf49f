//! How checks of two steps end.

use super::super::finding::Verdict;
use super::super::gaps::Losses;
use super::super::plan::CheckPlan;
use super::super::subject::Place;
use super::super::waiting::Waiting;
use super::{is_caused, must_be_met, Miss, Pairs, MOST_MISSES};

/// What is left when nothing more comes.
struct Rest {
    misses: Vec<Miss>,
    unknown: u64,
    open: u64,
}

/// How a check of two steps ends.
pub(in crate::expect) struct PairsEnd {
    pub(in crate::expect) verdict: Verdict,
    pub(in crate::expect) unknown: u64,
    pub(in crate::expect) open: u64,
    pub(in crate::expect) violation: Option<Place>,
    /// The step that the violation lacks.
    pub(in crate::expect) missing: Option<usize>,
    /// What ended the time for that; of an `Excludes` what should not have been followed.
    pub(in crate::expect) by: Option<Place>,
}

impl Pairs {
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
        // Of those something still goes on that may be their second end.
        rest.open += self.closed.iter().flat_map(Waiting::iter).count() as u64;
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
    pub(in crate::expect) fn decided(&self, losses: &Losses<'_>, plan: &CheckPlan) -> bool {
        let certain = !self.gave_up && self.forgotten() == 0;
        certain && self.misses.iter().any(|miss| !is_explained(losses, plan, miss))
    }

    /// The answer when nothing more comes.
    pub(in crate::expect) fn end(&self, plan: &CheckPlan, losses: &Losses<'_>, lost: bool, now_ns: u64) -> PairsEnd {
        let rest = self.rest(plan, now_ns);
        let broken = rest.misses.iter().find(|miss| !is_explained(losses, plan, miss));
        let forgotten = self.forgotten() > 0;
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

/// Whether what is missing may be among what was lost.
fn is_explained(losses: &Losses<'_>, plan: &CheckPlan, miss: &Miss) -> bool {
    let lost = |step: usize| losses.of_step(&plan.steps[step], miss.span).is_some();
    miss.step.is_some_and(lost) && !cfg!(mutant = "expect_blames_for_losses")
}
