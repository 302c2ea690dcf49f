//! Checks of two steps.

use super::*;

const fn leads_to(within_ns: Option<u64>) -> Rule {
    Rule::LeadsTo { within_ns }
}

const fn causality(within_ns: Option<u64>, strict: bool) -> Rule {
    Rule::Causality { within_ns, strict }
}

fn ends() -> [S; 2] {
    [sent(tagged("order", var("x"))), sent(tagged("shipped", var("x")))]
}

/// `o1` is `{order, 1}`, `s1` `{shipped, 1}`; each 10 ns after the one before.
fn script(text: &str) -> Kit {
    let mut kit = Kit::chunked(3);
    for word in text.split_whitespace() {
        let tag = if word.starts_with('o') { "order" } else { "shipped" };
        kit.ev(1, EventKind::Send, &[p(2), t(&[a(tag), i(word[1..].parse().unwrap())])]);
    }
    kit
}

fn verdict(text: &str, rule: Rule) -> Verdict {
    run(&script(text).timeline(), rule, &ends()).verdict
}

#[test]
fn each_first_is_followed_by_a_second() {
    let all = leads_to(None);
    assert_eq!(verdict("o1 o2 s2 s1", all), Verdict::Held);
    assert_eq!(verdict("o1 o1 s1", all), Verdict::Held);
    assert_eq!(verdict("s1 o1", all), Verdict::Broken);
    assert_eq!(verdict("o1 s2", all), Verdict::Broken);
    assert_eq!(verdict("s1 s2", all), Verdict::Empty);
    let found = run(&script("o1 o2 s2 o3").timeline(), all, &ends());
    assert_eq!(
        (found.verdict, found.count, seq(&found.violation)),
        (Verdict::Broken, 3, Some(0))
    );
    assert_eq!(
        (bound(&found), found.failed_step),
        (vec![("x".to_owned(), i(2))], Some(1))
    );
    assert_eq!(seq(&found.nearest), Some(2));
}

#[test]
fn in_time_or_not_yet_over() {
    assert_eq!(verdict("o1 s2 s1", leads_to(Some(20))), Verdict::Held);
    assert_eq!(verdict("o1 s2 s3 s1", leads_to(Some(20))), Verdict::Broken);
    let found = run(&script("o1 s1 o2").timeline(), leads_to(Some(20)), &ends());
    assert_eq!((found.verdict, found.open), (Verdict::Held, 1));
    assert_eq!(verdict("o1 s1 o2", leads_to(None)), Verdict::Broken);
}

#[test]
fn each_second_has_a_first_of_its_own() {
    let rule = causality(None, false);
    assert_eq!(verdict("o1 s1 o2 s2", rule), Verdict::Held);
    assert_eq!(verdict("o1 o2 s2 s1", rule), Verdict::Held);
    assert_eq!(verdict("o1 s1 s1", rule), Verdict::Broken);
    assert_eq!(verdict("s1 o1", rule), Verdict::Broken);
    assert_eq!(verdict("o1 o1 s1", rule), Verdict::Held);
    assert_eq!(verdict("o1", rule), Verdict::Empty);
    let found = run(&script("o1 s1 o3 s2").timeline(), rule, &ends());
    assert_eq!(
        (found.count, seq(&found.violation), found.failed_step),
        (2, Some(3), Some(0))
    );
    assert_eq!(seq(&found.nearest), Some(0));
}

#[test]
fn strictly_each_first_has_a_second_too() {
    let rule = causality(None, true);
    assert_eq!(verdict("o1 s1 o2 s2", rule), Verdict::Held);
    assert_eq!(verdict("o1 o1 s1", rule), Verdict::Broken);
    let found = run(&script("o1 o1 s1").timeline(), rule, &ends());
    assert_eq!((seq(&found.violation), found.failed_step), (Some(1), Some(1)));
    assert_eq!(verdict("o1 s1 o2", causality(Some(50), true)), Verdict::Held);
    assert_eq!(verdict("o1 s2 s3 s1", causality(Some(20), false)), Verdict::Broken);
}

#[test]
fn a_later_guard_may_use_what_came_first() {
    let grown = step(
        What::Sent,
        when(tagged("shipped", var("y")), op(">", &[var("y"), var("x")])),
    );
    let ends = [sent(tagged("order", var("x"))), grown];
    let run = |text: &str| run(&script(text).timeline(), leads_to(None), &ends);
    assert_eq!(run("o1 s1 s2").verdict, Verdict::Held);
    assert_eq!(run("o1 o2 s2").verdict, Verdict::Broken);
    assert_eq!(
        bound(&run("o1 s1 s3")),
        [("x".to_owned(), i(1)), ("y".to_owned(), i(3))]
    );
}

#[test]
fn nothing_follows_itself() {
    let ticks = || [sent(lit(a("tick"))), sent(lit(a("tick")))];
    let kit = |n: usize| {
        let mut kit = Kit::new();
        (0..n).for_each(|_| {
            kit.ev(1, EventKind::Send, &[p(2), a("tick")]);
        });
        kit.timeline()
    };
    assert_eq!(run(&kit(1), leads_to(None), &ticks()).verdict, Verdict::Broken);
    let found = run(&kit(3), leads_to(None), &ticks());
    assert_eq!((found.verdict, seq(&found.violation)), (Verdict::Broken, Some(2)));
    assert_eq!(run(&kit(2), causality(None, false), &ticks()).verdict, Verdict::Broken);
}

#[test]
fn the_other_end_may_be_among_what_was_lost() {
    let lossy = |text: &str| {
        let mut kit = script(text);
        kit.lose(1, 4).ev(1, EventKind::Link, &[p(9)]);
        kit.timeline()
    };
    assert_eq!(run(&lossy("o1"), leads_to(None), &ends()).verdict, Verdict::Gap);
    assert_eq!(run(&lossy("o1 s1"), leads_to(None), &ends()).verdict, Verdict::Gap);
    // The time was over before anything was lost.
    assert_eq!(
        run(&lossy("o1 s2 s3 s4"), leads_to(Some(10)), &ends()).verdict,
        Verdict::Broken
    );
    assert_eq!(
        run(&lossy("s1 o1"), causality(None, false), &ends()).verdict,
        Verdict::Broken
    );
    let mut kit = script("o1");
    kit.lose(1, 4).ev(1, EventKind::Send, &[p(2), t(&[a("shipped"), i(2)])]);
    assert_eq!(
        run(&kit.timeline(), causality(None, false), &ends()).verdict,
        Verdict::Gap
    );
}

#[test]
fn what_is_hidden_is_not_blamed() {
    let hidden = |tag: &str| t(&[a(tag), Value::Truncated(crate::term::Kind::Integer, 0)]);
    let with = |text: &str, tag: &str| {
        let mut kit = script(text);
        kit.ev(1, EventKind::Send, &[p(2), hidden(tag)]);
        kit.timeline()
    };
    assert_eq!(
        run(&with("o1", "shipped"), leads_to(None), &ends()).verdict,
        Verdict::Unknown
    );
    assert_eq!(
        run(&with("o1 s1", "shipped"), leads_to(None), &ends()).verdict,
        Verdict::Held
    );
    assert_eq!(
        run(&with("o1 s1", "order"), leads_to(None), &ends()).verdict,
        Verdict::Unknown
    );
    assert_eq!(
        run(&with("o1", "shipped"), causality(None, false), &ends()).verdict,
        Verdict::Unknown
    );
    assert_eq!(
        run(&with("", "shipped"), causality(None, false), &ends()).verdict,
        Verdict::Broken
    );
    let mut kit = script("");
    kit.ev(1, EventKind::Send, &[p(2), hidden("order")]);
    kit.ev(1, EventKind::Send, &[p(2), t(&[a("shipped"), i(1)])]);
    assert_eq!(
        run(&kit.timeline(), causality(None, false), &ends()).verdict,
        Verdict::Unknown
    );
}
