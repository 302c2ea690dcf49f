use super::kit::*;
use crate::term::Value;
use crate::timeline::tests::kit::{a, l, t};

fn has(all: &[String], text: &str) -> bool {
    all.iter().any(|one| one == text)
}

fn state(k: i64) -> Value {
    m(&[("limit", n(10)), ("noise", n(k))])
}

#[test]
fn a_constant_needs_eight_states_that_differ_elsewhere() {
    assert!(!has(&through((0..7).map(state)), "limit is 10"));
    let all = through((0..8).map(state));
    assert!(has(&all, "limit is 10"), "{all:?}");
}

#[test]
fn a_state_that_stays_tests_nothing() {
    let all = through((0..100).map(|_| state(1)));
    assert_eq!(all, ["next leaves state"]);
}

#[test]
fn one_other_value_ends_a_constant() {
    let states = (0..20).map(|k| m(&[("limit", n(if k == 13 { 11 } else { 10 })), ("noise", n(k))]));
    let all = through(states);
    assert!(!all.iter().any(|one| one.starts_with("limit is ")), "{all:?}");
}

#[test]
fn a_constant_makes_no_other_templates() {
    let all = through((0..50).map(|k| m(&[("a", n(7)), ("b", n(7)), ("c", n(k))])));
    assert!(has(&all, "a is 7") && has(&all, "b is 7"), "{all:?}");
    assert!(
        !all.iter()
            .any(|one| one.contains("a ==") || one.contains("a <") || one.contains("leaves")),
        "{all:?}"
    );
}

#[test]
fn a_few_values() {
    let values = ["idle", "busy", "done"];
    let states = (0..40).map(|k| m(&[("status", a(values[k % 3]))]));
    let all = through(states);
    assert!(has(&all, "status in [idle, busy, done]"), "{all:?}");
    assert!(!all.iter().any(|one| one.starts_with("status is")), "{all:?}");
    let rare = through((0..12).map(|k| m(&[("status", a(values[k % 3]))])));
    assert!(!rare.iter().any(|one| one.contains(" in ")), "{rare:?}");
}

#[test]
fn a_value_more_makes_a_set_larger_or_none() {
    let mut states: Vec<Value> = (0..60).map(|k| m(&[("status", a(["idle", "busy"][k % 2]))])).collect();
    states[31] = m(&[("status", a("stuck"))]);
    let all = through(states.clone());
    assert!(has(&all, "status in [idle, busy, stuck]"), "{all:?}");
    for (at, name) in ["u", "v", "w"].iter().enumerate() {
        states[33 + at] = m(&[("status", a(name))]);
    }
    let all = through(states);
    assert!(!all.iter().any(|one| one.contains(" in ")), "{all:?}");
    assert!(
        has(&all, "status is a atom") && has(&all, "status is not nil"),
        "{all:?}"
    );
}

#[test]
fn sorts_and_nil() {
    let sorts = |k: i64| match k % 3 {
        0 => a("nil"),
        _ => n(k * 1_000),
    };
    let all = through((0..30).map(|k| m(&[("owner", sorts(k))])));
    assert!(has(&all, "owner is a nil or integer"), "{all:?}");
    assert!(!has(&all, "owner is not nil"), "{all:?}");

    let mixed = |k: i64| match k % 4 {
        0 => b(&k.to_string()),
        1 => t(&[n(k), n(1)]),
        2 => l(&[n(k)]),
        _ => n(k * 1_000),
    };
    let all = through((0..30).map(|k| m(&[("any", mixed(k))])));
    assert!(has(&all, "any is not nil"), "{all:?}");
    assert!(!all.iter().any(|one| one.starts_with("any is a")), "{all:?}");

    let all = through((0..30).map(|k| m(&[("any", if k == 20 { a("nil") } else { mixed(k) })])));
    assert!(!has(&all, "any is not nil"), "{all:?}");
}

#[test]
fn one_other_sort_ends_a_type() {
    let of = |odd: Option<i64>| through((0..40).map(|k| m(&[("x", if Some(k) == odd { b("x") } else { n(k * k) })])));
    assert!(has(&of(None), "x is a integer"));
    assert!(!of(Some(39)).iter().any(|one| one == "x is a integer"));
}

#[test]
fn fields_lie_two_levels_deep_and_in_tuples() {
    let deep = |k: i64| m(&[("conf", m(&[("size", n(3)), ("deep", m(&[("x", n(k))]))]))]);
    let all = through((0..10).map(deep));
    assert!(has(&all, "conf.size is 3"), "{all:?}");
    let record = |k: i64| t(&[a("state"), n(k), m(&[("size", n(3)), ("seen", n(k))])]);
    let all = through((0..10).map(record));
    assert!(has(&all, "0 is state") && has(&all, "2.size is 3"), "{all:?}");
    let all = through((0..10).map(n));
    assert!(has(&all, "state always grows"), "{all:?}");
}

#[test]
fn what_is_not_in_every_state_is_no_field() {
    let states = (0..40).map(|k| {
        if k == 30 {
            m(&[("x", n(k))])
        } else {
            m(&[("x", n(k)), ("limit", n(1))])
        }
    });
    let all = through(states);
    assert!(has(&all, "x always grows"), "{all:?}");
    assert!(!all.iter().any(|one| one.contains("limit")), "{all:?}");
}

#[test]
fn what_was_cut_or_redacted_is_no_observation() {
    use crate::term::Kind;
    let hidden = [Value::Redacted(Kind::Integer, 8), Value::Truncated(Kind::Integer, 0)];
    for hidden in hidden {
        let limit = |k: i64| if k == 25 { hidden.clone() } else { n(10) };
        let states = (0..40).map(|k| m(&[("limit", limit(k)), ("noise", n(k))]));
        let mut kit = crate::timeline::tests::kit::Kit::new();
        let mut states = states.collect::<Vec<_>>().into_iter();
        let first = states.next().expect("a state");
        Server::named(&mut kit, first).through(states);
        let timeline = kit.timeline();
        let all = shown(&timeline);
        assert!(has(&all, "noise always grows"), "{all:?}");
        assert!(!all.iter().any(|one| one.contains("limit")), "{all:?}");
        let notes = found(&[&timeline], 0.01).notes;
        assert!(
            matches!(notes.as_slice(), [crate::infer::Note::Unseen(0, path)] if path.len() == 1),
            "{notes:?}"
        );
    }
}

#[test]
fn a_list_cut_within_is_not_compared() {
    use crate::term::Kind;
    let item = |k: i64| {
        if k == 3 {
            Value::Truncated(Kind::Binary, 9)
        } else {
            b("x")
        }
    };
    let states = (0..30).map(|k| m(&[("items", l(&[n(1), item(k)])), ("noise", n(k))]));
    let all = through(states);
    assert!(
        !all.iter()
            .any(|one| one.contains("items is [") || one.contains("changes items")),
        "{all:?}"
    );
}
