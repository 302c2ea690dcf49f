//! Where stories part, and which part is told first.

use super::kit::{found, parted, role, sum, World, S, X, Y, Z};
use crate::compare::{SplitKind, Verdict};
use crate::event::EventKind;
use crate::timeline::tests::kit::{a, i, l, t};

#[test]
fn one_changed_message_is_named_and_its_sender_first() {
    let (one, other) = (sum(0, &[(X, 1), (Y, 2), (X, 3)]), sum(1, &[(X, 1), (Y, 5), (X, 3)]));
    let comparison = found(&one, &other);
    assert_eq!(
        parted(&comparison),
        [
            ":y sent: tell {add 2} @:server | tell {add 5} @:server",
            ":server handled: cast {add 2} => 3 @:y | cast {add 5} => 6 @:y",
        ]
    );
    let ends = role(&comparison, ":server").ends.as_ref().expect("other states");
    let value = |node| super::kit::value(&comparison, &comparison.arena.to_value(node));
    assert_eq!((value(ends.first), value(ends.second)), ("6".into(), "9".into()));
    assert_eq!(role(&comparison, ":x").verdict, Verdict::Same);
}

#[test]
fn among_messages_that_came_in_another_order_the_changed_one_is_named() {
    let (one, other) = (
        sum(0, &[(X, 1), (Y, 2), (X, 3), (Y, 4)]),
        sum(1, &[(Y, 2), (X, 1), (Y, 4), (X, 30)]),
    );
    let comparison = found(&one, &other);
    let server = parted(&comparison)
        .into_iter()
        .find(|one| one.starts_with(":server"))
        .expect("it differs");
    assert_eq!(
        server,
        ":server handled: cast {add 3} => 6 @:x | cast {add 30} => 37 @:x"
    );
}

#[test]
fn a_missing_and_an_unexpected_message() {
    let (one, other) = (sum(0, &[(X, 1), (X, 2), (X, 3)]), sum(1, &[(X, 1), (X, 3)]));
    let comparison = found(&one, &other);
    assert_eq!(parted(&comparison)[1], ":server handled: cast {add 2} => 3 @:x | -");
    let comparison = found(&other, &one);
    assert_eq!(parted(&comparison)[1], ":server handled: - | cast {add 2} => 3 @:x");
    assert!(parted(&comparison)[0].starts_with(":x sent: - |"));
}

#[test]
fn a_wrong_state_after_the_right_message() {
    let world = |run, wrong| {
        let mut world = sum(run, &[(X, 1)]);
        world
            .cast(X, a("double"), i(1), i(wrong))
            .cast(X, a("next"), i(wrong), i(0));
        world
    };
    let comparison = found(&world(0, 2), &world(1, 3));
    assert_eq!(
        parted(&comparison),
        [":server state: cast double => 2 @:x | cast double => 3 @:x"]
    );
    let divergence = role(&comparison, ":server").divergence.as_ref().expect("one");
    assert_eq!(divergence.kind, SplitKind::State);
    assert!(divergence.diff.as_ref().is_some_and(|diff| !diff.is_same()));
    assert!(role(&comparison, ":server").ends.is_none());
}

#[test]
fn another_answer() {
    let world = |run, answer| {
        let mut world = World::new(run);
        world.call(X, a("get"), i(answer), i(0), i(0));
        world
    };
    let comparison = found(&world(0, 1), &world(1, 2));
    assert_eq!(
        parted(&comparison),
        [
            ":server sent: answer 1 @:x | answer 2 @:x",
            ":x received: got 1 @:server | got 2 @:server"
        ]
    );
}

#[test]
fn a_crash_in_one() {
    let world = |run, crash: bool| {
        let mut world = sum(run, &[(X, 1)]);
        world.send(X, S, crate::timeline::tests::kit::cast(a("risk")));
        world.receive(S, X, crate::timeline::tests::kit::cast(a("risk")));
        world.handled(crate::timeline::tests::kit::cast(a("risk")), i(1));
        let server = world.pid(S);
        if crash {
            world
                .kit
                .ended(server, "error", a("boom"), i(1))
                .ev(server, EventKind::Exit, &[a("boom")]);
        } else {
            world.looped(i(2));
        }
        world
    };
    let comparison = found(&world(0, false), &world(1, true));
    assert_eq!(
        parted(&comparison),
        [":server ended: cast risk => 2 @:x | cast risk => 1! boom @:x".replace("1!", "1 !")]
    );
    assert_eq!(role(&comparison, ":server").tally[1].crashes, 1);
}

#[test]
fn a_role_that_is_missing() {
    let with = |run| {
        let mut world = World::new(run);
        let (pid, parent) = (world.pid(12), world.pid(S));
        world
            .kit
            .server(pid, parent, Some("extra"), "Extra", l(&[]))
            .looped(pid, i(0));
        world
    };
    let comparison = found(&World::new(0), &with(1));
    assert_eq!(parted(&comparison), [":extra role: - | born"]);
    assert_eq!(comparison.count(Verdict::OnlySecond), 1);
    let comparison = found(&with(0), &World::new(1));
    assert_eq!(parted(&comparison), [":extra role: born | -"]);
    assert_eq!(comparison.count(Verdict::OnlyFirst), 1);
}

#[test]
fn the_cause_comes_first_though_the_clock_says_otherwise() {
    // In the first recording the server comes late to its message, and so another role parts before it by the clock.
    let world = |run, n, late: u64| {
        let mut world = World::new(run);
        world.kit.pass(late);
        world.send(X, Z, t(&[a("go"), i(n)])).receive(Z, X, t(&[a("go"), i(n)]));
        world.cast(Z, t(&[a("add"), i(n)]), i(0), i(n));
        world
    };
    let comparison = found(&world(0, 1, 0), &world(1, 2, 100_000));
    let order: Vec<String> = parted(&comparison).iter().map(|one| one[..2].to_owned()).collect();
    assert_eq!(order, [":x", ":z", ":s"]);
}

#[test]
fn a_call_of_a_traced_function_that_returned_something_else() {
    let world = |run, value| {
        let mut world = World::new(run);
        let x = world.pid(X);
        let mfa = [a("Repo"), a("get"), l(&[i(1)])];
        world.kit.ev(x, EventKind::Call, &mfa);
        world.kit.ev(x, EventKind::Return, &[a("Repo"), a("get"), i(1), value]);
        world
    };
    assert_eq!(
        parted(&found(&world(0, a("nil")), &world(1, a("user")))),
        [":x called: returned {Repo get 1} -> nil | returned {Repo get 1} -> user"]
    );
}

#[test]
fn what_the_steps_of_a_role_were() {
    let mut options = super::kit::options();
    options.focus = Some(":server".into());
    let (one, other) = (sum(0, &[(X, 1), (Y, 2)]), sum(1, &[(X, 1), (Y, 3)]));
    let comparison = super::kit::compared(&one, &other, &options);
    let texts: Vec<Vec<String>> = comparison
        .steps
        .iter()
        .map(|steps| steps.iter().map(|step| super::kit::say(&comparison, step)).collect())
        .collect();
    assert_eq!(
        texts[0],
        ["start => 0", "cast {add 1} => 1 @:x", "cast {add 2} => 3 @:y"]
    );
    assert_eq!(texts[1][2], "cast {add 3} => 4 @:y");
}
