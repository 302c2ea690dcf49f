//! Whether a property holds of what happened: everything looked at, nothing remembered.

use crate::infer::{Amount, Inference, Measure, Operand, Path, Property, Relation, Sort, Step, Tag};
use crate::term::Value;
use crate::timeline::tests::kit::a;

/// What a server went through: its states, and the messages between them.
pub(super) struct Story {
    pub(super) states: Vec<Value>,
    pub(super) messages: Vec<Value>,
}

impl Story {
    fn steps(&self) -> impl Iterator<Item = (&Value, &Value, &Value)> {
        let states = self.states.iter().zip(&self.states[1..]);
        states
            .zip(&self.messages)
            .map(|((from, to), message)| (from, message, to))
    }
}

pub(super) struct Naive<'i>(pub(super) &'i Inference);

impl Naive<'_> {
    fn text(&self, id: crate::term::AtomId) -> &str {
        &self.0.atoms[id.0 as usize].text
    }

    /// A value of the inference in the atoms of the tests.
    fn own(&self, value: &Value) -> Value {
        let all = |items: &[Value]| items.iter().map(|item| self.own(item)).collect();
        match value {
            Value::Atom(id) => a(self.text(*id)),
            Value::List(items) => Value::List(all(items)),
            Value::Tuple(items) => Value::Tuple(all(items)),
            Value::Map(pairs) => Value::Map(
                pairs
                    .iter()
                    .map(|(key, value)| (self.own(key), self.own(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }

    fn at<'v>(&self, state: &'v Value, path: &Path) -> &'v Value {
        path.iter().fold(state, |value, step| match (value, step) {
            (Value::Map(pairs), Step::Key(key)) => {
                let key = a(self.text(*key));
                &pairs
                    .iter()
                    .find(|(one, _)| *one == key)
                    .expect("a field of every state")
                    .1
            }
            (Value::Tuple(items), Step::At { index, arity }) => {
                assert_eq!(items.len(), *arity);
                &items[*index]
            }
            other => panic!("{other:?}"),
        })
    }

    fn number(&self, state: &Value, of: &Operand) -> Option<i64> {
        let length = |value: &Value| match value {
            Value::List(items) => Some(items.len() as i64),
            _ => None,
        };
        let value = self.at(state, &of.path);
        match (of.measure, value) {
            (Measure::Value, Value::Int(n)) => Some(*n),
            (Measure::Length, value) => length(value),
            (Measure::MapSize, Value::Map(pairs)) => Some(pairs.len() as i64),
            (Measure::QueueLength, Value::Tuple(both)) => both.iter().map(length).sum(),
            _ => None,
        }
    }

    fn is(&self, tag: Tag, message: &Value) -> bool {
        match (tag, message) {
            (Tag::Atom(id), message) => *message == a(self.text(id)),
            (Tag::Tuple(id, arity), Value::Tuple(items)) => items.len() == arity && items[0] == a(self.text(id)),
            _ => false,
        }
    }

    /// Whether a property of states or steps holds of a story.
    pub(super) fn holds(&self, story: &Story, property: &Property) -> bool {
        let always = |holds: &dyn Fn(&Value) -> bool| story.states.iter().all(holds);
        let every = |on: Option<Tag>, holds: &dyn Fn(&Value, &Value, &Value) -> bool| {
            let mut steps = story.steps();
            steps.all(|(from, message, to)| on.is_some_and(|tag| !self.is(tag, message)) || holds(from, message, to))
        };
        match property {
            Property::Constant(path, value) => always(&|state| *self.at(state, path) == self.own(value)),
            Property::OneOf(path, values) => {
                let values: Vec<Value> = values.iter().map(|value| self.own(value)).collect();
                always(&|state| values.contains(self.at(state, path)))
            }
            Property::Bounds(of, low, high) => always(&|state| {
                let n = self.number(state, of);
                n.is_some_and(|n| low.is_none_or(|low| low <= n) && high.is_none_or(|high| n <= high))
            }),
            Property::Sorts(path, sorts) => always(&|state| sorts.iter().any(|sort| is_a(*sort, self.at(state, path)))),
            Property::NotNil(path) => always(&|state| *self.at(state, path) != a("nil")),
            Property::Compare {
                left,
                relation,
                right,
                plus,
            } => always(&|state| match (self.number(state, left), self.number(state, right)) {
                (Some(left), Some(right)) => match relation {
                    Relation::Equal => left == right + plus,
                    Relation::Less => left < right + plus,
                    Relation::AtMost => left <= right + plus,
                },
                _ => *relation == Relation::Equal && self.at(state, &left.path) == self.at(state, &right.path),
            }),
            Property::Sum([left, right], sum) => always(&|state| {
                let both = self.number(state, left).zip(self.number(state, right));
                both.is_some_and(|(left, right)| left + right == *sum)
            }),
            Property::Head { list, of, or_empty } => always(&|state| match self.at(state, list) {
                Value::List(items) if items.is_empty() => *or_empty,
                Value::List(items) => items[0] == *self.at(state, of),
                _ => false,
            }),
            Property::Key { map, of, or_nil } => always(&|state| match (self.at(state, map), self.at(state, of)) {
                (Value::Map(pairs), of) => pairs.iter().any(|(key, _)| key == of) || *or_nil && *of == a("nil"),
                _ => false,
            }),
            Property::Sorted { list, descending, most } => always(&|state| match self.at(state, list) {
                Value::List(items) => {
                    let fits = |(a, b): (&Value, &Value)| match (a, b) {
                        (Value::Int(a), Value::Int(b)) => {
                            if *descending {
                                a >= b
                            } else {
                                a <= b
                            }
                        }
                        _ => false,
                    };
                    items.len() as u64 <= *most && items.iter().zip(items.iter().skip(1)).all(fits)
                }
                _ => false,
            }),
            Property::Trend { of, up, strict } => every(None, &|from, _, to| {
                let both = self.number(from, of).zip(self.number(to, of));
                both.is_some_and(|(from, to)| if *up { from < to } else { from > to } || !*strict && from == to)
            }),
            Property::Fixed(paths, on) => every(*on, &|from, _, to| {
                paths.iter().all(|path| self.at(from, path) == self.at(to, path))
            }),
            Property::Step(of, on, amount) => every(Some(*on), &|from, message, to| {
                let said = |at: usize| match message {
                    Value::Tuple(items) => match &items[at] {
                        Value::Int(n) => *n,
                        _ => i64::MAX / 2,
                    },
                    _ => i64::MAX / 2,
                };
                let by = match amount {
                    Amount::Constant {
                        literal: Some((at, n)), ..
                    } if said(*at) != *n => return true,
                    Amount::Constant { by, .. } => *by,
                    Amount::Argument { at, minus: false } => said(*at),
                    Amount::Argument { at, minus: true } => -said(*at),
                };
                let both = self.number(from, of).zip(self.number(to, of));
                both.is_some_and(|(from, to)| to == from + by)
            }),
            Property::Set(path, on, at) => every(Some(*on), &|_, message, to| match message {
                Value::Tuple(items) => items[*at] == *self.at(to, path),
                _ => false,
            }),
            Property::Answered { .. } | Property::Follows { .. } => true,
        }
    }
}

fn is_a(sort: Sort, value: &Value) -> bool {
    let boolean = *value == a("true") || *value == a("false");
    match (sort, value) {
        (Sort::Nil, value) => *value == a("nil"),
        (Sort::Boolean, _) => boolean,
        (Sort::Atom, Value::Atom(_)) | (Sort::Integer, Value::Int(_)) | (Sort::List, Value::List(_)) => true,
        (Sort::Map, Value::Map(_)) | (Sort::Tuple, Value::Tuple(_)) | (Sort::Binary, Value::Binary(_)) => true,
        _ => false,
    }
}
