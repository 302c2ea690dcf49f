//! Recordings that drop their oldest chunks: what is left answers, and nothing answers wrongly.

use super::kit::*;
use crate::event::EventKind;
use crate::query::{run, Query};
use crate::store::{Mode, StoreConfig};
use crate::term::Value;
use crate::timeline::{Facts, KnownHow, Moment, Timeline, TimelineError, Transition};

const ROUNDS: i64 = 10_000;

/// What no compression shortens.
fn noise(seed: u64) -> Value {
    let mut x = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    Value::Binary((0..60).map(|_| next()).collect())
}

/// An idle server, and a busy one whose state grows by one with each message.
fn busy(watch: impl Fn(&Timeline)) -> Kit {
    let mut kit = Kit::with(StoreConfig {
        chunk_events: 512,
        max_bytes: 600 << 10,
        mode: Mode::Ring,
        ..StoreConfig::default()
    });
    let timeline = kit.timeline();
    kit.server(2, 1, Some("sup"), "supervisor", t(&[a("self"), a("Sup"), i(0)]));
    kit.server(8, 2, Some("idle"), "I", i(0)).looped(8, a("asleep"));
    kit.server(7, 2, Some("busy"), "B", i(0)).looped(7, i(0));
    for n in 0..ROUNDS {
        let text = noise(n as u64);
        kit.ev(9, EventKind::Send, &[p(7), cast(text.clone())]);
        kit.handled(7, cast(text), i(n)).looped(7, i(n + 1));
        if n % 100 == 0 {
            kit.rec.drained(0);
            watch(&timeline);
        }
    }
    kit
}

fn check(timeline: &Timeline) {
    let state = |who: &str| timeline.state_at(&name(who), Moment::End).unwrap().state.to_value();
    assert_eq!((state("idle"), state("busy")), (a("asleep"), i(ROUNDS)));
    let events = run(
        timeline,
        &Query {
            track: Some(name("busy")),
            ..Query::default()
        },
    )
    .unwrap()
    .hits;
    let seqs: Vec<u64> = events.iter().map(|hit| hit.row.seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]) && seqs.len() > 100);
    let first = seqs[0];
    for hit in events.iter().filter(|hit| hit.row.kind == EventKind::State).step_by(17) {
        let at = timeline.state_at(&name("busy"), Moment::Seq(hit.row.seq)).unwrap();
        assert_eq!(at.told.seq, hit.row.seq);
    }
    // Of what was dropped nothing is said but what is known.
    for seq in (12..first).step_by(97) {
        match timeline.state_at(&name("busy"), Moment::Seq(seq)) {
            Err(TimelineError::NeverSeen) => {}
            Ok(at) => assert!(at.told.seq <= seq && seq - at.told.seq < 6, "{} for {seq}", at.told.seq),
            Err(other) => panic!("{other:?}"),
        }
    }
    let history: Vec<Transition> = timeline
        .history(&name("busy"), Moment::Start, Moment::End, None)
        .unwrap()
        .transitions;
    assert!(
        history.len() > 50
            && history
                .iter()
                .all(|one| one.kind.name() != "init" && one.kind.name() != "changed")
    );
    let tree = timeline.tree(Moment::End).unwrap();
    let process = tree.processes.list.iter().find(|process| process.pid == 8).unwrap();
    assert_eq!((process.known, process.parent), (KnownHow::Spawned, Some(2)));
}

#[test]
fn a_ring_that_has_turned_answers_for_what_it_holds() {
    let kit = busy(|_| {});
    let counts = kit.rec.counts();
    assert!(counts.evicted > 1_000, "the cap is too large for this test: {counts:?}");
    check(&kit.timeline());
}

#[test]
fn a_timeline_that_watched_the_ring_turn_answers_too() {
    let kit = busy(|timeline| {
        timeline.state_at(&name("idle"), Moment::End).unwrap();
    });
    let timeline = kit.timeline();
    timeline.processes(Moment::End).unwrap();
    check(&timeline);
}

#[test]
fn a_timeline_of_a_turning_ring_stays_right() {
    let seen = std::cell::RefCell::new(0);
    busy(|timeline| {
        let at = timeline.state_at(&name("busy"), Moment::End).unwrap();
        assert_eq!(
            timeline.state_at(&name("idle"), Moment::End).unwrap().state.to_value(),
            a("asleep")
        );
        let Value::Int(n) = at.state.to_value() else {
            panic!("{at:?}")
        };
        assert!(n > *seen.borrow());
        *seen.borrow_mut() = n;
    });
    assert_eq!(*seen.borrow(), ROUNDS - 99);
}

/// The recording may forget a process that is over while its rows are being read: then nobody must take its pid for known.
#[test]
fn a_process_that_was_forgotten_while_it_was_read_is_nobody() {
    let mut kit = Kit::new();
    kit.server(7, 2, Some("busy"), "B", i(0)).looped(7, i(0));
    let chunk = kit.rec.chunks()[0];
    let view = kit.rec.view(&chunk).unwrap();
    let timeline = kit.timeline();
    let mut facts = Facts::default();
    for row in view.rows() {
        facts.feed(timeline.words(), &view, row, |_| None);
    }
    assert!(facts.tracks().is_empty() && facts.of_pid(0).is_empty());
    for row in view.rows() {
        facts.feed(timeline.words(), &view, row, |_| Some(7));
    }
    assert!(!facts.tracks().is_empty());
}
