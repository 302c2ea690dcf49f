//! Orders that are free, and orders that are not.

use super::kit::{found, parted, role, sum, World, S, X, Y, Z};
use crate::event::EventKind;
use crate::timeline::tests::kit::{a, cast, i, t};

const NONE: [String; 0] = [];

#[test]
fn messages_of_different_senders_may_come_in_any_order() {
    let (one, other) = (
        sum(0, &[(X, 1), (Y, 2), (X, 3), (Z, 4)]),
        sum(1, &[(Z, 4), (X, 1), (X, 3), (Y, 2)]),
    );
    let comparison = found(&one, &other);
    assert_eq!(parted(&comparison), NONE);
    assert!(role(&comparison, ":server").reordered > 0);
}

#[test]
fn those_of_one_sender_may_not() {
    let (one, other) = (sum(0, &[(X, 1), (X, 2)]), sum(1, &[(X, 2), (X, 1)]));
    assert_eq!(parted(&found(&one, &other)).len(), 2);
}

/// The last one wins.
fn last(run: u64, steps: &[(u64, i64)]) -> World {
    let mut world = World::new(run);
    let mut state = 0;
    for (who, n) in steps {
        world.cast(*who, t(&[a("put"), i(*n)]), i(state), i(*n));
        state = *n;
    }
    world
}

#[test]
fn what_the_order_made_of_the_state_is_told() {
    let comparison = found(&last(0, &[(X, 1), (Y, 2)]), &last(1, &[(Y, 2), (X, 1)]));
    assert_eq!(
        parted(&comparison),
        [":server state: cast {put 2} => 2 @:y | cast {put 1} => 1 @:x"]
    );
    let comparison = found(&last(0, &[(X, 1), (Y, 2), (Z, 3)]), &last(1, &[(Y, 2), (X, 1), (Z, 3)]));
    assert_eq!(
        parted(&comparison).len(),
        1,
        "what is free ends where the messages are the same"
    );
}

/// X tells the server, then Y, who tells the server because of that; `early`: the server takes Y's message up first.
fn because(run: u64, early: bool) -> World {
    let mut world = World::new(run);
    world.send(X, S, cast(a("one")));
    world
        .send(X, Y, a("go"))
        .receive(Y, X, a("go"))
        .send(Y, S, cast(a("two")));
    if early {
        world
            .take_cast(Y, a("two"), i(0), i(0))
            .take_cast(X, a("one"), i(0), i(0));
    } else {
        world
            .take_cast(X, a("one"), i(0), i(0))
            .take_cast(Y, a("two"), i(0), i(0));
    }
    world
}

#[test]
fn what_came_because_of_another_has_its_place() {
    assert_eq!(parted(&found(&because(0, false), &because(1, false))), NONE);
    let comparison = found(&because(0, false), &because(1, true));
    assert_eq!(
        parted(&comparison),
        [":server order: cast one => 0 @:x | cast two => 0 @:y"]
    );
}

#[test]
fn that_a_server_came_to_one_after_another_is_no_cause() {
    // Y is answered after X's message was handled, and sends again: that was possible without X too.
    let world = |run, x_first: bool| {
        let mut world = World::new(run);
        if x_first {
            world.cast(X, a("x"), i(0), i(0));
        }
        world
            .call(Y, a("y"), a("ok"), i(0), i(0))
            .call(Y, a("y2"), a("ok"), i(0), i(0));
        if !x_first {
            world.cast(X, a("x"), i(0), i(0));
        }
        world
    };
    assert_eq!(parted(&found(&world(0, true), &world(1, false))), NONE);
}

#[test]
fn answers_that_hang_on_a_free_order_are_free_too() {
    let world = |run, order: [u64; 2]| {
        let mut world = World::new(run);
        for (n, who) in order.into_iter().enumerate() {
            let n = n as i64;
            world.call(who, a("inc"), i(n + 1), i(n), i(n + 1));
        }
        world
    };
    let comparison = found(&world(0, [X, Y]), &world(1, [Y, X]));
    assert_eq!(parted(&comparison), NONE, "each got another number, and both got one");
    // In the same order another answer is another answer.
    let wrong = {
        let mut world = World::new(1);
        world
            .call(X, a("inc"), i(7), i(0), i(1))
            .call(Y, a("inc"), i(2), i(1), i(2));
        world
    };
    assert!(parted(&found(&world(0, [X, Y]), &wrong))[0].starts_with(":server sent: answer 1 @:x"));
}

#[test]
fn so_are_those_that_are_passed_on_as_they_came() {
    let world = |run, order: [u64; 2], more: i64| {
        let mut world = World::new(run);
        for (n, who) in order.into_iter().enumerate() {
            let n = n as i64;
            world.call(who, a("inc"), i(n + 1), i(n), i(n + 1));
        }
        let of = |who| order.iter().position(|one| *one == who).map_or(0, |at| at as i64 + 1);
        for who in [X, Y] {
            world.send(who, Z, i(of(who) + more)).receive(Z, who, i(of(who) + more));
        }
        world
    };
    assert_eq!(parted(&found(&world(0, [X, Y], 0), &world(1, [Y, X], 0))), NONE);
    // What is made of them is not.
    let comparison = found(&world(0, [X, Y], 0), &world(1, [Y, X], 5));
    assert!(
        parted(&comparison)[0].starts_with(":x sent: send 1 @:z | send 7 @:z"),
        "{:?}",
        parted(&comparison)
    );
}

#[test]
fn what_a_client_got_between_its_own_steps_is_not_when_it_read_it() {
    let world = |run, late: bool| {
        let mut world = World::new(run);
        world.send(Y, X, a("hello"));
        if !late {
            world.receive(X, Y, a("hello"));
        }
        world.send(X, Z, a("ping")).receive(Z, X, a("ping"));
        if late {
            world.receive(X, Y, a("hello"));
        }
        world
    };
    assert_eq!(parted(&found(&world(0, false), &world(1, true))), NONE);
}

#[test]
fn a_burst_to_different_receivers_has_no_order() {
    let world = |run, order: [u64; 2]| {
        let mut world = World::new(run);
        for who in order {
            world.send(X, who, a("hi")).receive(who, X, a("hi"));
        }
        world
    };
    assert_eq!(parted(&found(&world(0, [Y, Z]), &world(1, [Z, Y]))), NONE);
    let between = |run, order: [u64; 2]| {
        let mut world = World::new(run);
        world.send(X, order[0], a("hi"));
        world.send(S, X, a("now")).receive(X, S, a("now"));
        world.send(X, order[1], a("hi"));
        world
    };
    let comparison = found(&between(0, [Y, Z]), &between(1, [Z, Y]));
    assert_eq!(parted(&comparison), [":x order: send hi @:y | send hi @:z"]);
}

#[test]
fn timers_that_change_nothing_may_be_any_number() {
    let world = |run, ticks: usize| {
        let mut world = World::new(run);
        for _ in 0..ticks {
            let server = world.pid(S);
            world
                .kit
                .ev(server, EventKind::Receive, &[a("tick"), a("clock_service")]);
            world.handled(a("tick"), i(0)).looped(i(0));
        }
        world.cast(X, a("end"), i(0), i(1));
        world
    };
    assert_eq!(parted(&found(&world(0, 2), &world(1, 5))), NONE);
}
