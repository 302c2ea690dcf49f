//! What was not captured is neither the same nor different.

use super::kit::{compared, evidence, found, options, parted, role, sum, World, S, X, Y};
use crate::compare::{compare, Verdict};
use crate::term::{Kind, Value};
use crate::timeline::tests::kit::{a, i, t};

fn cut(n: u64) -> Value {
    Value::Truncated(Kind::Binary, n)
}

#[test]
fn a_state_that_was_cut_is_unknown() {
    let world = |run, last: i64| {
        let mut world = World::new(run);
        world.cast(X, a("load"), i(0), t(&[a("blob"), cut(5000)]));
        world.cast(X, a("drop"), t(&[a("blob"), cut(5000)]), i(last));
        world
    };
    let comparison = found(&world(0, 0), &world(1, 0));
    assert_eq!(role(&comparison, ":server").verdict, Verdict::Unknown);
    assert_eq!(role(&comparison, ":server").unknown, 1);
    assert_eq!(role(&comparison, ":x").verdict, Verdict::Same);
    let comparison = found(&world(0, 0), &world(1, 1));
    assert_eq!(role(&comparison, ":server").verdict, Verdict::Different);
}

#[test]
fn so_is_a_message_of_which_a_part_is_missing() {
    let world = |run, part: Value| {
        let mut world = World::new(run);
        world.cast(X, t(&[a("put"), part]), i(0), i(1));
        world
    };
    for other in [cut(10), i(3)] {
        let comparison = found(&world(0, cut(10)), &world(1, other));
        for text in [":server", ":x"] {
            assert_eq!(role(&comparison, text).verdict, Verdict::Unknown, "{text}");
        }
    }
}

#[test]
fn behind_a_gap_stories_go_on_where_they_are_the_same_again() {
    let steps: Vec<(u64, i64)> = (1..20).map(|n| (X, n)).collect();
    let whole = sum(0, &steps);
    let world = |wrong: i64| {
        let mut world = World::new(1);
        let mut state = 0;
        for (at, (who, n)) in steps.iter().enumerate() {
            let next = if at == 15 { state + n + wrong } else { state + n };
            if !(5..8).contains(&at) {
                if at == 8 {
                    let server = world.pid(S);
                    world.kit.lose(server, 9);
                }
                world.cast(*who, t(&[a("add"), i(*n)]), i(state), i(next));
            } else {
                world.send(*who, S, crate::timeline::tests::kit::cast(t(&[a("add"), i(*n)])));
            }
            state = next;
        }
        world
    };
    let comparison = found(&whole, &world(0));
    let server = role(&comparison, ":server");
    assert_eq!(server.verdict, Verdict::Unknown, "{:?}", parted(&comparison));
    assert_eq!(server.tally[1].lost, 9);
    let comparison = found(&whole, &world(1));
    assert_eq!(
        parted(&comparison),
        [":server state: cast {add 16} => 136 @:x | cast {add 16} => 137 @:x"]
    );
}

#[test]
fn what_comes_after_the_end_of_one_that_was_cut_off_is_unknown() {
    let (one, other) = (sum(0, &[(X, 1), (Y, 2), (X, 3)]), sum(1, &[(X, 1)]));
    assert!(parted(&found(&one, &other))[0].contains("tell {add 2} @:server | -"));
    let (one, other) = (one.timeline(), other.timeline());
    let mut cut_off = evidence(&other);
    cut_off.cut = true;
    let comparison = compare([&evidence(&one), &cut_off], &options()).expect("an answer");
    assert_eq!(parted(&comparison).len(), comparison.roles.len());
    assert!(
        comparison.roles.iter().all(|role| role.verdict == Verdict::Unknown),
        "{:?}",
        parted(&comparison)
    );
}

#[test]
fn what_is_ignored_is_not_looked_at() {
    use crate::timeline::Verdict as Answer;
    let world = |run, n| {
        let mut world = sum(run, &[(X, 1)]);
        world.cast(Y, t(&[a("beat"), i(n)]), i(1), i(1));
        world
    };
    let (one, other) = (world(0, 1), world(1, 2));
    assert_eq!(parted(&compared(&one, &other, &options())).len(), 2);
    let (one, other) = (one.timeline(), other.timeline());
    let beat: crate::compare::Matcher = std::sync::Arc::new(|arena, node| match arena.node(node) {
        crate::term::arena::Node::Tuple(items) if items.len() == 2 => match arena.to_value(items[0]) == a("beat") {
            true => Answer::Yes,
            false => Answer::No,
        },
        _ => Answer::No,
    });
    let [mut first, mut second] = [evidence(&one), evidence(&other)];
    first.ignore.push(std::sync::Arc::clone(&beat));
    second.ignore.push(beat);
    let comparison = compare([&first, &second], &options()).expect("an answer");
    assert_eq!(parted(&comparison), [""; 0]);
}
