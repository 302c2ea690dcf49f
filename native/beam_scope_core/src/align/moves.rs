//! Entries that are there on both sides, but elsewhere.

use std::collections::HashMap;

use super::{Pair, Work};

/// Which entries moved where.
#[derive(Default)]
pub(super) struct Moves {
    expected: Vec<Option<usize>>,
    actual: Vec<Option<usize>>,
    told: Vec<bool>,
}

impl Moves {
    pub(super) fn of_expected(&self, e: usize) -> Option<usize> {
        self.expected[e]
    }

    pub(super) fn of_actual(&self, a: usize) -> Option<usize> {
        self.actual[a]
    }

    /// Whether this move is told for the first time.
    pub(super) fn tell(&mut self, e: usize) -> bool {
        !std::mem::replace(&mut self.told[e], true)
    }
}

/// The moves among what `pairs` leaves.
pub(super) fn find(work: &Work<'_>, pairs: &[Pair]) -> Moves {
    let mut moves = Moves {
        expected: vec![None; work.expected.len()],
        actual: vec![None; work.actual.len()],
        told: vec![false; work.expected.len()],
    };
    if cfg!(mutant = "align-no-moves") {
        return moves;
    }
    let (mut in_expected, mut in_actual) = (vec![false; work.expected.len()], vec![false; work.actual.len()]);
    for (e, a) in pairs {
        (in_expected[*e], in_actual[*a]) = (true, true);
    }
    let free = |used: &[bool]| -> Vec<usize> { (0..used.len()).filter(|at| !used[*at]).collect() };
    for (e, a) in equal_pairs(work, &free(&in_expected), &free(&in_actual)) {
        moves.expected[e] = Some(a);
        moves.actual[a] = Some(e);
    }
    moves
}

/// Pairs of equal entries among these places, rising on the expected side. Of one value that is there equally often the
/// first goes with the first, the second with the second; else each of the fewer goes with the nearest.
pub(super) fn equal_pairs(work: &Work<'_>, expected: &[usize], actual: &[usize]) -> Vec<Pair> {
    if expected.is_empty() || actual.is_empty() {
        return Vec::new();
    }
    let mut by_key: HashMap<u32, (Vec<usize>, Vec<usize>)> = HashMap::new();
    for e in expected {
        by_key.entry(work.keys.expected[*e]).or_default().0.push(*e);
    }
    for a in actual {
        if let Some((_, places)) = by_key.get_mut(&work.keys.actual[*a]) {
            places.push(*a);
        }
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for (e, a) in by_key.into_values() {
        if e.len() <= a.len() {
            pairs.extend(nearest(&e, &a));
        } else {
            pairs.extend(nearest(&a, &e).map(|(a, e)| (e, a)));
        }
    }
    pairs.sort_unstable();
    pairs
}

/// Each of the fewer places with one of the more, both rising.
fn nearest<'a>(fewer: &'a [usize], more: &'a [usize]) -> impl Iterator<Item = Pair> + 'a {
    let mut from = 0;
    fewer.iter().enumerate().map(move |(at, place)| {
        // What follows needs a place each.
        let last = more.len() - (fewer.len() - at);
        let to = (from..=last)
            .min_by_key(|to| more[*to].abs_diff(*place))
            .unwrap_or(last);
        from = to + 1;
        (*place, more[to])
    })
}

/// The longest run of pairs that also rises on the actual side.
pub(super) fn longest_rise(pairs: &[Pair]) -> Vec<Pair> {
    // ends[n]: the pair with the least end among the rises of n + 1 pairs; before[i]: its predecessor.
    let (mut ends, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::with_capacity(pairs.len()));
    for (i, (_, a)) in pairs.iter().enumerate() {
        let at = ends.partition_point(|end: &usize| pairs[*end].1 < *a);
        before.push(at.checked_sub(1).map(|at| ends[at]));
        if at == ends.len() {
            ends.push(i);
        } else {
            ends[at] = i;
        }
    }
    let mut rise: Vec<Pair> = std::iter::successors(ends.last().copied(), |i| before[*i])
        .map(|i| pairs[i])
        .collect();
    rise.reverse();
    rise
}
