//! What came of a check.

use crate::pattern::Bound;
use crate::term::AtomId;

use super::subject::Subject;

/// What is said of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It held.
    Held,
    /// It did not.
    Broken,
    /// What decides was truncated or redacted, or is more than is looked at.
    Unknown,
    /// Nothing that could have broken it was recorded.
    Empty,
    /// Events were lost that could change the answer.
    Gap,
}

impl Verdict {
    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::Empty => "empty",
            Self::Gap => "gap",
        }
    }
}

/// Events that a check should have seen and that are not in the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many.
    pub count: u64,
    /// Not before this.
    pub from_ns: u64,
    /// Not after this.
    pub to_ns: u64,
    /// Whose, where they are one process's: its pid word.
    pub pid: Option<u64>,
}

/// What came of a check.
#[derive(Debug)]
pub struct Finding {
    /// The short of it.
    pub verdict: Verdict,
    /// How many matched; of two steps, what the expectation is about: causes of a `LeadsTo`, effects of a `Causality`.
    pub count: u64,
    /// How many of that kind there were, before the pattern was asked.
    pub seen: u64,
    /// How many could not be decided.
    pub unknown: u64,
    /// The variables of the first match; of a flow that was not found, of what the best attempt matched.
    pub bindings: Vec<(AtomId, Bound)>,
    /// The first match.
    pub first: Option<Subject>,
    /// What broke it.
    pub violation: Option<Subject>,
    /// What came nearest to what is missing; of an unknown verdict, the first that could not be decided.
    pub nearest: Option<Subject>,
    /// Of a flow: what each step matched, in the best attempt. Of two steps: the first two that belong together; of an
    /// `Excludes` those that should not have been; of a `LeadsTo` the third is what came too early.
    pub steps: Vec<Option<Subject>>,
    /// Of a flow: the step that found nothing. Of two steps: the one that the violation lacks.
    pub failed_step: Option<usize>,
    /// Of two steps: how many wait for their other end, and have time.
    pub open: u64,
    /// What was lost of what it looks at, if anything was.
    pub gap: Option<Gap>,
}

impl Finding {
    /// One that says no more than this.
    pub(super) const fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            count: 0,
            seen: 0,
            unknown: 0,
            bindings: Vec::new(),
            first: None,
            violation: None,
            nearest: None,
            steps: Vec::new(),
            failed_step: None,
            open: 0,
            gap: None,
        }
    }
}
