//! What can be expected.

use std::fmt;

use crate::pattern::Pattern;
use crate::query::Mfa;
use crate::timeline::{Moment, Selector};

/// What kind of thing a step is about, and what its pattern is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A message that was sent: the message, with and without its envelope.
    Sent,
    /// A message that was taken into a queue: the same.
    Received,
    /// A call of a function: `{arguments, value}`. Where the pattern looks at the value the call counts when it has ended, else
    /// when it was made; a call without a value (an exception, no return) has none that could match.
    Called,
    /// A state that became known, whatever made it so.
    State,
    /// A state that was followed by another because something was handled: `{from, to, message}`.
    Transition,
    /// A process that failed: the reason.
    Crashed,
}

impl What {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Sent,
        Self::Received,
        Self::Called,
        Self::State,
        Self::Transition,
        Self::Crashed,
    ];

    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Called => "called",
            Self::State => "state",
            Self::Transition => "transition",
            Self::Crashed => "crashed",
        }
    }

    /// How many terms its pattern is asked of.
    const fn parts(self) -> usize {
        match self {
            Self::Called => 2,
            Self::Transition => 3,
            _ => 1,
        }
    }
}

/// One pattern and what it is asked of. What is `None` does not restrict.
#[derive(Debug)]
pub struct Step {
    /// What kind of thing.
    pub what: What,
    /// Whom it happened to.
    pub process: Option<Selector>,
    /// Messages: who sent it.
    pub from: Option<Selector>,
    /// Messages: who it was for.
    pub to: Option<Selector>,
    /// Calls: of which function.
    pub mfa: Option<Mfa>,
    /// What it must match. For calls and transitions a tuple pattern, or one that matches anything.
    pub pattern: Pattern,
}

/// What is expected of the things that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// So many match, at least and at most.
    Count {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
    },
    /// Each one matches; with `negate`, none does.
    Every {
        /// None instead of each.
        negate: bool,
    },
    /// Each step has one that matches it, in the order of the steps wherever two of them share a process.
    Flow,
    /// Whatever matches the first step is followed by something that matches the second.
    LeadsTo {
        /// Within this time.
        within_ns: Option<u64>,
    },
    /// Whatever matches the second step follows something of its own that matches the first.
    Causality {
        /// Within this time.
        within_ns: Option<u64>,
        /// And whatever matches the first is followed by something of its own.
        strict: bool,
    },
}

/// An expectation. Variables of the same name in its patterns are the same variable.
#[derive(Debug)]
pub struct Check {
    /// What is expected.
    pub rule: Rule,
    /// Of what. Each pattern is given the variables of those before it ([`Pattern::with_given`]).
    pub steps: Vec<Step>,
    /// Only transitions whose message matches this; its variables come before those of the steps.
    pub scope: Option<Pattern>,
    /// Only what happened from this moment on.
    pub since: Option<Moment>,
    /// Only what happened up to this moment.
    pub until: Option<Moment>,
    /// Processes that it names may be none that the recording knows.
    pub lenient: bool,
}

/// No more steps than this in a flow.
pub const MAX_STEPS: usize = 256;

/// What keeps a check from being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// It has another number of steps than its rule needs.
    Steps(&'static str, usize),
    /// The pattern of this step is not asked of one term but of a tuple of so many.
    Parts(What, usize),
    /// Only transitions have a message to go by.
    Scope,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(needed, got) => write!(f, "this kind of check takes {needed}, got {got}"),
            Self::Parts(what, parts) => write!(f, "the pattern of a {} step is a tuple of {parts}", what.name()),
            Self::Scope => f.write_str("only a check of one transition step can be restricted by message"),
        }
    }
}

impl std::error::Error for CheckError {}

impl Check {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn validate(&self) -> Result<(), CheckError> {
        let n = self.steps.len();
        let (needed, fits) = match self.rule {
            Rule::Count { .. } | Rule::Every { .. } => ("one step", n == 1),
            Rule::LeadsTo { .. } | Rule::Causality { .. } => ("two steps", n == 2),
            Rule::Flow => ("one to 256 steps", (1..=MAX_STEPS).contains(&n)),
        };
        if !fits {
            return Err(CheckError::Steps(needed, n));
        }
        if self.scope.is_some() && (n != 1 || self.steps[0].what != What::Transition) {
            return Err(CheckError::Scope);
        }
        self.steps.iter().try_for_each(|step| {
            let parts = step.what.parts();
            if parts > 1 && step.pattern.parts().is_some_and(|found| found != parts) {
                return Err(CheckError::Parts(step.what, parts));
            }
            Ok(())
        })
    }
}
