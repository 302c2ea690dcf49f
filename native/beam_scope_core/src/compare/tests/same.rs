//! What is the same though nothing of it is.

use super::kit::{compared, evidence, found, options, parted, role, sum, World, S, X, Y};
use crate::compare::{compare, Given, Verdict};
use crate::event::EventKind;
use crate::store::Recording;
use crate::term::Value;
use crate::timeline::tests::kit::{a, i, l, p, t};
use crate::timeline::{Selector, Timeline};

const NONE: [String; 0] = [];

#[test]
fn other_pids_and_references_are_the_same_story() {
    let world = |run| {
        let mut world = World::new(run);
        let me = p(world.pid(X));
        let known = t(&[me.clone(), Value::Ref(vec![run as u32, 2, 3])]);
        world.call(X, t(&[a("join"), me]), a("ok"), i(0), known.clone());
        world.cast(Y, a("leave"), known, i(0));
        world
    };
    let comparison = found(&world(0), &world(1));
    assert_eq!(parted(&comparison), NONE);
    assert_eq!(comparison.count(Verdict::Same), comparison.roles.len());
    let server = role(&comparison, ":server");
    assert_eq!((server.tally[0].messages, server.tally[0].sends), (2, 1));
}

#[test]
fn a_recording_is_the_same_as_itself() {
    let world = sum(0, &[(X, 1), (Y, 2)]);
    let timeline = world.timeline();
    let comparison = compare([&evidence(&timeline), &evidence(&timeline)], &options()).expect("an answer");
    assert_eq!(parted(&comparison), NONE);
}

#[test]
fn a_loaded_one_has_atoms_of_its_own() {
    let world = |run| {
        let mut world = World::new(run);
        world.call(X, a("get"), t(&[a("ok"), a("value")]), i(0), a("asked"));
        world
    };
    let live = world(0).timeline();
    let other = world(1);
    other.kit.rec.stop(crate::store::StopReason::Requested);
    let path = std::env::temp_dir().join(format!("beam_scope_compare_{}", std::process::id()));
    other.kit.rec.save(&path).expect("written");
    let loaded = Timeline::new(Recording::load(&path).expect("read"));
    let _ = std::fs::remove_file(&path);
    for pair in [[&live, &loaded], [&loaded, &live]] {
        let comparison = compare([&evidence(pair[0]), &evidence(pair[1])], &options()).expect("an answer");
        assert_eq!(parted(&comparison), NONE);
        assert!(comparison.roles.iter().any(|role| role.text == ":server"));
    }
}

#[test]
fn a_restarted_server_is_one_role() {
    let world = |run, crashes: bool| {
        let mut world = World::new(run);
        let (sup, one, two) = (world.pid(5), world.pid(6), world.pid(7));
        let flags = t(&[a("self"), a("Sup"), l(&[])]);
        let top = world.pid(9);
        world.kit.server(sup, top, Some("sup"), "supervisor", flags);
        world
            .kit
            .server(one, sup, Some("worker"), "Worker", i(1))
            .looped(one, i(0));
        if crashes {
            world.kit.ev(one, EventKind::Exit, &[a("boom")]);
            world
                .kit
                .server(two, sup, Some("worker"), "Worker", i(1))
                .looped(two, i(0));
        }
        world
    };
    let comparison = found(&world(0, true), &world(1, true));
    assert_eq!(parted(&comparison), NONE);
    let worker = role(&comparison, ":worker");
    assert_eq!(
        (
            worker.tally[0].processes,
            worker.tally[0].crashes,
            worker.tally[0].restarts
        ),
        (2, 1, 1)
    );
    let comparison = found(&world(0, false), &world(1, true));
    assert_eq!(parted(&comparison), [":worker ended: - | exit boom"]);
}

/// Workers without a name, started in another order.
fn pool(run: u64, order: [i64; 2]) -> World {
    let mut world = World::new(run);
    for (at, id) in order.into_iter().enumerate() {
        let (worker, parent) = (world.pid(10 + at as u64), world.pid(S));
        world
            .kit
            .server(worker, parent, None, "Worker", i(id))
            .looped(worker, i(id * 100));
    }
    world
}

#[test]
fn children_that_are_alike_are_told_apart_by_what_they_began_with() {
    let comparison = found(&pool(0, [1, 2]), &pool(1, [2, 1]));
    assert_eq!(parted(&comparison), NONE);
    let first = role(&comparison, ":server/:Worker");
    assert_eq!(first.tally.map(|tally| tally.processes), [1, 1]);
    role(&comparison, ":server/:Worker 2");
}

#[test]
fn and_by_the_order_of_their_births() {
    let comparison = found(&pool(0, [1, 2]), &pool(1, [1, 3]));
    assert_eq!(
        parted(&comparison),
        [":server/:Worker 2 state: start => 200 | start => 300"]
    );
}

#[test]
fn the_user_may_say_who_is_who() {
    let options = |world: &World, other: &World| {
        let mut options = options();
        let who = [world.pid(10), other.pid(11)].map(|pid| Some(Selector::Pid(pid)));
        options.given.push(Given {
            text: "first".into(),
            who,
            unless_named: false,
        });
        options
    };
    let (one, other) = (pool(0, [1, 2]), pool(1, [1, 3]));
    let comparison = compared(&one, &other, &options(&one, &other));
    let wrong = "first state: start => 100 | start => 300";
    assert!(
        parted(&comparison).contains(&wrong.to_owned()),
        "{:?}",
        parted(&comparison)
    );
}

#[test]
fn roles_can_be_left_out_and_asked_for() {
    let (one, other) = (sum(0, &[(X, 1), (Y, 2)]), sum(1, &[(X, 1), (Y, 3)]));
    assert_eq!(parted(&found(&one, &other)).len(), 2);
    let mut only_x = options();
    only_x.only = vec![":x".into()];
    assert_eq!(parted(&compared(&one, &other, &only_x)), NONE);
    let mut without_y = options();
    without_y.ignore = vec![":y".into()];
    // What it says to others goes with it; what that did to them stays.
    assert_eq!(parted(&compared(&one, &other, &without_y)), NONE);
    let mut unknown = options();
    unknown.only = vec![":nobody".into()];
    let (one, other) = (one.timeline(), other.timeline());
    let refused = compare([&evidence(&one), &evidence(&other)], &unknown).expect_err("nobody");
    assert_eq!(refused.to_string(), "neither recording has a role :nobody");
}

#[test]
fn points_in_time_are_the_same() {
    const NOW: i64 = 1_700_000_000_000_000_000;
    let world = |run, at: i64| sum_at(run, at);
    fn sum_at(run: u64, at: i64) -> World {
        let mut world = World::new(run);
        world.cast(X, t(&[a("at"), i(at)]), i(0), i(at / 1_000_000));
        world
    }
    let (one, other) = (world(0, NOW + 1_000_000), world(1, NOW + 5_000_000));
    assert_eq!(parted(&found(&one, &other)).len(), 2);
    let mut clocked = options();
    clocked.days = vec![(NOW, NOW + 10_000_000)];
    assert_eq!(parted(&compared(&one, &other, &clocked)), NONE);
}

#[test]
fn what_the_virtual_machine_answers_for_a_process_is_chance() {
    let world = |run, asked: bool| {
        let mut world = World::new(run);
        if asked {
            world.receive(
                X,
                S,
                t(&[Value::Ref(vec![1, 2, 3]), l(&[t(&[a("reductions"), i(46)])])]),
            );
        }
        world.call(X, a("get"), i(0), i(0), i(0));
        world
    };
    assert_eq!(parted(&found(&world(0, false), &world(1, true))), NONE);
}
