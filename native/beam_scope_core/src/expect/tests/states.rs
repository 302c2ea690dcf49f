//! The transitions of all processes in one pass are those that each process's history has.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::content::Content;
use super::super::feed::{Feed, Sink};
use super::super::plan::Plan;
use super::super::read::Reader;
use super::super::subject::{Happened, Place, Subject};
use super::*;
use crate::pattern::Part;
use crate::store::TrackId;
use crate::timeline::tests::law3::{script, write};
use crate::timeline::{Known, Outcome, Transition, TransitionKind};

/// What is told of a state or a transition.
type Told = (TrackId, What, u64, Option<Value>, Option<Value>);

#[derive(Default)]
struct Collect {
    told: Vec<Told>,
    places: Vec<Place>,
}

fn value(part: Part<'_>) -> Option<Value> {
    match part {
        Part::Term(arena, node) => Some(arena.to_value(node)),
        _ => None,
    }
}

impl Sink for Collect {
    fn take(&mut self, happened: &Happened<'_>) {
        let (from, to) = match &happened.content {
            Content::State(state) => (None, value(*state)),
            Content::Step([from, to], _) => (value(*from), value(*to)),
            Content::Reason([reason, _]) if happened.place.by_transition => (None, value(*reason)),
            _ => return,
        };
        let place = happened.place;
        self.told.push((place.track, place.what, place.seq, from, to));
        self.places.push(place);
    }
}

fn known(known: &Known) -> Option<Value> {
    known.term().map(crate::timeline::TermRef::to_value)
}

/// What a history says of the same.
fn of_history(one: &Transition) -> Vec<Told> {
    let mut told = Vec::new();
    let step = !matches!(
        one.kind,
        TransitionKind::Gap | TransitionKind::End | TransitionKind::Read
    );
    let mut tell = |what, from, to| told.push((one.track, what, one.seq, from, to));
    let (from, to) = (known(&one.from), known(&one.to));
    if to.is_some() && (step || one.kind == TransitionKind::Read) {
        tell(What::State, None, to.clone());
    }
    if step && !matches!(one.outcome, Outcome::Pending) {
        tell(What::Transition, from, to);
    }
    if let Outcome::Crash(_, reason) = &one.outcome {
        tell(What::Crashed, None, Some(reason.to_value()));
    }
    told
}

fn sorted(mut told: Vec<Told>) -> Vec<Told> {
    // Of one process they stay in order.
    told.sort_by_key(|one| one.0);
    told
}

#[test]
fn idle_processes_keep_no_chunks_in_memory() {
    let mut kit = Kit::chunked(2);
    for process in 1..100 {
        kit.ev(process, EventKind::Link, &[p(999)])
            .looped(process, i(process as i64));
    }
    let timeline = kit.timeline();
    let inner = timeline.fresh().unwrap();
    let checks = vec![check(&timeline, count(None, None), None, &[state(anything())])];
    let plan = Plan::new(&timeline, &inner, checks, true).unwrap();
    let mut feed = Feed::new(Arc::clone(timeline.words()));
    let (mut collect, mut views) = (Collect::default(), Vec::new());
    for chunk in &inner.index.chunks {
        let view = kit.rec.view(&chunk.chunk).unwrap();
        feed.next_reading();
        for row in chunk.rows_from(&view, 0) {
            feed.row(&plan, &inner, &view, row, &mut collect);
        }
        views.push(Arc::downgrade(&view));
    }
    assert_eq!(collect.told.len(), 99);
    // What the store keeps goes, and what the feed still needs stays.
    kit.rec.close();
    let kept = views.iter().filter(|view| view.upgrade().is_some()).count();
    assert!((1..=10).contains(&kept), "{kept} of {}", views.len());
    let known: Vec<Value> = feed.states().map(|(_, state)| state.to_value()).collect();
    assert_eq!(known, (1..100).map(i).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(crate::term::arena::tests::cases(96))]

    #[test]
    fn one_pass_tells_what_the_histories_tell(acts in script(), chunk in 1..12usize, readings in 1..20usize) {
        let mut kit = Kit::chunked(chunk);
        let timeline = kit.timeline();
        let checks = |timeline: &Timeline| {
            let any = |what| check(timeline, count(None, None), None, &[step(what, just(anything()))]);
            vec![any(What::State), any(What::Transition), any(What::Crashed)]
        };
        let mut collect = Collect::default();
        let mut feed = Feed::new(Arc::clone(timeline.words()));
        let mut read_to = 0;
        // Read as it grows, a few events at a time, as a monitor does.
        for some in acts.chunks(readings) {
            for (pid, lost, act) in some {
                kit.lose(*pid, *lost);
                write(&mut kit, *pid, act);
            }
            let inner = timeline.fresh().unwrap();
            let plan = Plan::new(&timeline, &inner, checks(&timeline), true).unwrap();
            for chunk in inner.index.chunks.iter().filter(|chunk| chunk.next_seq > read_to) {
                let view = kit.rec.view(&chunk.chunk).unwrap();
                feed.next_reading();
                for row in chunk.rows_from(&view, read_to) {
                    feed.row(&plan, &inner, &view, row, &mut collect);
                }
            }
            read_to = inner.index.next_seq;
        }
        let mut expected = Vec::new();
        for track in 0..kit.rec.tracks().len() as u32 {
            let who = Selector::Track(TrackId(track));
            let history = timeline.history(&who, Moment::Start, Moment::End, None).unwrap();
            expected.extend(history.transitions.iter().flat_map(of_history));
        }
        prop_assert_eq!(sorted(collect.told.clone()), sorted(expected));
        // Each can be looked up again.
        let inner = timeline.fresh().unwrap();
        let reader = Reader { timeline: &timeline, inner: &inner };
        for (place, told) in collect.places.iter().zip(&collect.told) {
            let Some(Subject::Transition { transition, .. }) = reader.subject(place).unwrap() else {
                return Err(TestCaseError::fail(format!("nothing at {place:?}")));
            };
            prop_assert!(of_history(&transition).contains(told), "{:?} is not {:?}", transition, told);
        }
    }
}
