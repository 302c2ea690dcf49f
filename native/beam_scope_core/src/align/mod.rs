//! Expected against actual: how two sequences of terms go together.
//!
//! Each entry of either sequence ends up in exactly one [`Step`]: it is *matched*, *different* (paired with an entry that
//! is nearly equal), *out of order* (there on both sides, but elsewhere), *missing* or *unexpected*. So the steps, read
//! by their expected side, are the expected sequence, and by their actual side the actual one.
//!
//! How it is found:
//!
//! 1. `similar` aligns what is exactly equal ([`skeleton`]). Entries that exist on one side only are left out first, so
//!    that sequences which have nothing in common cost nothing.
//! 2. Changes that only few equal entries keep apart are one *region* ([`region`]). There the exact alignment stands
//!    against one that may pair nearly equal entries ([`pair`]), and the one that leaves fewer entries to be explained
//!    wins: three replies that are each one too high are three that differ, not a missing one, two matches that
//!    happen to be one place off, and an unexpected one.
//! 3. What is then left on both sides and equal has moved ([`moves`]).
//!
//! Entries carry a *group*: entries of different groups (another process, another kind of event) are never paired.
//!
//! All of it ends by a deadline. Past it the answer is still an alignment, only a coarser one, and says so.
//!
//! A term of which a part was truncated or redacted never matches, not even itself: it is *different*, and its
//! difference is unknown.

mod moves;
mod near;
mod pair;
mod region;
mod skeleton;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::diff::{diff, Diff, DiffOptions, MAX_PLACES};
use crate::term::arena::{Arena, NodeId};

/// An entry of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What happened, or should have.
    pub term: NodeId,
    /// Whose and of which kind: only entries of one group are ever paired.
    pub group: Option<NodeId>,
}

/// What became of one entry, or of a pair of them. Numbers are places in the two sequences, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// As expected.
    Matched {
        /// Its place among the expected ones.
        expected: usize,
        /// Its place among the actual ones.
        actual: usize,
    },
    /// Nearly as expected.
    Different {
        /// Its place among the expected ones.
        expected: usize,
        /// Its place among the actual ones.
        actual: usize,
        /// What differs, from expected to actual.
        diff: Diff,
    },
    /// As expected, but elsewhere. It stands where the first of its two places is.
    OutOfOrder {
        /// Its place among the expected ones.
        expected: usize,
        /// Its place among the actual ones.
        actual: usize,
    },
    /// Expected, and not there.
    Missing {
        /// Its place among the expected ones.
        expected: usize,
    },
    /// There, and not expected.
    Unexpected {
        /// Its place among the actual ones.
        actual: usize,
    },
}

/// How two sequences go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// From front to back.
    pub steps: Vec<Step>,
    /// Whether there was time enough; else it is a valid alignment, but perhaps not the best one.
    pub exact: bool,
}

/// Limits, and what comparing terms needs to know.
#[derive(Clone, Debug)]
pub struct AlignOptions {
    /// For the differences of paired entries.
    pub diff: DiffOptions,
    /// How long it may take.
    pub deadline: Duration,
    /// How many parts of terms may be looked at to find out what is nearly equal.
    pub fuel: usize,
}

impl AlignOptions {
    /// Half a second, four million parts.
    #[must_use]
    pub const fn new(diff: DiffOptions) -> Self {
        Self {
            diff,
            deadline: Duration::from_millis(500),
            fuel: 4_000_000,
        }
    }
}

/// Two places that belong together: expected, actual.
type Pair = (usize, usize);

/// One alignment in the making.
struct Work<'a> {
    arena: &'a Arena,
    expected: &'a [Entry],
    actual: &'a [Entry],
    /// Equal entries have equal keys, across both sides.
    keys: skeleton::Keys,
    /// The name of structs, as a node.
    struct_key: Option<NodeId>,
    /// What is equal to something elsewhere, by the exact alignment alone.
    elsewhere: moves::Moves,
    until: Instant,
    fuel: Cell<usize>,
}

impl Work<'_> {
    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    fn is_equal(&self, (e, a): Pair) -> bool {
        self.keys.expected[e] == self.keys.actual[a]
    }

    fn is_one_group(&self, (e, a): Pair) -> bool {
        cfg!(mutant = "align-groups-mix") || self.expected[e].group == self.actual[a].group
    }
}

/// Aligns two sequences whose terms live in one arena.
///
/// ```
/// use beam_scope_core::align::{align, AlignOptions, Entry, Step};
/// use beam_scope_core::diff::DiffOptions;
/// use beam_scope_core::term::{arena::Arena, Value};
///
/// let mut arena = Arena::new();
/// let mut entries = |numbers: &[i64]| -> Vec<Entry> {
///     let entry = |n: &i64| Entry { term: arena.intern(&Value::Int(*n)), group: None };
///     numbers.iter().map(entry).collect()
/// };
/// let (expected, actual) = (entries(&[1, 2, 3]), entries(&[1, 3]));
/// let options = AlignOptions::new(DiffOptions::new(|_| None));
/// let found = align(&arena, &expected, &actual, &options);
/// assert_eq!(found.steps[1], Step::Missing { expected: 1 });
/// ```
#[must_use]
pub fn align(arena: &Arena, expected: &[Entry], actual: &[Entry], options: &AlignOptions) -> Alignment {
    let began = Instant::now();
    let mut work = Work {
        arena,
        expected,
        actual,
        keys: skeleton::keys(expected, actual),
        struct_key: near::struct_key(arena, &options.diff),
        elsewhere: moves::Moves::default(),
        until: began + options.deadline,
        fuel: Cell::new(options.fuel),
    };
    let skeleton = skeleton::anchors(&work, began, options.deadline);
    work.elsewhere = moves::find(&work, &skeleton.anchors);
    let pairs = region::pairs(&work, &skeleton.anchors);
    let moved = moves::find(&work, &pairs);
    let steps = Emit {
        work: &work,
        moved,
        options: &options.diff,
        steps: Vec::with_capacity(expected.len().max(actual.len())),
    };
    Alignment {
        steps: steps.all(&pairs),
        exact: skeleton.exact && work.fuel.get() > 0 && !work.is_late(),
    }
}

/// Turns pairs and moves into steps.
struct Emit<'a> {
    work: &'a Work<'a>,
    moved: moves::Moves,
    options: &'a DiffOptions,
    steps: Vec<Step>,
}

impl Emit<'_> {
    fn all(mut self, pairs: &[Pair]) -> Vec<Step> {
        let (mut e, mut a) = (0, 0);
        for pair in pairs {
            self.between(e..pair.0, a..pair.1);
            self.pair(*pair);
            (e, a) = (pair.0 + 1, pair.1 + 1);
        }
        if !cfg!(mutant = "align-tail") {
            self.between(e..self.work.expected.len(), a..self.work.actual.len());
        }
        self.steps
    }

    fn between(&mut self, expected: std::ops::Range<usize>, actual: std::ops::Range<usize>) {
        for e in expected {
            match self.moved.of_expected(e) {
                Some(a) => self.moved_once(e, a),
                None => self.steps.push(Step::Missing { expected: e }),
            }
        }
        for a in actual {
            match self.moved.of_actual(a) {
                Some(e) => self.moved_once(e, a),
                None => self.steps.push(Step::Unexpected { actual: a }),
            }
        }
    }

    /// A move has two places and is told at the first.
    fn moved_once(&mut self, expected: usize, actual: usize) {
        if self.moved.tell(expected) {
            self.steps.push(Step::OutOfOrder { expected, actual });
        }
    }

    fn pair(&mut self, (expected, actual): Pair) {
        let (old, new) = (self.work.expected[expected].term, self.work.actual[actual].term);
        let complete = cfg!(mutant = "align-hidden-matches") || self.work.arena.is_complete(old);
        self.steps.push(if old == new && complete {
            Step::Matched { expected, actual }
        } else {
            let diff = self.diff(old, new);
            Step::Different { expected, actual, diff }
        });
    }

    fn diff(&self, old: NodeId, new: NodeId) -> Diff {
        let left = self.work.until.saturating_duration_since(Instant::now());
        let options = DiffOptions {
            deadline: left.min(self.options.deadline),
            max_places: if left.is_zero() { 0 } else { MAX_PLACES },
            ..self.options.clone()
        };
        diff(self.work.arena, old, new, &options)
    }
}
