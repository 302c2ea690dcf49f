//! Expected against actual: what should happen in a recording, checked after the fact or while it runs.
//!
//! A [`Check`] names steps, each a kind of thing ([`What`]), whose it is, and a pattern; and a [`Rule`] that says what is
//! expected of the things that match. [`run`] answers many checks in one pass over the rows.
//!
//! ```text
//! rows ──feed──▶ things that happened ──plan──▶ the steps that are about them ──▶ tally, flow, pairs ──▶ Finding
//!        machine of each process            names, kinds, spans            patterns asked
//! ```
//!
//! # Answers
//!
//! A check that was seen to be broken is [`Verdict::Broken`], and one whose positive count was reached is
//! [`Verdict::Held`], whatever else is missing. Everything else depends on what was not seen: where something cannot be
//! decided the answer is [`Verdict::Unknown`], and where events were lost that could change it [`Verdict::Gap`]: a loss
//! never makes a check pass, nor blames a process for what may have been lost.

mod bindings;
mod calls;
mod check;
pub(crate) mod content;
mod crash;
mod engine;
pub(crate) mod feed;
mod finding;
mod flow;
mod gaps;
mod joint;
mod monitor;
mod nearest;
mod pairs;
mod plan;
mod progress;
mod read;
mod spots;
pub(crate) mod subject;
mod tally;
mod waiting;

#[cfg(test)]
mod tests;

pub use check::{Check, CheckError, Parties, Rule, Step, What, MAX_STEPS};
pub use finding::{Finding, Gap, Verdict};
pub use monitor::{Decided, Monitor};
pub use subject::Subject;

use parking_lot::MutexGuard;

use crate::store::StoreError;
use crate::timeline::view::Inner;
use crate::timeline::{Timeline, TimelineError};

use engine::Engine;

/// Answers checks over what is recorded, all of them in one pass. Each must be valid ([`Check::validate`]). `now_ns` is how
/// long the recording has lasted: whether somebody still has time depends on it.
///
/// # Errors
/// Where a process was never in the recording, or a moment lies outside it.
pub fn run(timeline: &Timeline, checks: Vec<Check>, now_ns: u64) -> Result<Vec<Finding>, TimelineError> {
    let inner = read(timeline, needs_pairs(&checks))?;
    let mut engine = Engine::new(timeline, &inner, checks, false)?;
    engine.read(timeline, &inner)?;
    Ok(engine.finish(timeline, &inner, now_ns)?)
}

/// What was learnt of a recording, with sends and receives paired where that is needed.
fn read(timeline: &Timeline, pairs: bool) -> Result<MutexGuard<'_, Inner>, StoreError> {
    if pairs {
        timeline.paired()
    } else {
        timeline.fresh()
    }
}

/// Whether any check is about messages, so that sends and receives must be paired.
fn needs_pairs(checks: &[Check]) -> bool {
    let mut steps = checks.iter().flat_map(|check| &check.steps);
    steps.any(|step| matches!(step.what, What::Sent | What::Received))
}
