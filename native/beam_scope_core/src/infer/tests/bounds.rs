use super::kit::*;
use crate::term::Value;
use crate::timeline::tests::kit::{a, l, t};

fn has(all: &[String], text: &str) -> bool {
    all.iter().any(|one| one == text)
}

/// Numbers of a walk between two walls, with one outlier.
fn walk(len: usize, low: i64, high: i64, odd: Option<(usize, i64)>) -> Vec<Value> {
    let mut next = random(7);
    let number = |at: usize, k: i64| match odd {
        Some((place, value)) if place == at => value,
        _ => low + k,
    };
    let ks: Vec<i64> = (0..len).map(|_| next((high - low + 1) as u64)).collect();
    ks.into_iter()
        .enumerate()
        .map(|(at, k)| m(&[("level", n(number(at, k)))]))
        .collect()
}

#[test]
fn a_range_that_is_filled() {
    let all = through(walk(100, -2, 5, None));
    assert!(has(&all, "level in -2..5"), "{all:?}");
    assert!(!has(&all, "level is a integer"), "{all:?}");
}

#[test]
fn a_range_that_is_not_filled_is_none() {
    let all = through(walk(40, 0, 1_000, None));
    assert!(!all.iter().any(|one| one.contains("..")), "{all:?}");
    assert!(has(&all, "level is a integer"), "{all:?}");
}

#[test]
fn one_observation_moves_a_bound() {
    let all = through(walk(200, 0, 5, Some((120, 6))));
    assert!(has(&all, "level in 0..6"), "{all:?}");
    let all = through(walk(200, 0, 5, Some((120, 600))));
    assert!(
        !all.iter().any(|one| one.contains("..") && one.ends_with("5")),
        "{all:?}"
    );
}

#[test]
fn a_bound_that_much_lies_on() {
    let mut next = random(3);
    let states: Vec<Value> = (0..60)
        .map(|k| m(&[("left", n(if k % 2 == 0 { 0 } else { 1 + next(10_000) }))]))
        .collect();
    let all = through(states);
    assert!(has(&all, "left in 0.."), "{all:?}");
}

#[test]
fn a_counter_has_no_bounds() {
    let all = through((0..200).map(|k| m(&[("count", n(k))])));
    assert!(!all.iter().any(|one| one.contains("..")), "{all:?}");
}

#[test]
fn sizes() {
    let list = |len: i64| l(&(0..len).map(n).collect::<Vec<_>>());
    let mut next = random(11);
    let all = through((0..80).map(|_| m(&[("items", list(next(4)))])));
    assert!(has(&all, "length(items) in ..3"), "{all:?}");
    let mut next = random(11);
    let all = through((0..80).map(|_| m(&[("items", list(1 + next(4)))])));
    assert!(has(&all, "length(items) in 1..4"), "{all:?}");
    let dict = |len: i64| Value::Map((0..len).map(|k| (n(k), n(k))).collect());
    let mut next = random(12);
    let all = through((0..80).map(|_| m(&[("jobs", dict(next(4)))])));
    assert!(has(&all, "map_size(jobs) in ..3"), "{all:?}");
    let queue = |a: i64, b: i64| t(&[list(a), list(b)]);
    let mut next = random(13);
    let all = through((0..80).map(|_| m(&[("waiting", queue(next(3), next(2)))])));
    assert!(has(&all, "queue(waiting) in ..3"), "{all:?}");
}

#[test]
fn sorted_lists() {
    let upto = |k: i64| l(&(0..k).map(|x| n(x * x)).collect::<Vec<_>>());
    let all = through((0..12).map(|k| m(&[("rising", upto(k))])));
    assert!(has(&all, "rising is rising, up to 11"), "{all:?}");
    let down = |k: i64| l(&(0..k).rev().map(|x| n(x * x)).collect::<Vec<_>>());
    let all = through((0..12).map(|k| m(&[("falling", down(k))])));
    assert!(has(&all, "falling is falling, up to 11"), "{all:?}");
    let all = through((0..12).map(|k| m(&[("few", l(&[n(k)]))])));
    assert!(!all.iter().any(|one| one.contains("up to")), "{all:?}");
}

#[test]
fn one_unsorted_list_ends_it() {
    let mut states: Vec<Value> = (0..30)
        .map(|k| m(&[("list", l(&(0..k).map(n).collect::<Vec<_>>()))]))
        .collect();
    states[17] = m(&[("list", l(&[n(2), n(1)]))]);
    let all = through(states);
    assert!(!all.iter().any(|one| one.contains("rising")), "{all:?}");
    let mut states: Vec<Value> = (0..30)
        .map(|k| m(&[("list", l(&(0..k).map(n).collect::<Vec<_>>()))]))
        .collect();
    states[29] = m(&[("list", l(&[n(1), a("x")]))]);
    let all = through(states);
    assert!(!all.iter().any(|one| one.contains("rising")), "{all:?}");
}

#[test]
fn the_seam_between_what_is_new_and_what_was_there_is_looked_at() {
    let upto = |k: i64| (0..k).map(n).collect::<Vec<_>>();
    let mut states: Vec<Value> = (0..30).map(|k| m(&[("list", l(&upto(k)))])).collect();
    // In order in itself, but not behind what was there.
    let mut items = upto(29);
    items.extend([n(3), n(4)]);
    states.push(m(&[("list", l(&items))]));
    let all = through(states);
    assert!(!all.iter().any(|one| one.contains("rising")), "{all:?}");
}

#[test]
fn only_what_is_new_of_a_long_list_is_looked_at() {
    // 2,000 lists of up to 2,000 elements: two million looks, were each looked at whole; the fuel is less.
    let mut items: Vec<Value> = Vec::new();
    let states: Vec<Value> = (0..2_000)
        .map(|k| {
            items.insert(0, n(-k));
            m(&[("log", l(&items))])
        })
        .collect();
    let all = through(states);
    assert!(has(&all, "log is rising, up to 2000"), "{all:?}");
}
