//! The engine against brute force, over small random streams of messages `{tag, n}` between three processes.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;

const TAGS: [&str; 2] = ["a", "b"];

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    Send {
        from: u64,
        to: u64,
        tag: usize,
        n: i64,
    },
    /// The oldest message on its way from one to the other arrives.
    Deliver {
        from: u64,
        to: u64,
    },
}

/// A message of the model: when it was sent, and when it arrived, if it did.
#[derive(Clone, Copy, Debug)]
struct Message {
    from: u64,
    to: u64,
    tag: usize,
    n: i64,
    seq: u64,
    received: Option<u64>,
}

/// What a step asks of `n`.
#[derive(Clone, Copy, Debug)]
enum Number {
    Any,
    Is(i64),
    Var(usize),
}

/// A step of the model: `{tag, n}` sent, perhaps by one and to one.
#[derive(Clone, Copy, Debug)]
struct Asked {
    tag: Option<usize>,
    number: Number,
    from: Option<u64>,
    to: Option<u64>,
    received: bool,
    /// With the second variable: only if it is larger than the first, which an earlier step has bound.
    larger: bool,
}

/// Where something matched, and the variable that it binds.
type Matched = (u64, Message, Option<(usize, i64)>);

const VARS: [&str; 2] = ["x", "y"];

fn pid_of() -> impl Strategy<Value = u64> {
    1..4u64
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (pid_of(), pid_of(), 0..2usize, 0..3i64).prop_map(|(from, to, tag, n)| Act::Send { from, to, tag, n }),
        2 => (pid_of(), pid_of()).prop_map(|(from, to)| Act::Deliver { from, to }),
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let number = prop_oneof![
        1 => Just(Number::Any),
        1 => (0..3i64).prop_map(Number::Is),
        3 => (0..2usize).prop_map(Number::Var),
    ];
    let some = || prop::option::weighted(0.3, pid_of());
    (
        prop::option::weighted(0.8, 0..2usize),
        number,
        some(),
        some(),
        prop::bool::weighted(0.3),
        prop::bool::ANY,
    )
        .prop_map(|(tag, number, from, to, received, larger)| Asked {
            tag,
            number,
            from,
            to,
            received,
            larger,
        })
}

/// A guard needs what an earlier step binds.
fn settled(mut steps: Vec<Asked>) -> Vec<Asked> {
    let mut bound = false;
    for step in &mut steps {
        step.larger &= bound && matches!(step.number, Number::Var(1));
        bound |= matches!(step.number, Number::Var(0));
    }
    steps
}

/// Writes the acts down, in the recording and in the model.
fn write(acts: &[Act], chunk: usize) -> (Kit, Vec<Message>) {
    let mut kit = Kit::chunked(chunk);
    let mut messages: Vec<Message> = Vec::new();
    let mut on_the_way: HashMap<(u64, u64), VecDeque<usize>> = HashMap::new();
    for process in 1..4 {
        kit.ev(process, EventKind::Link, &[p(99)]);
    }
    for act in acts {
        let seq = kit.rec.end_seq();
        match *act {
            Act::Send { from, to, tag, n } => {
                kit.ev(from, EventKind::Send, &[p(to), t(&[a(TAGS[tag]), i(n)])]);
                on_the_way.entry((from, to)).or_default().push_back(messages.len());
                messages.push(Message {
                    from,
                    to,
                    tag,
                    n,
                    seq,
                    received: None,
                });
            }
            Act::Deliver { from, to } => {
                let next = on_the_way.get_mut(&(from, to)).and_then(VecDeque::pop_front);
                if let Some(at) = next {
                    let Message { tag, n, .. } = messages[at];
                    kit.ev(to, EventKind::Receive, &[t(&[a(TAGS[tag]), i(n)]), p(from)]);
                    messages[at].received = Some(seq);
                }
            }
        }
    }
    (kit, messages)
}

impl Asked {
    fn step(&self) -> S {
        let tag = self.tag.map_or_else(anything, |tag| lit(a(TAGS[tag])));
        let number = match self.number {
            Number::Any => anything(),
            Number::Is(n) => lit(i(n)),
            Number::Var(at) => var(VARS[at]),
        };
        let head = tup(&[tag, number]);
        let larger = op(">", &[var("y"), var("x")]);
        let what = if self.received { What::Received } else { What::Sent };
        S {
            from: self.from.map(pid),
            to: self.to.map(pid),
            ..step(what, if self.larger { when(head, larger) } else { just(head) })
        }
    }

    /// What it is about: position and message, in order.
    fn seen(&self, messages: &[Message]) -> Vec<(u64, Message)> {
        let at = |one: &Message| if self.received { one.received } else { Some(one.seq) };
        let chosen =
            |one: &&Message| self.from.is_none_or(|from| from == one.from) && self.to.is_none_or(|to| to == one.to);
        let all = messages.iter().filter(chosen);
        let mut all: Vec<(u64, Message)> = all.filter_map(|one| Some((at(one)?, *one))).collect();
        all.sort_by_key(|(at, _)| *at);
        all
    }

    /// What matches by itself, and the variable that it binds.
    fn matches(&self, messages: &[Message]) -> Vec<Matched> {
        let fits = |one: &Message| {
            let number = match self.number {
                Number::Is(n) => n == one.n,
                _ => true,
            };
            number && self.tag.is_none_or(|tag| tag == one.tag)
        };
        let binds = |one: &Message| match self.number {
            Number::Var(at) => Some((at, one.n)),
            _ => None,
        };
        let all = self.seen(messages).into_iter().filter(|(_, one)| fits(one));
        all.map(|(at, one)| (at, one, binds(&one))).collect()
    }

    /// When it happened to each process, by the event that it was to it and by its own.
    fn spots(&self, at: u64, one: &Message) -> Vec<(u64, (u64, u64))> {
        let (own, other, seen) = if self.received {
            (one.to, one.from, Some(one.seq))
        } else {
            (one.from, one.to, one.received)
        };
        let mut spots = vec![(own, (at, at))];
        if other != own {
            spots.push((other, (seen.unwrap_or(at), at)));
        }
        spots
    }
}

type Vars = [Option<i64>; 2];

/// What is bound after a step, if it agrees with what was before.
fn bind(step: &Asked, vars: Vars, bound: Option<(usize, i64)>) -> Option<Vars> {
    let Some((at, n)) = bound else { return Some(vars) };
    if step.larger && vars[0].is_none_or(|x| n <= x) {
        return None;
    }
    if vars[at].is_some_and(|known| known != n) {
        return None;
    }
    let mut vars = vars;
    vars[at] = Some(n);
    Some(vars)
}

/// The longest prefix of the steps that has an assignment.
fn longest(steps: &[Asked], messages: &[Message], done: &mut Vec<(Asked, u64, Message)>, vars: Vars) -> usize {
    let Some(step) = steps.get(done.len()) else {
        return done.len();
    };
    let mut best = done.len();
    for (at, one, bound) in step.matches(messages) {
        let used = done
            .iter()
            .any(|(other, seq, _)| (other.received, *seq) == (step.received, at));
        let ordered = done.iter().all(|(other, seq, before)| {
            let (before, own) = (other.spots(*seq, before), step.spots(at, &one));
            before
                .iter()
                .all(|(who, when)| own.iter().all(|(own, then)| own != who || when < then))
        });
        let Some(vars) = bind(step, vars, bound).filter(|_| !used && ordered) else {
            continue;
        };
        done.push((*step, at, one));
        best = best.max(longest(steps, messages, done, vars));
        done.pop();
    }
    best
}

proptest! {
    #![proptest_config(crate::term::arena::tests::cases(192))]

    #[test]
    fn counting_equals_a_naive_count(
        acts in prop::collection::vec(act(), 0..30),
        step in asked(),
        bounds in (prop::option::of(0..4u64), prop::option::of(0..4u64)),
        chunk in 1..9usize,
    ) {
        let step = Asked { larger: false, ..step };
        let (kit, messages) = write(&acts, chunk);
        let timeline = kit.timeline();
        let (seen, matching) = (step.seen(&messages).len() as u64, step.matches(&messages));
        let found = run(&timeline, count(bounds.0, bounds.1), &[step.step()]);
        let n = matching.len() as u64;
        prop_assert_eq!((found.count, found.seen), (n, seen));
        prop_assert_eq!(seq(&found.first), matching.first().map(|one| one.0));
        let within = n >= bounds.0.unwrap_or(0) && bounds.1.is_none_or(|max| n <= max);
        let expected = match (within, seen) {
            (_, 0) => Verdict::Empty,
            (true, _) => Verdict::Held,
            (false, _) => Verdict::Broken,
        };
        prop_assert_eq!(found.verdict, expected);
        let always = run(&timeline, ALWAYS, &[step.step()]);
        prop_assert_eq!(always.verdict == Verdict::Broken, n < seen);
        let never = run(&timeline, NEVER, &[step.step()]);
        prop_assert_eq!(never.verdict == Verdict::Broken, n > 0);
        prop_assert_eq!(seq(&never.violation), matching.first().map(|one| one.0));
    }

    #[test]
    fn what_follows_what_equals_a_naive_search(
        acts in prop::collection::vec(act(), 0..40),
        steps in (asked(), asked()),
        within in prop::option::of(10..200u64),
        strict in prop::bool::ANY,
        chunk in 1..9usize,
    ) {
        let (kit, messages) = write(&acts, chunk);
        let timeline = kit.timeline();
        let steps = settled(vec![steps.0, steps.1]);
        let both = [steps[0].step(), steps[1].step()];
        let (firsts, seconds) = (steps[0].matches(&messages), steps[1].matches(&messages));
        let agree = |a: Option<(usize, i64)>, b| {
            let vars = bind(&steps[0], [None; 2], a);
            vars.is_some_and(|vars| bind(&steps[1], vars, b).is_some())
        };
        // Events are 10 ns apart.
        let in_time = |from: u64, to: u64| within.is_none_or(|within| (to - from) * 10 <= within);
        let end = kit.rec.end_seq() - 1;
        let met = |a: u64, bound| seconds.iter().any(|(b, _, other)| *b > a && in_time(a, *b) && agree(bound, *other));
        let over = |a: u64| within.is_none() || !in_time(a, end);
        let leads = firsts.iter().all(|(a, _, bound)| met(*a, *bound) || !over(*a));
        let found = run(&timeline, Rule::LeadsTo { within_ns: within }, &both);
        prop_assert_eq!(found.verdict == Verdict::Broken, !leads);
        prop_assert_eq!(found.verdict == Verdict::Empty, firsts.is_empty());
        let open = firsts.iter().filter(|(a, _, bound)| !met(*a, *bound) && !over(*a)).count();
        prop_assert_eq!(found.open, open as u64);
        // Each second takes the oldest first that is left.
        let mut left: Vec<bool> = firsts.iter().map(|_| true).collect();
        let mut caused = true;
        for (b, _, other) in &seconds {
            let cause = firsts.iter().enumerate().find(|(at, (a, _, bound))| {
                left[*at] && a < b && in_time(*a, *b) && agree(*bound, *other)
            });
            match cause {
                Some((at, _)) => left[at] = false,
                None => caused = false,
            }
        }
        let unmet = firsts.iter().zip(&left).any(|((a, ..), left)| *left && over(*a));
        let found = run(&timeline, Rule::Causality { within_ns: within, strict }, &both);
        prop_assert_eq!(found.verdict == Verdict::Broken, !caused || strict && unmet, "{:?}", found);
    }

    #[test]
    fn what_must_not_follow_and_what_must_in_time_equal_a_naive_search(
        acts in prop::collection::vec(act(), 0..40),
        steps in (asked(), asked(), asked()),
        within in prop::option::of(10..200u64),
        chunk in 1..9usize,
    ) {
        let (kit, messages) = write(&acts, chunk);
        let timeline = kit.timeline();
        let both = settled(vec![steps.0, steps.1]);
        // The third step knows what the first has bound, and no more.
        let third = settled(vec![steps.0, steps.2])[1];
        let all = [both[0].step(), both[1].step(), third.step()];
        let (firsts, seconds) = (both[0].matches(&messages), both[1].matches(&messages));
        let thirds = third.matches(&messages);
        let agree = |step: &Asked, a: Option<(usize, i64)>, b| {
            let vars = bind(&both[0], [None; 2], a);
            vars.is_some_and(|vars| bind(step, vars, b).is_some())
        };
        let in_time = |from: u64, to: u64| within.is_none_or(|within| (to - from) * 10 <= within);
        let met = |a: u64, bound, last: u64| {
            seconds.iter().any(|(b, _, other)| *b > a && *b <= last && agree(&both[1], bound, *other))
        };
        let closed = |a: u64, bound| thirds.iter().find(|(c, _, other)| *c > a && agree(&third, bound, *other));
        // Precedes.
        let caused = seconds.iter().all(|(b, _, other)| {
            firsts.iter().any(|(a, _, bound)| a < b && in_time(*a, *b) && agree(&both[1], *bound, *other))
        });
        let found = run(&timeline, Rule::Precedes { within_ns: within }, &all[..2]);
        prop_assert_eq!(found.verdict == Verdict::Broken, !caused, "{:?}", found);
        // Excludes, to the end and up to the third.
        for n in [2, 3] {
            let mut follows = None;
            for (b, _, other) in &seconds {
                let open = |(a, _, bound): &&Matched| {
                    let over = n == 3 && closed(*a, *bound).is_some_and(|(c, ..)| c < b);
                    a < b && in_time(*a, *b) && agree(&both[1], *bound, *other) && !over
                };
                let last = firsts.iter().rfind(open);
                follows = follows.or(last.map(|(a, ..)| (*a, *b)));
            }
            let found = run(&timeline, Rule::Excludes { within_ns: within }, &all[..n]);
            prop_assert_eq!(found.verdict == Verdict::Broken, follows.is_some(), "{:?}", found);
            if let Some((a, b)) = follows {
                let places: Vec<Option<u64>> = found.steps.iter().map(seq).collect();
                prop_assert_eq!(places, vec![Some(a), Some(b)]);
            }
        }
        // LeadsTo, before the third.
        let late = firsts.iter().find_map(|(a, _, bound)| {
            let (c, ..) = closed(*a, *bound)?;
            (!met(*a, *bound, *c)).then_some((*c, *a))
        });
        let found = run(&timeline, Rule::LeadsTo { within_ns: None }, &all);
        prop_assert_eq!(found.verdict == Verdict::Broken, late.is_some(), "{:?}", found);
    }

    #[test]
    fn a_flow_is_found_where_brute_force_finds_one(
        acts in prop::collection::vec(act(), 0..14),
        steps in prop::collection::vec(asked(), 1..5),
        chunk in 1..9usize,
    ) {
        let (kit, messages) = write(&acts, chunk);
        let timeline = kit.timeline();
        let steps = settled(steps);
        let expected = longest(&steps, &messages, &mut Vec::new(), [None; 2]);
        let parts: Vec<S> = steps.iter().map(Asked::step).collect();
        let found = run(&timeline, Rule::Flow, &parts);
        prop_assert_eq!(found.count, expected as u64);
        prop_assert_eq!(found.verdict == Verdict::Held, expected == steps.len());
        prop_assert_eq!(found.steps.iter().flatten().count(), expected);
    }
}
