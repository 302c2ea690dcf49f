//! What an alignment is for, and what always holds of one.
//!
//! Shapes are written as `=` matched, `~` different, `<` out of order, `-` missing, `+` unexpected.

use proptest::prelude::*;

use super::*;
use crate::diff::apply;
use crate::term::{AtomId, Kind, Value};

fn int(n: i64) -> Value {
    Value::Int(n)
}

fn atom(n: u64) -> Value {
    Value::Atom(AtomId(n))
}

fn tuple(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Tuple(items.into_iter().collect())
}

/// `{:reply, n}`
fn reply(n: i64) -> Value {
    tuple([atom(1), int(n)])
}

fn replies(numbers: impl IntoIterator<Item = i64>) -> Vec<Value> {
    numbers.into_iter().map(reply).collect()
}

/// Something that looks like nothing else.
fn odd(n: i64) -> Value {
    Value::Binary(format!("{n}").into_bytes())
}

fn options() -> AlignOptions {
    AlignOptions::new(DiffOptions::new(|_| None))
}

struct Found {
    arena: Arena,
    expected: Vec<Entry>,
    actual: Vec<Entry>,
    alignment: Alignment,
}

fn aligned(expected: &[(Value, i64)], actual: &[(Value, i64)], options: &AlignOptions) -> Found {
    let mut arena = Arena::new();
    let mut entries = |values: &[(Value, i64)]| -> Vec<Entry> {
        let entry = |(value, group): &(Value, i64)| Entry {
            term: arena.intern(value),
            group: Some(arena.intern(&int(*group))),
        };
        values.iter().map(entry).collect()
    };
    let (expected, actual) = (entries(expected), entries(actual));
    let alignment = align(&arena, &expected, &actual, options);
    Found {
        arena,
        expected,
        actual,
        alignment,
    }
}

fn alone(values: &[Value]) -> Vec<(Value, i64)> {
    values.iter().map(|value| (value.clone(), 0)).collect()
}

fn found(expected: &[Value], actual: &[Value]) -> Found {
    let found = aligned(&alone(expected), &alone(actual), &options());
    found.check();
    found
}

fn shape(expected: &[Value], actual: &[Value]) -> String {
    found(expected, actual).shape()
}

impl Found {
    fn shape(&self) -> String {
        let sign = |step: &Step| match step {
            Step::Matched { .. } => '=',
            Step::Different { .. } => '~',
            Step::OutOfOrder { .. } => '<',
            Step::Missing { .. } => '-',
            Step::Unexpected { .. } => '+',
        };
        self.alignment.steps.iter().map(sign).collect()
    }

    /// What holds of every alignment.
    fn check(&self) {
        let mut arena = self.arena.clone();
        let (mut expected, mut actual) = (Vec::new(), Vec::new());
        let (mut last_e, mut last_a) = (None, None);
        for step in &self.alignment.steps {
            match step {
                Step::Matched { expected: e, actual: a } => {
                    assert_eq!(self.expected[*e], self.actual[*a]);
                    assert!(self.arena.is_complete(self.expected[*e].term));
                    expected.push(*e);
                    actual.push(*a);
                }
                Step::Different {
                    expected: e,
                    actual: a,
                    diff,
                } => {
                    let (old, new) = (self.expected[*e], self.actual[*a]);
                    assert_eq!(old.group, new.group, "groups do not mix");
                    assert_eq!(apply(&mut arena, diff, old.term), Ok(new.term));
                    assert!(!diff.is_same());
                    expected.push(*e);
                    actual.push(*a);
                }
                Step::OutOfOrder { expected: e, actual: a } => {
                    assert_eq!(self.expected[*e], self.actual[*a]);
                    expected.push(*e);
                    actual.push(*a);
                }
                Step::Missing { expected: e } => expected.push(*e),
                Step::Unexpected { actual: a } => actual.push(*a),
            }
            if let Step::Matched { expected: e, actual: a }
            | Step::Different {
                expected: e, actual: a, ..
            } = step
            {
                assert!(last_e < Some(*e) && last_a < Some(*a), "pairs rise on both sides");
                (last_e, last_a) = (Some(*e), Some(*a));
            }
        }
        for (mut places, len) in [(expected, self.expected.len()), (actual, self.actual.len())] {
            places.sort_unstable();
            assert_eq!(places, (0..len).collect::<Vec<_>>(), "each entry exactly once");
        }
    }
}

#[test]
fn what_is_equal_is_matched() {
    assert_eq!(shape(&replies(0..5), &replies(0..5)), "=====");
    assert_eq!(shape(&[], &[]), "");
}

#[test]
fn what_is_only_on_one_side_is_missing_or_unexpected() {
    assert_eq!(shape(&replies([1, 2, 3]), &replies([1, 3])), "=-=");
    assert_eq!(shape(&replies([1, 3]), &replies([1, 2, 3])), "=+=");
    assert_eq!(shape(&replies([1, 2]), &[]), "--");
    assert_eq!(shape(&[], &replies([1, 2])), "++");
}

#[test]
fn a_nearly_equal_entry_pairs_with_its_expected_one() {
    assert_eq!(shape(&replies([1, 2, 3]), &replies([1, 9, 3])), "=~=");
    let one = [odd(7), reply(1), odd(8)];
    let two = [odd(1), odd(2), reply(2), odd(3)];
    assert_eq!(shape(&one, &two), "-++~~");
}

#[test]
fn one_entry_in_the_place_of_one_other_is_that_one_replaced() {
    assert_eq!(shape(&[odd(1), odd(2), odd(3)], &[odd(1), atom(5), odd(3)]), "=~=");
}

#[test]
fn equal_entries_that_are_one_place_off_by_chance_are_no_match() {
    // A counter that adds too much: the second answer is wrong, not missing.
    assert_eq!(shape(&replies([1, 2, 3]), &replies([1, 3, 4])), "=~~");
    assert_eq!(shape(&replies([1, 2, 3, 4, 5]), &replies([1, 3, 5, 7, 9])), "=~~~~");
}

#[test]
fn many_equal_entries_that_are_one_place_off_are_a_match() {
    assert_eq!(shape(&replies(1..20), &replies(2..20)), format!("-{}", "=".repeat(18)));
    assert_eq!(shape(&replies(1..5), &replies(2..5)), "-===");
    assert_eq!(shape(&replies(2..20), &replies(1..20)), format!("+{}", "=".repeat(18)));
}

#[test]
fn what_moved_is_out_of_order_at_the_first_of_its_places() {
    assert_eq!(shape(&replies([1, 2, 3, 4]), &replies([1, 4, 2, 3])), "=<==");
    assert_eq!(shape(&replies([1, 2, 3, 4]), &replies([1, 3, 4, 2])), "=<==");
    let far = shape(&replies(0..100), &replies((1..100).chain([0])));
    assert_eq!(far, format!("<{}", "=".repeat(99)));
    let back = shape(&replies(0..100), &replies([99].into_iter().chain(0..99)));
    assert_eq!(back, format!("<{}", "=".repeat(99)));
    assert_eq!(shape(&[odd(1), odd(2)], &[odd(2), odd(1)]), "<=");
}

#[test]
fn what_moved_is_not_taken_for_the_entry_in_whose_place_it_came() {
    let far: Vec<Value> = (100..120).map(odd).collect();
    let expected = [vec![odd(1), odd(2)], far.clone(), vec![atom(5)]].concat();
    let actual = [vec![odd(1), atom(5)], far, vec![]].concat();
    assert_eq!(shape(&expected, &actual), format!("=-<{}", "=".repeat(20)));
}

#[test]
fn entries_of_different_groups_have_nothing_to_do_with_each_other() {
    let a = [(reply(1), 1), (reply(2), 1)];
    let b = [(reply(1), 1), (reply(2), 2)];
    let found = aligned(&a, &b, &options());
    found.check();
    assert_eq!(found.shape(), "=-+");
}

#[test]
fn what_is_hidden_never_matches() {
    for hidden in [
        Value::Truncated(Kind::List, 9),
        Value::Redacted(Kind::Binary, 9),
        Value::TruncatedMap(vec![(int(1), int(1))], 9),
    ] {
        let entries = [reply(1), tuple([atom(1), hidden]), reply(3)];
        let found = found(&entries, &entries);
        assert_eq!(found.shape(), "=~=");
    }
}

#[test]
fn a_value_that_is_there_more_often_than_expected_moved_from_the_nearest_place() {
    let mut expected: Vec<Value> = (0..40).map(odd).collect();
    let mut actual = expected.clone();
    expected.insert(2, atom(9));
    expected.insert(30, atom(9));
    actual.insert(36, atom(9));
    let found = found(&expected, &actual);
    let moved = found
        .alignment
        .steps
        .iter()
        .find(|step| matches!(step, Step::OutOfOrder { .. }));
    assert_eq!(
        moved,
        Some(&Step::OutOfOrder {
            expected: 30,
            actual: 36
        })
    );
}

// ---- time ----

fn shuffled(len: i64) -> Vec<Value> {
    // 7,919 and the length have no common divisor.
    replies((0..len).map(|n| n * 7_919 % len))
}

#[test]
fn without_time_it_is_still_an_alignment() {
    let none = AlignOptions {
        deadline: Duration::ZERO,
        ..options()
    };
    let (expected, actual) = (alone(&replies(0..500)), alone(&shuffled(500)));
    let found = aligned(&expected, &actual, &none);
    found.check();
    assert!(!found.alignment.exact);
    // What the skeleton leaves to chance, equal entries that are in order, is found all the same.
    assert!(found.shape().contains('='));
    assert!(!found.shape().contains(['-', '+', '~']));
    let mut late = expected.clone();
    late[77].0 = reply(-1);
    let found = aligned(&expected, &late, &none);
    found.check();
    assert_eq!(found.shape().matches('=').count(), 499);
}

#[test]
fn without_fuel_it_is_still_an_alignment() {
    let none = AlignOptions { fuel: 0, ..options() };
    let found = aligned(&alone(&replies(0..9)), &alone(&replies(5..20)), &none);
    found.check();
    assert!(!found.alignment.exact);
}

#[test]
fn long_sequences_end_by_the_deadline() {
    let cases = [
        (replies(0..10_000), shuffled(10_000)),
        (replies(0..10_000), replies(20_000..30_000)),
        ((0..10_000).map(odd).collect(), replies(0..10_000)),
    ];
    for (expected, actual) in cases {
        let began = Instant::now();
        let found = aligned(&alone(&expected), &alone(&actual), &options());
        // Tests are not optimized and share the machine.
        assert!(began.elapsed() < Duration::from_secs(10));
        found.check();
    }
}

// ---- the laws ----

fn term() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0i64..5).prop_map(int),
        (1u64..4).prop_map(atom),
        "[ab]{0,3}".prop_map(|s| Value::Binary(s.into_bytes()))
    ];
    let hidden = prop_oneof![
        Just(Value::Truncated(Kind::List, 3)),
        Just(Value::Redacted(Kind::Binary, 3))
    ];
    prop_oneof![
        4 => leaf.clone(),
        6 => prop::collection::vec(leaf.clone(), 1..4).prop_map(Value::Tuple),
        3 => prop::collection::vec((leaf.clone(), leaf.clone()), 0..4).prop_map(Value::Map),
        2 => prop::collection::vec(leaf, 0..4).prop_map(Value::List),
        1 => hidden,
    ]
}

fn entries() -> impl Strategy<Value = Vec<(Value, i64)>> {
    prop::collection::vec((term(), 0i64..2), 0..40)
}

/// Complete entries that all differ, and are all nearly equal.
fn distinct() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::btree_set(0i64..500, 1..40).prop_map(|set| {
        let mut numbers: Vec<i64> = set.into_iter().collect();
        numbers.sort_by_key(|n| n * 7_919 % 503);
        replies(numbers)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_entry_is_there_exactly_once(expected in entries(), actual in entries()) {
        aligned(&expected, &actual, &options()).check();
    }

    #[test]
    fn every_entry_is_there_exactly_once_in_no_time(expected in entries(), actual in entries()) {
        let none = AlignOptions { deadline: Duration::ZERO, fuel: 10, ..options() };
        aligned(&expected, &actual, &none).check();
    }

    #[test]
    fn what_changed_a_little_is_aligned(
        base in entries(), cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..4, term()), 0..6)
    ) {
        let mut changed = base.clone();
        for (at, how, term) in cuts {
            let at = at.index(changed.len() + 1);
            match how {
                0 => changed.insert(at, (term, 0)),
                1 if at < changed.len() => { changed.remove(at); }
                2 if at < changed.len() => changed[at].0 = term,
                3 if at < changed.len() => { let one = changed.remove(at); changed.push(one); }
                _ => {}
            }
        }
        aligned(&base, &changed, &options()).check();
        aligned(&changed, &base, &options()).check();
    }

    #[test]
    fn identical_sequences_are_all_matched(base in entries()) {
        let complete: Vec<(Value, i64)> = base.into_iter().filter(|(value, _)| value.is_complete()).collect();
        let found = aligned(&complete, &complete, &options());
        prop_assert_eq!(found.shape(), "=".repeat(complete.len()));
        prop_assert!(found.alignment.exact);
    }

    #[test]
    fn one_replaced_entry_is_different(base in distinct(), at in any::<prop::sample::Index>(), near in any::<bool>()) {
        let mut changed = base.clone();
        let at = at.index(base.len());
        changed[at] = if near { reply(-1) } else { odd(1) };
        let expected: String = (0..base.len()).map(|n| if n == at { '~' } else { '=' }).collect();
        prop_assert_eq!(shape(&base, &changed), expected);
    }

    #[test]
    fn one_inserted_entry_is_unexpected_and_one_removed_is_missing(
        base in distinct(), at in any::<prop::sample::Index>(), near in any::<bool>()
    ) {
        let mut changed = base.clone();
        let at = at.index(base.len() + 1);
        changed.insert(at, if near { reply(-1) } else { odd(1) });
        let sign = |sign: char| -> String { (0..=base.len()).map(|n| if n == at { sign } else { '=' }).collect() };
        prop_assert_eq!(shape(&base, &changed), sign('+'));
        prop_assert_eq!(shape(&changed, &base), sign('-'));
    }

    #[test]
    fn one_moved_entry_is_out_of_order(
        base in distinct(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()
    ) {
        let mut changed = base.clone();
        let (from, to) = (from.index(base.len()), to.index(base.len()));
        let one = changed.remove(from);
        changed.insert(to, one);
        let found = found(&base, &changed);
        let shape = found.shape();
        let moved = usize::from(from != to);
        prop_assert_eq!(shape.matches('<').count(), moved, "{}", shape);
        prop_assert_eq!(shape.matches('=').count(), base.len() - moved);
        prop_assert_eq!(shape.find('<').unwrap_or(from.min(to)), from.min(to));
    }
}
