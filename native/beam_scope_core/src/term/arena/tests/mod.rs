//! What the arena promises.

mod laws;
mod splice;

use super::*;
use crate::term::{AtomId, Value};

/// So many cases of a property, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(normally: u32) -> proptest::test_runner::Config {
    let told = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    proptest::test_runner::Config {
        cases: told.unwrap_or(normally),
        failure_persistence: None,
        ..Default::default()
    }
}

fn int(n: i64) -> Value {
    Value::Int(n)
}

fn map_of(n: i64, change: Option<i64>) -> Value {
    let value = |i| if change == Some(i) { int(-1) } else { int(i * 7) };
    Value::Map((0..n).map(|i| (int(i), value(i))).collect())
}

#[test]
fn equal_terms_are_one_node() {
    let mut arena = Arena::new();
    let a = arena.intern(&Value::Tuple(vec![
        Value::Atom(AtomId(1)),
        int(2),
        Value::Binary(b"x".to_vec()),
    ]));
    let nodes = arena.len();
    let b = arena.intern(&Value::Tuple(vec![
        Value::Atom(AtomId(1)),
        int(2),
        Value::Binary(b"x".to_vec()),
    ]));
    assert_eq!((a, nodes), (b, arena.len()));
}

#[test]
fn zeros_and_ones_stay_apart() {
    let mut arena = Arena::new();
    let values = [
        Value::Float(0f64.to_bits()),
        Value::Float((-0f64).to_bits()),
        int(1),
        Value::Float(1f64.to_bits()),
    ];
    let ids: std::collections::HashSet<NodeId> = values.iter().map(|v| arena.intern(v)).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn one_change_in_a_large_map_adds_a_handful_of_nodes() {
    let mut arena = Arena::new();
    let a = arena.intern(&map_of(100_000, None));
    let before = arena.len();
    let b = arena.intern(&map_of(100_000, Some(5_000)));
    assert!(arena.len() - before <= 40, "{} nodes added", arena.len() - before);
    let (changes, visited) = arena.map_changes_counted(a, b);
    assert!(visited <= 200, "{visited} visited");
    let value = |id: Option<NodeId>| id.map(|id| arena.to_value(id));
    assert_eq!(changes.len(), 1);
    assert_eq!(arena.to_value(changes[0].0), int(5_000));
    assert_eq!(
        (value(changes[0].1), value(changes[0].2)),
        (Some(int(35_000)), Some(int(-1)))
    );
}

#[test]
fn the_order_of_pairs_does_not_matter() {
    let mut arena = Arena::new();
    let Value::Map(mut pairs) = map_of(1_000, None) else {
        unreachable!()
    };
    let a = arena.intern(&Value::Map(pairs.clone()));
    pairs.reverse();
    pairs.swap(3, 500);
    assert_eq!(arena.intern(&Value::Map(pairs)), a);
}

#[test]
fn a_prepend_adds_a_handful_of_nodes() {
    let mut arena = Arena::new();
    let mut items: Vec<Value> = (0..10_000).map(int).collect();
    let a = arena.intern(&Value::List(items.clone()));
    let before = arena.len();
    items.insert(0, int(-5));
    let b = arena.intern(&Value::List(items.clone()));
    assert!(arena.len() - before <= 20, "{} nodes added", arena.len() - before);
    assert_eq!(arena.list_common(a, b), (0, 10_000));
    items[5_000] = int(-6);
    let c = arena.intern(&Value::List(items));
    assert_eq!(arena.list_common(b, c), (5_000, 5_000));
    assert_eq!(arena.list_get(c, 5_000), arena.find(&int(-6)));
}

#[test]
fn deep_terms_do_not_overflow_the_stack() {
    let mut bytes = vec![crate::term::tag::LIST; 100_000];
    bytes.resize(200_000, crate::term::tag::END);
    let mut arena = Arena::new();
    let (id, read) = arena.intern_wire(&bytes).unwrap();
    assert_eq!(read, bytes.len());
    let mut other = Arena::new();
    let copy = other.import(&arena, id);
    assert_eq!(other.hash(copy), arena.hash(id));
}

#[test]
fn a_packed_arena_unpacks_to_the_same_nodes() {
    let mut arena = Arena::new();
    let a = arena.intern(&map_of(1_000, None));
    let b = arena.intern(&Value::List((0..100).map(int).collect()));
    let c = arena.intern(&Value::Tuple(vec![
        Value::Ref(vec![1, 2, 3]),
        Value::Float(7),
        Value::Ref(vec![5, 2, 3]),
    ]));
    let d = arena.intern(&Value::TruncatedMap(
        vec![(int(1), Value::Redacted(crate::term::Kind::Map, 3))],
        9,
    ));
    let packed = arena.pack();
    let again = Arena::unpack(packed.streams.each_ref().map(Vec::as_slice)).unwrap();
    assert_eq!(again.len(), arena.len());
    for id in [a, b, c, d] {
        assert_eq!(again.to_value(id), arena.to_value(id));
        assert_eq!(again.is_complete(id), arena.is_complete(id));
    }
    assert_eq!(again.find(&map_of(1_000, None)), Some(a));
}
