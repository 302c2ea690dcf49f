//! Variables that several steps of a check share.

use crate::pattern::{Answer, Asked, Held, Pattern, Pool, Why};
use crate::term::AtomId;

use super::plan::CheckPlan;

/// What the shared variables of a check stand for, in their order; `None` where nothing bound one yet.
pub(super) type Values = Box<[Option<Held>]>;

/// The variables that steps share, or that a guard needs beside those of other steps, and their values.
#[derive(Debug)]
pub(super) struct Joint {
    names: Vec<AtomId>,
    /// By step: which of them its head binds.
    binds: Vec<Vec<usize>>,
    pub(super) pool: Pool,
    /// More bytes than this, and what is no longer needed goes.
    limit: usize,
}

/// A pool is cleared of old values when it has grown to twice its size, but not below this.
const LEAST_BYTES: usize = 1 << 20;

impl Joint {
    pub(super) fn new(plan: &CheckPlan) -> Self {
        let patterns: Vec<&Pattern> = plan.steps.iter().map(|step| &step.step.pattern).collect();
        let bound = |pattern: &Pattern, name| pattern.variables().any(|(own, _)| own == name);
        let mut names: Vec<AtomId> = Vec::new();
        for pattern in &patterns {
            let needs_all = pattern.given().next().is_some();
            let guarded = pattern.guard_variables();
            let shared = pattern.variables().map(|(name, _)| name).filter(|name| {
                let others = patterns.iter().filter(|other| bound(other, *name)).count();
                others > 1 || needs_all && guarded.contains(name)
            });
            names.extend(shared.chain(pattern.given()));
        }
        names.sort_unstable();
        names.dedup();
        let of = |pattern: &&Pattern| (0..names.len()).filter(|at| bound(pattern, names[*at])).collect();
        let binds = patterns.iter().map(of).collect();
        Self {
            names,
            binds,
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

    /// Keeps what a step's match bound.
    pub(super) fn values(&mut self, step: usize, asked: &Asked<'_>) -> Values {
        let mut values: Values = vec![None; self.names.len()].into();
        for at in &self.binds[step] {
            let held = self.pool.hold(asked, self.names[*at]);
            values[*at] = Some(held.unwrap_or(Held::Hidden(None, Why::Truncated)));
        }
        values
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
        answer.and(self.pool.guard(pattern, |name| {
            let at = self.names.binary_search(&name).ok()?;
            own[at].or(before[at])
        }))
    }

    /// Whether the pool has grown so that it is worth clearing it ([`Pool::keep`], then [`cleared`](Self::cleared)).
    pub(super) fn is_full(&self) -> bool {
        self.pool.bytes() > self.limit
    }

    pub(super) fn cleared(&mut self) {
        self.limit = (self.pool.bytes() * 2).max(LEAST_BYTES);
    }
}
