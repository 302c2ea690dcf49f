//! Queries against a naive filter over all events.

use std::sync::Arc;

use proptest::prelude::*;

use super::{run, Live, Mfa, Order, Query};
use crate::event::EventKind;
use crate::pattern::Pattern;
use crate::term::Value;
use crate::timeline::tests::kit::*;
use crate::timeline::{Moment, Selector, Timeline, TimelineError};

fn seqs(timeline: &Timeline, query: &Query) -> Vec<u64> {
    run(timeline, query)
        .unwrap()
        .hits
        .iter()
        .map(|hit| hit.row.seq)
        .collect()
}

fn is(value: Value) -> Option<Arc<Pattern>> {
    let data = t(&[a("pattern"), t(&[a("lit"), value]), a("nil")]);
    Some(Arc::new(Pattern::from_value(&data, atom_source()).unwrap()))
}

fn talk() -> Kit {
    let mut kit = Kit::chunked(4);
    kit.server(2, 1, Some("srv"), "S", i(0)).ev(1, EventKind::Link, &[p(9)]);
    kit.ev(1, EventKind::Send, &[p(2), call(1, 7, a("get"))]);
    kit.ev(2, EventKind::Receive, &[call(1, 7, a("get")), t(&[a("n"), p(1)])]);
    kit.ev(2, EventKind::Send, &[Value::Ref(vec![7, 0, 0]), t(&[alias(7), i(5)])]);
    kit.ev(1, EventKind::Receive, &[t(&[alias(7), i(5)]), t(&[a("n"), p(2)])]);
    kit.ev(1, EventKind::SendToDead, &[p(66), a("hi")]);
    kit.ev(1, EventKind::Call, &[a("m"), a("f"), l(&[i(1), i(2)])]);
    kit.ev(1, EventKind::Return, &[a("m"), a("f"), i(2), a("ok")]);
    kit.ev(1, EventKind::Exception, &[a("m"), a("g"), i(0), a("error"), a("bad")]);
    kit
}

#[test]
fn messages_are_found_by_their_ends() {
    let timeline = talk().timeline();
    let q = |from, to| Query {
        from,
        to,
        ..Query::default()
    };
    assert_eq!(seqs(&timeline, &q(Some(pid(1)), Some(name("srv")))), [4, 5]);
    assert_eq!(seqs(&timeline, &q(Some(name("srv")), Some(pid(1)))), [6, 7]);
    assert_eq!(seqs(&timeline, &q(None, Some(pid(66)))), [8]);
    assert_eq!(seqs(&timeline, &q(Some(pid(1)), None)), [4, 5, 8]);
    let answer = run(&timeline, &q(Some(pid(1)), Some(pid(2)))).unwrap();
    assert_eq!(answer.hits[0].partner, Some(5));
    assert!(answer
        .hits
        .iter()
        .all(|hit| hit.from_track.is_some() && hit.to_track.is_some()));
}

#[test]
fn lines_are_found_by_what_their_variables_held() {
    let mut kit = talk();
    let site = t(&[t(&[a("m"), a("f"), i(1), i(3), a("nil")]), a("n")]);
    kit.ev(1, EventKind::Line, &[i(42), l(&[i(7), a("seven")])]);
    kit.ev(1, EventKind::Mark, &[site, l(&[i(42)])]);
    kit.ev(1, EventKind::Line, &[i(7), l(&[])]);
    let timeline = kit.timeline();
    let q = |matches, kinds| Query {
        matches,
        kinds: Some(kinds),
        ..Query::default()
    };
    let both = EventKind::Line.bit() | EventKind::Mark.bit();
    assert_eq!(seqs(&timeline, &q(None, both)), [12, 13, 14]);
    assert_eq!(seqs(&timeline, &q(None, EventKind::Line.bit())), [12, 14]);
    assert_eq!(seqs(&timeline, &q(is(l(&[i(7), a("seven")])), both)), [12]);
    assert_eq!(seqs(&timeline, &q(is(l(&[i(42)])), both)), [13]);
    assert_eq!(seqs(&timeline, &q(is(i(42)), both)), [0; 0]);
    assert_eq!(seqs(&timeline, &q(is(l(&[])), both)), [14]);
}

#[test]
fn a_module_stands_for_all_that_run_it() {
    let mut kit = talk();
    kit.server(3, 1, None, "S", i(0))
        .ev(1, EventKind::Send, &[p(3), a("hi")]);
    kit.spawned(4, 1, t(&[a("S"), a("run"), l(&[])]));
    let timeline = kit.timeline();
    let q = |track, to| Query {
        track,
        to,
        ..Query::default()
    };
    assert_eq!(seqs(&timeline, &q(None, Some(module("S")))), [4, 5, 14]);
    let theirs = seqs(&timeline, &q(Some(module("S")), None));
    assert_eq!(theirs, [1, 2, 5, 6, 13, 16]);
    let nobody = run(&timeline, &q(Some(module("T")), None));
    assert!(matches!(nobody, Err(TimelineError::NoSuchProcess)));
    let history = timeline
        .history(&module("S"), Moment::Start, Moment::End, None)
        .unwrap();
    assert_eq!(history.processes.list.len(), 3);
}

#[test]
fn a_bearer_is_meant_by_its_name_and_by_its_pid() {
    let mut kit = Kit::new();
    kit.ev(1, EventKind::Send, &[a("out"), i(0)]);
    kit.ev(1, EventKind::Send, &[p(7), i(1)]);
    kit.ev(1, EventKind::Send, &[t(&[a("out"), a("n")]), i(2)]);
    kit.ev(1, EventKind::Send, &[p(8), i(3)]);
    kit.ev(1, EventKind::Send, &[a("other"), i(4)]);
    kit.ev(1, EventKind::Receive, &[i(5), t(&[a("n"), p(7)])]);
    let q = |from, to| Query {
        from,
        to,
        ..Query::default()
    };
    let timeline = kit.timeline();
    let out = Selector::Bearer(a("out"), 7);
    assert_eq!(seqs(&timeline, &q(None, Some(out.clone()))), [0, 1, 2]);
    assert_eq!(seqs(&timeline, &q(Some(out), None)), [5]);
    assert_eq!(seqs(&timeline, &q(None, Some(name("out")))), [0, 2]);
    assert_eq!(seqs(&timeline, &q(None, Some(pid(7)))), [1]);
}

#[test]
fn patterns_see_messages_with_and_without_their_envelope() {
    let timeline = talk().timeline();
    let q = |value| Query {
        matches: is(value),
        ..Query::default()
    };
    assert_eq!(seqs(&timeline, &q(a("get"))), [4, 5]);
    assert_eq!(seqs(&timeline, &q(call(1, 7, a("get")))), [4, 5]);
    assert_eq!(seqs(&timeline, &q(i(5))), [6, 7]);
    assert_eq!(seqs(&timeline, &q(a("ok"))), [10]);
    assert_eq!(seqs(&timeline, &q(l(&[i(1), i(2)]))), [9]);
    assert_eq!(seqs(&timeline, &q(a("bad"))), [11]);
}

#[test]
fn calls_are_found_by_function() {
    let timeline = talk().timeline();
    let atom = |text: &str| match a(text) {
        Value::Atom(atom) => Some(atom),
        _ => None,
    };
    let q = |mfa| Query {
        mfa: Some(mfa),
        ..Query::default()
    };
    let m = Mfa {
        module: atom("m"),
        ..Mfa::default()
    };
    assert_eq!(seqs(&timeline, &q(m)), [9, 10, 11]);
    assert_eq!(
        seqs(
            &timeline,
            &q(Mfa {
                function: atom("f"),
                ..m
            })
        ),
        [9, 10]
    );
    assert_eq!(seqs(&timeline, &q(Mfa { arity: Some(0), ..m })), [11]);
}

#[test]
fn replies_to_an_alias_go_to_whom_the_call_named() {
    let mut kit = Kit::new();
    kit.ev(2, EventKind::Receive, &[call(50, 3, a("get")), t(&[a("n"), p(50)])]);
    kit.ev(2, EventKind::Send, &[Value::Ref(vec![3, 0, 0]), t(&[alias(3), i(1)])]);
    let timeline = kit.timeline();
    let answer = run(
        &timeline,
        &Query {
            to: Some(pid(50)),
            ..Query::default()
        },
    )
    .unwrap();
    let found: Vec<_> = answer.hits.iter().map(|hit| (hit.row.seq, hit.to_pid)).collect();
    assert_eq!(found, [(1, Some(50))]);
}

#[test]
fn what_cannot_be_decided_is_counted() {
    let mut kit = talk();
    kit.ev(1, EventKind::Send, &[p(2), Value::TruncatedList(vec![i(1)], 2)]);
    let timeline = kit.timeline();
    let answer = run(
        &timeline,
        &Query {
            matches: is(l(&[i(1), i(2)])),
            ..Query::default()
        },
    )
    .unwrap();
    assert_eq!((answer.hits.len(), answer.unknown), (1, 1));
    let unknown = run(
        &timeline,
        &Query {
            track: Some(name("nobody")),
            ..Query::default()
        },
    );
    assert!(matches!(unknown, Err(TimelineError::NoSuchProcess)));
}

#[test]
fn a_standing_query_sees_each_event_once() {
    let mut kit = talk();
    let timeline = kit.timeline();
    let query = Query {
        kinds: Some(EventKind::Send.bit()),
        from: Some(name("later")),
        ..Query::default()
    };
    let mut live = Live::new(&timeline, query).unwrap();
    assert!(live.poll(&timeline, 10).unwrap().hits.is_empty());
    kit.ev(3, EventKind::Register, &[a("later")]);
    for n in 0..7 {
        kit.ev(3, EventKind::Send, &[p(2), i(n)])
            .ev(1, EventKind::Send, &[p(2), i(n)]);
    }
    let mut seen = Vec::new();
    loop {
        let answer = live.poll(&timeline, 3).unwrap();
        assert!(answer.hits.len() <= 3);
        seen.extend(answer.hits.iter().map(|hit| hit.view.arena.to_value(hit.row.terms[1])));
        if !answer.more {
            break;
        }
    }
    assert_eq!(seen, (0..7).map(i).collect::<Vec<_>>());
    kit.ev(3, EventKind::Send, &[p(2), i(99)]);
    assert_eq!(live.poll(&timeline, 3).unwrap().hits.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_query_equals_a_naive_filter(
        events in prop::collection::vec((1..4u64, 0..3usize, 0..3i64), 1..60),
        chunk in 1..9usize,
        kind in prop::option::of(0..3usize),
        track in prop::option::of(1..4u64),
        value in prop::option::of(0..3i64),
        since in prop::option::of(0..60u64),
        until in prop::option::of(0..60u64),
        by_time in any::<bool>(),
        limit in prop::option::of(1..10usize),
        desc in any::<bool>(),
    ) {
        let kinds = [EventKind::Link, EventKind::Register, EventKind::Exit];
        let mut kit = Kit::chunked(chunk);
        for pid in 1..4u64 {
            kit.ev(pid, EventKind::Unlink, &[i(9)]);
        }
        // A process's events after its exit begin a new track with the same pid.
        let mut all = Vec::new();
        for (n, (pid, kind, value)) in events.iter().enumerate() {
            kit.ev(*pid, kinds[*kind], &[i(*value)]);
            all.push((n as u64 + 3, *pid, *kind, *value));
        }
        let last = all.len() as u64 + 2;
        let moment = |seq: u64| if by_time { Moment::AtNs((seq + 1) * 10) } else { Moment::Seq(seq) };
        let (since, until) = (since.filter(|seq| *seq <= last), until.filter(|seq| *seq <= last));
        let mut expected: Vec<u64> = all
            .iter()
            .filter(|(seq, pid, k, v)| {
                kind.is_none_or(|kind| kind == *k)
                    && track.is_none_or(|track| track == *pid)
                    && value.is_none_or(|value| value == *v)
                    && since.is_none_or(|since| since <= *seq)
                    && until.is_none_or(|until| *seq <= until)
            })
            .map(|(seq, ..)| *seq)
            .collect();
        if desc {
            expected.reverse();
        }
        let more = limit.is_some_and(|limit| expected.len() > limit);
        expected.truncate(limit.unwrap_or(usize::MAX));
        let kinds = kind.map_or(kinds.iter().map(|kind| kind.bit()).sum(), |kind| kinds[kind].bit());
        let query = Query {
            kinds: Some(kinds),
            track: track.map(pid),
            matches: value.and_then(|value| is(i(value))),
            since: since.map(moment),
            until: until.map(moment),
            limit,
            order: if desc { Order::Desc } else { Order::Asc },
            ..Query::default()
        };
        let timeline = kit.timeline();
        let answer = run(&timeline, &query).unwrap();
        let got: Vec<u64> = answer.hits.iter().map(|hit| hit.row.seq).collect();
        prop_assert_eq!(got, expected);
        prop_assert_eq!(answer.more, more);
    }
}
