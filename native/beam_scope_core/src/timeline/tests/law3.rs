//! Law 3: the state at any moment, found by index, is the one that a naive fold over all records gives; and the history says
//! the same.

use std::collections::HashMap;

use proptest::prelude::*;

use super::kit::*;
use crate::event::{EventKind, Fields, Point};
use crate::term::Value;
use crate::timeline::{Known, Moment, TimelineError};

/// One record of a process.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Handled(i64, i64),
    Loop(i64),
    Continue(i64),
    End(i64),
    Step(i64, i64),
    Read(i64),
    Callback(i64),
    Returned(i64),
    Kept,
    Other,
    Exit,
}

/// What a reader may know after a record.
#[derive(Clone, Debug, Default, PartialEq)]
enum Model {
    #[default]
    NeverSeen,
    Lost,
    Is(i64),
    Ended,
}

fn act() -> impl Strategy<Value = Act> {
    let n = || 0..5i64;
    prop_oneof![
        4 => (n(), n()).prop_map(|(m, s)| Act::Handled(m, s)),
        4 => n().prop_map(Act::Loop),
        1 => n().prop_map(Act::Continue),
        1 => n().prop_map(Act::End),
        2 => (n(), n()).prop_map(|(b, s)| Act::Step(b, s)),
        1 => n().prop_map(Act::Read),
        1 => n().prop_map(Act::Callback),
        1 => n().prop_map(Act::Returned),
        1 => Just(Act::Kept),
        3 => Just(Act::Other),
        1 => Just(Act::Exit),
    ]
}

/// The fold: no index, no chunks, one record after the other.
fn fold(model: &mut Model, act: &Act, lost: u32) {
    if lost > 0 {
        *model = Model::Lost;
    }
    match act {
        Act::Handled(_, state) | Act::Loop(state) | Act::Continue(state) | Act::End(state) => {
            *model = Model::Is(*state)
        }
        Act::Step(_, state) | Act::Read(state) | Act::Callback(state) | Act::Returned(state) => {
            *model = Model::Is(*state)
        }
        Act::Kept | Act::Other => {}
        Act::Exit => *model = Model::Ended,
    }
}

pub(crate) fn write(kit: &mut Kit, pid: u64, act: &Act) {
    let server = (Fields::BEHAVIOUR, a("gen_server"));
    let callback = (Fields::CALLBACK, a("handle_info"));
    let fields = |one, two: &[(u16, Value)]| [&[server.clone(), callback.clone(), one], two].concat();
    match act {
        Act::Handled(message, state) => kit.handled(pid, i(*message), i(*state)),
        Act::Loop(state) => kit.looped_then(pid, i(*state), a("infinity")),
        Act::Continue(state) => kit.looped_then(pid, i(*state), t(&[a("continue"), a("c")])),
        Act::End(state) => kit.ended(pid, "error", a("x"), i(*state)),
        Act::Step(before, state) => kit.step(pid, t(&[a("info"), a("m")]), i(*before), i(*state)),
        Act::Read(state) => kit.state(pid, Point::Read, &[(Fields::AFTER, i(*state))]),
        Act::Callback(state) => kit.state(
            pid,
            Point::Callback,
            &fields((Fields::BEFORE, i(*state)), &[(Fields::MESSAGE, a("m"))]),
        ),
        Act::Returned(state) => {
            let value = t(&[a("noreply"), i(*state)]);
            kit.state(pid, Point::Returned, &fields((Fields::RETURNED, value), &[]))
        }
        Act::Kept => kit.ev(pid, EventKind::Register, &[a("n")]),
        Act::Other => kit.ev(pid, EventKind::Link, &[p(99)]),
        Act::Exit => kit.ev(pid, EventKind::Exit, &[a("normal")]),
    };
}

/// Acts of three processes; nothing follows an exit.
pub(crate) fn script() -> impl Strategy<Value = Vec<(u64, u32, Act)>> {
    let one = (1..4u64, prop_oneof![8 => Just(0u32), 1 => 1..4u32], act());
    prop::collection::vec(one, 1..80).prop_map(|mut acts| {
        let mut ended = std::collections::HashSet::new();
        acts.retain(|(pid, _, act)| !ended.contains(pid) && (!matches!(act, Act::Exit) || ended.insert(*pid)));
        acts
    })
}

fn answer(found: Result<crate::timeline::StateAt, TimelineError>) -> Model {
    match found {
        Ok(at) => match at.state.to_value() {
            Value::Int(n) => Model::Is(n),
            other => panic!("{other:?}"),
        },
        Err(TimelineError::NeverSeen | TimelineError::NoSuchProcess) => Model::NeverSeen,
        Err(TimelineError::Lost { .. }) => Model::Lost,
        Err(TimelineError::NotAlive(_)) => Model::Ended,
        Err(other) => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn law_3_state_at_by_index_equals_a_naive_fold(acts in script(), chunk in 1..20usize) {
        let mut kit = Kit::chunked(chunk);
        let mut models: HashMap<u64, Model> = HashMap::new();
        let mut expected = Vec::new();
        for (pid, lost, act) in &acts {
            kit.lose(*pid, *lost);
            write(&mut kit, *pid, act);
            fold(models.entry(*pid).or_default(), act, *lost);
            expected.push(models.clone());
        }
        let timeline = kit.timeline();
        for (seq, models) in expected.iter().enumerate() {
            for (of, model) in models {
                let by_seq = answer(timeline.state_at(&pid(*of), Moment::Seq(seq as u64)));
                prop_assert_eq!(&by_seq, model, "pid {} at {}", of, seq);
                let by_time = answer(timeline.state_at(&pid(*of), Moment::AtNs((seq as u64 + 1) * 10 + 5)));
                prop_assert_eq!(&by_time, model);
            }
        }
    }

    #[test]
    fn law_3_histories_agree_with_states(acts in script(), chunk in 1..20usize) {
        let mut kit = Kit::chunked(chunk);
        for (pid, lost, act) in &acts {
            kit.lose(*pid, *lost);
            write(&mut kit, *pid, act);
        }
        let timeline = kit.timeline();
        for of in 1..4u64 {
            let Ok(history) = timeline.history(&pid(of), Moment::Start, Moment::End, None) else { continue };
            let mut last: HashMap<u64, Known> = HashMap::new();
            for one in &history.transitions {
                last.insert(one.seq, one.to.clone());
            }
            for (seq, to) in last {
                let Known::Is(to) = to else { continue };
                // The last transition completed by an event leaves the state that the event tells, unless it took up the
                // next message, which shows the same state.
                let at = timeline.state_at(&pid(of), Moment::Seq(seq)).unwrap();
                prop_assert_eq!(at.state.to_value(), to.to_value());
            }
            let mut before: Option<&Known> = None;
            for one in &history.transitions {
                if let (Some(Known::Is(before)), Known::Is(from)) = (before, &one.from) {
                    prop_assert_eq!(before.to_value(), from.to_value(), "states do not join at {}", one.seq);
                }
                before = Some(&one.to);
            }
        }
    }

    #[test]
    fn a_timeline_read_as_it_grows_answers_as_one_read_at_the_end(acts in script(), chunk in 1..20usize) {
        let mut kit = Kit::chunked(chunk);
        let growing = kit.timeline();
        for (n, (pid, lost, act)) in acts.iter().enumerate() {
            kit.lose(*pid, *lost);
            write(&mut kit, *pid, act);
            if n % 7 == 0 {
                let _ = growing.processes(Moment::End).unwrap();
            }
        }
        let fresh = kit.timeline();
        for of in 1..4u64 {
            let short = |timeline: &crate::timeline::Timeline| {
                let history = timeline.history(&pid(of), Moment::Start, Moment::End, None);
                history.map_or_else(|_| Vec::new(), |history| history.transitions.iter().map(short).collect())
            };
            prop_assert_eq!(short(&growing), short(&fresh));
        }
    }
}
