use super::kit::*;
use crate::term::Value;
use crate::timeline::tests::kit::{a, t, Kit};

fn has(all: &[String], text: &str) -> bool {
    all.iter().any(|one| one == text)
}

fn counts(numbers: impl IntoIterator<Item = i64>) -> Vec<String> {
    through(numbers.into_iter().map(|k| m(&[("count", n(k))])))
}

#[test]
fn one_way() {
    let all = counts(0..9);
    assert!(has(&all, "count always grows") && !has(&all, "count grows"), "{all:?}");
    let all = counts((0..9).rev());
    assert!(has(&all, "count always falls"), "{all:?}");
    let all = counts((0..30).map(|k| k / 2));
    assert!(has(&all, "count grows") && !has(&all, "count always grows"), "{all:?}");
    let all = counts((0..30).map(|k| if k == 20 { 3 } else { k }));
    assert!(!all.iter().any(|one| one.contains("grows")), "{all:?}");
}

#[test]
fn sizes_grow_too() {
    let list = |len: i64| Value::List((0..len).map(|_| a("x")).collect());
    let all = through((0..12).map(|k| m(&[("log", list(k))])));
    assert!(has(&all, "length(log) always grows"), "{all:?}");
}

#[test]
fn floats_grow_too() {
    let all = through((0..12).map(|k| m(&[("time", Value::Float((k as f64 * 1.5).to_bits()))])));
    assert!(has(&all, "time always grows"), "{all:?}");
}

/// A counter that adds, sets, resets and is asked; `odd` is a message that does something else at this step.
fn counter(odd: Option<(i64, Value, i64)>) -> Vec<String> {
    let mut kit = Kit::new();
    let state = |count: i64| m(&[("count", n(count)), ("name", b("counter"))]);
    let mut server = Server::named(&mut kit, state(0));
    let (mut count, mut next) = (0, random(9));
    for step in 0..80 {
        if let Some((_, message, now)) = odd.as_ref().filter(|(at, ..)| *at == step) {
            count = *now;
            server.cast(message.clone(), state(count));
            continue;
        }
        let by = 1 + next(30);
        let message = match step % 5 {
            0 => {
                count += 1;
                a("inc")
            }
            1 => {
                count += by;
                t(&[a("add"), n(by)])
            }
            2 => {
                count -= by;
                t(&[a("take"), a("x"), n(by)])
            }
            3 => {
                count = by;
                t(&[a("set"), n(by)])
            }
            _ => a("get"),
        };
        server.cast(message, state(count));
    }
    shown(&kit.timeline())
}

#[test]
fn what_messages_do() {
    let all = counter(None);
    for text in [
        "inc adds 1 to count",
        "add/2 adds what it says at 1: count",
        "take/3 takes what it says at 2: count",
        "set/2 sets count to 1",
        "get leaves state",
        "name is \"counter\"",
    ] {
        assert!(has(&all, text), "{text}: {all:?}");
    }
}

#[test]
fn one_message_that_does_something_else() {
    let cases = [
        (a("inc"), "inc adds 1 to count"),
        (t(&[a("add"), n(3)]), "add/2 adds what it says at 1: count"),
        (t(&[a("take"), a("x"), n(3)]), "take/3 takes what it says at 2: count"),
        (t(&[a("set"), n(3)]), "set/2 sets count to 1"),
        (a("get"), "get leaves state"),
    ];
    for (message, text) in cases {
        let all = counter(Some((50, message, 1_000_000)));
        assert!(!has(&all, text), "{text}: {all:?}");
        assert_eq!(
            all.iter()
                .filter(|one| one.contains(" at ") || one.contains("adds 1"))
                .count(),
            3 - usize::from(text.contains("add") || text.contains(" at ")),
            "{all:?}"
        );
    }
}

#[test]
fn an_argument_that_never_varied_is_part_of_the_message() {
    let mut kit = Kit::new();
    let mut server = Server::named(&mut kit, m(&[("count", n(0))]));
    for k in 1..20 {
        server.cast(t(&[a("add"), n(2)]), m(&[("count", n(2 * k))]));
    }
    let all = shown(&kit.timeline());
    assert!(has(&all, "add/2 with 2 at 1 adds 2 to count"), "{all:?}");
}

#[test]
fn what_one_kind_of_message_leaves() {
    let mut kit = Kit::new();
    let state = |a: i64, b: i64| m(&[("a", n(a)), ("b", n(b))]);
    let mut server = Server::named(&mut kit, state(0, 0));
    for k in 1..12 {
        server
            .cast(a_message("left"), state(k * k, k - 1))
            .cast(a_message("right"), state(k * k, k));
    }
    let all = shown(&kit.timeline());
    assert!(has(&all, "left leaves b") && has(&all, "right leaves a"), "{all:?}");
}

fn a_message(text: &str) -> Value {
    a(text)
}

#[test]
fn what_differs_between_processes_and_nothing_changes() {
    let mut kit = Kit::new();
    for worker in 0..4 {
        let state = |k: i64| m(&[("id", n(worker)), ("done", n(k))]);
        let pid = 0x2003 + 0x100 * worker as u64;
        Server::new(&mut kit, pid, None, "Worker", state(0)).through((1..6).map(state));
    }
    let all = shown(&kit.timeline());
    assert!(has(&all, "%Worker: nothing changes id"), "{all:?}");
    assert!(has(&all, "%Worker: done always grows"), "{all:?}");
}

#[test]
fn a_process_that_was_killed_while_it_worked_has_no_state_after() {
    use crate::event::EventKind;
    use crate::timeline::tests::kit::cast;
    let mut kit = Kit::new();
    Server::named(&mut kit, m(&[("count", n(0))])).through((1..20).map(|k| m(&[("count", n(k))])));
    assert!(has(&shown(&kit.timeline()), "count always grows"));
    kit.handled(SERVER, cast(a("next")), m(&[("count", n(19))]));
    kit.ev(SERVER, EventKind::Exit, &[a("killed")]);
    let all = shown(&kit.timeline());
    assert!(
        !all.iter().any(|one| one.contains("grows") || one.starts_with("next")),
        "{all:?}"
    );
}

#[test]
fn a_message_that_was_cut_may_be_any() {
    use crate::term::Kind;
    let mut kit = Kit::new();
    let mut server = Server::named(&mut kit, m(&[("count", n(0))]));
    server.through((1..20).map(|k| m(&[("count", n(k))])));
    assert!(has(&shown(&server.kit.timeline()), "next adds 1 to count"));
    server.cast(Value::Truncated(Kind::Tuple, 9), m(&[("count", n(50))]));
    let timeline = kit.timeline();
    let all = shown(&timeline);
    assert!(
        has(&all, "count always grows") && !has(&all, "next adds 1 to count"),
        "{all:?}"
    );
    assert_eq!(
        found(&[&timeline], 0.01).notes,
        [crate::infer::Note::Vague(0, "messages handled")]
    );
}
