//! Calls and what they returned.

use super::*;

fn called(args: Value, value: Value) -> S {
    step(What::Called, just(tup(&[args, value])))
}

/// Records of calls in a few letters: `f1` calls `f(1)`, `f=1` returns 1, `f!` fails.
fn script(text: &str) -> Kit {
    let mut kit = Kit::chunked(3);
    for word in text.split_whitespace() {
        let (name, rest) = word.split_at(1);
        match rest.split_at(1) {
            ("=", n) => kit.ev(1, EventKind::Return, &[a("m"), a(name), i(1), i(n.parse().unwrap())]),
            ("!", _) => kit.ev(1, EventKind::Exception, &[a("m"), a(name), i(1), a("error"), a("bad")]),
            _ => kit.ev(1, EventKind::Call, &[a("m"), a(name), l(&[i(rest.parse().unwrap())])]),
        };
    }
    kit
}

fn pairs(text: &str) -> Vec<(i64, Option<i64>)> {
    let timeline = script(text).timeline();
    let mut found = Vec::new();
    for arg in 0..5 {
        let args = t(&[a("list"), l(&[lit(i(arg))])]);
        let of = |value: Value| run(&timeline, count(None, None), &[called(args.clone(), value)]).count;
        for value in 0..5 {
            (0..of(lit(i(value)))).for_each(|_| found.push((arg, Some(value))));
        }
        let all = of(anything());
        let valued = of(var("v"));
        (valued..all).for_each(|_| found.push((arg, None)));
    }
    found
}

#[test]
fn calls_nest() {
    assert_eq!(pairs("f1 f=2"), [(1, Some(2))]);
    assert_eq!(pairs("f1 g2 g=3 f=4"), [(1, Some(4)), (2, Some(3))]);
    assert_eq!(pairs("f1 f2 f=3 f=4"), [(1, Some(4)), (2, Some(3))]);
    assert_eq!(pairs("f1 f! f2 f=0"), [(1, None), (2, Some(0))]);
}

#[test]
fn a_return_that_never_comes_mispairs_nothing() {
    // g(2) was called in f's last place and returns to f's caller as f does.
    assert_eq!(pairs("f1 g2 f=3"), [(1, Some(3)), (2, None)]);
    assert_eq!(
        pairs("f1 g2 g4 f=3 g3 g=4"),
        [(1, Some(3)), (2, None), (3, Some(4)), (4, None)]
    );
    assert_eq!(pairs("g=1 f1 f=2"), [(1, Some(2))]);
    assert_eq!(pairs("f1"), [(1, None)]);
}

#[test]
fn functions_are_chosen_by_name() {
    let timeline = script("f1 g2 g=3 f=4").timeline();
    let of = |name: &str| {
        run(
            &timeline,
            count(None, None),
            &[called(anything(), var("v")).function(name)],
        )
    };
    assert_eq!((of("f").count, of("f").seen), (1, 1));
    assert_eq!(bound(&of("g")), [("v".to_owned(), i(3))]);
    assert_eq!((of("h").seen, of("h").verdict), (0, Verdict::Empty));
}

#[test]
fn arguments_and_value_share_variables() {
    let timeline = script("f1 f=1 f2 f=3").timeline();
    let same = called(t(&[a("list"), l(&[var("x")])]), var("x"));
    assert_eq!(run(&timeline, count(None, None), std::slice::from_ref(&same)).count, 1);
    let always = run(&timeline, ALWAYS, &[same]);
    assert_eq!((always.verdict, seq(&always.violation)), (Verdict::Broken, Some(3)));
}

#[test]
fn a_call_under_way_breaks_nothing() {
    let timeline = script("f1 f=1 f2").timeline();
    let ok = called(anything(), lit(i(1)));
    let always = run(&timeline, ALWAYS, std::slice::from_ref(&ok));
    assert_eq!((always.verdict, always.seen), (Verdict::Held, 1));
    assert_eq!(run(&timeline, count(Some(2), None), std::slice::from_ref(&ok)).seen, 2);
    let failed = script("f1 f=1 f2 f!").timeline();
    assert_eq!(run(&failed, ALWAYS, &[ok]).verdict, Verdict::Broken);
}

#[test]
fn after_a_loss_nobody_knows_what_a_call_returned() {
    let mut kit = script("f1 g2");
    kit.lose(1, 3).ev(1, EventKind::Return, &[a("m"), a("f"), i(1), i(9)]);
    let timeline = kit.timeline();
    let nine = run(&timeline, NEVER, &[called(anything(), lit(i(9)))]);
    assert_eq!((nine.verdict, nine.unknown), (Verdict::Unknown, 2));
    assert_eq!(
        run(&timeline, count(Some(2), None), &[called(anything(), anything())]).verdict,
        Verdict::Held
    );
}

#[test]
fn a_call_is_told_with_how_it_ended() {
    let timeline = script("f1 f=7 g2 g!").timeline();
    let found = run(&timeline, count(Some(1), None), &[called(anything(), lit(i(7)))]);
    let Some(super::super::Subject::Event {
        hit, end: Some(end), ..
    }) = found.first
    else {
        panic!("no call: {found:?}");
    };
    assert_eq!((hit.row.kind, end.row.kind), (EventKind::Call, EventKind::Return));
}
