//! What must not follow, what must come before something else, what has a cause that others share; processes as variables.

use super::*;

const fn excludes(within_ns: Option<u64>) -> Rule {
    Rule::Excludes { within_ns }
}

const LEADS_TO: Rule = Rule::LeadsTo { within_ns: None };
const PRECEDES: Rule = Rule::Precedes { within_ns: None };

fn ends() -> Vec<S> {
    let all = ["order", "shipped", "closed"];
    all.iter().map(|tag| sent(tagged(tag, var("x")))).collect()
}

/// `o1` is `{order, 1}`, `s1` `{shipped, 1}`, `c1` `{closed, 1}`; each 10 ns after the one before.
fn script(text: &str) -> Kit {
    let mut kit = Kit::chunked(3);
    for word in text.split_whitespace() {
        let tag = match &word[..1] {
            "o" => "order",
            "s" => "shipped",
            _ => "closed",
        };
        kit.ev(1, EventKind::Send, &[p(2), t(&[a(tag), i(word[1..].parse().unwrap())])]);
    }
    kit
}

fn found(text: &str, rule: Rule, steps: usize) -> Finding {
    run(&script(text).timeline(), rule, &ends()[..steps])
}

fn verdict(text: &str, rule: Rule, steps: usize) -> Verdict {
    found(text, rule, steps).verdict
}

#[test]
fn nothing_of_the_kind_follows() {
    let never = |text| verdict(text, excludes(None), 2);
    assert_eq!(never("o1 s2 o2"), Verdict::Held);
    assert_eq!(never("s1 o1"), Verdict::Held);
    assert_eq!(never("s1 s2"), Verdict::Empty);
    assert_eq!(never("o1 o2 s2"), Verdict::Broken);
    let found = found("o2 o1 o1 s3 s1 s2", excludes(None), 2);
    assert_eq!(
        (found.count, seq(&found.violation), found.failed_step),
        (3, Some(4), None)
    );
    assert_eq!(found.steps.iter().map(seq).collect::<Vec<_>>(), [Some(2), Some(4)]);
    assert_eq!(bound(&found), [("x".to_owned(), i(1))]);
    assert!(found.nearest.is_none());
}

#[test]
fn after_some_time_or_the_third_it_may() {
    assert_eq!(verdict("o1 s2 s3 s1", excludes(Some(20)), 2), Verdict::Held);
    assert_eq!(verdict("o1 s2 s1", excludes(Some(20)), 2), Verdict::Broken);
    let until = |text| verdict(text, excludes(None), 3);
    assert_eq!(until("o1 c1 s1"), Verdict::Held);
    assert_eq!(until("o1 c2 s1"), Verdict::Broken);
    assert_eq!(until("o1 c1 o1 s1"), Verdict::Broken);
    assert_eq!(until("c1 s1"), Verdict::Empty);
}

#[test]
fn the_same_must_not_come_twice() {
    let twice = || [sent(tagged("order", var("x"))), sent(tagged("order", var("x")))];
    let run = |text: &str| run(&script(text).timeline(), excludes(None), &twice());
    assert_eq!(run("o1 o2 o3").verdict, Verdict::Held);
    let found = run("o1 o2 o1");
    assert_eq!((found.verdict, seq(&found.violation)), (Verdict::Broken, Some(2)));
}

#[test]
fn a_guard_beside_the_first_says_what_is_excluded() {
    let less = when(tagged("order", var("y")), op("<", &[var("y"), var("x")]));
    let steps = [sent(tagged("order", var("x"))), step(What::Sent, less)];
    let run = |text: &str| run(&script(text).timeline(), excludes(None), &steps);
    assert_eq!(run("o1 o1 o2 o5").verdict, Verdict::Held);
    let found = run("o1 o3 o4 o3 o2");
    assert_eq!(seq(&found.violation), Some(3));
    assert_eq!(found.steps.iter().map(seq).collect::<Vec<_>>(), [Some(2), Some(3)]);
}

#[test]
fn what_follows_must_come_before_the_third() {
    let before = |text| verdict(text, LEADS_TO, 3);
    assert_eq!(before("o1 s1 c1"), Verdict::Held);
    assert_eq!(before("o1 c2 s1 c1"), Verdict::Held);
    assert_eq!(before("c1 o1 s1"), Verdict::Held);
    // Whether it comes too late nobody knows yet.
    assert_eq!(before("o1"), Verdict::Held);
    assert_eq!(before("c1 s1"), Verdict::Empty);
    let found = found("o2 s2 o1 c3 c1 s1", LEADS_TO, 3);
    assert_eq!(
        (found.verdict, seq(&found.violation), found.failed_step),
        (Verdict::Broken, Some(2), Some(1))
    );
    assert_eq!(
        found.steps.iter().map(seq).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(4)]
    );
    let third = Rule::LeadsTo { within_ns: Some(20) };
    assert_eq!(verdict("o1 s2 s2 s2", third, 3), Verdict::Broken);
}

#[test]
fn the_third_may_be_about_any() {
    let mut steps = ends();
    steps[2] = sent(tagged("closed", anything()));
    let run = |text: &str, rule| run(&script(text).timeline(), rule, &steps).verdict;
    assert_eq!(run("o1 o2 s1 s2 c7", LEADS_TO), Verdict::Held);
    assert_eq!(run("o1 o2 s1 c7 s2", LEADS_TO), Verdict::Broken);
    assert_eq!(run("o1 o2 c7 s1 s2", excludes(None)), Verdict::Held);
}

#[test]
fn one_cause_may_serve_several() {
    assert_eq!(verdict("o1 s1 s1 o2 s2 s1", PRECEDES, 2), Verdict::Held);
    assert_eq!(verdict("o1", PRECEDES, 2), Verdict::Empty);
    let found = found("o1 s1 s2 o2", PRECEDES, 2);
    assert_eq!(
        (found.verdict, seq(&found.violation), found.failed_step),
        (Verdict::Broken, Some(2), Some(0))
    );
    let within = Rule::Precedes { within_ns: Some(20) };
    assert_eq!(verdict("o1 s1 s1", within, 2), Verdict::Held);
    assert_eq!(verdict("o1 s1 s1 s1", within, 2), Verdict::Broken);
}

#[test]
fn losses_neither_pass_nor_blame() {
    let lossy = |before: &str, after: &str, rule, steps: usize| {
        let mut kit = script(before);
        kit.lose(1, 4);
        let mut words = after.split_whitespace();
        for (tag, n) in words.by_ref().map(|word| word.split_at(1)) {
            let tag = if tag == "s" { "shipped" } else { "closed" };
            kit.ev(1, EventKind::Send, &[p(2), t(&[a(tag), i(n.parse().unwrap())])]);
        }
        run(&kit.timeline(), rule, &ends()[..steps]).verdict
    };
    assert_eq!(lossy("o1", "s2", excludes(None), 2), Verdict::Gap);
    assert_eq!(lossy("o1", "s1", excludes(None), 2), Verdict::Broken);
    // It may have been allowed by what was lost.
    assert_eq!(lossy("o1", "s1", excludes(None), 3), Verdict::Gap);
    assert_eq!(lossy("o1", "c1", LEADS_TO, 3), Verdict::Gap);
    assert_eq!(lossy("s1", "", PRECEDES, 2), Verdict::Broken);
    assert_eq!(lossy("o2", "s1", PRECEDES, 2), Verdict::Gap);
}

#[test]
fn what_is_hidden_is_neither() {
    let hidden = |tag: &str| t(&[a(tag), Value::Truncated(crate::term::Kind::Integer, 0)]);
    let with = |before: &str, tag: &str, after: &str, rule, steps: usize| {
        let mut kit = script(before);
        kit.ev(1, EventKind::Send, &[p(2), hidden(tag)]);
        for word in after.split_whitespace() {
            let tag = if word.starts_with('s') { "shipped" } else { "closed" };
            kit.ev(1, EventKind::Send, &[p(2), t(&[a(tag), i(word[1..].parse().unwrap())])]);
        }
        run(&kit.timeline(), rule, &ends()[..steps]).verdict
    };
    assert_eq!(with("o1", "shipped", "", excludes(None), 2), Verdict::Unknown);
    assert_eq!(with("", "order", "s1", excludes(None), 2), Verdict::Unknown);
    assert_eq!(with("o1", "closed", "s1", excludes(None), 3), Verdict::Unknown);
    assert_eq!(with("o1", "closed", "s1", LEADS_TO, 3), Verdict::Unknown);
    assert_eq!(with("o1 s1", "closed", "", LEADS_TO, 3), Verdict::Held);
    assert_eq!(with("o1", "closed", "", LEADS_TO, 3), Verdict::Unknown);
    assert_eq!(with("o1", "shipped", "c1", LEADS_TO, 3), Verdict::Unknown);
    assert_eq!(with("", "order", "s1", PRECEDES, 2), Verdict::Unknown);
}

/// Requests `{ask, n}` from 1 and 2 to 9, and its answers `{answer, n}` to either.
fn asked(answers: &[(u64, i64)]) -> Timeline {
    let mut kit = Kit::chunked(3);
    for process in [1, 2, 9] {
        kit.ev(process, EventKind::Link, &[p(99)]);
    }
    for (who, n) in [(1, 1), (2, 2)] {
        kit.ev(who, EventKind::Send, &[p(9), t(&[a("ask"), i(n)])]);
        kit.ev(9, EventKind::Receive, &[t(&[a("ask"), i(n)]), p(who)]);
    }
    for (who, n) in answers {
        kit.ev(9, EventKind::Send, &[p(*who), t(&[a("answer"), i(*n)])]);
    }
    kit.timeline()
}

#[test]
fn who_asked_is_who_is_answered() {
    let steps = [
        sent(tagged("ask", var("n"))).who("", "who", "server"),
        sent(tagged("answer", var("n"))).who("", "server", "who"),
    ];
    let all = [LEADS_TO, PRECEDES, Rule::Flow];
    for rule in all {
        let found = run(&asked(&[(1, 1), (2, 2)]), rule, &steps);
        assert_eq!(found.verdict, Verdict::Held, "{rule:?}");
        let mut names = bound(&found);
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [("n", i(1)), ("server", p(9)), ("who", p(1))].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(names, expected, "{rule:?}");
        assert_eq!(
            run(&asked(&[(2, 1), (1, 2)]), rule, &steps).verdict,
            Verdict::Broken,
            "{rule:?}"
        );
    }
    let received = [
        step(What::Received, just(tagged("ask", var("n")))).who("", "who", ""),
        sent(tagged("answer", var("n"))).who("", "", "who"),
    ];
    assert_eq!(
        run(&asked(&[(1, 1), (2, 2)]), LEADS_TO, &received).verdict,
        Verdict::Held
    );
    assert_eq!(
        run(&asked(&[(2, 1), (1, 2)]), LEADS_TO, &received).verdict,
        Verdict::Broken
    );
}

#[test]
fn a_pid_in_a_message_is_the_process() {
    let told = |who: u64, ends: u64| {
        let mut kit = Kit::new();
        kit.ev(7, EventKind::Link, &[p(99)]).ev(8, EventKind::Link, &[p(99)]);
        kit.ev(1, EventKind::Send, &[p(2), t(&[a("stop"), p(who)])]);
        kit.ev(ends, EventKind::Exit, &[a("normal")]);
        let steps = [
            sent(tagged("stop", var("who"))),
            step(What::Exited, just(lit(a("normal")))).who("who", "", ""),
        ];
        run(&kit.timeline(), LEADS_TO, &steps).verdict
    };
    assert_eq!((told(7, 7), told(7, 8)), (Verdict::Held, Verdict::Broken));
    let itself = |from: u64| {
        let mut kit = Kit::new();
        kit.ev(7, EventKind::Link, &[p(99)]).ev(8, EventKind::Link, &[p(99)]);
        kit.ev(from, EventKind::Send, &[p(2), t(&[a("mine"), p(7)])]);
        kit.ev(7, EventKind::Exit, &[a("boom")]);
        let not_own = when(tagged("mine", var("pid")), op("/=", &[var("pid"), var("from")]));
        let exit = || step(What::Exited, just(anything()));
        let same = [sent(tagged("mine", var("pid"))).who("", "pid", ""), exit()];
        let other = [step(What::Sent, not_own).who("", "from", ""), exit()];
        [same, other].map(|steps| run(&kit.timeline(), LEADS_TO, &steps).verdict)
    };
    assert_eq!(itself(7), [Verdict::Held, Verdict::Empty]);
    assert_eq!(itself(8), [Verdict::Empty, Verdict::Held]);
}

#[test]
fn each_form_of_a_message_is_looked_at() {
    // `{Ref, {found, 1}}` is a reply that carries `{found, 1}`.
    let tag = || Value::Ref(vec![1, 2, 3]);
    let mut kit = Kit::new();
    let call = t(&[a("$gen_call"), t(&[p(1), tag()]), t(&[a("ask"), i(1)])]);
    kit.ev(1, EventKind::Send, &[p(9), call]);
    kit.ev(9, EventKind::Send, &[p(1), t(&[tag(), t(&[a("found"), i(1)])])]);
    let timeline = kit.timeline();
    let content = when(
        var("answer"),
        op("=:=", &[op("element", &[lit(i(2)), var("answer")]), var("n")]),
    );
    let by_content = [sent(tagged("ask", var("n"))), step(What::Sent, content).of(pid(9))];
    let envelope = tup(&[anything(), tup(&[anything(), var("tag")]), anything()]);
    let by_tag = [sent(envelope), sent(tup(&[var("tag"), anything()])).of(pid(9))];
    for steps in [by_content, by_tag] {
        for rule in [LEADS_TO, PRECEDES, Rule::Flow] {
            assert_eq!(run(&timeline, rule, &steps).verdict, Verdict::Held, "{rule:?}");
        }
        assert_eq!(run(&timeline, excludes(None), &steps).verdict, Verdict::Broken);
    }
}

#[test]
fn one_step_has_no_variable_process() {
    let kit = script("o1");
    let timeline = kit.timeline();
    let mut one = check(&timeline, count(Some(1), None), None, &[sent(anything())]);
    one.steps[0].parties.from = match a("who") {
        Value::Atom(atom) => Some(atom),
        _ => None,
    };
    assert_eq!(one.validate(), Err(super::super::CheckError::Parties));
}

/// 2 handles `go`: tells 3, which says `booked` while 2 is not done; then 2 has a new state. Before all that 3 has said `x`.
fn booking() -> Timeline {
    let mut kit = Kit::chunked(3);
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    kit.ev(3, EventKind::Send, &[p(1), a("x")]);
    kit.ev(1, EventKind::Send, &[p(2), a("go")]);
    kit.ev(2, EventKind::Receive, &[a("go"), p(1)])
        .handled(2, a("go"), i(0));
    kit.ev(2, EventKind::Send, &[p(3), a("told")]);
    kit.ev(3, EventKind::Receive, &[a("told"), p(2)]);
    kit.ev(3, EventKind::Send, &[p(1), a("booked")]);
    kit.looped(2, i(1));
    kit.ev(3, EventKind::Send, &[p(1), a("late")]);
    kit.timeline()
}

#[test]
fn what_takes_time_may_lead_to_what_comes_meanwhile() {
    let timeline = booking();
    let handled = || step(What::Transition, just(tup(&[anything(), anything(), lit(a("go"))])));
    let became = || state(lit(i(1)));
    let said = |word: &str| sent(lit(a(word)));
    let verdict = |rule, first: S, word: &str| run(&timeline, rule, &[first, said(word)]).verdict;
    let causality = Rule::Causality {
        within_ns: None,
        strict: false,
    };
    for rule in [LEADS_TO, PRECEDES, causality] {
        for word in ["booked", "late"] {
            assert_eq!(verdict(rule, handled(), word), Verdict::Held, "{rule:?} {word}");
            assert_eq!(verdict(rule, became(), word), Verdict::Held, "{rule:?} {word}");
        }
        assert_eq!(verdict(rule, handled(), "told"), Verdict::Held, "{rule:?}");
        assert_eq!(verdict(rule, handled(), "x"), Verdict::Broken, "{rule:?}");
        assert_eq!(verdict(rule, became(), "x"), Verdict::Broken, "{rule:?}");
    }
    assert_eq!(verdict(causality, became(), "told"), Verdict::Held);
    // One handled message is the cause of one.
    let either = step(What::Sent, when(var("w"), op("orelse", &[is("told"), is("booked")])));
    let both = |rule| run(&timeline, rule, &[handled(), either.clone()]).verdict;
    assert_eq!((both(causality), both(PRECEDES)), (Verdict::Broken, Verdict::Held));
    let within = Rule::LeadsTo { within_ns: Some(1) };
    assert_eq!(verdict(within, handled(), "booked"), Verdict::Held);
}

#[test]
fn what_a_process_does_before_it_has_begun_comes_of_no_state() {
    let mut kit = Kit::new();
    kit.spawned(2, 1, t(&[a("S"), a("init"), l(&[])]));
    kit.ev(2, EventKind::Send, &[p(3), a("asked")]);
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    kit.ev(2, EventKind::Send, &[p(3), a("late")]);
    let timeline = kit.timeline();
    let said = |word: &str| sent(lit(a(word)));
    let after = |word| run(&timeline, PRECEDES, &[state(anything()), said(word)]).verdict;
    assert_eq!((after("asked"), after("late")), (Verdict::Broken, Verdict::Held));
}

fn is(word: &str) -> Value {
    op("=:=", &[var("w"), lit(a(word))])
}
