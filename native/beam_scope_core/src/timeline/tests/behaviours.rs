//! Histories of each behaviour, and of what interrupts them.

use super::kit::*;
use crate::event::{EventKind, Fields, Point};
use crate::term::Value;
use crate::timeline::{Found, Moment, Outcome, Timeline, TimelineError, Transition, TransitionKind, Verdict};

fn history(kit: &Kit, of: u64) -> Vec<Transition> {
    let timeline = kit.timeline();
    timeline
        .history(&pid(of), Moment::Start, Moment::End, None)
        .unwrap()
        .transitions
}

fn shorts(kit: &Kit, of: u64) -> Vec<Short> {
    history(kit, of).iter().map(short).collect()
}

#[test]
fn a_gen_server_from_init_to_stop() {
    let mut kit = Kit::new();
    kit.server(7, 1, None, "Counter", i(0))
        .looped_then(7, i(0), a("infinity"));
    kit.handled(7, call(9, 1, a("inc")), i(0));
    kit.ev(7, EventKind::Send, &[Value::Ref(vec![1, 0, 0]), t(&[alias(1), i(1)])]);
    kit.looped_then(7, i(1), a("infinity"));
    kit.handled(7, cast(a("stop")), i(1))
        .ended(7, "exit", a("normal"), i(5));
    kit.ev(7, EventKind::Exit, &[a("normal")]);
    let all = history(&kit, 7);
    let shorts: Vec<Short> = all.iter().map(short).collect();
    assert_eq!(
        shorts,
        [
            ("init", None, None, Some(i(0))),
            ("call", Some(a("inc")), Some(i(0)), Some(i(1))),
            ("cast", Some(a("stop")), Some(i(1)), Some(i(5))),
        ]
    );
    assert_eq!(all[1].from_process, Some(9));
    assert_eq!(all[1].reply.as_ref().unwrap().to_value(), i(1));
    assert!(matches!(&all[2].outcome, Outcome::Stop(reason) if reason.to_value() == a("normal")));
}

#[test]
fn continues_chain_and_timeouts_are_told_from_messages() {
    let mut kit = Kit::new();
    kit.server(7, 1, None, "C", i(0))
        .looped_then(7, i(0), t(&[a("continue"), a("more")]));
    kit.looped_then(7, i(1), t(&[a("continue"), a("last")]))
        .looped_then(7, i(2), i(500));
    kit.handled(7, a("timeout"), i(2)).looped_then(7, i(3), a("infinity"));
    kit.handled(7, a("timeout"), i(3))
        .looped_then(7, i(4), t(&[a("timeout_zero"), a("tick")]));
    kit.handled(7, a("tick"), i(4)).looped_then(7, i(5), a("hibernate"));
    let timer = Value::Improper(vec![Value::Ref(vec![3])], Box::new(a("tock")));
    kit.handled(7, a("go"), i(5))
        .looped_then(7, i(6), t(&[a("timeout"), timer, a("infinity")]));
    kit.handled(7, a("tock"), i(6)).looped(7, i(7));
    let kinds: Vec<&str> = shorts(&kit, 7).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(
        kinds,
        ["init", "continue", "continue", "timeout", "info", "timeout", "info", "timeout"]
    );
    assert_eq!(
        shorts(&kit, 7)[1],
        ("continue", Some(a("more")), Some(i(0)), Some(i(1)))
    );
}

#[test]
fn crashes_stops_and_kills_are_told_apart() {
    let mut kit = Kit::new();
    for (server, class, reason) in [
        (7, "error", a("badarith")),
        (8, "exit", a("boom")),
        (9, "throw", a("x")),
    ] {
        kit.looped(server, i(0))
            .handled(server, a("go"), i(0))
            .ended(server, class, reason, i(0));
    }
    let bad = t(&[a("bad_return_value"), a("oops")]);
    kit.looped(10, i(0))
        .handled(10, a("go"), i(0))
        .ended(10, "exit", bad, i(0));
    kit.looped(11, i(0))
        .handled(11, a("go"), i(0))
        .ev(11, EventKind::Exit, &[a("killed")]);
    kit.looped(12, i(0)).ev(12, EventKind::Exit, &[a("killed")]);
    let last = |of| history(&kit, of).pop().unwrap();
    assert!(matches!(last(7).outcome, Outcome::Crash(..)));
    assert!(matches!(last(8).outcome, Outcome::Stop(_)));
    assert!(matches!(last(9).outcome, Outcome::Crash(..)));
    assert!(matches!(last(10).outcome, Outcome::Crash(..)));
    assert_eq!(short(&last(11)), ("info", Some(a("go")), Some(i(0)), None));
    assert!(matches!(last(11).outcome, Outcome::Stop(_)));
    assert_eq!(short(&last(12)), ("end", None, Some(i(0)), None));
}

#[test]
fn a_state_that_no_message_changed_is_shown_as_changed() {
    let mut kit = Kit::new();
    kit.looped(7, i(0))
        .handled(7, a("x"), i(9))
        .looped(7, i(10))
        .looped(7, i(10))
        .looped(7, i(11));
    kit.state(7, Point::Read, &[(Fields::AFTER, i(11))])
        .state(7, Point::Read, &[(Fields::AFTER, i(12))]);
    assert_eq!(
        shorts(&kit, 7),
        [
            ("read", None, None, Some(i(0))),
            ("changed", None, Some(i(0)), Some(i(9))),
            ("info", Some(a("x")), Some(i(9)), Some(i(10))),
            ("changed", None, Some(i(10)), Some(i(11))),
            ("changed", None, Some(i(11)), Some(i(12))),
        ]
    );
}

#[test]
fn after_a_gap_the_state_is_unknown_until_seen() {
    let mut kit = Kit::new();
    kit.looped(7, i(0))
        .handled(7, a("x"), i(0))
        .lose(7, 3)
        .ev(7, EventKind::Link, &[p(1)]);
    kit.handled(7, a("y"), i(5)).looped(7, i(6));
    let all = history(&kit, 7);
    assert_eq!(
        all.iter().map(short).collect::<Vec<_>>(),
        [
            ("read", None, None, Some(i(0))),
            ("info", Some(a("x")), Some(i(0)), None),
            ("gap", None, None, None),
            ("read", None, None, Some(i(5))),
            ("info", Some(a("y")), Some(i(5)), Some(i(6))),
        ]
    );
    assert_eq!(all[2].lost, 3);
    let timeline = kit.timeline();
    let at = |seq| timeline.state_at(&pid(7), Moment::Seq(seq));
    assert_eq!(at(1).unwrap().state.to_value(), i(0));
    assert!(matches!(at(2), Err(TimelineError::Lost { count: 3, seq: Some(2) })));
    assert_eq!(at(3).unwrap().state.to_value(), i(5));
}

#[test]
fn losses_after_the_last_event_make_the_state_unknown() {
    let mut kit = Kit::new();
    kit.looped(7, i(0)).looped(8, i(1));
    kit.rec.lost(7, 2, 100);
    let timeline = kit.timeline();
    assert!(matches!(
        timeline.state_at(&pid(7), Moment::End),
        Err(TimelineError::Lost { count: 2, seq: None })
    ));
    assert_eq!(
        timeline.state_at(&pid(7), Moment::Seq(0)).unwrap().state.to_value(),
        i(0)
    );
    assert_eq!(timeline.state_at(&pid(8), Moment::End).unwrap().state.to_value(), i(1));
    assert_eq!(history(&kit, 7).last().unwrap().lost, 2);
}

#[test]
fn what_was_not_looked_at_was_not_lost() {
    let mut kit = Kit::new();
    kit.looped(7, i(0)).unseen(7, "too dear").looped(8, i(1));
    let at = |kit: &Kit, moment| kit.timeline().state_at(&pid(7), moment);
    for moment in [Moment::End, Moment::Seq(1)] {
        let Err(TimelineError::Unseen { seq: 1, why }) = at(&kit, moment) else {
            panic!("the state is known, or lost");
        };
        assert_eq!(why, "too dear");
    }
    assert_eq!(at(&kit, Moment::Seq(0)).unwrap().state.to_value(), i(0));
    let gap = history(&kit, 7).pop().unwrap();
    assert_eq!((gap.kind, gap.lost), (TransitionKind::Gap, 0));
    kit.looped(7, i(5));
    assert_eq!(at(&kit, Moment::End).unwrap().state.to_value(), i(5));
    assert!(kit.rec.losses().is_empty());
}

#[test]
fn losses_that_nothing_tells_yet_make_the_state_unknown() {
    let mut kit = Kit::new();
    kit.looped(7, i(0)).looped(8, i(1));
    kit.rec.set_owed(vec![(7, 2)], u64::MAX);
    let at = |kit: &Kit, pid_: u64, moment| {
        let found = kit.timeline().state_at(&pid(pid_), moment);
        found.map(|found| found.state.to_value())
    };
    let lost = Err(TimelineError::Lost { count: 2, seq: None });
    assert_eq!(
        format!("{:?}", at(&kit, 7, Moment::End)),
        format!("{lost:?}", lost = lost as Result<Value, _>)
    );
    assert_eq!(at(&kit, 7, Moment::Seq(0)).unwrap(), i(0));
    assert_eq!(at(&kit, 8, Moment::End).unwrap(), i(1));
    assert_eq!(history(&kit, 7).last().unwrap().lost, 2);
    let frozen = kit.rec.freeze().unwrap();
    assert!(matches!(
        Timeline::new(frozen).state_at(&pid(7), Moment::End),
        Err(TimelineError::Lost { count: 2, seq: None })
    ));
    // What came after what was owed has told it.
    kit.rec.set_owed(vec![(7, 2)], 0);
    kit.looped(7, i(5));
    assert_eq!(at(&kit, 7, Moment::End).unwrap(), i(5));
}

#[test]
fn without_loop_records_the_next_message_tells_the_state_after() {
    let mut kit = Kit::new();
    kit.handled(7, a("x"), i(0))
        .handled(7, a("y"), i(1))
        .handled(7, a("z"), i(2));
    assert_eq!(
        shorts(&kit, 7),
        [
            ("read", None, None, Some(i(0))),
            ("info", Some(a("x")), Some(i(0)), Some(i(1))),
            ("info", Some(a("y")), Some(i(1)), Some(i(2))),
            ("info", Some(a("z")), Some(i(2)), None),
        ]
    );
}

fn sd(state: &str, data: i64) -> Value {
    t(&[a(state), i(data)])
}

#[test]
fn a_gen_statem_steps() {
    let mut kit = Kit::new();
    kit.spawned(7, 1, init_p(1, None, "gen_statem", "Door", i(0)));
    kit.step(7, t(&[a("internal"), a("init_state")]), sd("open", 0), sd("open", 0));
    kit.step(
        7,
        t(&[t(&[a("call"), t(&[p(9), alias(4)])]), a("shut")]),
        sd("open", 0),
        sd("shut", 1),
    );
    kit.step(7, t(&[a("state_timeout"), a("beep")]), sd("shut", 1), sd("open", 2));
    kit.step(
        7,
        t(&[t(&[a("timeout"), a("n")]), a("x")]),
        sd("open", 2),
        sd("open", 2),
    );
    let fields = [
        (Fields::BEHAVIOUR, a("gen_statem")),
        (Fields::CLASS, a("error")),
        (Fields::REASON, a("bad")),
        (Fields::MESSAGE, t(&[a("cast"), a("die")])),
        (Fields::BEFORE, sd("open", 2)),
    ];
    kit.state(7, Point::End, &fields);
    let all = history(&kit, 7);
    assert_eq!(
        all.iter().map(short).collect::<Vec<_>>(),
        [
            ("init", Some(a("init_state")), None, Some(sd("open", 0))),
            ("call", Some(a("shut")), Some(sd("open", 0)), Some(sd("shut", 1))),
            (
                "state_timeout",
                Some(a("beep")),
                Some(sd("shut", 1)),
                Some(sd("open", 2))
            ),
            ("timeout", Some(a("x")), Some(sd("open", 2)), Some(sd("open", 2))),
            ("cast", Some(a("die")), Some(sd("open", 2)), Some(sd("open", 2))),
        ]
    );
    assert_eq!(all[1].from_process, Some(9));
    assert!(matches!(all[4].outcome, Outcome::Crash(..)));
}

fn handler(module: &str, state: i64) -> Value {
    t(&[a("handler"), a(module), a("false"), i(state), a("false")])
}

#[test]
fn a_gen_event_has_a_history_for_each_handler() {
    let mut kit = Kit::new();
    let with = |message, point, bit, list: &[Value], kit: &mut Kit| {
        let mut fields = vec![(Fields::BEHAVIOUR, a("gen_event")), (bit, l(list))];
        if let Some(message) = message {
            fields.push((Fields::MESSAGE, message));
        }
        kit.state(7, point, &fields);
    };
    with(None, Point::Loop, Fields::AFTER, &[], &mut kit);
    let add = t(&[p(9), t(&[p(9), alias(1)]), t(&[a("add_handler"), a("H"), l(&[])])]);
    with(Some(add), Point::Handled, Fields::BEFORE, &[], &mut kit);
    with(None, Point::Loop, Fields::AFTER, &[handler("H", 0)], &mut kit);
    with(
        Some(t(&[a("notify"), a("e")])),
        Point::Handled,
        Fields::BEFORE,
        &[handler("H", 0)],
        &mut kit,
    );
    with(
        None,
        Point::Loop,
        Fields::AFTER,
        &[handler("G", 5), handler("H", 1)],
        &mut kit,
    );
    let all = history(&kit, 7);
    let named: Vec<(Short, Option<Value>)> = all
        .iter()
        .map(|one| (short(one), one.handler.as_ref().map(|handler| handler.to_value())))
        .collect();
    let h = Some(t(&[a("H"), a("false")]));
    assert_eq!(named[1].1, h);
    assert_eq!((named[1].0).0, "init");
    assert_eq!(named[2].0, ("init", Some(a("e")), None, Some(i(5))));
    assert_eq!(named[3], (("event", Some(a("e")), Some(i(0)), Some(i(1))), h));
    let state = kit.timeline().state_at(&pid(7), Moment::End).unwrap().state.to_value();
    assert_eq!(
        state,
        l(&[t(&[a("G"), a("false"), i(5)]), t(&[a("H"), a("false"), i(1)])])
    );
}

fn called(kit: &mut Kit, behaviour: &str, callback: &str, message: Value, before: Value) {
    let fields = [
        (Fields::BEHAVIOUR, a(behaviour)),
        (Fields::CALLBACK, a(callback)),
        (Fields::MESSAGE, message),
        (Fields::BEFORE, before),
    ];
    kit.state(7, Point::Callback, &fields);
}

fn back(kit: &mut Kit, behaviour: &str, callback: &str, value: Value) {
    let fields = [
        (Fields::BEHAVIOUR, a(behaviour)),
        (Fields::CALLBACK, a(callback)),
        (Fields::RETURNED, value),
    ];
    kit.state(7, Point::Returned, &fields);
}

#[test]
fn callbacks_and_their_returns_tell_as_much() {
    let mut kit = Kit::new();
    let k = &mut kit;
    called(k, "gen_server", "handle_call", a("inc"), i(0));
    back(k, "gen_server", "handle_call", t(&[a("reply"), a("ok"), i(1)]));
    called(k, "gen_server", "handle_cast", a("x"), i(1));
    back(
        k,
        "gen_server",
        "handle_cast",
        t(&[a("noreply"), i(2), t(&[a("continue"), a("c")])]),
    );
    called(k, "gen_server", "handle_continue", a("c"), i(2));
    back(k, "gen_server", "handle_continue", t(&[a("stop"), a("normal"), i(3)]));
    let all = history(&kit, 7);
    assert_eq!(
        all.iter().map(short).collect::<Vec<_>>(),
        [
            ("read", None, None, Some(i(0))),
            ("call", Some(a("inc")), Some(i(0)), Some(i(1))),
            ("cast", Some(a("x")), Some(i(1)), Some(i(2))),
            ("continue", Some(a("c")), Some(i(2)), Some(i(3))),
        ]
    );
    assert_eq!(all[1].reply.as_ref().unwrap().to_value(), a("ok"));
    assert!(matches!(all[3].outcome, Outcome::Stop(_)));
}

#[test]
fn gen_statem_callbacks_keep_what_they_do_not_name() {
    let mut kit = Kit::new();
    let k = &mut kit;
    called(k, "gen_statem", "open", t(&[a("cast"), a("x")]), sd("open", 0));
    back(k, "gen_statem", "open", t(&[a("keep_state"), i(1)]));
    called(k, "gen_statem", "open", t(&[a("cast"), a("y")]), sd("open", 1));
    back(k, "gen_statem", "open", t(&[a("next_state"), a("shut"), i(2)]));
    called(k, "gen_statem", "shut", t(&[a("cast"), a("z")]), sd("shut", 2));
    back(k, "gen_statem", "shut", a("keep_state_and_data"));
    let states: Vec<_> = shorts(&kit, 7).into_iter().map(|(_, _, from, to)| (from, to)).collect();
    let (o0, o1, s2) = (Some(sd("open", 0)), Some(sd("open", 1)), Some(sd("shut", 2)));
    assert_eq!(
        states,
        [(None, o0.clone()), (o0, o1.clone()), (o1, s2.clone()), (s2.clone(), s2)]
    );
    let state = kit
        .timeline()
        .state_at(&pid(7), Moment::Seq(1))
        .unwrap()
        .state
        .to_value();
    assert_eq!(state, sd("open", 1));
}

#[test]
fn the_first_state_that_matches_is_found_with_its_message() {
    let mut kit = Kit::new();
    kit.looped(7, i(0));
    for n in 0..9 {
        kit.handled(7, call(9, n as u32, t(&[a("set"), i(n + 1)])), i(n));
        kit.ev(
            7,
            EventKind::Send,
            &[Value::Ref(vec![n as u32, 0, 0]), t(&[alias(n as u32), i(n)])],
        )
        .looped(7, i(n + 1));
    }
    let timeline = kit.timeline();
    let two = |arena: &crate::term::arena::Arena, node| {
        if arena.to_value(node) == i(2) {
            Verdict::Yes
        } else {
            Verdict::No
        }
    };
    let Found::At(found, 0) = timeline.find_state(&pid(7), two).unwrap() else {
        panic!("not found")
    };
    assert_eq!(
        short(&found),
        ("call", Some(t(&[a("set"), i(2)])), Some(i(1)), Some(i(2)))
    );
    assert_eq!(found.reply.unwrap().to_value(), i(1));
    assert_eq!(
        timeline
            .state_at(&pid(7), Moment::Seq(found.seq))
            .unwrap()
            .state
            .to_value(),
        i(2)
    );
    assert!(matches!(
        timeline.find_state(&pid(7), |_, _| Verdict::Unknown).unwrap(),
        Found::Nowhere(10)
    ));
}

#[test]
fn who_sent_a_cast_is_read_from_its_receive() {
    let mut kit = Kit::new();
    kit.looped(7, i(0));
    kit.ev(7, EventKind::Receive, &[cast(a("x")), t(&[a("nonode@nohost"), p(21)])]);
    kit.ev(7, EventKind::Receive, &[a("hi"), t(&[a("nonode@nohost"), p(22)])]);
    kit.handled(7, cast(a("x")), i(0))
        .looped(7, i(1))
        .handled(7, a("hi"), i(1))
        .looped(7, i(2));
    let senders: Vec<_> = history(&kit, 7).iter().map(|one| one.from_process).collect();
    assert_eq!(senders, [None, Some(21), Some(22)]);
}

#[test]
fn a_history_can_begin_in_the_middle() {
    let mut kit = Kit::new();
    kit.looped(7, i(0));
    for n in 0..20 {
        kit.handled(7, a("x"), i(n)).looped(7, i(n + 1));
    }
    let timeline = kit.timeline();
    let all = history(&kit, 7);
    for seq in 0..41 {
        let part = timeline
            .history(&pid(7), Moment::Seq(seq), Moment::End, None)
            .unwrap()
            .transitions;
        let expected: Vec<Short> = all.iter().filter(|one| one.seq >= seq).map(short).collect();
        let got: Vec<Short> = part.iter().map(short).collect();
        assert_eq!(got, expected, "from {seq}");
    }
    let few = timeline.history(&pid(7), Moment::Start, Moment::End, Some(3)).unwrap();
    assert!(few.more && few.transitions.len() == 3);
}

#[test]
fn a_callback_that_never_returned_crashed_unless_the_end_was_asked_for() {
    for (reason, crash) in [
        (a("planned"), true),
        (a("shutdown"), false),
        (t(&[a("shutdown"), i(1)]), false),
    ] {
        let mut kit = Kit::new();
        called(&mut kit, "gen_server", "handle_cast", cast(a("x")), i(0));
        kit.ev(7, EventKind::Exit, &[reason]);
        let last = history(&kit, 7).pop().unwrap();
        assert_eq!(short(&last), ("cast", Some(a("x")), Some(i(0)), None));
        assert_eq!(matches!(last.outcome, Outcome::Crash(..)), crash);
    }
}
