//! Laws, over systems that are made up: runs that differ in nothing but a free order are the same, and one change is found.

use proptest::prelude::*;

use super::kit::{found, parted, role, World, X, Y, Z};
use crate::compare::Verdict;
use crate::timeline::tests::kit::{a, i, t};

/// Three senders and what each sends.
type Plan = [Vec<i64>; 3];

fn plan() -> impl Strategy<Value = Plan> {
    let one = || prop::collection::vec(1i64..100, 0..12);
    [one(), one(), one()].prop_map(|plan| plan)
}

/// One order of all that is sent, each sender's kept; `picks` decides who comes next.
fn interleaved(plan: &Plan, picks: &[usize]) -> Vec<(u64, i64)> {
    let mut left: Vec<(u64, std::collections::VecDeque<i64>)> = [X, Y, Z]
        .into_iter()
        .zip(plan)
        .map(|(who, all)| (who, all.iter().copied().collect()))
        .collect();
    let (mut order, mut picks) = (Vec::new(), picks.iter().cycle());
    while left.iter().any(|(_, all)| !all.is_empty()) {
        let open: Vec<usize> = (0..3).filter(|at| !left[*at].1.is_empty()).collect();
        let at = open[picks.next().copied().unwrap_or(0) % open.len()];
        if let Some(n) = left[at].1.pop_front() {
            order.push((left[at].0, n));
        }
    }
    order
}

/// A server that adds up, and answers what it has come to.
fn run(run: u64, order: &[(u64, i64)]) -> World {
    let mut world = World::new(run);
    let mut sum = 0;
    for (who, n) in order {
        let message = t(&[a("add"), i(*n)]);
        world.call(*who, message, i(sum + n), i(sum), i(sum + n));
        sum += n;
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn interleavings_of_the_same_are_the_same(
        plan in plan(), one in prop::collection::vec(0usize..3, 1..30), other in prop::collection::vec(0usize..3, 1..30)
    ) {
        let comparison = found(&run(0, &interleaved(&plan, &one)), &run(1, &interleaved(&plan, &other)));
        prop_assert_eq!(parted(&comparison), Vec::<String>::new());
    }

    #[test]
    fn one_change_is_found_and_its_sender_named(
        plan in plan(), who in 0usize..3, at in 0usize..12, one in prop::collection::vec(0usize..3, 1..30),
        other in prop::collection::vec(0usize..3, 1..30)
    ) {
        prop_assume!(at < plan[who].len());
        let mut changed = plan.clone();
        changed[who][at] = 1000;
        let comparison = found(&run(0, &interleaved(&plan, &one)), &run(1, &interleaved(&changed, &other)));
        let sender = [":x", ":y", ":z"][who];
        let report = role(&comparison, sender);
        prop_assert_eq!(report.verdict, Verdict::Different);
        let divergence = report.divergence.as_ref().unwrap();
        let expected = divergence.expected.as_ref().map(|told| super::kit::say(&comparison, told));
        let actual = divergence.actual.as_ref().map(|told| super::kit::say(&comparison, told));
        prop_assert_eq!(expected, Some(format!("ask {{add {}}} @:server", plan[who][at])));
        prop_assert_eq!(actual, Some("ask {add 1000} @:server".to_owned()));
        prop_assert_eq!(&comparison.roles[0].text, sender, "what caused it comes first");
    }

    #[test]
    fn both_ways_say_the_same(
        plan in plan(), other in plan(), picks in prop::collection::vec(0usize..3, 1..30)
    ) {
        let (one, two) = (run(0, &interleaved(&plan, &picks)), run(1, &interleaved(&other, &picks)));
        let verdicts = |comparison: &crate::compare::Comparison| {
            let mut all: Vec<(String, bool)> =
                comparison.roles.iter().map(|role| (role.text.clone(), role.verdict == Verdict::Same)).collect();
            all.sort();
            all
        };
        prop_assert_eq!(verdicts(&found(&one, &two)), verdicts(&found(&two, &one)));
        prop_assert_eq!(parted(&found(&one, &one)), Vec::<String>::new());
    }
}
