//! Variables that several steps of a check share.

use crate::pattern::{Answer, Asked, Held, Pattern, Pool, Why};
use crate::term::AtomId;
use crate::timeline::Facts;

use super::check::Parties;
use super::plan::CheckPlan;
use super::subject::Happened;

/// What the shared variables of a check stand for, in their order; `None` where nothing bound one yet.
pub(super) type Values = Box<[Option<Held>]>;

/// The variables that steps share, or that a guard needs beside those of other steps, and their values.
#[derive(Debug)]
pub(super) struct Joint {
    names: Vec<AtomId>,
    /// By step: which of them its head binds.
    binds: Vec<Vec<usize>>,
    /// By step: its variables that stand for processes.
    parties: Vec<Parties>,
    pub(super) pool: Pool,
    /// More bytes than this, and what is no longer needed goes.
    limit: usize,
}

/// A pool is cleared of old values when it has grown to twice its size, but not below this.
const LEAST_BYTES: usize = 1 << 20;

impl Joint {
    pub(super) fn new(plan: &CheckPlan) -> Self {
        let patterns: Vec<&Pattern> = plan.steps.iter().map(|step| &step.step.pattern).collect();
        let parties: Vec<Parties> = plan.steps.iter().map(|step| step.step.parties).collect();
        let bound = |step: usize, name| {
            let own = patterns[step].variables().any(|(own, _)| own == name);
            own || parties[step].names().any(|party| party == name)
        };
        let mut names: Vec<AtomId> = Vec::new();
        for pattern in &patterns {
            let needs_all = pattern.given().next().is_some();
            let guarded = pattern.guard_variables();
            let shared = pattern.variables().map(|(name, _)| name).filter(|name| {
                let others = (0..patterns.len()).filter(|other| bound(*other, *name)).count();
                others > 1 || needs_all && guarded.contains(name)
            });
            names.extend(shared.chain(pattern.given()));
        }
        names.extend(parties.iter().flat_map(Parties::names));
        names.sort_unstable();
        names.dedup();
        let of = |step| (0..names.len()).filter(|at| bound(step, names[*at])).collect();
        let binds = (0..patterns.len()).map(of).collect();
        Self {
            names,
            binds,
            parties,
            pool: Pool::default(),
            limit: LEAST_BYTES,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Which variables the head of a step binds.
    pub(super) fn binds(&self, step: usize) -> &[usize] {
        &self.binds[step]
    }

    /// What a step's match may have bound: once for each form that the thing has, the same only once.
    pub(super) fn forms(
        &mut self,
        pattern: &Pattern,
        step: usize,
        (all, happened): (&[Asked<'_>], &Happened<'_>),
        facts: &Facts,
    ) -> Vec<(Values, Answer)> {
        let mut found: Vec<(Values, Answer)> = Vec::with_capacity(1);
        for asked in all {
            let one = self.values(pattern, step, (asked, happened), facts);
            if one.1 != Answer::No && !found.contains(&one) {
                found.push(one);
            }
        }
        found
    }

    /// Keeps what a step's match bound, and says whether it is one: a variable that stands for two processes is one only where
    /// they are the same.
    pub(super) fn values(
        &mut self,
        pattern: &Pattern,
        step: usize,
        (asked, happened): (&Asked<'_>, &Happened<'_>),
        facts: &Facts,
    ) -> (Values, Answer) {
        let mut values: Values = vec![None; self.names.len()].into();
        let mut answer = asked.answer;
        let parties = self.parties[step];
        for (name, party) in happened.parties(parties, facts) {
            let party = party.map_or(Held::Hidden(None, Why::Truncated), |party| self.pool.hold_value(&party));
            answer = answer.and(self.bind(&mut values, name, party, pattern));
        }
        for at in 0..self.binds[step].len() {
            let name = self.names[self.binds[step][at]];
            let held = self.pool.hold(asked, name);
            if held.is_none() && parties.names().any(|party| party == name) {
                continue;
            }
            let held = held.unwrap_or(Held::Hidden(None, Why::Truncated));
            answer = answer.and(self.bind(&mut values, name, held, pattern));
        }
        // A guard that needs no more than its own step has is asked at once.
        let own = |name| parties.names().any(|party| party == name);
        if pattern.given().next().is_some() && pattern.given().all(own) {
            answer = answer.and(self.guard(pattern, |at| values[at]));
        }
        (values, answer)
    }

    fn is_party(&self, name: AtomId) -> bool {
        let mut all = self.parties.iter().flat_map(Parties::names);
        all.any(|party| party == name)
    }

    fn guard(&self, pattern: &Pattern, value: impl Fn(usize) -> Option<Held>) -> Answer {
        self.pool
            .guard(pattern, |name| value(self.names.binary_search(&name).ok()?))
    }

    fn bind(&self, values: &mut Values, name: AtomId, held: Held, pattern: &Pattern) -> Answer {
        let Ok(at) = self.names.binary_search(&name) else {
            return Answer::Yes;
        };
        if cfg!(mutant = "expect_parties_are_anybody") && self.is_party(name) {
            return Answer::Yes;
        }
        let known = values[at].replace(held);
        known.map_or(Answer::Yes, |known| self.pool.same(known, held, pattern))
    }

    /// A number that equal values of these variables have; `None` where one of them is hidden in part.
    pub(super) fn key(&self, variables: impl Iterator<Item = usize>, values: &Values) -> Option<u64> {
        let mut key = 0u64;
        for at in variables {
            let one = self.pool.key(values[at]?)?;
            key = (key.rotate_left(23) ^ one).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        Some(key)
    }

    /// Whether a step's values agree with those of the steps before it, its guard included where that needs both.
    pub(super) fn agree(&self, pattern: &Pattern, before: &Values, own: &Values) -> Answer {
        let mut answer = Answer::Yes;
        for (one, other) in before.iter().zip(own) {
            let (Some(one), Some(other)) = (one, other) else {
                continue;
            };
            answer = answer.and(self.pool.same(*one, *other, pattern));
            if answer == Answer::No {
                return answer;
            }
        }
        if pattern.given().next().is_none() || cfg!(mutant = "expect_joint_guard_ignored") {
            return answer;
        }
        answer.and(self.guard(pattern, |at| own[at].or(before[at])))
    }

    /// Whether the pool has grown so that it is worth clearing it ([`Pool::keep`], then [`cleared`](Self::cleared)).
    pub(super) fn is_full(&self) -> bool {
        self.pool.bytes() > self.limit
    }

    pub(super) fn cleared(&mut self) {
        self.limit = (self.pool.bytes() * 2).max(LEAST_BYTES);
    }
}
