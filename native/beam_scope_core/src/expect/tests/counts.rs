//! Checks of one step.

use super::*;
use crate::event::{Fields, Point};

fn talk() -> Kit {
    let mut kit = Kit::chunked(3);
    kit.server(2, 1, Some("srv"), "S", i(0));
    for n in 1..4 {
        kit.ev(1, EventKind::Send, &[p(2), call(1, n, t(&[a("add"), i(i64::from(n))]))]);
        kit.ev(
            2,
            EventKind::Receive,
            &[call(1, n, t(&[a("add"), i(i64::from(n))])), p(1)],
        );
    }
    kit
}

/// A server that counts: state 0, then one more for each `{add, n}`.
fn counter(chunk: usize) -> Kit {
    let mut kit = Kit::chunked(chunk);
    kit.server(2, 1, Some("srv"), "S", i(0)).looped(2, i(0));
    for n in 1..4 {
        kit.handled(2, cast(t(&[a("add"), i(n)])), i(n - 1)).looped(2, i(n));
    }
    kit
}

#[test]
fn messages_are_counted_with_and_without_their_envelope() {
    let timeline = talk().timeline();
    let add = |guard| step(What::Sent, when(tagged("add", var("n")), guard));
    let all = run(&timeline, count(Some(3), Some(3)), &[add(a("nil"))]);
    assert_eq!((all.verdict, all.count, all.seen), (Verdict::Held, 3, 3));
    assert_eq!(bound(&all), [("n".to_owned(), i(1))]);
    assert_eq!(seq(&all.first), Some(3));
    let more = run(&timeline, count(Some(1), Some(2)), &[add(a("nil"))]);
    assert_eq!((more.verdict, seq(&more.violation)), (Verdict::Broken, Some(7)));
    let few = run(&timeline, count(Some(4), None), &[add(a("nil"))]);
    assert_eq!((few.verdict, few.count), (Verdict::Broken, 3));
    let large = run(&timeline, count(Some(1), None), &[add(op(">", &[var("n"), lit(i(2))]))]);
    assert_eq!((large.count, bound(&large)), (1, vec![("n".to_owned(), i(3))]));
}

#[test]
fn selectors_leave_out_what_is_not_asked_for() {
    let timeline = talk().timeline();
    let n = |step: S| run(&timeline, count(None, None), &[step]).seen;
    assert_eq!(n(sent(anything()).from(pid(1)).to(name("srv"))), 3);
    assert_eq!(n(sent(anything()).of(pid(2))), 0);
    assert_eq!(n(step(What::Received, just(anything())).of(name("srv"))), 3);
    assert_eq!(n(step(What::Received, just(anything())).from(pid(1))), 3);
    let nobody = super::super::run(
        &timeline,
        vec![check(&timeline, NEVER, None, &[sent(anything()).of(name("nobody"))])],
        0,
    );
    assert!(matches!(nobody, Err(crate::timeline::TimelineError::NoSuchProcess)));
}

#[test]
fn nothing_recorded_is_no_proof() {
    let timeline = talk().timeline();
    let crash = step(What::Crashed, just(anything()));
    assert_eq!(
        run(&timeline, count(None, Some(0)), std::slice::from_ref(&crash)).verdict,
        Verdict::Empty
    );
    assert_eq!(
        run(&timeline, NEVER, std::slice::from_ref(&crash)).verdict,
        Verdict::Empty
    );
    assert_eq!(
        run(&timeline, ALWAYS, std::slice::from_ref(&crash)).verdict,
        Verdict::Empty
    );
    assert_eq!(run(&timeline, count(Some(1), None), &[crash]).verdict, Verdict::Empty);
    let other = sent(lit(a("other")));
    assert_eq!(run(&timeline, count(None, Some(0)), &[other]).verdict, Verdict::Held);
}

#[test]
fn states_and_transitions_of_all_processes_in_one_pass() {
    for chunk in [1, 2, 5, 100] {
        let mut kit = counter(chunk);
        kit.server(3, 1, None, "S", i(0)).looped(3, i(100));
        kit.handled(3, cast(t(&[a("add"), i(1)])), i(100)).looped(3, i(101));
        let timeline = kit.timeline();
        let states = run(&timeline, count(None, None), &[state(var("s"))]);
        assert_eq!((states.count, states.seen), (6, 6), "chunks of {chunk}");
        let srv = run(&timeline, count(Some(1), None), &[state(lit(i(2))).of(name("srv"))]);
        assert_eq!((srv.verdict, srv.count), (Verdict::Held, 1));
        let parts = tup(&[var("x"), var("y"), tagged("add", anything())]);
        let by_one = op("=:=", &[var("y"), op("+", &[var("x"), lit(i(1))])]);
        let step = step(What::Transition, when(parts, by_one));
        let all = run(&timeline, ALWAYS, &[step]);
        assert_eq!((all.verdict, all.count, all.seen), (Verdict::Held, 4, 4));
    }
}

#[test]
fn a_first_state_has_none_before_it() {
    let timeline = counter(2).timeline();
    let of = |parts: &[Value]| {
        run(
            &timeline,
            count(None, None),
            &[step(What::Transition, just(tup(parts)))],
        )
    };
    assert_eq!(of(&[var("x"), anything(), anything()]).seen, 3);
    let begins = of(&[anything(), lit(i(0)), anything()]);
    assert_eq!((begins.seen, begins.count), (4, 1));
}

#[test]
fn a_scope_chooses_transitions_and_lends_its_variables() {
    let timeline = counter(2).timeline();
    let grown = op("=:=", &[var("y"), op("+", &[var("x"), var("n")])]);
    let of = |scope: Value| {
        let step = step(
            What::Transition,
            when(tup(&[var("x"), var("y"), anything()]), grown.clone()),
        );
        run_check(&timeline, check(&timeline, ALWAYS, Some(just(scope)), &[step]))
    };
    let one = of(tup(&[lit(a("add")), t(&[a("as"), var("n"), lit(i(1))])]));
    assert_eq!((one.verdict, one.seen, one.count), (Verdict::Held, 1, 1));
    let all = of(tagged("add", var("n")));
    assert_eq!((all.verdict, all.seen, all.count), (Verdict::Broken, 3, 1));
    assert_eq!(of(tagged("sub", var("n"))).verdict, Verdict::Empty);
}

#[test]
fn what_cannot_be_seen_decides_nothing() {
    let mut kit = talk();
    kit.ev(
        1,
        EventKind::Send,
        &[p(2), t(&[a("add"), Value::Truncated(crate::term::Kind::Integer, 0)])],
    );
    let timeline = kit.timeline();
    let nine = || sent(tagged("add", lit(i(9))));
    let never = run(&timeline, NEVER, &[nine()]);
    assert_eq!(
        (never.verdict, never.unknown, seq(&never.nearest)),
        (Verdict::Unknown, 1, Some(9))
    );
    assert_eq!(
        run(&timeline, count(None, Some(0)), &[nine()]).verdict,
        Verdict::Unknown
    );
    assert_eq!(
        run(&timeline, count(Some(1), None), &[nine()]).verdict,
        Verdict::Unknown
    );
    assert_eq!(run(&timeline, count(Some(2), None), &[nine()]).verdict, Verdict::Broken);
    // There is room for one more, whatever it is.
    assert_eq!(run(&timeline, count(None, Some(1)), &[nine()]).verdict, Verdict::Held);
    let any_number = sent(tagged("add", anything()));
    assert_eq!(
        run(&timeline, count(Some(4), Some(4)), &[any_number]).verdict,
        Verdict::Held
    );
    // What was seen to break it breaks it, whatever else is hidden.
    let two = sent(tagged("add", lit(i(2))));
    assert_eq!(run(&timeline, NEVER, &[two]).verdict, Verdict::Broken);
}

#[test]
fn what_was_lost_makes_nothing_pass() {
    let mut kit = talk();
    kit.lose(1, 5).ev(1, EventKind::Link, &[p(9)]);
    let timeline = kit.timeline();
    let nine = || sent(tagged("add", lit(i(9))));
    let never = run(&timeline, NEVER, &[nine().of(pid(1))]);
    assert_eq!(never.verdict, Verdict::Gap);
    let gap = never.gap.unwrap();
    assert_eq!((gap.count, gap.pid), (5, Some(1)));
    assert!(gap.from_ns <= gap.to_ns && gap.to_ns == kit.rec.end_ns());
    assert_eq!(run(&timeline, count(None, Some(0)), &[nine()]).verdict, Verdict::Gap);
    assert_eq!(run(&timeline, count(Some(1), None), &[nine()]).verdict, Verdict::Gap);
    assert_eq!(run(&timeline, ALWAYS, &[sent(anything())]).verdict, Verdict::Gap);
    // Nobody looks at the process that lost them.
    assert_eq!(run(&timeline, NEVER, &[nine().of(pid(2))]).verdict, Verdict::Empty);
    let received = step(What::Received, just(lit(a("x")))).of(pid(2));
    assert_eq!(run(&timeline, NEVER, &[received]).verdict, Verdict::Held);
    // What was reached was reached, and what was broken is broken.
    assert_eq!(
        run(&timeline, count(Some(3), None), &[sent(anything())]).verdict,
        Verdict::Held
    );
    assert_eq!(run(&timeline, NEVER, &[sent(anything())]).verdict, Verdict::Broken);
    assert_eq!(
        run(&timeline, count(Some(3), Some(3)), &[sent(anything())]).verdict,
        Verdict::Gap
    );
}

#[test]
fn a_loss_counts_only_within_the_span() {
    let mut kit = talk();
    kit.lose(1, 5).ev(1, EventKind::Link, &[p(9)]);
    let late = kit.rec.end_ns();
    kit.ev(1, EventKind::Send, &[p(2), a("late")])
        .ev(1, EventKind::Send, &[p(2), a("last")]);
    let timeline = kit.timeline();
    let never = |since: Option<Moment>, until: Option<Moment>| {
        let check = check(&timeline, NEVER, None, &[sent(lit(a("x"))).of(pid(1))]);
        run_check(&timeline, Check { since, until, ..check }).verdict
    };
    assert_eq!(never(None, None), Verdict::Gap);
    assert_eq!(never(Some(Moment::AtNs(late + 1)), None), Verdict::Held);
    assert_eq!(never(Some(Moment::Seq(10)), None), Verdict::Held);
    assert_eq!(never(None, Some(Moment::AtNs(40))), Verdict::Held);
    assert_eq!(never(Some(Moment::End), None), Verdict::Empty);
    let check = check(&timeline, NEVER, None, &[sent(anything())]);
    let outside = Check {
        since: Some(Moment::Seq(99)),
        ..check
    };
    assert!(super::super::run(&timeline, vec![outside], 0).is_err());
}

#[test]
fn events_after_a_limit_and_evicted_ones_are_lost_to_everyone() {
    use crate::store::StoreConfig;
    let mut kit = Kit::with(StoreConfig {
        max_events: Some(4),
        ..StoreConfig::default()
    });
    for n in 0..9 {
        kit.ev(1, EventKind::Send, &[p(2), i(n)]);
    }
    let timeline = kit.timeline();
    let never = run(&timeline, NEVER, &[sent(lit(i(7))).of(pid(1))]);
    assert_eq!((never.verdict, never.gap.unwrap().count), (Verdict::Gap, 5));
    assert_eq!(
        run(&timeline, count(Some(4), None), &[sent(anything())]).verdict,
        Verdict::Held
    );
}

#[test]
fn a_state_that_stands_when_the_span_begins_counts() {
    let timeline = counter(2).timeline();
    let since = |seq| {
        let check = check(&timeline, NEVER, None, &[state(lit(i(1))).of(name("srv"))]);
        run_check(
            &timeline,
            Check {
                since: Some(Moment::Seq(seq)),
                ..check
            },
        )
    };
    // The state became 1 with event 5, and 2 with event 7.
    assert_eq!(since(6).verdict, Verdict::Broken);
    assert_eq!(since(7).verdict, Verdict::Broken);
    assert_eq!(since(8).verdict, Verdict::Held);
}

#[test]
fn after_a_loss_a_transition_has_no_known_state_before_it() {
    let mut kit = counter(3);
    kit.lose(2, 2);
    // A loop that tells no state before a message is handled.
    kit.state(2, Point::Handled, &[(Fields::MESSAGE, cast(t(&[a("add"), i(9)])))]);
    kit.looped(2, i(50));
    let timeline = kit.timeline();
    let of = |from: Value| {
        let parts = tup(&[from, lit(i(50)), anything()]);
        let check = check(&timeline, NEVER, None, &[step(What::Transition, just(parts))]);
        run_check(&timeline, Check { until: None, ..check })
    };
    assert_eq!(of(lit(i(3))).verdict, Verdict::Unknown);
    assert_eq!(of(var("x")).unknown, 1);
    assert_eq!(of(anything()).verdict, Verdict::Broken);
}

#[test]
fn a_crash_counts_once_and_matches_with_and_without_its_stacktrace() {
    let mut kit = Kit::chunked(3);
    let trace = l(&[t(&[a("m"), a("f"), i(0), l(&[])])]);
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    kit.handled(2, cast(a("boom")), i(0))
        .ended(2, "error", a("badarith"), i(0));
    kit.ev(2, EventKind::Exit, &[t(&[a("badarith"), trace.clone()])]);
    kit.spawned(3, 1, a("x"))
        .ev(3, EventKind::Exit, &[t(&[a("oops"), trace])]);
    for (pid, reason) in [
        (4, a("normal")),
        (5, a("shutdown")),
        (6, t(&[a("shutdown"), a("x")])),
        (7, a("killed")),
    ] {
        kit.spawned(pid, 1, a("x")).ev(pid, EventKind::Exit, &[reason]);
    }
    let timeline = kit.timeline();
    let crashes = |head: Value| {
        let found = run(&timeline, count(None, None), &[step(What::Crashed, just(head))]);
        (found.count, found.seen)
    };
    assert_eq!(crashes(anything()), (3, 3));
    assert_eq!(crashes(lit(a("badarith"))), (1, 3));
    assert_eq!(crashes(tup(&[lit(a("badarith")), anything()])), (1, 3));
    assert_eq!(crashes(lit(a("oops"))), (1, 3));
    assert_eq!(crashes(lit(a("killed"))), (1, 3));
    assert_eq!(
        run(&timeline, NEVER, &[step(What::Crashed, just(anything())).of(pid(2))]).verdict,
        Verdict::Broken
    );
    assert_eq!(
        run(&timeline, NEVER, &[step(What::Crashed, just(anything())).of(pid(4))]).verdict,
        Verdict::Empty
    );
}

#[test]
fn the_nearest_miss_is_told() {
    let mut kit = talk();
    kit.ev(1, EventKind::Send, &[p(2), t(&[a("add"), a("x")])])
        .ev(1, EventKind::Send, &[p(2), t(&[a("sub"), i(1)])]);
    let timeline = kit.timeline();
    let near = |head: Value| seq(&run(&timeline, count(Some(1), None), &[sent(head)]).nearest);
    assert_eq!(near(tagged("add", lit(a("y")))), Some(3));
    assert_eq!(near(tagged("sub", lit(i(2)))), Some(10));
    assert_eq!(near(lit(a("nothing"))), None);
    let guarded = step(
        What::Sent,
        when(tagged("add", var("n")), op(">", &[var("n"), lit(a("z"))])),
    );
    assert_eq!(seq(&run(&timeline, count(Some(1), None), &[guarded]).nearest), Some(3));
}

#[test]
fn a_transition_is_told_with_its_sender_and_the_reply_however_far_away() {
    let mut kit = Kit::chunked(2);
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    let (early, ask) = (cast(a("early")), call(7, 3, a("ask")));
    kit.ev(2, EventKind::Receive, &[early.clone(), p(6)])
        .ev(2, EventKind::Receive, &[ask.clone(), p(7)]);
    for n in 0..3 {
        kit.handled(2, cast(a("x")), i(n)).looped(2, i(n + 1));
    }
    kit.handled(2, early, i(3))
        .looped(2, i(4))
        .handled(2, ask, i(4))
        .looped(2, i(5));
    kit.ev(2, EventKind::Link, &[p(9)])
        .ev(2, EventKind::Send, &[p(7), t(&[alias(3), a("answer")])]);
    let timeline = kit.timeline();
    let told = |to: i64| match run(&timeline, count(Some(1), None), &[state(lit(i(to)))]).first {
        Some(super::super::Subject::Transition { transition, .. }) => transition,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(4).from_process, Some(6));
    assert_eq!(told(5).reply.map(|reply| reply.to_value()), Some(a("answer")));
    assert_eq!(told(5).from_process, Some(7));
}

#[test]
fn what_was_carried_forward_is_known_and_what_was_dropped_is_a_gap() {
    use crate::store::{Mode, StoreConfig};
    let mut kit = Kit::with(StoreConfig {
        mode: Mode::Ring,
        max_bytes: 256 << 10,
        chunk_events: 256,
        ..StoreConfig::default()
    });
    kit.server(2, 1, Some("srv"), "S", i(0)).looped(2, i(0));
    kit.handled(2, cast(a("add")), i(0)).looped(2, i(1));
    for n in 0..40_000 {
        kit.ev(
            1,
            EventKind::Send,
            &[p(3), Value::Binary(format!("{n:040}").into_bytes())],
        );
    }
    assert!(kit.rec.counts().evicted > 0);
    let timeline = kit.timeline();
    let of = |n: i64| state(lit(i(n))).of(name("srv"));
    let held = run(&timeline, count(Some(1), None), &[of(1)]);
    assert_eq!((held.verdict, seq(&held.first)), (Verdict::Held, Some(5)));
    let never = run(&timeline, NEVER, &[of(9)]);
    assert_eq!(
        (never.verdict, never.gap.unwrap().count),
        (Verdict::Gap, kit.rec.counts().evicted)
    );
    assert_eq!(run(&timeline, NEVER, &[of(1)]).verdict, Verdict::Broken);
}

#[test]
fn nobody_is_missed_where_a_check_is_lenient() {
    let mut kit = Kit::new();
    kit.ev(1, EventKind::Send, &[p(2), i(0)]);
    let timeline = kit.timeline();
    let lenient = |rule, steps: &[S]| Check {
        lenient: true,
        ..check(&timeline, rule, None, steps)
    };
    let states = [state(anything()).of(name("nobody"))];
    let strict = vec![lenient(NEVER, &states), check(&timeline, NEVER, None, &states)];
    let refused = super::super::run(&timeline, strict, 0);
    assert!(matches!(refused, Err(crate::timeline::TimelineError::NoSuchProcess)));
    assert_eq!(run_check(&timeline, lenient(NEVER, &states)).verdict, Verdict::Empty);
    let from = [sent(anything()).of(module("nothing"))];
    assert_eq!(run_check(&timeline, lenient(count(Some(1), None), &from)).count, 0);
}
