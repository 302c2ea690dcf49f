use super::kit::*;
use crate::term::Value;
use crate::timeline::tests::kit::{a, l};

fn has(all: &[String], text: &str) -> bool {
    all.iter().any(|one| one == text)
}

fn list(len: i64) -> Value {
    l(&(0..len).map(|_| a("x")).collect::<Vec<_>>())
}

/// States of a walk, with another one at a place.
fn with(len: i64, of: impl Fn(i64) -> Value, odd: Option<(usize, Value)>) -> Vec<String> {
    let mut next = random(5);
    let mut states: Vec<Value> = (0..len).map(|_| of(next(20))).collect();
    if let Some((at, state)) = odd {
        states[at] = state;
    }
    through(states)
}

#[test]
fn equal_fields() {
    let of = |k| m(&[("a", n(k)), ("b", n(k)), ("c", n(k))]);
    let all = with(30, of, None);
    assert!(has(&all, "a == b") && has(&all, "a == c"), "{all:?}");
    // Of fields that are the same, one is told.
    assert!(
        !all.iter()
            .any(|one| one.contains("b == c") || one.contains("<=") || one.starts_with("b is")),
        "{all:?}"
    );
    let all = with(30, of, Some((20, m(&[("a", n(1)), ("b", n(2)), ("c", n(1))]))));
    assert!(!has(&all, "a == b") && has(&all, "a == c"), "{all:?}");
    let texts = |k: i64| m(&[("a", b(&k.to_string())), ("b", b(&k.to_string()))]);
    assert!(has(&with(30, texts, None), "a == b"));
}

#[test]
fn a_count_is_the_length_of_a_list() {
    let of = |k| m(&[("count", n(k)), ("items", list(k))]);
    let all = with(30, of, None);
    assert!(has(&all, "count == length(items)"), "{all:?}");
    let all = with(30, of, Some((20, m(&[("count", n(3)), ("items", list(4))]))));
    assert!(!has(&all, "count == length(items)"), "{all:?}");
    assert!(has(&all, "count <= length(items)"), "{all:?}");
}

#[test]
fn order() {
    let of = |k: i64| m(&[("high", n(k + k % 3)), ("low", n(k))]);
    let all = with(60, of, None);
    assert!(has(&all, "low <= high"), "{all:?}");
    let strict = |k: i64| m(&[("high", n(k + 1 + k % 3)), ("low", n(k))]);
    let all = with(60, strict, None);
    assert!(has(&all, "low < high") && !has(&all, "low <= high"), "{all:?}");
    let all = with(60, strict, Some((40, m(&[("high", n(5)), ("low", n(5))]))));
    assert!(has(&all, "low <= high") && !has(&all, "low < high"), "{all:?}");
    let all = with(60, of, Some((40, m(&[("high", n(5)), ("low", n(6))]))));
    assert!(!all.iter().any(|one| one.contains('<')), "{all:?}");
}

#[test]
fn what_follows_from_two_orders_is_not_said() {
    let of = |k: i64| m(&[("a", n(k)), ("b", n(k + k % 3)), ("c", n(k + k % 3 + k % 2))]);
    let all = with(80, of, None);
    assert!(
        has(&all, "a <= b") && has(&all, "b <= c") && !has(&all, "a <= c"),
        "{all:?}"
    );
}

#[test]
fn a_strict_order_does_not_follow_from_two_that_are_not() {
    // c is above a by one of two steps, never by none.
    let of = |k: i64| m(&[("a", n(k)), ("b", n(k + k % 2)), ("c", n(k + 1))]);
    let all = with(80, of, None);
    assert!(
        has(&all, "a <= b") && has(&all, "b <= c") && has(&all, "c == a + 1"),
        "{all:?}"
    );
    let of = |k: i64| m(&[("a", n(k)), ("b", n(k + k % 2)), ("c", n(k + 1 + (k % 4) / 3))]);
    let all = with(80, of, None);
    assert!(
        has(&all, "a <= b") && has(&all, "b <= c") && has(&all, "a < c"),
        "{all:?}"
    );
}

#[test]
fn ranges_apart_have_no_order() {
    let all = with(60, |k| m(&[("a", n(k)), ("b", n(k * 7 % 20 + 100))]), None);
    assert!(!all.iter().any(|one| one.contains('<')), "{all:?}");
}

#[test]
fn differences_and_sums() {
    let of = |k: i64| m(&[("free", list(20 - k)), ("next", n(k + 3)), ("used", n(k))]);
    let all = with(40, of, None);
    assert!(has(&all, "next == used + 3"), "{all:?}");
    assert!(has(&all, "length(free) + used == 20"), "{all:?}");
    assert!(!all.iter().any(|one| one.contains('<')), "{all:?}");
    let all = with(
        40,
        of,
        Some((30, m(&[("free", list(3)), ("next", n(9)), ("used", n(5))]))),
    );
    assert!(
        !all.iter().any(|one| one.contains("== used +") || one.contains("== 20")),
        "{all:?}"
    );
}

#[test]
fn heads_and_keys() {
    let history = |k: i64| l(&(0..=k).rev().map(|x| n(x * 31)).collect::<Vec<_>>());
    let all = with(40, |k| m(&[("history", history(k)), ("last", n(k * 31))]), None);
    assert!(has(&all, "last heads history"), "{all:?}");
    let empty = m(&[("history", l(&[])), ("last", n(-1))]);
    let all = with(
        40,
        |k| m(&[("history", history(k)), ("last", n(k * 31))]),
        Some((9, empty)),
    );
    assert!(has(&all, "last heads history or empty"), "{all:?}");
    let wrong = m(&[("history", history(3)), ("last", n(-1))]);
    let all = with(
        40,
        |k| m(&[("history", history(k)), ("last", n(k * 31))]),
        Some((9, wrong)),
    );
    assert!(!all.iter().any(|one| one.contains("heads")), "{all:?}");

    let jobs = |k: i64| Value::Map((0..=k).map(|x| (n(x), b("job"))).collect());
    let of = |k: i64| m(&[("current", n(k / 2)), ("jobs", jobs(k))]);
    assert!(has(&with(40, of, None), "current is a key of jobs"));
    let idle = m(&[("current", a("nil")), ("jobs", jobs(3))]);
    assert!(has(&with(40, of, Some((9, idle))), "current is a key of jobs or nil"));
    let wrong = m(&[("current", n(50)), ("jobs", jobs(3))]);
    assert!(!with(40, of, Some((9, wrong))).iter().any(|one| one.contains("key")));
}
