//! What is shown holds; what holds is shown, or follows from what is.

use proptest::collection::vec;
use proptest::prelude::*;

use super::kit::*;
use super::naive::{Naive, Story};
use crate::infer::{Inference, Measure, Property, Relation, Step};
use crate::store::StoreConfig;
use crate::term::Value;
use crate::timeline::tests::kit::{a, cast, t, Kit};

/// What a step does: which message, and what it draws.
type Draw = (u8, [i64; 6]);

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    vec((0..5_u8, proptest::array::uniform6(0..5_i64)), 1..40)
}

/// Whether the fields of a state follow a rule or are drawn.
type Rules = [bool; 8];

fn list(items: impl IntoIterator<Item = i64>) -> Value {
    Value::List(items.into_iter().map(n).collect())
}

/// A state whose fields follow from a few numbers where a rule says so.
fn state(rules: Rules, before: i64, (_, draw): &Draw) -> (i64, Value) {
    let count = if rules[0] { before + draw[0] } else { draw[0] };
    let other = if rules[1] { count } else { draw[1] };
    let length = if rules[2] { count.min(12) } else { draw[2] };
    let mut items: Vec<i64> = (0..length).map(|at| (at * 7 + draw[3]) % 5).collect();
    if rules[3] {
        items.sort_unstable();
    }
    let jobs = (0..draw[4]).map(|key| (n(key), a("job"))).collect();
    let current = if rules[4] { (draw[4] - 1).max(0) } else { draw[5] };
    let current = if rules[5] && draw[4] == 0 { a("nil") } else { n(current) };
    let status = if rules[6] {
        a("idle")
    } else {
        a(["idle", "busy", "true"][draw[5] as usize % 3])
    };
    let last = if rules[7] {
        items.first().map_or_else(|| n(9), |item| n(*item))
    } else {
        n(draw[1])
    };
    let pairs = [
        ("count", n(count)),
        ("other", n(other)),
        ("rest", n(10 - other)),
        ("items", list(items)),
        ("jobs", Value::Map(jobs)),
        ("current", current),
        ("status", status),
        ("last", last),
        ("queue", t(&[list(0..draw[2]), list(0..draw[3])])),
    ];
    (count, m(&pairs))
}

fn message(from: i64, to: i64, (tag, draw): &Draw) -> Value {
    match tag {
        0 => a("tick"),
        1 => t(&[a("add"), n(to - from)]),
        2 => t(&[a("take"), a("x"), n(from - to)]),
        3 => t(&[a("set"), n(to), n(draw[2])]),
        _ => t(&[a("note"), n(draw[1]), n(draw[2]), n(draw[3])]),
    }
}

fn story(rules: Rules, draws: &[Draw]) -> Story {
    let (mut count, first) = state(rules, 0, &draws[0]);
    let mut story = Story {
        states: vec![first],
        messages: Vec::new(),
    };
    for draw in &draws[1..] {
        let (now, next) = state(rules, count, draw);
        story.messages.push(message(count, now, draw));
        story.states.push(next);
        count = now;
    }
    story
}

/// The story as a recording, in chunks of so many events.
fn recorded(story: &Story, chunk_events: usize) -> Kit {
    let mut kit = Kit::with(StoreConfig {
        chunk_events,
        ..StoreConfig::default()
    });
    kit.server(SERVER, CLIENT, Some("server"), "Server", n(0));
    kit.looped(SERVER, story.states[0].clone());
    for (at, message) in story.messages.iter().enumerate() {
        kit.handled(SERVER, cast(message.clone()), story.states[at].clone());
        kit.looped(SERVER, story.states[at + 1].clone());
    }
    kit
}

fn all(story: &Story, chunk_events: usize) -> Inference {
    found(&[&recorded(story, chunk_events).timeline()], 1.0)
}

/// The field of a property of one, by its name.
fn field(inference: &Inference, path: &[Step]) -> String {
    match path {
        [Step::Key(key)] => inference.atoms[key.0 as usize].text.to_string(),
        other => format!("{other:?}"),
    }
}

fn constants(inference: &Inference) -> Vec<String> {
    let all = inference.candidates.iter().filter_map(|one| match &one.property {
        Property::Constant(path, _) => Some(field(inference, path)),
        _ => None,
    });
    all.collect()
}

/// Pairs of fields that are shown to be equal.
fn equals(inference: &Inference) -> Vec<(String, String)> {
    let all = inference.candidates.iter().filter_map(|one| match &one.property {
        Property::Compare {
            left,
            relation: Relation::Equal,
            right,
            plus: 0,
        } if left.measure == Measure::Value && right.measure == Measure::Value => {
            Some((field(inference, &left.path), field(inference, &right.path)))
        }
        _ => None,
    });
    all.collect()
}

fn get<'v>(state: &'v Value, name: &str) -> &'v Value {
    match state {
        Value::Map(pairs) => &pairs.iter().find(|(key, _)| *key == a(name)).expect("a field").1,
        other => panic!("{other:?}"),
    }
}

const SCALARS: [&str; 6] = ["count", "current", "last", "other", "rest", "status"];

proptest! {
    #[test]
    fn what_is_shown_holds(rules: Rules, draws in draws(), chunk in 3..50_usize) {
        let story = story(rules, &draws);
        let inference = all(&story, chunk);
        for one in &inference.candidates {
            prop_assert!(Naive(&inference).holds(&story, &one.property), "{one:?}");
            prop_assert!(one.ln_chance <= 0.0 && one.observations >= 2);
        }
    }

    #[test]
    fn another_state_that_contradicts_takes_it_away(rules: Rules, draws in draws(), more in draws()) {
        let before = all(&story(rules, &draws), 20);
        let drawn: Vec<Draw> = draws.iter().chain(&more).cloned().collect();
        let longer = story(rules, &drawn);
        let after = all(&longer, 20);
        let naive = Naive(&before);
        let left = words(&after);
        for (one, text) in before.candidates.iter().zip(words(&before)) {
            if !naive.holds(&longer, &one.property) {
                prop_assert!(!left.contains(&text), "{text}");
            }
        }
    }

    #[test]
    fn what_holds_of_one_field_is_shown(rules: Rules, draws in draws()) {
        let story = story(rules, &draws);
        let inference = all(&story, 20);
        let changes = story.states.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let (constants, equals, shown) = (constants(&inference), equals(&inference), words(&inference));
        for name in SCALARS {
            let values: Vec<&Value> = story.states.iter().map(|state| get(state, name)).collect();
            let constant = changes > 0 && values.iter().all(|value| *value == values[0]);
            prop_assert_eq!(constant, constants.contains(&name.to_owned()), "{}: {:?}", name, shown);
        }
        for name in ["count", "other", "rest"] {
            let led = equals.iter().any(|(_, right)| right == name);
            let ints: Vec<i64> = story.states.iter().map(|state| match get(state, name) {
                Value::Int(n) => *n,
                other => panic!("{other:?}"),
            }).collect();
            let steps = || ints.windows(2);
            let moves = steps().filter(|pair| pair[0] != pair[1]).count();
            let grows = steps().all(|pair| pair[0] <= pair[1]) && moves > 1 && !led;
            let said = shown.iter().any(|one| *one == format!("{name} grows") || *one == format!("{name} always grows"));
            let by_size = shown.iter().any(|one| one.starts_with(&format!("{name} == length")));
            prop_assert_eq!(grows, said, "{} {}: {:?}", name, by_size, shown);
        }
    }

    #[test]
    fn what_holds_of_two_fields_is_shown(rules: Rules, draws in draws()) {
        let story = story(rules, &draws);
        let inference = all(&story, 20);
        let equals = equals(&inference);
        let values = |name: &str| -> Vec<Value> { story.states.iter().map(|state| get(state, name).clone()).collect() };
        let varies = |values: &[Value]| values.iter().any(|value| *value != values[0]);
        // The leader of each field, itself where it is told for itself.
        let leader = |name: &str| equals.iter().find(|(_, right)| right == name).map_or(name.to_owned(), |(left, _)| left.clone());
        for (at, left) in SCALARS.iter().enumerate() {
            for right in &SCALARS[at + 1..] {
                let (a, b) = (values(left), values(right));
                let changes = a.windows(2).filter(|pair| pair[0] != pair[1]).count();
                if varies(&a) && changes > 0 {
                    prop_assert_eq!(a == b, leader(left) == leader(right), "{} {} {:?}", left, right, equals);
                }
            }
        }
    }

    #[test]
    fn what_messages_do_is_shown(rules: Rules, draws in draws()) {
        let story = story([true, false, rules[2], rules[3], rules[4], rules[5], rules[6], rules[7]], &draws);
        let shown = words(&all(&story, 20));
        let said = |message: &Value, at: usize| match message {
            Value::Tuple(items) => items[at].clone(),
            other => other.clone(),
        };
        for (tag, at, text) in [
            ("add", 1, "add/2 adds what it says at 1: count"),
            ("take", 2, "take/3 takes what it says at 2: count"),
        ] {
            let own: Vec<&Value> = story.messages.iter().filter(|message| said(message, 0) == a(tag)).collect();
            let varied = own.iter().any(|message| said(message, at) != said(own[0], at));
            prop_assert_eq!(varied, shown.iter().any(|one| one == text), "{}: {:?}", text, shown);
        }
    }
}
