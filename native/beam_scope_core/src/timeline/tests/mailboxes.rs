//! The mailbox of an OTP process against a model of its queue.

use proptest::prelude::*;

use super::kit::*;
use crate::event::EventKind;
use crate::term::Value;
use crate::timeline::Moment;

#[derive(Clone, Debug)]
enum Act {
    /// A message comes: call, cast or plain, of a few contents.
    Come(u8, i64),
    /// The reply to a call of the server's own comes and is taken at once.
    Reply,
    /// The server takes the first message.
    Take,
}

fn message(kind: u8, n: i64) -> Value {
    match kind {
        0 => call(5, n as u32, i(n)),
        1 => cast(i(n)),
        _ => i(n),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mailbox_holds_what_came_and_was_not_taken(
        acts in prop::collection::vec(
            prop_oneof![
                3 => (0..3u8, 0..3i64).prop_map(|(kind, n)| Act::Come(kind, n)),
                1 => Just(Act::Reply),
                3 => Just(Act::Take),
            ],
            1..60,
        ),
        chunk in 1..20usize,
    ) {
        let mut kit = Kit::chunked(chunk);
        let mut queue: Vec<Value> = Vec::new();
        let mut expected = Vec::new();
        kit.looped(7, i(0));
        expected.push(queue.clone());
        for (n, act) in acts.iter().enumerate() {
            match act {
                Act::Come(kind, n) => {
                    kit.ev(7, EventKind::Receive, &[message(*kind, *n), t(&[a("node"), p(5)])]);
                    queue.push(message(*kind, *n));
                    expected.push(queue.clone());
                }
                Act::Reply => {
                    kit.ev(7, EventKind::Receive, &[t(&[alias(n as u32 + 100), a("ok")]), t(&[a("node"), p(6)])]);
                    expected.push(queue.clone());
                }
                Act::Take if queue.is_empty() => {}
                Act::Take => {
                    let first = queue.remove(0);
                    kit.handled(7, first, i(0)).looped(7, i(0));
                    expected.push(queue.clone());
                    expected.push(queue.clone());
                }
            }
        }
        let timeline = kit.timeline();
        for (seq, queue) in expected.iter().enumerate() {
            let mailbox = timeline.mailbox(&pid(7), Moment::Seq(seq as u64)).unwrap();
            let got: Vec<Value> = mailbox.messages.iter().map(|one| one.message.to_value()).collect();
            prop_assert_eq!(&got, queue, "after event {}", seq);
        }
    }
}

#[test]
fn a_gen_statem_takes_events_in_other_words() {
    let mut kit = Kit::new();
    let sd = |n| t(&[a("on"), i(n)]);
    for message in [cast(a("x")), call(5, 1, a("y")), a("z")] {
        kit.ev(7, EventKind::Receive, &[message, t(&[a("node"), p(5)])]);
    }
    kit.step(7, t(&[a("cast"), a("x")]), sd(0), sd(1));
    kit.step(7, t(&[t(&[a("call"), t(&[p(5), alias(1)])]), a("y")]), sd(1), sd(2));
    let timeline = kit.timeline();
    let at = |seq| {
        let mailbox = timeline.mailbox(&pid(7), Moment::Seq(seq)).unwrap();
        (
            mailbox
                .messages
                .iter()
                .map(|one| one.message.to_value())
                .collect::<Vec<_>>(),
            mailbox.exact,
        )
    };
    assert_eq!(at(3).0, [call(5, 1, a("y")), a("z")]);
    assert_eq!(at(4), (vec![a("z")], true));
}

#[test]
fn a_plain_process_has_an_estimate() {
    let mut kit = Kit::new();
    kit.ev(7, EventKind::Receive, &[a("x")])
        .ev(7, EventKind::Send, &[p(1), a("y")])
        .ev(7, EventKind::Receive, &[a("z")]);
    let mailbox = kit.timeline().mailbox(&pid(7), Moment::End).unwrap();
    assert!(!mailbox.exact);
    assert_eq!(mailbox.messages.len(), 1);
}

#[test]
fn sends_stand_for_receives_that_were_not_traced() {
    let mut kit = Kit::new();
    kit.looped(7, i(0));
    kit.ev(1, EventKind::Send, &[p(7), cast(a("x"))])
        .ev(1, EventKind::Send, &[p(7), cast(a("y"))]);
    kit.handled(7, cast(a("x")), i(0));
    let mailbox = kit.timeline().mailbox(&pid(7), Moment::End).unwrap();
    let got: Vec<Value> = mailbox.messages.iter().map(|one| one.message.to_value()).collect();
    assert_eq!((got, mailbox.exact), (vec![cast(a("y"))], false));
    assert_eq!(mailbox.messages[0].from, Some(1));
}

#[test]
fn what_came_before_a_handled_message_was_taken_by_a_selective_receive() {
    let mut kit = Kit::new();
    kit.looped(7, i(0));
    for message in [a("ack"), cast(a("x")), cast(a("y"))] {
        kit.ev(7, EventKind::Receive, &[message, t(&[a("node"), p(5)])]);
    }
    kit.handled(7, cast(a("x")), i(0));
    let mailbox = kit.timeline().mailbox(&pid(7), Moment::End).unwrap();
    let got: Vec<Value> = mailbox.messages.iter().map(|one| one.message.to_value()).collect();
    assert_eq!((got, mailbox.exact), (vec![cast(a("y"))], true));
}
