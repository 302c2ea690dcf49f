//! Flows: an order where processes are shared, none where they are not.

use super::*;

/// Messages in a few letters: `1a2` is sent by 1 to 2; `>` before it: and received at once.
fn script(text: &str) -> Kit {
    let mut kit = Kit::chunked(4);
    for pid in 1..6 {
        kit.ev(pid, EventKind::Link, &[p(99)]);
    }
    for word in text.split_whitespace() {
        let received = word.starts_with('>');
        let word = word.trim_start_matches('>');
        let from = u64::from(word.as_bytes()[0] - b'0');
        let to = u64::from(word.as_bytes()[word.len() - 1] - b'0');
        let what = message(&word[1..word.len() - 1]);
        kit.ev(from, EventKind::Send, &[p(to), what.clone()]);
        if received {
            kit.ev(to, EventKind::Receive, &[what, p(from)]);
        }
    }
    kit
}

/// `a` is an atom, `a7` is `{a, 7}`.
fn message(text: &str) -> Value {
    let (tag, n) = text.split_at(1);
    match n.parse() {
        Ok(n) => t(&[a(tag), i(n)]),
        Err(_) => a(tag),
    }
}

fn flow(kit: &Kit, steps: &[S]) -> Finding {
    run(&kit.timeline(), Rule::Flow, steps)
}

fn letter(tag: &str) -> S {
    sent(lit(a(tag)))
}

#[test]
fn gaps_are_allowed_and_order_is_asked_for() {
    let kit = script("1a2 1x2 1b2 1c2");
    let found = flow(&kit, &[letter("a"), letter("b"), letter("c")]);
    assert_eq!(
        (found.verdict, found.count, found.failed_step),
        (Verdict::Held, 3, None)
    );
    let steps: Vec<_> = found.steps.iter().map(seq).collect();
    assert_eq!(steps, [Some(5), Some(7), Some(8)]);
    let found = flow(&kit, &[letter("b"), letter("a")]);
    assert_eq!((found.verdict, found.failed_step), (Verdict::Broken, Some(1)));
    assert_eq!((seq(&found.steps[0]), seq(&found.nearest)), (Some(7), Some(5)));
}

#[test]
fn what_shares_no_process_has_no_order() {
    let kit = script("1a2 3b4");
    assert_eq!(flow(&kit, &[letter("b"), letter("a")]).verdict, Verdict::Held);
    let kit = script("1a2 2b3");
    assert_eq!(flow(&kit, &[letter("b"), letter("a")]).verdict, Verdict::Broken);
}

#[test]
fn a_message_happens_to_its_receiver_when_it_is_received() {
    let mut kit = script("");
    kit.ev(1, EventKind::Send, &[p(2), a("a")]);
    kit.ev(2, EventKind::Send, &[p(3), a("b")]);
    kit.ev(2, EventKind::Receive, &[a("a"), p(1)]);
    assert_eq!(flow(&kit, &[letter("a"), letter("b")]).verdict, Verdict::Broken);
    assert_eq!(flow(&kit, &[letter("b"), letter("a")]).verdict, Verdict::Held);
    let received = step(What::Received, just(lit(a("a"))));
    assert_eq!(flow(&kit, &[letter("a"), received.clone()]).verdict, Verdict::Held);
    assert_eq!(flow(&kit, &[received, letter("a")]).verdict, Verdict::Broken);
}

#[test]
fn variables_are_the_same_in_all_steps() {
    let kit = script("1a12 1a22 2b23 2b13");
    // 1 sends {a, 1} and {a, 2} to 2; 2 sends {b, 2} and {b, 1} to 3.
    let found = flow(&kit, &[sent(tagged("a", var("x"))), sent(tagged("b", var("x")))]);
    assert_eq!(
        (found.verdict, bound(&found)),
        (Verdict::Held, vec![("x".to_owned(), i(1))])
    );
    let three = [
        sent(tagged("a", var("x"))),
        sent(tagged("b", var("x"))),
        sent(tagged("b", var("y"))),
    ];
    let found = flow(&kit, &three);
    let names = bound(&found);
    // The first match of the first step has no room for the third: the search goes back.
    assert_eq!(found.verdict, Verdict::Held);
    assert_eq!(names, [("x".to_owned(), i(2)), ("y".to_owned(), i(1))]);
    let guarded = step(What::Sent, when(tagged("b", var("y")), op(">", &[var("y"), var("x")])));
    let found = flow(&kit, &[sent(tagged("a", var("x"))), guarded]);
    assert_eq!(bound(&found), [("x".to_owned(), i(1)), ("y".to_owned(), i(2))]);
}

#[test]
fn each_thing_is_used_once() {
    let kit = script("1a2 1b2");
    assert_eq!(flow(&kit, &[letter("a"), letter("a")]).verdict, Verdict::Broken);
    let any_two = [sent(anything()), sent(anything())];
    assert_eq!(flow(&kit, &any_two).verdict, Verdict::Held);
    assert_eq!(
        flow(&kit, &[sent(anything()), sent(anything()), sent(anything())]).failed_step,
        Some(2)
    );
}

#[test]
fn the_best_attempt_and_what_came_nearest_are_told() {
    let kit = script("1a12 1b22 2c31");
    let steps = [
        sent(tagged("a", var("x"))),
        sent(tagged("b", anything())),
        sent(tagged("c", var("x"))),
    ];
    let found = flow(&kit, &steps);
    assert_eq!(
        (found.verdict, found.count, found.failed_step),
        (Verdict::Broken, 2, Some(2))
    );
    assert_eq!(seq(&found.nearest), Some(7));
    assert_eq!(bound(&found), [("x".to_owned(), i(1))]);
    let steps = [sent(tagged("a", var("x"))), sent(tagged("b", lit(i(5))))];
    assert_eq!(seq(&flow(&kit, &steps).nearest), Some(6));
}

#[test]
fn states_calls_and_messages_mix() {
    let mut kit = Kit::chunked(2);
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    kit.ev(1, EventKind::Send, &[p(2), a("go")]);
    kit.ev(2, EventKind::Receive, &[a("go"), p(1)])
        .handled(2, a("go"), i(0));
    kit.ev(2, EventKind::Call, &[a("m"), a("f"), l(&[])]);
    kit.ev(2, EventKind::Return, &[a("m"), a("f"), i(0), i(7)]);
    kit.looped(2, i(7));
    let called = || step(What::Called, just(tup(&[anything(), var("x")])));
    let forth = [letter("go"), called(), state(var("x")).of(pid(2))];
    assert_eq!(flow(&kit, &forth).verdict, Verdict::Held);
    let back = [called(), letter("go")];
    assert_eq!(flow(&kit, &back).verdict, Verdict::Broken);
}

#[test]
fn what_is_hidden_or_lost_is_not_blamed() {
    let mut kit = script("1a12");
    kit.ev(
        1,
        EventKind::Send,
        &[p(2), t(&[a("b"), Value::Truncated(crate::term::Kind::Integer, 0)])],
    );
    let steps = [sent(tagged("a", var("x"))), sent(tagged("b", var("x")))];
    let found = flow(&kit, &steps);
    assert_eq!((found.verdict, found.failed_step), (Verdict::Unknown, None));
    let mut kit = script("1a12");
    kit.lose(1, 1).ev(1, EventKind::Link, &[p(98)]);
    assert_eq!(flow(&kit, &steps).verdict, Verdict::Gap);
    assert_eq!(flow(&kit, &steps[..1]).verdict, Verdict::Held);
    assert_eq!(flow(&script(""), &steps).verdict, Verdict::Empty);
}

#[test]
fn many_candidates_that_lead_nowhere_do_not_take_forever() {
    let mut kit = Kit::new();
    for n in 0..3_000 {
        kit.ev(1, EventKind::Send, &[p(2), t(&[a("a"), i(n)])]);
        kit.ev(2, EventKind::Send, &[p(1), t(&[a("b"), i(n)])]);
    }
    let steps = [
        sent(tagged("a", var("x"))),
        sent(tagged("b", var("y"))),
        sent(tagged("a", var("z"))),
        letter("none"),
    ];
    let began = std::time::Instant::now();
    let found = flow(&kit, &steps);
    assert!(matches!(found.verdict, Verdict::Unknown | Verdict::Broken));
    assert_eq!((found.count, found.failed_step), (3, Some(3)));
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn the_longest_flow_fits_on_a_small_stack() {
    // Dirty schedulers have 320 KB.
    let work = || {
        let steps = super::super::MAX_STEPS as i64;
        let mut kit = Kit::new();
        for n in 0..steps {
            kit.ev(1, EventKind::Send, &[p(2), t(&[a("a"), i(n)])]);
        }
        let all: Vec<S> = (0..steps).map(|n| sent(tagged("a", lit(i(n))))).collect();
        let found = flow(&kit, &all);
        assert_eq!((found.verdict, found.count), (Verdict::Held, steps as u64));
    };
    let small = std::thread::Builder::new().stack_size(320 << 10);
    small.spawn(work).unwrap().join().unwrap();
}
