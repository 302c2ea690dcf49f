//! What is proposed.

use crate::term::{AtomId, Value};

use super::cell::Sort;
use super::layout::Path;

/// What is measured of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// It itself.
    Value,
    /// The length of a list.
    Length,
    /// The size of a map.
    MapSize,
    /// The lengths of both lists of a queue, together.
    QueueLength,
}

/// A field, or how much is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Which field.
    pub path: Path,
    /// What of it.
    pub measure: Measure,
}

/// A kind of message: what a pattern can say of it without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tag {
    /// An atom.
    Atom(AtomId),
    /// A tuple that begins with an atom, and how many elements it has.
    Tuple(AtomId, usize),
    /// A struct of this module.
    Struct(AtomId),
}

/// How two operands compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Relation {
    Equal,
    Less,
    AtMost,
}

/// By how much a message changes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Always this much. `literal`: where an argument of the message was always the same number, its place and value: then
    /// nobody knows whether it would have counted.
    Constant {
        /// What is added.
        by: i64,
        /// Such an argument.
        literal: Option<(usize, i64)>,
    },
    /// As much as this element of the message says.
    Argument {
        /// Its place in the tuple.
        at: usize,
        /// It is taken away, not added.
        minus: bool,
    },
}

/// What an answer looks like.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Always the same.
    Constant(Value),
    /// Always of a kind, as messages are.
    Tagged(Tag),
    /// Always of a sort.
    Sort(Sort),
}

/// A likely invariant.
#[derive(Clone, Debug, PartialEq)]
pub enum Property {
    /// The field is always this.
    Constant(Path, Value),
    /// The field is always one of these.
    OneOf(Path, Vec<Value>),
    /// The number is at least, at most, or between.
    Bounds(Operand, Option<i64>, Option<i64>),
    /// The field is always of one of these sorts.
    Sorts(Path, Vec<Sort>),
    /// The field is never nil.
    NotNil(Path),
    /// `left relation right + plus`.
    Compare {
        /// Left of the relation.
        left: Operand,
        /// The relation.
        relation: Relation,
        /// Right of it.
        right: Operand,
        /// Is added to the right.
        plus: i64,
    },
    /// Two numbers always make the same sum.
    Sum([Operand; 2], i64),
    /// The first of a list is always this field; `or_empty`: unless the list is empty.
    Head {
        /// The list.
        list: Path,
        /// The field.
        of: Path,
        /// The list was empty at times.
        or_empty: bool,
    },
    /// The field is always a key of this map; `or_nil`: unless it is nil.
    Key {
        /// The map.
        map: Path,
        /// The field.
        of: Path,
        /// The field was nil at times.
        or_nil: bool,
    },
    /// A list is always sorted. `most`: the longest that was seen.
    Sorted {
        /// The list.
        list: Path,
        /// The largest comes first.
        descending: bool,
        /// The longest that was seen.
        most: u64,
    },
    /// A number only ever goes one way.
    Trend {
        /// The number.
        of: Operand,
        /// It grows.
        up: bool,
        /// It never stays.
        strict: bool,
    },
    /// Fields that nothing changes, or nothing of this kind.
    Fixed(Vec<Path>, Option<Tag>),
    /// A kind of message changes a number always by the same, or by what it says.
    Step(Operand, Tag, Amount),
    /// A kind of message sets a field to what it says, at this place.
    Set(Path, Tag, usize),
    /// Calls of this kind are answered, always like this. `by_itself`: by the process that was called.
    Answered {
        /// The kind.
        call: Tag,
        /// The answer, where it is always alike.
        reply: Option<Reply>,
        /// The process that was called answers.
        by_itself: bool,
        /// Some were not answered yet when a recording ended: only a time can be asked for.
        in_time: bool,
    },
    /// A message that came is followed by one that is sent.
    Follows {
        /// What came.
        cause: Tag,
        /// What was sent.
        effect: Tag,
        /// To which role, if always to the same.
        to: Option<usize>,
        /// The places of what both have in common.
        by: Option<(usize, usize)>,
        /// Each effect has a cause of its own; else: each cause has an effect.
        caused: bool,
        /// Some had no effect yet when a recording ended: only a time can be asked for.
        in_time: bool,
    },
}

impl Property {
    /// The name of its template.
    #[must_use]
    pub const fn template(&self) -> &'static str {
        match self {
            Self::Constant(..) => "constant",
            Self::OneOf(..) => "one_of",
            Self::Bounds(_, Some(_), Some(_)) => "range",
            Self::Bounds(_, Some(_), None) => "lower_bound",
            Self::Bounds(..) => "upper_bound",
            Self::Sorts(..) => "type",
            Self::NotNil(_) => "not_nil",
            Self::Compare {
                relation: Relation::Equal,
                plus: 0,
                ..
            } => "equal",
            Self::Compare {
                relation: Relation::Equal,
                ..
            } => "difference",
            Self::Compare { .. } => "order",
            Self::Sum(..) => "sum",
            Self::Head { .. } => "head",
            Self::Key { .. } => "key",
            Self::Sorted { .. } => "sorted",
            Self::Trend { strict: false, .. } => "monotonic",
            Self::Trend { .. } => "strictly_monotonic",
            Self::Fixed(_, None) => "fixed",
            Self::Fixed(..) => "unchanged",
            Self::Step(_, _, Amount::Constant { .. }) => "step",
            Self::Step(..) => "step_by",
            Self::Set(..) => "set_to",
            Self::Answered { reply: None, .. } => "answered",
            Self::Answered { .. } => "reply",
            Self::Follows { caused: false, .. } => "leads_to",
            Self::Follows { .. } => "caused",
        }
    }
}

/// A property of a role that held in all observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Whose, by its place in the list of roles.
    pub role: usize,
    /// What holds.
    pub property: Property,
    /// How many observations put it to the test.
    pub observations: u64,
    /// The natural logarithm of the probability that it would hold by chance.
    pub ln_chance: f64,
}
