//! What is exactly equal, in order: the skeleton of an alignment.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use similar::{capture_diff_slices_deadline, Algorithm, DiffOp};

use super::{moves, region, Entry, Pair, Work};

/// A number for each entry: equal entries, equal numbers.
pub(super) struct Keys {
    pub(super) expected: Vec<u32>,
    pub(super) actual: Vec<u32>,
    /// How many different ones there are.
    pub(super) len: usize,
}

pub(super) fn keys(expected: &[Entry], actual: &[Entry]) -> Keys {
    let mut seen: HashMap<Entry, u32> = HashMap::with_capacity(expected.len());
    let mut key = |entry: &Entry| {
        let next = seen.len() as u32;
        *seen.entry(*entry).or_insert(next)
    };
    let expected: Vec<u32> = expected.iter().map(&mut key).collect();
    let actual = actual.iter().map(&mut key).collect();
    Keys {
        expected,
        actual,
        len: seen.len(),
    }
}

/// Pairs of equal entries, rising on both sides.
pub(super) struct Skeleton {
    pub(super) anchors: Vec<Pair>,
    /// Whether no longer one could have been found.
    pub(super) exact: bool,
}

pub(super) fn anchors(work: &Work<'_>, began: Instant, deadline: Duration) -> Skeleton {
    let (e, a) = common(work);
    let (old, new) = (values(&e, &work.keys.expected), values(&a, &work.keys.actual));
    let half = began + deadline / 2;
    let mut ops = capture_diff_slices_deadline(Algorithm::RawMyers, &old, &new, Some(half));
    let exact = Instant::now() < half;
    if !exact {
        // Heuristics find less than the shortest script, but find it soon.
        ops = capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(began + deadline / 4 * 3));
    }
    let mut anchors: Vec<Pair> = ops
        .iter()
        .filter_map(|op| match *op {
            DiffOp::Equal {
                old_index,
                new_index,
                len,
            } => Some((old_index..old_index + len).zip(new_index..)),
            _ => None,
        })
        .flatten()
        .map(|(old, new)| (e[old], a[new]))
        .collect();
    if !exact {
        anchors = refined(work, &anchors);
    }
    Skeleton { anchors, exact }
}

/// The places of entries that exist on both sides: only those can be matched, so leaving out the others changes nothing.
fn common(work: &Work<'_>) -> (Vec<usize>, Vec<usize>) {
    let count = |keys: &[u32]| {
        let mut there = vec![false; work.keys.len];
        for key in keys {
            there[*key as usize] = true;
        }
        there
    };
    let (in_expected, in_actual) = (count(&work.keys.expected), count(&work.keys.actual));
    let places = |keys: &[u32], there: &[bool]| (0..keys.len()).filter(|at| there[keys[*at] as usize]).collect();
    (
        places(&work.keys.expected, &in_actual),
        places(&work.keys.actual, &in_expected),
    )
}

fn values(places: &[usize], keys: &[u32]) -> Vec<u32> {
    places.iter().map(|at| keys[*at]).collect()
}

/// What the time did not suffice for: where the script replaced whole blocks, equal entries that are in order inside one.
fn refined(work: &Work<'_>, anchors: &[Pair]) -> Vec<Pair> {
    let mut all = Vec::with_capacity(anchors.len());
    for (gap, anchor) in region::gaps(work, anchors) {
        let (expected, actual): (Vec<usize>, Vec<usize>) = (gap.expected.collect(), gap.actual.collect());
        all.extend(moves::longest_rise(&moves::equal_pairs(work, &expected, &actual)));
        all.extend(anchor);
    }
    all
}
