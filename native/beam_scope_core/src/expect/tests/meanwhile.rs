//! Two steps and a third where what they are about takes time: by hand, and against a model in which every end may have come
//! about at any moment of its span.

use proptest::prelude::*;

use super::spans::{act, asked, Act, Asked, Thing, Writer};
use super::*;

const LEADS_TO: Rule = Rule::LeadsTo { within_ns: None };

/// 2 takes up messages and is done with each: then its state is what it says. Whatever else comes 3 says.
fn acted(acts: &str) -> Kit {
    let mut kit = Kit::chunked(3);
    kit.server(2, 1, None, "S", i(0)).looped(2, i(0));
    for act in acts.split_whitespace() {
        match act.split_once(':') {
            Some(("take", message)) => kit.handled(2, cast(a(message)), i(0)),
            Some((_, state)) => kit.looped(2, a(state)),
            None if act == "loss" => kit.lose(2, 1),
            None => kit.ev(3, EventKind::Send, &[p(1), a(act)]),
        };
    }
    kit
}

fn handled(message: &str) -> S {
    step(What::Transition, just(tup(&[anything(), anything(), lit(a(message))])))
}

fn said(word: &str) -> S {
    sent(lit(a(word)))
}

fn became(name: &str) -> S {
    state(lit(a(name)))
}

fn verdict(acts: &str, steps: &[S]) -> Verdict {
    run(&acted(acts).timeline(), LEADS_TO, steps).verdict
}

#[test]
fn a_second_that_takes_time_may_have_come_before_the_third() {
    for second in [became("saved"), handled("save")] {
        let steps = [said("order"), second, said("closing")];
        let holds = |acts| verdict(acts, &steps);
        assert_eq!(holds("order take:save be:saved closing"), Verdict::Held);
        assert_eq!(holds("order take:save closing be:saved"), Verdict::Held);
        assert_eq!(holds("take:save order closing be:saved"), Verdict::Held);
        // It still goes on.
        assert_eq!(holds("order take:save closing"), Verdict::Held);
        // It began too late, or was something else, or was for another.
        assert_eq!(holds("order closing take:save be:saved"), Verdict::Broken);
        assert_eq!(holds("order take:other closing be:else"), Verdict::Broken);
        assert_eq!(
            holds("order take:other closing be:else take:save be:saved"),
            Verdict::Broken
        );
        assert_eq!(holds("order take:save closing be:saved order closing"), Verdict::Broken);
        // Nobody knows what it was.
        assert_eq!(holds("order take:save closing loss be:else"), Verdict::Gap);
    }
}

#[test]
fn a_third_that_takes_time_may_have_come_before_the_first() {
    for third in [became("closed"), handled("close")] {
        let steps = [said("order"), said("done"), third];
        let holds = |acts| verdict(acts, &steps);
        assert_eq!(holds("take:close order be:closed done"), Verdict::Held);
        assert_eq!(holds("order take:close done be:closed"), Verdict::Held);
        assert_eq!(holds("order take:close be:closed done"), Verdict::Broken);
        assert_eq!(
            holds("take:close order be:closed take:close be:closed done"),
            Verdict::Broken
        );
    }
}

#[test]
fn what_came_too_late_is_told_when_it_can_not_have_begun_before() {
    let told = |acts: &str| {
        let kit = acted("");
        let timeline = kit.timeline();
        let steps = [said("order"), became("saved"), said("closing")];
        let mut monitor = Monitor::new(&timeline, vec![check(&timeline, LEADS_TO, None, &steps)]).unwrap();
        let mut kit = kit;
        acts.split_whitespace().position(|act| {
            match act {
                "take" => kit.handled(2, cast(a("save")), i(0)),
                "be" => kit.looped(2, a("else")),
                word => kit.ev(3, EventKind::Send, &[p(1), a(word)]),
            };
            !monitor.poll(&timeline, 0).unwrap().is_empty()
        })
    };
    assert_eq!(told("order closing take be"), Some(1));
    assert_eq!(told("order take x closing x be x"), Some(5));
}

/// Something that happened, as two steps and a third see it.
#[derive(Clone, Copy)]
struct End<'t> {
    thing: &'t Thing,
    since: u64,
    seq: u64,
}

/// When each came about: a state from when its message was taken up, which is the thing told before it.
fn ends(things: &[Thing]) -> Vec<End<'_>> {
    let of = |(at, thing): (usize, &'_ Thing)| {
        let began = match thing.what {
            What::State => at.checked_sub(1).map(|before| &things[before]),
            _ => None,
        };
        let began = began.filter(|before| before.what == What::Transition && before.spans[0].0 == thing.spans[0].0);
        let began = began.filter(|before| before.spans[0].2 / 10 == thing.spans[0].2 / 10);
        (began.unwrap_or(thing).spans[0].1 / 10, thing.spans[0].2 / 10)
    };
    let all = things.iter().enumerate();
    let end = |(at, thing)| {
        let (since, seq) = of((at, thing));
        End { thing, since, seq }
    };
    all.map(end).collect()
}

/// The ends of a step that agree with what an earlier one has bound.
fn agreeing<'t>(step: &Asked, all: &[End<'t>], vars: [Option<i64>; 2]) -> Vec<End<'t>> {
    let agrees = |end: &&End<'t>| step.bind(end.thing, vars).is_some();
    all.iter().filter(agrees).copied().collect()
}

/// Whether a first end is followed by a third without a second that may have come between them.
fn comes_too_late(steps: &[Asked; 3], things: &[Thing]) -> bool {
    let all = ends(things);
    all.iter().any(|first| {
        let Some(vars) = steps[0].bind(first.thing, [None; 2]) else {
            return false;
        };
        let follows = |second: &End<'_>| second.seq > first.since && second.seq != first.seq;
        let seconds: Vec<_> = agreeing(&steps[1], &all, vars).into_iter().filter(follows).collect();
        let thirds = agreeing(&steps[2], &all, vars).into_iter();
        let mut after = thirds.filter(|third| third.seq > first.seq && third.since >= first.seq);
        after.any(|third| {
            let between = |second: &End<'_>| second.since < third.seq || second.seq <= third.seq;
            !seconds.iter().any(between)
        })
    })
}

/// Ends whatever goes on.
fn end_all(writer: &mut Writer) {
    let handling: Vec<u64> = writer.handling.keys().copied().collect();
    handling.into_iter().for_each(|who| writer.act(&Act::Handle(who, 9)));
    let calling: Vec<u64> = writer.calling.keys().copied().collect();
    calling.into_iter().for_each(|who| writer.act(&Act::Call(who, 9)));
}

proptest! {
    #![proptest_config(crate::term::arena::tests::cases(256))]

    /// What a monitor tells early stays so, and it tells it as soon as nobody is at anything.
    #[test]
    fn effects_are_settled_when_nothing_that_began_before_goes_on(
        acts in prop::collection::vec(act(), 0..24),
        steps in (asked(), asked()),
        chunk in 1..9usize,
        shared in prop::bool::ANY,
    ) {
        let mut writer = Writer::new(chunk);
        let timeline = writer.kit.timeline();
        let parts = [steps.0.step(0), steps.1.step(1)];
        let rule = match shared {
            true => Rule::Precedes { within_ns: None },
            false => Rule::Causality { within_ns: None, strict: false },
        };
        let mut monitor = Monitor::new(&timeline, vec![check(&timeline, rule, None, &parts)]).unwrap();
        let mut told = false;
        for act in &acts {
            writer.act(act);
            told |= !monitor.poll(&timeline, 0).unwrap().is_empty();
            let idle = writer.handling.is_empty() && writer.calling.is_empty();
            prop_assert!(!idle || told == (run(&timeline, rule, &parts).verdict == Verdict::Broken));
        }
        let end = run(&timeline, rule, &parts).verdict;
        prop_assert!(!told || end == Verdict::Broken);
        prop_assert_eq!(monitor.finish(&timeline, 0).unwrap()[0].verdict, end);
    }

    /// And so it is with what must come before a third step.
    #[test]
    fn a_second_is_too_late_where_no_moment_before_the_third_is_left(
        acts in prop::collection::vec(act(), 0..24),
        steps in [asked(), asked(), asked()],
        chunk in 1..9usize,
    ) {
        let mut writer = Writer::new(chunk);
        let timeline = writer.kit.timeline();
        let parts = [0, 1, 2].map(|nth| steps[nth].step(nth));
        let mut monitor = Monitor::new(&timeline, vec![check(&timeline, LEADS_TO, None, &parts)]).unwrap();
        let mut told = false;
        for act in &acts {
            writer.act(act);
            told |= !monitor.poll(&timeline, 0).unwrap().is_empty();
            let idle = writer.handling.is_empty() && writer.calling.is_empty();
            prop_assert!(!idle || told == comes_too_late(&steps, &writer.things));
        }
        end_all(&mut writer);
        told |= !monitor.poll(&timeline, 0).unwrap().is_empty();
        let expected = comes_too_late(&steps, &writer.things);
        let found = run(&timeline, LEADS_TO, &parts);
        prop_assert_eq!(found.verdict == Verdict::Broken, expected, "{:?} {:?}", found, writer.things);
        prop_assert_eq!(told, expected);
    }
}
