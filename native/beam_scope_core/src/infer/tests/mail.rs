use super::kit::*;
use crate::event::EventKind;
use crate::term::Value;
use crate::timeline::tests::kit::{a, alias, call, p, t, Kit};

fn has(all: &[String], text: &str) -> bool {
    all.iter().any(|one| one == text)
}

/// Calls with these answers.
fn answers(count: i64, reply: impl Fn(i64) -> Option<Value>) -> Vec<String> {
    let mut kit = Kit::new();
    let mut server = Server::named(&mut kit, n(0));
    for k in 0..count {
        server.call(t(&[a("get"), n(k)]), reply(k));
    }
    // Whatever was not answered by now is late.
    let timeline = kit.timeline();
    let evidence = crate::infer::Evidence {
        timeline: &timeline,
        now_ns: 60_000_000_000,
    };
    words(&crate::infer::infer(&[evidence], &Default::default()).expect("an answer"))
}

#[test]
fn answers_that_are_alike() {
    assert!(has(&answers(10, |_| Some(a("ok"))), "get/2 is answered ok"));
    assert!(has(
        &answers(10, |k| Some(t(&[a("ok"), n(k)]))),
        "get/2 is answered ok/2"
    ));
    assert!(has(&answers(10, |k| Some(n(k))), "get/2 is answered a integer"));
    assert!(has(
        &answers(10, |k| Some(if k % 2 == 0 { n(k) } else { a("none") })),
        "get/2 is answered"
    ));
    assert!(!has(&answers(6, |_| Some(a("ok"))), "get/2 is answered ok"));
}

#[test]
fn one_other_answer_or_none() {
    let other = answers(20, |k| Some(if k == 11 { a("error") } else { a("ok") }));
    assert!(has(&other, "get/2 is answered a atom"), "{other:?}");
    let none = answers(20, |k| (k != 11).then(|| a("ok")));
    assert!(!none.iter().any(|one| one.contains("answered")), "{none:?}");
}

#[test]
fn what_is_young_when_the_recording_ends_may_still_be_answered() {
    let mut kit = Kit::new();
    let mut server = Server::named(&mut kit, n(0));
    for _ in 0..10 {
        server.call(a("get"), Some(a("ok")));
    }
    server.call(a("get"), None);
    assert!(has(&shown(&kit.timeline()), "get is answered ok in time"));
}

#[test]
fn what_was_late_was_answered_all_the_same() {
    let late = |open: bool| {
        let mut kit = Kit::new();
        let mut server = Server::named(&mut kit, n(0));
        for _ in 0..10 {
            server.call(a("get"), Some(a("ok")));
        }
        server.kit.pass(6_000_000_000);
        server
            .kit
            .ev(SERVER, EventKind::Receive, &[call(CLIENT, 100, a("get")), p(CLIENT)]);
        server.kit.pass(6_000_000_000);
        server
            .kit
            .ev(SERVER, EventKind::Send, &[alias(100), t(&[alias(100), a("ok")])]);
        if open {
            server.call(a("get"), None);
        }
        shown(&kit.timeline())
    };
    assert!(has(&late(false), "get is answered ok"));
    assert!(!late(true).iter().any(|one| one.contains("answered")));
}

#[test]
fn others_may_answer() {
    let mut kit = Kit::new();
    kit.server(SERVER, CLIENT, Some("server"), "Server", n(0));
    for k in 0..10 {
        kit.ev(SERVER, EventKind::Receive, &[call(CLIENT, k, a("get")), p(CLIENT)]);
        kit.ev(0x7703, EventKind::Send, &[p(CLIENT), t(&[alias(k), a("ok")])]);
    }
    let all = shown(&kit.timeline());
    assert!(has(&all, "get is answered ok by others"), "{all:?}");
}

const STORE: u64 = 0x5003;

/// A shop that ships each order, but for what `odd` says.
fn shop(orders: i64, odd: impl Fn(i64) -> usize) -> Vec<String> {
    let mut kit = Kit::new();
    kit.server(STORE, CLIENT, Some("store"), "Store", n(0));
    let mut server = Server::named(&mut kit, n(0));
    for k in 0..orders {
        let ship = (p(STORE), t(&[a("ship"), a("fast"), n(k)]));
        server.told(t(&[a("order"), n(k), b("x")]), &vec![ship; odd(k)]);
    }
    let timeline = kit.timeline();
    let evidence = crate::infer::Evidence {
        timeline: &timeline,
        now_ns: 60_000_000_000,
    };
    words(&crate::infer::infer(&[evidence], &Default::default()).expect("an answer"))
}

#[test]
fn what_leads_to_what() {
    let all = shop(10, |_| 1);
    assert!(has(&all, "order/3 leads to ship/3 by 1 2 to store"), "{all:?}");
    assert!(has(&all, "order/3 causes ship/3 by 1 2 to store"), "{all:?}");
    assert_eq!(all.iter().filter(|one| one.contains("ship")).count(), 2, "{all:?}");
}

#[test]
fn one_without_effect_or_with_two() {
    for odd in [0, 2] {
        let all = shop(30, |k| if k == 15 { odd } else { 1 });
        assert!(!all.iter().any(|one| one.contains("ship")), "{odd}: {all:?}");
    }
}

#[test]
fn without_anything_in_common_more_are_needed() {
    let ticks = |count: i64| {
        let mut kit = Kit::new();
        let mut server = Server::named(&mut kit, n(0));
        for _ in 0..count {
            server.told(a("tick"), &[(p(STORE), a("poll"))]);
        }
        shown(&kit.timeline())
    };
    assert!(!ticks(50).iter().any(|one| one.contains("poll")));
    assert!(has(&ticks(120), "tick leads to poll"));
}

#[test]
fn an_effect_before_its_cause_is_none() {
    let mut kit = Kit::new();
    let mut server = Server::named(&mut kit, n(0));
    server.told(a("start"), &[(p(STORE), t(&[a("ship"), n(3)]))]);
    for k in 0..30 {
        server.told(t(&[a("order"), n(k)]), &[(p(STORE), t(&[a("ship"), n(k)]))]);
    }
    let all = shown(&kit.timeline());
    assert!(!all.iter().any(|one| one.contains("order/2 causes")), "{all:?}");
}
