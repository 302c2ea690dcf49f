//! The world at every moment against what its parts say, and steps against the lists that they walk along.

use proptest::prelude::*;

use super::kit::*;
use super::law3::{script, write};
use crate::event::EventKind;
use crate::query::{run, Query};
use crate::timeline::{Moment, Timeline, Transition, Verdict, Wanted, Way};

/// Acts of three processes, who also send each other messages that arrive a little later.
fn recorded(acts: &[(u64, u32, super::law3::Act)], chunk: usize) -> Kit {
    let mut kit = Kit::chunked(chunk);
    let mut sent: Vec<(u64, u64, i64)> = Vec::new();
    let mut ended = std::collections::HashSet::new();
    for (n, (pid, lost, act)) in acts.iter().enumerate() {
        let to = 1 + (*pid + n as u64) % 3;
        kit.ev(*pid, EventKind::Send, &[p(to), i(n as i64)]);
        sent.push((*pid, to, n as i64));
        if n % 3 == 2 {
            let (from, to, what) = sent.remove(0);
            if !ended.contains(&to) {
                kit.ev(to, EventKind::Receive, &[i(what), t(&[a("node"), p(from)])]);
            }
        }
        // A loop that ended does not go on: what else it did would be told differently from nearby and from afar.
        let natural = !matches!(act, super::law3::Act::End(_));
        if *lost == 0 && natural && !ended.contains(pid) {
            write(&mut kit, *pid, act);
            if matches!(act, super::law3::Act::Exit) {
                ended.insert(*pid);
            }
        }
    }
    kit
}

fn check_world(timeline: &Timeline, seq: u64) {
    let at = Moment::Seq(seq);
    let world = timeline.world(at, Wanted::default()).unwrap();
    assert_eq!(world.at.seq, seq);
    let processes = timeline.processes(at).unwrap();
    let alive: Vec<_> = processes
        .list
        .iter()
        .filter(|one| one.alive())
        .map(|one| one.track)
        .collect();
    assert_eq!(
        world.processes.list.iter().map(|one| one.track).collect::<Vec<_>>(),
        alive
    );
    for ((process, state), mailbox) in world.processes.list.iter().zip(&world.states).zip(&world.mailboxes) {
        let who = crate::timeline::Selector::Track(process.track);
        let own = timeline.state_at(&who, at);
        let value = |state: &Result<crate::timeline::StateAt, _>| state.as_ref().ok().map(|at| at.state.to_value());
        assert_eq!(value(state), value(&own));
        let own = timeline.mailbox(&who, at).unwrap();
        let seqs =
            |mailbox: &crate::timeline::Mailbox| mailbox.messages.iter().map(|one| one.came.seq).collect::<Vec<_>>();
        assert_eq!(seqs(mailbox), seqs(&own));
    }
    let ended = |track| processes.list.iter().any(|one| one.track == track && !one.alive());
    let hits = run(
        timeline,
        &Query {
            kinds: Some(EventKind::Send.bit()),
            ..Query::default()
        },
    )
    .unwrap()
    .hits;
    let on_their_way: Vec<u64> = hits
        .iter()
        .filter(|hit| hit.row.seq <= seq && hit.partner.is_none_or(|receive| receive > seq))
        .filter(|hit| hit.to_track.is_some_and(|to| !ended(to) && receives(timeline, to)))
        .map(|hit| hit.row.seq)
        .collect();
    assert_eq!(
        world.flights.iter().map(|one| one.sent).collect::<Vec<_>>(),
        on_their_way,
        "at {seq}"
    );
}

fn receives(timeline: &Timeline, track: crate::store::TrackId) -> bool {
    let query = Query {
        kinds: Some(EventKind::Receive.bit()),
        track: Some(crate::timeline::Selector::Track(track)),
        ..Query::default()
    };
    !run(timeline, &query).unwrap().hits.is_empty()
}

/// Every transition that one passes by stepping.
fn walk(timeline: &Timeline, way: Way, passes: impl Fn(&Transition) -> bool) -> Vec<u64> {
    let (mut from, mut all) = (None, Vec::new());
    loop {
        let judge = |one: &Transition| if passes(one) { Verdict::Yes } else { Verdict::No };
        let Some(one) = timeline.next_transition(None, from, way, judge).unwrap().transition else {
            return all;
        };
        assert!(from.is_none_or(|from| if way == Way::Forward {
            one.seq > from
        } else {
            one.seq < from
        }));
        from = Some(one.seq);
        all.push(one.seq);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_world_is_what_its_parts_say(acts in script(), back in any::<bool>()) {
        // One chunk: who receives is known from the beginning.
        let kit = recorded(&acts, 10_000);
        let timeline = kit.timeline();
        let mut seqs: Vec<u64> = (0..kit.rec.end_seq()).collect();
        if back {
            seqs.reverse();
        }
        seqs.into_iter().for_each(|seq| check_world(&timeline, seq));
    }

    #[test]
    fn steps_back_are_steps_forward_in_reverse(acts in script(), chunk in 1..20usize, of in 1..4u64) {
        let kit = recorded(&acts, chunk);
        let timeline = kit.timeline();
        let forward = walk(&timeline, Way::Forward, |one| one.is_handling());
        let mut back = walk(&timeline, Way::Backward, |one| one.is_handling());
        back.reverse();
        // One step a moment: of several that one event completed the first or the last is met.

        prop_assert_eq!(forward, back);

        let who = pid(of);
        let all = |way| {
            let (mut from, mut all) = (None, Vec::new());
            while let Some(seq) = timeline.next_event(Some(&who), from, u32::MAX, way).unwrap() {
                all.push(seq);
                from = Some(seq);
            }
            all
        };
        if timeline.history(&who, Moment::Start, Moment::End, None).is_ok() {
            let mut back = all(Way::Backward);
            back.reverse();
            prop_assert_eq!(all(Way::Forward), back.clone());
            let hits = run(&timeline, &Query { track: Some(who.clone()), ..Query::default() }).unwrap().hits;
            prop_assert_eq!(back, hits.iter().map(|hit| hit.row.seq).collect::<Vec<_>>());
        }
    }
}
