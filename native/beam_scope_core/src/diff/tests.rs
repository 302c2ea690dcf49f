//! Law 2, and what differences look like.

use proptest::prelude::*;

use super::*;
use crate::term::{Kind, Value};

const STRUCT: AtomId = AtomId(900);
const MAP_SET: AtomId = AtomId(901);
const FIELD: AtomId = AtomId(902);

fn options() -> DiffOptions {
    DiffOptions::new(|text| match text {
        "__struct__" => Some(STRUCT),
        "Elixir.MapSet" => Some(MAP_SET),
        "map" => Some(FIELD),
        _ => None,
    })
}

fn int(n: i64) -> Value {
    Value::Int(n)
}

fn atom(n: u64) -> Value {
    Value::Atom(AtomId(n))
}

fn text(text: &str) -> Value {
    Value::Binary(text.as_bytes().to_vec())
}

fn ints(range: impl IntoIterator<Item = i64>) -> Value {
    Value::List(range.into_iter().map(int).collect())
}

fn keywords(pairs: &[(u64, i64)]) -> Value {
    Value::List(
        pairs
            .iter()
            .map(|(k, v)| Value::Tuple(vec![atom(*k), int(*v)]))
            .collect(),
    )
}

fn set(members: impl IntoIterator<Item = i64>) -> Value {
    let members = members.into_iter().map(|n| (int(n), Value::List(vec![])));
    Value::Map(vec![
        (Value::Atom(STRUCT), Value::Atom(MAP_SET)),
        (Value::Atom(FIELD), Value::Map(members.collect())),
    ])
}

/// The difference, after checking that it leads from `a` to `b`.
fn between(a: &Value, b: &Value) -> (Arena, Diff) {
    let mut arena = Arena::new();
    let (a, b) = (arena.intern(a), arena.intern(b));
    let diff = diff(&arena, a, b, &options());
    assert_eq!(apply(&mut arena, &diff, a), Ok(b), "{diff:?}");
    (arena, diff)
}

fn found(a: &Value, b: &Value) -> Diff {
    between(a, b).1
}

#[test]
fn maps_differ_by_key() {
    let a = Value::Map((0..100).map(|n| (int(n), int(n))).collect());
    let b = Value::Map((1..101).map(|n| (int(n), int(if n == 7 { 0 } else { n }))).collect());
    let Diff::Map(map) = found(&a, &b) else {
        panic!("no map")
    };
    assert_eq!((map.changes.len(), map.unchanged, map.name), (3, 98, None));
}

#[test]
fn structs_differ_by_name() {
    let point = |name, x| Value::Map(vec![(Value::Atom(STRUCT), atom(name)), (atom(1), int(x))]);
    assert!(matches!(found(&point(5, 1), &point(6, 1)), Diff::Replace(..)));
    assert!(matches!(found(&point(5, 1), &Value::Map(vec![])), Diff::Replace(..)));
    let Diff::Map(map) = found(&point(5, 1), &point(5, 2)) else {
        panic!("no map")
    };
    assert_eq!((map.name, map.unchanged), (Some(AtomId(5)), 1));
}

#[test]
fn keyword_lists_differ_by_key_and_keep_their_order() {
    let Diff::Keyword(diff) = found(
        &keywords(&[(1, 1), (2, 2), (3, 3)]),
        &keywords(&[(1, 1), (3, 4), (5, 5)]),
    ) else {
        panic!("no keyword list")
    };
    assert_eq!(
        (diff.changes.len(), diff.unchanged, diff.order.is_some()),
        (3, 1, false)
    );
    let Diff::Keyword(diff) = found(&keywords(&[(1, 1), (2, 2)]), &keywords(&[(2, 2), (1, 1)])) else {
        panic!("no keyword list")
    };
    assert_eq!((diff.changes.len(), diff.order.is_some()), (0, true));
    let twice = keywords(&[(1, 1), (1, 2)]);
    assert!(matches!(found(&twice, &keywords(&[(1, 1)])), Diff::List(_)));
}

#[test]
fn sets_differ_by_member() {
    let Diff::Set(diff) = found(&set(0..50), &set(1..52)) else {
        panic!("no set")
    };
    assert_eq!((diff.removed.len(), diff.added.len(), diff.unchanged), (1, 2, 49));
}

#[test]
fn lists_align_and_pair_what_is_nearly_equal() {
    let Diff::List(diff) = found(&ints(0..200), &ints((0..50).chain([-1]).chain(51..100).chain(101..200))) else {
        panic!("no list")
    };
    let shape: Vec<&str> = diff
        .ops
        .iter()
        .map(|op| match op {
            ListOp::Keep(_) => "keep",
            ListOp::Remove(_) => "remove",
            ListOp::Add(_) => "add",
            ListOp::Change(_) => "change",
        })
        .collect();
    assert_eq!(shape, ["keep", "remove", "add", "keep", "remove", "keep"]);

    let user = |id, n| Value::Tuple(vec![atom(1), int(id), int(n)]);
    let a = Value::List(vec![user(1, 1), user(2, 2), user(3, 3)]);
    let b = Value::List(vec![user(1, 9), user(9, 8), user(3, 4), int(1)]);
    let Diff::List(diff) = found(&a, &b) else {
        panic!("no list")
    };
    let changed = diff
        .ops
        .iter()
        .filter(|op| matches!(op, ListOp::Change(Diff::Tuple(_))));
    assert_eq!(changed.count(), 2, "{:?}", diff.ops);
}

#[test]
fn text_differs_by_words() {
    let Diff::Text(diff) = found(&text("the quick brown fox"), &text("the quick red fox")) else {
        panic!("no text")
    };
    let part = |text: &str| text.as_bytes().to_vec();
    assert!(diff.is_text);
    assert_eq!(
        diff.ops,
        [
            TextOp::Keep(part("the quick ")),
            TextOp::Remove(part("brown")),
            TextOp::Add(part("red")),
            TextOp::Keep(part(" fox"))
        ]
    );
    assert!(matches!(found(&text("hello"), &text("world")), Diff::Replace(..)));
    let bytes = |end: u8| Value::Binary(vec![0xFF, 1, 2, 3, end]);
    assert!(matches!(
        found(&bytes(4), &bytes(5)),
        Diff::Text(TextDiff { is_text: false, .. })
    ));
}

#[test]
fn what_is_hidden_is_never_the_same() {
    let hidden = [
        Value::Truncated(Kind::List, 9),
        Value::Redacted(Kind::Binary, 9),
        Value::TruncatedList(vec![int(1)], 9),
        Value::TruncatedMap(vec![(int(1), int(1))], 9),
        Value::TruncatedTuple(vec![int(1)], 9),
        Value::TruncatedBinary(b"ab".to_vec(), 9),
        Value::Improper(vec![Value::Truncated(Kind::Map, 1)], Box::new(int(1))),
        Value::Map(vec![(Value::TruncatedBinary(b"ab".to_vec(), 9), int(1))]),
    ];
    for value in &hidden {
        assert!(matches!(found(value, value), Diff::Unknown(..)), "{value:?}");
        let wrapped = |n| Value::Map(vec![(int(1), Value::List(vec![value.clone(), int(n)]))]);
        let Diff::Map(map) = found(&wrapped(1), &wrapped(1)) else {
            panic!("{value:?} is not marked")
        };
        assert!(matches!(map.changes.as_slice(), [(_, Change::Changed(Diff::List(_)))]));
    }
}

#[test]
fn the_known_part_of_what_is_cut_is_compared() {
    let cut = |pairs: &[(i64, i64)]| Value::TruncatedMap(pairs.iter().map(|(k, v)| (int(*k), int(*v))).collect(), 50);
    let Diff::Map(map) = found(&cut(&[(1, 1), (2, 2), (3, 3)]), &cut(&[(1, 1), (2, 5), (4, 4)])) else {
        panic!("no map")
    };
    assert_eq!((map.changes.len(), map.unchanged, map.hidden.is_some()), (1, 1, true));

    let list = |items: &[i64]| Value::TruncatedList(items.iter().copied().map(int).collect(), 50);
    let Diff::List(diff) = found(&list(&[1, 2, 3, 4]), &list(&[0, 1, 2, 3])) else {
        panic!("no list")
    };
    assert!(
        matches!(diff.ops.as_slice(), [ListOp::Add(_), ListOp::Keep(3)]),
        "{:?}",
        diff.ops
    );
    assert!(matches!(
        found(&Value::Truncated(Kind::List, 9), &Value::Truncated(Kind::List, 10)),
        Diff::Replace(..)
    ));
    assert!(matches!(
        found(&Value::Truncated(Kind::List, 9), &int(1)),
        Diff::Replace(..)
    ));
}

#[test]
fn a_deep_difference_is_replaced_whole() {
    let deep = |arena: &mut Arena, end| {
        let end = arena.intern(&int(end));
        (0..100_000).fold(end, |inner, _| arena.make_tuple(&[inner, inner]))
    };
    let mut arena = Arena::new();
    let (a, b) = (deep(&mut arena, 1), deep(&mut arena, 2));
    // A tuple whose elements all differ is replaced at once; a list goes down to the limit.
    let found = diff(&arena, a, b, &options());
    assert_eq!(apply(&mut arena, &found, a), Ok(b));
}

#[test]
fn one_change_in_a_large_map() {
    let mut arena = Arena::new();
    let pairs: Vec<_> = (0..100_000).map(|n| arena.intern(&int(n))).map(|id| (id, id)).collect();
    let a = arena.make_map(pairs.iter().copied());
    let one = arena.intern(&int(1));
    let b = arena.make_map(pairs.iter().copied().chain([(pairs[77].0, one)]));
    let started = Instant::now();
    let found = diff(&arena, a, b, &options());
    assert!(
        started.elapsed() < Duration::from_millis(20),
        "one change takes no walk of 100,000 keys"
    );
    let Diff::Map(map) = found else { panic!("no map") };
    assert_eq!((map.changes.len(), map.unchanged), (1, 99_999));
}

#[test]
fn long_lists_that_share_nothing_end_in_time() {
    let (a, b) = (ints(0..30_000), ints((0..30_000).map(|n| n * 7919 % 30_011)));
    let started = Instant::now();
    let _ = found(&a, &b);
    assert!(started.elapsed() < Duration::from_secs(10));
}

// ---- the law ----

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (0i64..6).prop_map(int),
        2 => (1u64..5).prop_map(atom),
        2 => "[a-c ]{0,12}".prop_map(|s| text(&s)),
        1 => Just(Value::Float(0)),
        1 => prop::collection::vec(250u8..=255, 0..4).prop_map(Value::Binary),
    ]
}

fn term() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Tuple),
            prop::collection::vec((leaf(), inner.clone()), 0..6).prop_map(Value::Map),
            prop::collection::vec((1u64..6, 0i64..4), 1..5).prop_map(|pairs| keywords(&pairs)),
            prop::collection::vec(0i64..9, 0..6).prop_map(set),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|items| Value::Improper(items, Box::new(int(1)))),
            prop::collection::vec(inner, 17..24).prop_map(Value::List),
        ]
    })
}

fn hidden() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0u64..3).prop_map(|n| Value::Truncated(Kind::List, n)),
        (0u64..3).prop_map(|n| Value::Redacted(Kind::Binary, n)),
        prop::collection::vec((0i64..5).prop_map(int), 0..4).prop_map(|items| Value::TruncatedList(items, 9)),
        prop::collection::vec((0i64..5).prop_map(int), 0..4).prop_map(|items| Value::TruncatedTuple(items, 9)),
        prop::collection::vec(((0i64..5).prop_map(int), (0i64..3).prop_map(int)), 0..4)
            .prop_map(|pairs| Value::TruncatedMap(pairs, 9)),
        "[ab ]{0,6}".prop_map(|s| Value::TruncatedBinary(s.into_bytes(), 20)),
    ]
}

/// The term with one part, chosen by `path`, replaced.
fn put(value: &Value, path: &[usize], new: &Value) -> Value {
    let Some((step, path)) = path.split_first() else {
        return new.clone();
    };
    let mut value = value.clone();
    match &mut value {
        Value::List(items) | Value::Tuple(items) if !items.is_empty() => {
            let at = step % items.len();
            items[at] = put(&items[at], path, new);
        }
        Value::Map(pairs) if !pairs.is_empty() => {
            let at = step % pairs.len();
            pairs[at].1 = put(&pairs[at].1, path, new);
        }
        _ => return new.clone(),
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn applying_a_difference_makes_the_new_term(a in term(), b in term()) {
        between(&a, &b);
    }

    #[test]
    fn applying_a_small_difference_makes_the_new_term(
        a in term(), part in prop_oneof![term(), hidden()], path in prop::collection::vec(0usize..9, 0..4)
    ) {
        between(&a, &put(&a, &path, &part));
        between(&put(&a, &path, &part), &a);
    }

    #[test]
    fn a_complete_term_does_not_differ_from_itself(a in term()) {
        prop_assert_eq!(found(&a, &a), Diff::Same);
    }

    #[test]
    fn what_hides_something_is_not_the_same_as_itself(
        a in term(), part in hidden(), path in prop::collection::vec(0usize..9, 0..4)
    ) {
        // A part that a later pair of the same key hides is not there.
        let (mut arena, a) = (Arena::new(), put(&a, &path, &part));
        let id = arena.intern(&a);
        prop_assert_eq!(found(&a, &a) == Diff::Same, arena.is_complete(id));
    }

    #[test]
    fn a_difference_fits_only_the_term_that_it_starts_from(a in term(), b in term(), c in term()) {
        let (mut arena, diff) = between(&a, &b);
        let id = arena.intern(&c);
        // No panic, and no wrong claim of success for a replaced term.
        let applied = apply(&mut arena, &diff, id);
        if let (Diff::Replace(old, _), Ok(_)) = (&diff, applied) {
            prop_assert_eq!(*old, id);
        }
    }
}
