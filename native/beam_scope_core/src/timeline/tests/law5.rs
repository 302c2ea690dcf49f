//! Law 5: a receive is paired with the send it came from, and with no other; never before it.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::kit::*;
use crate::event::EventKind;
use crate::term::Value;

/// What the simulated system does next.
#[derive(Clone, Debug)]
enum Act {
    /// Sender, receiver, how it is addressed, which of a few contents.
    Send(u64, u64, u8, i64),
    /// Receiver; which of its queues delivers.
    Deliver(u64, usize),
}

/// An act, and whether its event is lost.
type Step = (Act, bool);

const PIDS: std::ops::Range<u64> = 1..5;

fn steps(losses: f64) -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        (PIDS, PIDS, 0..3u8, 0..3i64).prop_map(|(from, to, how, what)| Act::Send(from, to, how, what)),
        (PIDS, 0..4usize).prop_map(|(to, which)| Act::Deliver(to, which)),
    ];
    prop::collection::vec((act, prop::bool::weighted(losses)), 1..160)
}

/// Receive to send.
type Pairs = HashMap<u64, u64>;
/// Receive to sender and receiver.
type Channels = HashMap<u64, (u64, u64)>;
/// Messages on their way, with the events that sent them.
type Flying = HashMap<(u64, u64), VecDeque<(Value, Option<u64>)>>;

/// A recording of the steps, and the true pairs among what was recorded: receive to send.
fn simulate(steps: &[Step], unique: bool, signed: bool) -> (Kit, Pairs, Channels) {
    let mut kit = Kit::chunked(13);
    let mut seq = 0;
    for pid in PIDS {
        kit.ev(pid, EventKind::Register, &[a(&format!("name{pid}"))]);
        // Its alias is known from a call that it made.
        kit.ev(pid, EventKind::SendToDead, &[a("gone"), call(pid, pid as u32, a("x"))]);
        kit.ev(pid, EventKind::Send, &[p(99), call(pid, pid as u32, a("x"))]);
        seq += 3;
    }
    let mut flying = Flying::new();
    let (mut truth, mut channel) = (HashMap::new(), HashMap::new());
    for (n, (act, lost)) in steps.iter().enumerate() {
        match act {
            Act::Send(from, to, how, what) => {
                let message = t(&[a("m"), i(if unique { n as i64 } else { *what })]);
                let address = match how {
                    0 => p(*to),
                    1 => a(&format!("name{to}")),
                    _ => Value::Ref(vec![*to as u32, 0, 0]),
                };
                let sent = (!lost).then_some(seq);
                flying
                    .entry((*from, *to))
                    .or_default()
                    .push_back((message.clone(), sent));
                record(&mut kit, &mut seq, *from, *lost, EventKind::Send, &[address, message]);
            }
            Act::Deliver(to, which) => {
                let mut senders: Vec<u64> = PIDS
                    .filter(|from| flying.get(&(*from, *to)).is_some_and(|queue| !queue.is_empty()))
                    .collect();
                if senders.is_empty() {
                    continue;
                }
                let from = senders.swap_remove(which % senders.len());
                let Some((message, sent)) = flying.get_mut(&(from, *to)).and_then(VecDeque::pop_front) else {
                    continue;
                };
                if !lost {
                    channel.insert(seq, (from, *to));
                    if let Some(sent) = sent {
                        truth.insert(seq, sent);
                    }
                }
                let sender = t(&[a("node"), p(from)]);
                let terms = if signed { vec![message, sender] } else { vec![message] };
                record(&mut kit, &mut seq, *to, *lost, EventKind::Receive, &terms);
            }
        }
    }
    (kit, truth, channel)
}

fn record(kit: &mut Kit, seq: &mut u64, pid: u64, lost: bool, kind: EventKind, terms: &[Value]) {
    if lost {
        kit.lose(pid, 1);
    } else {
        kit.ev(pid, kind, terms);
        *seq += 1;
    }
}

fn pairs(kit: &Kit, of: impl Iterator<Item = u64>) -> HashMap<u64, u64> {
    let timeline = kit.timeline();
    of.filter_map(|seq| Some((seq, timeline.partner(seq).unwrap()?)))
        .collect()
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn law_5_without_losses_every_pair_is_right(steps in steps(0.0)) {
        let (kit, truth, channel) = simulate(&steps, false, true);
        prop_assert_eq!(pairs(&kit, channel.keys().copied()), truth);
    }

    #[test]
    fn law_5_losses_do_not_shift_pairs(steps in steps(0.25)) {
        let (kit, truth, channel) = simulate(&steps, true, true);
        prop_assert_eq!(pairs(&kit, channel.keys().copied()), truth);
    }

    #[test]
    fn law_5_receives_without_a_sender_pair_by_content(steps in steps(0.25)) {
        let (kit, truth, channel) = simulate(&steps, true, false);
        prop_assert_eq!(pairs(&kit, channel.keys().copied()), truth);
    }

    #[test]
    fn law_5_holds_where_losses_and_equal_messages_leave_doubt(steps in steps(0.2)) {
        let (kit, _, channel) = simulate(&steps, false, true);
        let found = pairs(&kit, channel.keys().copied());
        let mut used = std::collections::HashSet::new();
        let mut last: HashMap<(u64, u64), u64> = HashMap::new();
        let mut receives: Vec<u64> = found.keys().copied().collect();
        receives.sort_unstable();
        for receive in receives {
            let send = found[&receive];
            prop_assert!(send < receive, "a receive before its send");
            prop_assert!(used.insert(send), "a send received twice");
            let before = last.insert(channel[&receive], send);
            prop_assert!(before.is_none_or(|before| before < send), "pairs of one channel cross");
        }
    }
}

fn receive(kit: &mut Kit, to: u64, from: u64, message: Value) {
    kit.ev(to, EventKind::Receive, &[message, t(&[a("node"), p(from)])]);
}

#[test]
fn a_lost_send_does_not_give_its_receive_the_next_equal_one() {
    let mut kit = Kit::new();
    kit.ev(2, EventKind::Link, &[p(9)]).ev(1, EventKind::Link, &[p(9)]);
    kit.lose(1, 1)
        .ev(1, EventKind::Send, &[p(2), a("b")])
        .ev(1, EventKind::Send, &[p(2), a("tick")]);
    receive(&mut kit, 2, 1, a("tick"));
    receive(&mut kit, 2, 1, a("b"));
    receive(&mut kit, 2, 1, a("tick"));
    let timeline = kit.timeline();
    let partners: Vec<_> = (2..7).map(|seq| timeline.partner(seq).unwrap()).collect();
    assert_eq!(partners, [Some(5), Some(6), None, Some(2), Some(3)]);
}

#[test]
fn a_lost_receive_leaves_its_send_alone() {
    let mut kit = Kit::new();
    kit.ev(2, EventKind::Link, &[p(9)]);
    for _ in 0..3 {
        kit.ev(1, EventKind::Send, &[p(2), a("tick")])
            .ev(1, EventKind::Send, &[p(2), a("tock")]);
    }
    receive(&mut kit, 2, 1, a("tick"));
    kit.lose(2, 2);
    receive(&mut kit, 2, 1, a("tock"));
    let timeline = kit.timeline();
    assert_eq!(timeline.partner(7).unwrap(), Some(1));
    // tock and tick were lost; the tock that came is the second.
    assert_eq!(timeline.partner(8).unwrap(), Some(2));
}

#[test]
fn replies_find_the_caller_by_its_alias() {
    let mut kit = Kit::new();
    kit.ev(2, EventKind::Link, &[p(9)]);
    kit.ev(1, EventKind::Send, &[p(2), call(1, 7, a("get"))]);
    receive(&mut kit, 2, 1, call(1, 7, a("get")));
    kit.ev(
        2,
        EventKind::Send,
        &[Value::Ref(vec![7, 0, 0]), t(&[alias(7), a("ok")])],
    );
    receive(&mut kit, 1, 2, t(&[alias(7), a("ok")]));
    let timeline = kit.timeline();
    assert_eq!(timeline.partner(1).unwrap(), Some(2));
    assert_eq!(timeline.partner(4).unwrap(), Some(3));
}
