//! Law 9: a saved recording answers every question as the live one did, though its chunks were not read when it was opened.

use proptest::prelude::*;

use super::kit::*;
use super::law3::{script, write};
use crate::event::EventKind;
use crate::query::{run, Query};
use crate::store::{Recording, StopReason};
use crate::timeline::{Moment, Timeline, Wanted};

fn reopened(kit: &Kit) -> Timeline {
    let path = std::env::temp_dir().join(format!("beam_scope-law9-{}-{:p}", std::process::id(), kit));
    kit.rec.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    Timeline::new(Recording::from_bytes(bytes).unwrap())
}

/// What a timeline answers, in words.
fn answers(timeline: &Timeline, events: u64) -> Vec<String> {
    let mut all = Vec::new();
    for at in (0..events).map(Moment::Seq).chain([Moment::Start, Moment::End]) {
        for of in 1..4 {
            let state = timeline.state_at(&pid(of), at);
            all.push(format!(
                "{of} {at:?} {:?}",
                state
                    .map(|at| (at.told, at.state.to_value()))
                    .map_err(|e| format!("{e:?}"))
            ));
        }
        let world = timeline.world(at, Wanted::default()).unwrap();
        let mailboxes: Vec<_> = world.mailboxes.iter().map(|one| (one.len, one.exact)).collect();
        all.push(format!(
            "{mailboxes:?} {:?}",
            world.flights.iter().map(|one| (one.sent, one.from)).collect::<Vec<_>>()
        ));
        let processes = timeline.processes(at).unwrap();
        all.push(format!(
            "{:?}",
            processes
                .list
                .iter()
                .map(|one| (
                    one.track,
                    one.known,
                    one.exited.map(|(end, _)| end),
                    one.names.len(),
                    one.links.len()
                ))
                .collect::<Vec<_>>()
        ));
    }
    for of in 1..4 {
        let history = timeline.history(&pid(of), Moment::Start, Moment::End, None);
        let history = history.map(|history| history.transitions.iter().map(short).collect::<Vec<_>>());
        all.push(format!("{:?}", history.map_err(|e| format!("{e:?}"))));
    }
    let hits = run(timeline, &Query::default()).unwrap().hits;
    all.extend(
        hits.iter()
            .map(|hit| format!("{:?} {:?} {:?}", hit.row.seq, hit.row.kind, hit.partner)),
    );
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn law_9_a_saved_recording_answers_as_the_live_one(acts in script(), chunk in 1..20usize) {
        let mut kit = Kit::chunked(chunk);
        for (pid, lost, act) in &acts {
            kit.lose(*pid, *lost);
            if *pid == 3 {
                kit.ev(1, EventKind::Send, &[p(3), i(7)]).ev(3, EventKind::Receive, &[i(7), p(1)]);
            }
            write(&mut kit, *pid, act);
        }
        let events = kit.rec.end_seq();
        let live = answers(&kit.timeline(), events);
        kit.rec.stop(StopReason::Requested);
        prop_assert_eq!(answers(&reopened(&kit), events), live);
    }
}

/// What a damaged part of a file told is unknown afterwards, not what was told before it.
#[test]
fn a_state_after_damage_is_not_the_one_before_it() {
    let mut kit = Kit::chunked(4);
    for n in 0..40 {
        kit.looped(1, i(n)).ev(2, EventKind::Link, &[p(9)]);
    }
    for _ in 0..20 {
        kit.ev(2, EventKind::Link, &[p(9)]);
    }
    kit.rec.stop(StopReason::Requested);
    let path = std::env::temp_dir().join(format!("beam_scope-damage-{}", std::process::id()));
    kit.rec.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let mut hit = 0;
    for at in (100..bytes.len()).step_by(37) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let Ok(rec) = Recording::from_bytes(damaged) else {
            continue;
        };
        let timeline = Timeline::new(rec);
        for seq in 0..100u64 {
            let state = timeline.state_at(&pid(1), Moment::Seq(seq));
            let told = (seq / 2).min(39) as i64;
            match state {
                Ok(state) => assert_eq!(state.state.to_value(), i(told), "byte {at}, event {seq}"),
                Err(_) => hit += 1,
            }
        }
    }
    assert!(hit > 50, "{hit}");
}
