//! Flows of what takes time: by hand, and against a model in which every step is put at a moment of its own.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::event::{Fields, Point};
use crate::expect::subject::Subject;

fn handled(head: Value) -> S {
    step(What::Transition, just(tup(&[anything(), anything(), head])))
}

fn called(value: Value) -> S {
    step(What::Called, just(tup(&[anything(), value])))
}

fn flow(kit: &Kit, steps: &[S]) -> Finding {
    run(&kit.timeline(), Rule::Flow, steps)
}

fn holds(kit: &Kit, steps: &[S]) -> bool {
    flow(kit, steps).verdict == Verdict::Held
}

/// 2 tells 3 while it handles `go`, in a call that it makes, and goes on with 1.
fn telling() -> Kit {
    let mut kit = Kit::chunked(3);
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    kit.ev(1, EventKind::Send, &[p(2), a("go")]);
    kit.ev(2, EventKind::Receive, &[a("go"), p(1)])
        .handled(2, a("go"), i(0));
    kit.ev(2, EventKind::Call, &[a("m"), a("f"), l(&[])]);
    kit.ev(2, EventKind::Send, &[p(3), a("told")]);
    kit.ev(2, EventKind::Return, &[a("m"), a("f"), i(0), i(7)]);
    kit.looped(2, i(1));
    kit.ev(2, EventKind::Send, &[p(3), a("late")]);
    kit
}

#[test]
fn what_is_sent_meanwhile_comes_before_or_after() {
    let kit = telling();
    let (go, told, late) = (
        || handled(lit(a("go"))),
        || sent(lit(a("told"))),
        || sent(lit(a("late"))),
    );
    assert!(holds(&kit, &[go(), told()]));
    assert!(holds(&kit, &[told(), go()]));
    assert!(holds(&kit, &[go(), late()]));
    assert!(!holds(&kit, &[late(), go()]));
    let answered = || called(lit(i(7)));
    assert!(holds(&kit, &[answered(), told()]));
    assert!(holds(&kit, &[told(), answered()]));
    assert!(!holds(&kit, &[late(), answered()]));
    // A call that is not asked for its value happens when it is made.
    assert!(!holds(&kit, &[told(), called(anything())]));
    assert!(holds(&kit, &[called(anything()), told()]));
    // Moments in one order for all: the send is one, the steps around it cannot both be on one side of it.
    assert!(holds(
        &kit,
        &[sent(lit(a("go"))), go(), told(), state(lit(i(1))), late()]
    ));
    assert!(!holds(&kit, &[go(), late(), told()]));
}

#[test]
fn the_state_comes_after_what_led_to_it() {
    let kit = telling();
    let (go, told) = (|| handled(lit(a("go"))), || sent(lit(a("told"))));
    let (before, after) = (|| state(lit(i(0))), || state(lit(i(1))));
    assert!(holds(&kit, &[before(), go(), after()]));
    assert!(holds(&kit, &[before(), told(), after()]));
    assert!(!holds(&kit, &[after(), go()]));
    assert!(!holds(&kit, &[after(), told()]));
    assert!(!holds(&kit, &[go(), before()]));
}

#[test]
fn one_event_may_tell_all_of_it() {
    let mut kit = Kit::new();
    kit.server(2, 1, None, "S", i(0));
    kit.step(2, t(&[a("info"), a("go")]), i(0), i(1));
    kit.step(2, t(&[a("info"), a("on")]), i(1), i(2));
    let (go, on) = (|| handled(lit(a("go"))), || handled(lit(a("on"))));
    let at = |n| state(lit(i(n)));
    assert!(holds(&kit, &[at(0), go(), at(1), on(), at(2)]));
    for wrong in [[at(1), go()], [on(), go()], [go(), at(0)], [at(2), on()], [on(), at(1)]] {
        assert!(!holds(&kit, &wrong), "{wrong:?}");
    }
}

#[test]
fn without_loops_the_next_message_ends_the_last() {
    let mut kit = Kit::new();
    kit.server(2, 1, None, "S", i(0));
    kit.handled(2, cast(a("go")), i(0)).handled(2, cast(a("on")), i(1));
    kit.ev(2, EventKind::Send, &[p(3), a("x")]);
    kit.looped(2, i(2));
    let (go, on) = (|| handled(lit(a("go"))), || handled(lit(a("on"))));
    let at = |n| state(lit(i(n)));
    assert!(holds(&kit, &[at(0), go(), at(1), on(), sent(lit(a("x"))), at(2)]));
    for wrong in [[on(), go()], [on(), at(1)], [at(1), go()], [at(2), on()]] {
        assert!(!holds(&kit, &wrong), "{wrong:?}");
    }
}

#[test]
fn handlers_of_one_event_are_in_no_order() {
    let mut kit = Kit::new();
    kit.ev(2, EventKind::Link, &[p(99)]);
    let handler = |module: &str, state| t(&[a("handler"), a(module), a("false"), i(state), a("false")]);
    let mut tell = |point, bit, states: [i64; 2]| {
        let list = l(&[handler("G", states[0]), handler("H", states[1])]);
        let mut fields = vec![(Fields::BEHAVIOUR, a("gen_event")), (bit, list)];
        if point == Point::Handled {
            fields.push((Fields::MESSAGE, t(&[a("notify"), a("e")])));
        }
        kit.state(2, point, &fields);
    };
    tell(Point::Loop, Fields::AFTER, [0, 0]);
    tell(Point::Handled, Fields::BEFORE, [0, 0]);
    tell(Point::Loop, Fields::AFTER, [1, 2]);
    let either = || handled(lit(a("e")));
    let to = |n| step(What::Transition, just(tup(&[anything(), lit(i(n)), anything()])));
    // The first handler is tried first for the first step, and is the only one for the second.
    assert!(holds(&kit, &[either(), to(1)]));
    assert!(holds(&kit, &[either(), to(2)]));
    assert!(holds(&kit, &[to(2), to(1)]));
    assert!(!holds(&kit, &[either(), either(), either()]));
}

#[test]
fn a_crash_comes_after_what_it_happened_in() {
    let mut kit = Kit::new();
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    kit.handled(2, cast(a("go")), i(0));
    kit.ev(2, EventKind::Send, &[p(3), a("x")]);
    let reason = t(&[a("bad"), l(&[])]);
    kit.ended(2, "error", reason.clone(), i(0));
    kit.ev(2, EventKind::Exit, &[reason]);
    let (go, x) = (|| handled(lit(a("go"))), || sent(lit(a("x"))));
    let crashed = || step(What::Crashed, just(anything()));
    assert!(holds(&kit, &[go(), x(), crashed()]));
    assert!(!holds(&kit, &[crashed(), go()]));
    assert!(!holds(&kit, &[crashed(), x()]));
}

#[test]
fn an_outer_call_may_follow_one_within_it() {
    // f(1) calls f(2), which returns 5; f(1) returns 6, and is then the only one that may stand for the second step.
    let mut kit = Kit::new();
    let call = |kit: &mut Kit, n| {
        kit.ev(1, EventKind::Call, &[a("m"), a("f"), l(&[i(n)])]);
    };
    let back = |kit: &mut Kit, n| {
        kit.ev(1, EventKind::Return, &[a("m"), a("f"), i(1), i(n)]);
    };
    call(&mut kit, 1);
    call(&mut kit, 2);
    back(&mut kit, 5);
    back(&mut kit, 6);
    let any = |name| called(var(name));
    assert!(holds(&kit, &[any("x"), called(lit(i(6)))]));
    assert!(holds(&kit, &[any("x"), called(lit(i(5)))]));
    call(&mut kit, 3);
    back(&mut kit, 7);
    assert!(!holds(&kit, &[called(lit(i(7))), any("x")]));
    assert!(holds(&kit, &[any("x"), any("y"), called(lit(i(7)))]));
}

#[test]
fn a_monitor_sees_what_an_arrival_puts_in_order() {
    let mut kit = Kit::new();
    let timeline = kit.timeline();
    let steps = [sent(lit(a("b"))), sent(lit(a("a")))];
    let mut monitor = Monitor::new(&timeline, vec![check(&timeline, Rule::Flow, None, &steps)]).unwrap();
    kit.ev(2, EventKind::Link, &[p(99)]);
    kit.ev(1, EventKind::Send, &[p(2), a("a")]);
    kit.ev(2, EventKind::Send, &[p(3), a("b")]);
    assert!(monitor.poll(&timeline, 0).unwrap().is_empty());
    std::thread::sleep(std::time::Duration::from_millis(20));
    kit.ev(2, EventKind::Receive, &[a("a"), p(1)]);
    assert_eq!(monitor.poll(&timeline, 0).unwrap().len(), 1);
}

// ---- the model ----

#[derive(Clone, Debug)]
pub(super) enum Act {
    Send(u64, u64, i64),
    /// The oldest message on its way from one to the other arrives.
    Deliver(u64, u64),
    /// Begins to handle a message, or is done with it.
    Handle(u64, i64),
    /// Calls a function, or returns from it.
    Call(u64, i64),
}

/// Something that happened: to whom, from when to when.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    pub(super) what: What,
    n: i64,
    pub(super) spans: Vec<(u64, u64, u64)>,
}

/// A step: of this process, if of a certain one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    what: What,
    number: Number,
    process: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Any,
    Is(i64),
    Var(usize),
}

const VARS: [&str; 2] = ["x", "y"];
const FREE: [&str; 4] = ["free1", "free2", "free3", "free4"];

fn who() -> impl Strategy<Value = u64> {
    1..4u64
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (who(), who(), 0..3i64).prop_map(|(from, to, n)| Act::Send(from, to, n)),
        1 => (who(), who()).prop_map(|(from, to)| Act::Deliver(from, to)),
        4 => (who(), 0..3i64).prop_map(|(who, n)| Act::Handle(who, n)),
        2 => (who(), 0..3i64).prop_map(|(who, n)| Act::Call(who, n)),
    ]
}

pub(super) fn asked() -> impl Strategy<Value = Asked> {
    let number = prop_oneof![
        1 => Just(Number::Any),
        2 => (0..3i64).prop_map(Number::Is),
        3 => (0..2usize).prop_map(Number::Var),
    ];
    let what = prop_oneof![
        3 => Just(What::Sent),
        1 => Just(What::Received),
        4 => Just(What::Transition),
        2 => Just(What::State),
        2 => Just(What::Called),
    ];
    (what, number, prop::option::weighted(0.4, who())).prop_map(|(what, number, process)| Asked {
        what,
        number,
        process,
    })
}

/// Writes acts down, one after the other, in the recording and in the model.
pub(super) struct Writer {
    pub(super) kit: Kit,
    pub(super) things: Vec<Thing>,
    on_the_way: HashMap<(u64, u64), VecDeque<usize>>,
    pub(super) handling: HashMap<u64, (i64, u64)>,
    pub(super) calling: HashMap<u64, (i64, u64)>,
    states: HashMap<u64, i64>,
}

/// What an event begins comes after all that it completes; what one end of a message is to the other end comes first.
const LAST: u64 = 9;

impl Writer {
    pub(super) fn new(chunk: usize) -> Self {
        let mut kit = Kit::chunked(chunk);
        let mut things = Vec::new();
        for process in 1..4 {
            kit.server(process, 99, None, "S", i(0));
            things.push(state_of(process, 0, kit.rec.end_seq()));
            kit.looped(process, i(0));
        }
        Self {
            kit,
            things,
            on_the_way: HashMap::new(),
            handling: HashMap::new(),
            calling: HashMap::new(),
            states: HashMap::new(),
        }
    }

    pub(super) fn act(&mut self, act: &Act) {
        let seq = self.kit.rec.end_seq();
        match *act {
            Act::Send(from, to, n) => {
                self.kit.ev(from, EventKind::Send, &[p(to), i(n)]);
                self.on_the_way
                    .entry((from, to))
                    .or_default()
                    .push_back(self.things.len());
                self.things.push(thing(What::Sent, n, from, at(seq, 1), at(seq, 1)));
                if to != from {
                    self.mine().spans.push((to, at(seq, 1), at(seq, 1)));
                }
            }
            Act::Deliver(from, to) => {
                let next = self.on_the_way.get_mut(&(from, to)).and_then(VecDeque::pop_front);
                let Some(place) = next else { return };
                let n = self.things[place].n;
                self.kit.ev(to, EventKind::Receive, &[i(n), p(from)]);
                let sent = self.things[place].spans[0].1;
                self.things.push(thing(What::Received, n, to, at(seq, 1), at(seq, 1)));
                if to != from {
                    self.mine().spans.push((from, sent + 1, sent + 1));
                    self.things[place].spans[1] = (to, at(seq, 0), at(seq, 0));
                }
            }
            Act::Handle(who, n) => match self.handling.remove(&who) {
                None => {
                    let before = self.states.get(&who).copied().unwrap_or(0);
                    self.kit.handled(who, i(n), i(before));
                    self.handling.insert(who, (n, seq));
                }
                Some((message, began)) => {
                    self.kit.looped(who, i(n));
                    self.states.insert(who, n);
                    self.things
                        .push(thing(What::Transition, message, who, at(began, LAST), at(seq, 0)));
                    self.things.push(state_of(who, n, seq));
                }
            },
            Act::Call(who, n) => match self.calling.remove(&who) {
                None => {
                    self.kit.ev(who, EventKind::Call, &[a("m"), a("f"), l(&[i(n)])]);
                    self.calling.insert(who, (n, seq));
                }
                Some((value, began)) => {
                    self.kit.ev(who, EventKind::Return, &[a("m"), a("f"), i(1), i(value)]);
                    self.things
                        .push(thing(What::Called, value, who, at(began, LAST), at(seq, 0)));
                }
            },
        }
    }

    fn mine(&mut self) -> &mut Thing {
        self.things.last_mut().expect("just pushed")
    }
}

const fn at(seq: u64, order: u64) -> u64 {
    seq * 10 + order
}

fn thing(what: What, n: i64, who: u64, began: u64, ended: u64) -> Thing {
    Thing {
        what,
        n,
        spans: vec![(who, began, ended)],
    }
}

fn state_of(who: u64, n: i64, seq: u64) -> Thing {
    thing(What::State, n, who, at(seq, 1), at(seq, 1))
}

impl Asked {
    pub(super) fn step(&self, nth: usize) -> S {
        let number = match self.number {
            // Looked at, so that a call must have ended.
            Number::Any => var(FREE[nth]),
            Number::Is(n) => lit(i(n)),
            Number::Var(at) => var(VARS[at]),
        };
        let step = match self.what {
            What::Transition => handled(number),
            What::Called => called(number),
            what => step(what, just(number)),
        };
        match self.process {
            Some(process) => step.of(pid(process)),
            None => step,
        }
    }

    /// What its variable is then, if it matches.
    pub(super) fn bind(&self, thing: &Thing, mut vars: [Option<i64>; 2]) -> Option<[Option<i64>; 2]> {
        let own = self.what == thing.what && self.process.is_none_or(|process| process == thing.spans[0].0);
        let fits = match self.number {
            Number::Any => true,
            Number::Is(n) => n == thing.n,
            Number::Var(at) => *vars[at].get_or_insert(thing.n) == thing.n,
        };
        (own && fits).then_some(vars)
    }
}

/// Whether there is a moment for each, in their order, in each process.
fn has_moments(done: &[usize], things: &[Thing]) -> bool {
    (1..4).all(|process| {
        let spans = done.iter().flat_map(|at| &things[*at].spans);
        let mut now = 0;
        spans.filter(|(who, ..)| *who == process).all(|(_, began, ended)| {
            now = now.max(*began);
            now <= *ended
        })
    })
}

/// The longest prefix of the steps that has an assignment.
fn longest(steps: &[Asked], things: &[Thing], done: &mut Vec<usize>, vars: [Option<i64>; 2]) -> usize {
    let Some(step) = steps.get(done.len()) else {
        return done.len();
    };
    let mut best = done.len();
    for (at, thing) in things
        .iter()
        .enumerate()
        .filter(|(at, _)| !done.contains(at))
        .collect::<Vec<_>>()
    {
        let Some(vars) = step.bind(thing, vars) else { continue };
        done.push(at);
        if has_moments(done, things) {
            best = best.max(longest(steps, things, done, vars));
        }
        done.pop();
    }
    best
}

proptest! {
    #![proptest_config(crate::term::arena::tests::cases(256))]

    #[test]
    fn a_flow_is_found_where_there_are_moments_for_it(
        acts in prop::collection::vec(act(), 0..24),
        steps in prop::collection::vec(asked(), 1..5),
        chunk in 1..9usize,
        polls in prop::bool::ANY,
    ) {
        let mut writer = Writer::new(chunk);
        let timeline = writer.kit.timeline();
        let parts: Vec<S> = steps.iter().enumerate().map(|(nth, step)| step.step(nth)).collect();
        let mut monitor = Monitor::new(&timeline, vec![check(&timeline, Rule::Flow, None, &parts)]).unwrap();
        let (mut told, mut could) = (false, false);
        let mut expected = 0;
        for act in std::iter::once(None).chain(acts.iter().map(Some)) {
            act.into_iter().for_each(|act| writer.act(act));
            expected = longest(&steps, &writer.things, &mut Vec::new(), [None; 2]);
            could |= expected == steps.len();
            if polls {
                told |= !monitor.poll(&timeline, 0).unwrap().is_empty();
            }
            prop_assert!(could || !told);
        }
        let found = flow(&writer.kit, &parts);
        prop_assert_eq!(found.count, expected as u64, "{:?}", writer.things);
        prop_assert_eq!(found.verdict == Verdict::Held, expected == steps.len());
        prop_assert_eq!(found.steps.iter().flatten().map(Subject::seq).count(), expected);
        // Between two searches a monitor rests.
        for _ in 0..1_000 {
            if told || expected < steps.len() {
                break;
            }
            told = !monitor.poll(&timeline, 0).unwrap().is_empty();
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        prop_assert!(told || expected < steps.len());
        if !told {
            let end = monitor.finish(&timeline, 0).unwrap();
            prop_assert_eq!((end[0].verdict, end[0].count), (found.verdict, found.count));
        }
    }
}
