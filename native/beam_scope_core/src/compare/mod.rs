//! Two recordings side by side: who did something else first.
//!
//! ```text
//! processes ─roles──▶ who is who        rows ─read──▶ a story for each role, as fingerprints
//! two stories ─walk──▶ where they part  all of those ─rank──▶ which comes before the others
//! ```
//!
//! * [`roles`], [`matching`]: processes are matched by what they are, never by pid.
//! * [`print`]: terms are compared without what is another in every run: pids, references, points in time.
//! * [`story`], [`life`], [`read`], [`mail`]: one pass over each recording. What is kept of a
//!   message is some hundred bytes, whatever its terms hold.
//! * [`walk`], [`part`], [`acts`]: stories are the same but for orders that were free. What was lost or cut is unknown: not the same, and not
//!   different.
//! * [`causes`], [`rank`]: of several places where stories part, the one that happened before the others is told first.
//! * [`report`], [`tell`]: terms are read again only where something is shown.
//!
//! Two 64-bit fingerprints that are equal are taken for equal terms, as the store takes its content hashes.

mod acts;
mod canon;
mod causes;
mod clock;
mod doings;
mod hash;
mod label;
mod life;
mod mail;
mod marks;
mod matching;
mod noise;
mod part;
mod print;
mod rank;
mod read;
mod report;
mod roles;
mod shift;
mod split;
mod story;
mod tell;
mod walk;
mod work;

#[cfg(test)]
mod tests;

pub use clock::Window;
pub use roles::{Given, Noise, RoleKey, What};
pub use shift::{Measure, Shift};
pub use split::SplitKind;
pub use tell::Told;
pub use work::compare;

use std::fmt;
use std::sync::Arc;

use crate::diff::Diff;
use crate::infer::SharedAtom;

use crate::store::StoreError;
use crate::term::arena::{Arena, NodeId};
use crate::timeline::{self, Timeline};

/// A question asked of a term: does it match?
pub type Matcher = Arc<dyn Fn(&Arena, NodeId) -> timeline::Verdict + Send + Sync>;

/// A recording to compare.
#[derive(Clone)]
pub struct Evidence<'a> {
    /// The recording.
    pub timeline: &'a Timeline,
    /// Whether it stopped before what it looks at had come to an end: what comes after its last events is unknown.
    pub cut: bool,
    /// Messages that match any of these are left out.
    pub ignore: Vec<Matcher>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Roles of the user's choice.
    pub given: Vec<Given>,
    /// Only these are compared; all if there are none.
    pub only: Vec<Box<str>>,
    /// These are left out, with what they say to others.
    pub ignore: Vec<Box<str>>,
    /// The system's own processes, left out likewise.
    pub noise: Noise,
    /// When the recordings were made, in nanoseconds of Unix time.
    pub days: Vec<Window>,
    /// The same by monotonic clocks.
    pub monotonic: Vec<Window>,
    /// The steps of this role are told, around the place where its stories part.
    pub focus: Option<Box<str>>,
}

/// Why two recordings could not be compared.
#[derive(Debug)]
pub enum CompareError {
    /// One of them could not be read.
    Store(StoreError),
    /// Neither has a role that is called so.
    NoSuchRole(Box<str>),
}

impl From<StoreError> for CompareError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::NoSuchRole(role) => write!(f, "neither recording has a role {role}"),
        }
    }
}

impl std::error::Error for CompareError {}

/// What can be said of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did the same in both.
    Same,
    /// It did not.
    Different,
    /// Nothing different was found, but some of it could not be compared.
    Unknown,
    /// It is in the first recording only.
    OnlyFirst,
    /// It is in the second recording only.
    OnlySecond,
}

/// What a role did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many processes had it.
    pub processes: u32,
    /// Messages that came to them.
    pub messages: u64,
    /// Messages that they sent.
    pub sends: u64,
    /// Calls of traced functions.
    pub calls: u64,
    /// Ends that were failures.
    pub crashes: u32,
    /// Processes that took the place of one before.
    pub restarts: u32,
    /// Events that were lost.
    pub lost: u64,
}

/// Where the stories of a role part.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// In what.
    pub kind: SplitKind,
    /// What was expected: in the first recording. `None`: nothing.
    pub expected: Option<Told>,
    /// What came instead: in the second.
    pub actual: Option<Told>,
    /// From what was expected to what came, where both are there: of the part that [`SplitKind`] names.
    pub diff: Option<Diff>,
}

/// The last states of a role, where they differ.
#[derive(Clone, Debug)]
pub struct Ends {
    /// In the first recording.
    pub first: NodeId,
    /// In the second.
    pub second: NodeId,
    /// From the first to the second.
    pub diff: Diff,
}

/// One role.
#[derive(Clone, Debug)]
pub struct RoleReport {
    /// Who has it.
    pub key: RoleKey,
    /// What it is called.
    pub text: String,
    /// What can be said.
    pub verdict: Verdict,
    /// What it did in either recording.
    pub tally: [Tally; 2],
    /// How many things could not be compared.
    pub unknown: u64,
    /// How many messages came in another order that was free.
    pub reordered: u64,
    /// Whether some order was held to be free because there was too much to look at.
    pub vague: bool,
    /// Where the stories part first.
    pub divergence: Option<Divergence>,
    /// Last states that differ.
    pub ends: Option<Ends>,
    /// Times and queues.
    pub shifts: Vec<Shift>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Where terms live.
    pub arena: Arena,
    /// What their atoms are called.
    pub atoms: Vec<SharedAtom>,
    /// Roles that are not the same first, in the order in which they parted; then those of which something is unknown, then the others.
    pub roles: Vec<RoleReport>,
    /// How many there are of each verdict, those aside that were not asked for.
    pub counts: [usize; 5],
    /// How many roles were left out of `roles`.
    pub left_out: usize,
    /// Events lost in either recording.
    pub lost: [u64; 2],
    /// Messages of which it is not known whether they were to be left out.
    pub unclear: u64,
    /// The steps of the role that was asked for, in either recording.
    pub steps: [Vec<Told>; 2],
}

impl Comparison {
    /// How many roles have this verdict.
    #[must_use]
    pub const fn count(&self, verdict: Verdict) -> usize {
        self.counts[verdict as usize]
    }
}

/// No more roles are told.
pub const MOST_ROLES: usize = 200;
/// Of no more is it told how, and with which states they end.
pub const MOST_TOLD: usize = 64;
