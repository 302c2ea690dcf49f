//! Checks beside a recording that grows.

use super::*;

const MS: u64 = 1_000_000;

fn told(monitor: &mut Monitor, timeline: &Timeline, now: u64) -> Vec<(usize, Verdict)> {
    let decided = monitor.poll(timeline, now).unwrap();
    decided.iter().map(|(at, finding)| (*at, finding.verdict)).collect()
}

#[test]
fn each_check_is_told_once_by_the_event_that_decides_it() {
    let mut kit = Kit::chunked(3);
    kit.ev(1, EventKind::Send, &[p(2), i(0)]);
    let timeline = kit.timeline();
    let steps = |n: i64| [sent(lit(i(n))).of(name("later"))];
    let mut monitor = Monitor::new(
        &timeline,
        vec![
            check(&timeline, NEVER, None, &steps(7)),
            check(&timeline, count(Some(2), None), None, &steps(3)),
            check(&timeline, count(Some(1), Some(1)), None, &steps(4)),
        ],
    )
    .unwrap();
    assert!(told(&mut monitor, &timeline, 0).is_empty());
    kit.ev(1, EventKind::Register, &[a("later")]);
    for n in 0..6 {
        kit.ev(1, EventKind::Send, &[p(2), i(n)])
            .ev(1, EventKind::Send, &[p(2), i(n)]);
        if n < 3 {
            assert!(told(&mut monitor, &timeline, 0).is_empty(), "at {n}");
        }
    }
    assert_eq!(
        told(&mut monitor, &timeline, 0),
        [(1, Verdict::Held), (2, Verdict::Broken)]
    );
    kit.ev(1, EventKind::Send, &[p(2), i(7)]);
    let decided = monitor.poll(&timeline, 0).unwrap();
    assert_eq!(
        (decided.len(), decided[0].0, seq(&decided[0].1.violation)),
        (1, 0, Some(14))
    );
    assert!(told(&mut monitor, &timeline, 0).is_empty());
    let end: Vec<Verdict> = monitor
        .finish(&timeline, 0)
        .unwrap()
        .iter()
        .map(|one| one.verdict)
        .collect();
    assert_eq!(end, [Verdict::Broken, Verdict::Held, Verdict::Broken]);
}

#[test]
fn all_that_run_a_module_are_watched_as_they_come() {
    let mut kit = Kit::chunked(3);
    kit.server(2, 1, None, "worker", i(0)).looped(2, i(1));
    let timeline = kit.timeline();
    let below = when(var("n"), op("<", &[var("n"), lit(i(0))]));
    let mut monitor = Monitor::new(
        &timeline,
        vec![
            check(&timeline, NEVER, None, &[step(What::State, below).of(module("worker"))]),
            check(&timeline, NEVER, None, &[sent(lit(a("stop"))).to(module("worker"))]),
            check(&timeline, NEVER, None, &[state(anything()).of(module("nobody"))]),
        ],
    )
    .unwrap();
    // Another module's, then another worker's, which is known by the text of its fun only.
    let fun = Value::Opaque(crate::term::Opaque {
        kind: crate::term::Kind::Fun,
        text: "#Fun<worker.1.2>".into(),
    });
    kit.server(3, 1, None, "other", i(0)).looped(3, i(-1));
    kit.ev(1, EventKind::Send, &[p(3), a("stop")]);
    assert!(told(&mut monitor, &timeline, 0).is_empty());
    kit.spawned(4, 1, t(&[a("erlang"), a("apply"), l(&[fun, l(&[])])]));
    kit.ev(1, EventKind::Send, &[p(4), a("stop")]);
    assert_eq!(told(&mut monitor, &timeline, 0), [(1, Verdict::Broken)]);
    kit.server(5, 1, Some("late"), "worker", i(0)).looped(5, i(-2));
    assert_eq!(told(&mut monitor, &timeline, 0), [(0, Verdict::Broken)]);
    let end = monitor.finish(&timeline, 0).unwrap();
    assert_eq!((end[0].seen, end[2].verdict), (2, Verdict::Empty));
}

#[test]
fn time_alone_breaks_what_waits() {
    let mut kit = Kit::new();
    let timeline = kit.timeline();
    let steps = [sent(tagged("order", var("x"))), sent(tagged("shipped", var("x")))];
    let rule = Rule::LeadsTo {
        within_ns: Some(50 * MS),
    };
    let mut monitor = Monitor::new(&timeline, vec![check(&timeline, rule, None, &steps)]).unwrap();
    for n in 0..3 {
        kit.ev(1, EventKind::Send, &[p(2), t(&[a("order"), i(n)])]);
    }
    kit.ev(1, EventKind::Send, &[p(2), t(&[a("shipped"), i(0)])]);
    assert!(told(&mut monitor, &timeline, 40 * MS).is_empty());
    let next = monitor.next_ns().unwrap();
    assert!((50 * MS..100 * MS).contains(&next), "{next}");
    // What came in time may still be on its way.
    assert!(told(&mut monitor, &timeline, 60 * MS).is_empty());
    let decided = monitor.poll(&timeline, next).unwrap();
    assert_eq!((decided.len(), seq(&decided[0].1.violation)), (1, Some(1)));
    assert_eq!(monitor.next_ns(), None);
}

#[test]
fn a_flow_holds_as_soon_as_it_is_complete() {
    let mut kit = Kit::chunked(2);
    kit.ev(1, EventKind::Send, &[p(2), a("x")]);
    let timeline = kit.timeline();
    let steps = [sent(lit(a("x"))), sent(lit(a("y")))];
    let mut monitor = Monitor::new(&timeline, vec![check(&timeline, Rule::Flow, None, &steps)]).unwrap();
    assert!(told(&mut monitor, &timeline, 0).is_empty());
    std::thread::sleep(std::time::Duration::from_millis(20));
    kit.ev(1, EventKind::Send, &[p(2), a("y")]);
    assert_eq!(told(&mut monitor, &timeline, 0), [(0, Verdict::Held)]);
}

#[test]
fn polled_or_run_at_the_end_the_answers_are_the_same() {
    let mut kit = Kit::chunked(3);
    kit.server(2, 1, Some("srv"), "S", i(0)).looped(2, i(0));
    let timeline = kit.timeline();
    let grown = op("=:=", &[var("y"), op("+", &[var("x"), lit(i(1))])]);
    let checks = |timeline: &Timeline| {
        let parts = tup(&[var("x"), var("y"), anything()]);
        vec![
            check(
                timeline,
                ALWAYS,
                None,
                &[step(What::Transition, when(parts, grown.clone()))],
            ),
            check(timeline, count(Some(1), None), None, &[state(lit(i(5)))]),
            check(timeline, count(Some(1), None), None, &[state(lit(i(50)))]),
        ]
    };
    let mut monitor = Monitor::new(&timeline, checks(&timeline)).unwrap();
    for n in 1..20 {
        kit.handled(2, cast(a("add")), i(n - 1));
        monitor.poll(&timeline, 0).unwrap();
        kit.looped(2, i(n));
    }
    let live: Vec<_> = monitor.finish(&timeline, 0).unwrap();
    let after = super::super::run(&timeline, checks(&timeline), 0).unwrap();
    for (one, other) in live.iter().zip(&after) {
        assert_eq!((one.verdict, one.count), (other.verdict, other.count));
        assert_eq!(seq(&one.first), seq(&other.first));
    }
    // What was told stays as it was then.
    let seen: Vec<u64> = live.iter().map(|one| one.seen).collect();
    assert_eq!(seen, [19, 6, 20]);
}

#[test]
fn what_waits_is_bounded() {
    let mut kit = Kit::new();
    let timeline = kit.timeline();
    let steps = [sent(tagged("order", var("x"))), sent(tagged("shipped", var("x")))];
    let rule = Rule::LeadsTo { within_ns: None };
    let mut monitor = Monitor::new(&timeline, vec![check(&timeline, rule, None, &steps)]).unwrap();
    let most = super::super::waiting::MOST as i64;
    for n in 0..most + 10 {
        kit.ev(1, EventKind::Send, &[p(2), t(&[a("order"), i(n)])]);
    }
    monitor.poll(&timeline, 0).unwrap();
    // Those that were forgotten may have been met: nobody can say.
    for n in 0..most + 10 {
        kit.ev(1, EventKind::Send, &[p(2), t(&[a("shipped"), i(n)])]);
    }
    assert_eq!(monitor.finish(&timeline, 0).unwrap()[0].verdict, Verdict::Unknown);
}

#[test]
fn events_that_were_dropped_before_they_were_read_are_a_gap() {
    use crate::store::{Mode, StoreConfig};
    let mut kit = Kit::with(StoreConfig {
        mode: Mode::Ring,
        max_bytes: 256 << 10,
        chunk_events: 256,
        ..StoreConfig::default()
    });
    kit.ev(1, EventKind::Send, &[p(2), a("x")]);
    let timeline = kit.timeline();
    let mut monitor = Monitor::new(
        &timeline,
        vec![check(&timeline, NEVER, None, &[sent(lit(a("z"))).of(pid(1))])],
    )
    .unwrap();
    monitor.poll(&timeline, 0).unwrap();
    for n in 0..40_000 {
        kit.ev(
            1,
            EventKind::Send,
            &[p(2), Value::Binary(format!("{n:040}").into_bytes())],
        );
    }
    let found = monitor.finish(&timeline, 0).unwrap();
    assert!(kit.rec.counts().evicted > 0);
    assert_eq!(found[0].verdict, Verdict::Gap);
    // Read in time, what is dropped later is not missing.
    let mut kit = Kit::with(StoreConfig {
        mode: Mode::Ring,
        max_bytes: 256 << 10,
        chunk_events: 256,
        ..StoreConfig::default()
    });
    let timeline = kit.timeline();
    kit.ev(1, EventKind::Send, &[p(2), a("x")]);
    let mut monitor = Monitor::new(
        &timeline,
        vec![check(&timeline, NEVER, None, &[sent(lit(a("z"))).of(pid(1))])],
    )
    .unwrap();
    for n in 0..40_000 {
        kit.ev(
            1,
            EventKind::Send,
            &[p(2), Value::Binary(format!("{n:040}").into_bytes())],
        );
        if n % 100 == 0 {
            monitor.poll(&timeline, 0).unwrap();
        }
    }
    assert!(kit.rec.counts().evicted > 0);
    let found = monitor.finish(&timeline, 0).unwrap();
    assert_eq!((found[0].verdict, found[0].seen), (Verdict::Held, 40_001));
}

/// 2 takes up messages and is done with them, or calls a function; 4 too; 3 says `told`. After which of these acts a monitor
/// that is polled after each tells that `told` has no cause of its own.
fn uncaused(rule: Rule, cause: &S, acts: &str) -> Option<usize> {
    let mut kit = Kit::chunked(3);
    for server in [2, 4] {
        kit.server(server, 1, None, "S", i(0)).looped(server, i(0));
    }
    let timeline = kit.timeline();
    let steps = [cause.clone(), sent(lit(a("told")))];
    let mut monitor = Monitor::new(&timeline, vec![check(&timeline, rule, None, &steps)]).unwrap();
    assert!(told(&mut monitor, &timeline, 0).is_empty());
    let decided = acts.split_whitespace().position(|act| {
        match act {
            "told" => kit.ev(3, EventKind::Send, &[p(1), a("told")]),
            "done" => kit.looped(2, i(1)),
            "f" => kit.ev(2, EventKind::Call, &[a("m"), a("f"), l(&[])]),
            "back" => kit.ev(2, EventKind::Return, &[a("m"), a("f"), i(0), i(7)]),
            "elsewhere" => kit.handled(4, cast(a("go")), i(0)),
            message => kit.handled(2, cast(a(message)), i(0)),
        };
        told(&mut monitor, &timeline, 0) == [(0, Verdict::Broken)]
    });
    // Whatever is not told meanwhile holds in the end, and so it is after the fact.
    let end = run(&timeline, rule, &steps).verdict;
    assert_eq!(end == Verdict::Broken, decided.is_some(), "{rule:?} {acts}");
    decided
}

#[test]
fn an_effect_without_cause_is_told_when_none_can_have_begun_before() {
    let causality = Rule::Causality {
        within_ns: None,
        strict: false,
    };
    let handled = step(What::Transition, just(tup(&[anything(), anything(), lit(a("go"))]))).of(pid(2));
    let became = state(lit(i(1))).of(pid(2));
    let answered = step(What::Called, just(tup(&[anything(), lit(i(7))]))).function("f");
    for rule in [causality, Rule::Precedes { within_ns: None }] {
        let after = |cause, acts| uncaused(rule, cause, acts);
        for cause in [&handled, &became] {
            assert_eq!(after(cause, "told"), Some(0));
            assert_eq!(after(cause, "elsewhere told"), Some(1));
            assert_eq!(after(cause, "go told done"), None);
            assert_eq!(after(cause, "go done told"), None);
        }
        assert_eq!(after(&handled, "on told f back done go done"), Some(4));
        // The next message that is taken up ends the one before, too.
        assert_eq!(after(&handled, "on told go done"), Some(2));
        assert_eq!(after(&answered, "f told back"), None);
        assert_eq!(after(&answered, "go told f back"), Some(1));
    }
    assert_eq!(uncaused(causality, &handled, "go told told done"), Some(3));
}
