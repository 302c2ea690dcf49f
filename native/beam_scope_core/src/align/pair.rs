//! Which entries of a changed stretch belong together: the pairing that leaves the least to be explained.

use similar::{capture_diff_slices_deadline, Algorithm, DiffOp};

use super::near::NEAR;
use super::{Pair, Work};

/// Stretches whose product is larger are first cut by the rough shape of their entries.
pub(super) const MAX_CELLS: usize = 16_384;

/// An entry without partner. A pair costs less than two of these, and one pair less than one of these: of two
/// explanations of equal length, the one that pairs more is told.
const ALONE: u32 = 1_060;

/// Pairs among these places, rising on both sides.
pub(super) fn pairs(work: &Work<'_>, expected: &[usize], actual: &[usize]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    if expected.len().saturating_mul(actual.len()) <= MAX_CELLS {
        nearest(work, expected, actual, &mut pairs);
    } else if !work.is_late() {
        by_shape(work, expected, actual, &mut pairs);
    }
    pairs
}

/// Aligns by shape first, then what is between.
fn by_shape(work: &Work<'_>, expected: &[usize], actual: &[usize], pairs: &mut Vec<Pair>) {
    let old: Vec<u64> = expected.iter().map(|e| work.shape(&work.expected[*e])).collect();
    let new: Vec<u64> = actual.iter().map(|a| work.shape(&work.actual[*a])).collect();
    let mut from = (0, 0);
    for op in capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(work.until)) {
        let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = op
        else {
            continue;
        };
        for (e, a) in (old_index..old_index + len).zip(new_index..) {
            if work.cost((expected[e], actual[a])).is_some() {
                small(work, &expected[from.0..e], &actual[from.1..a], pairs);
                pairs.push((expected[e], actual[a]));
                from = (e + 1, a + 1);
            }
        }
    }
    small(work, &expected[from.0..], &actual[from.1..], pairs);
}

fn small(work: &Work<'_>, expected: &[usize], actual: &[usize], pairs: &mut Vec<Pair>) {
    if expected.len().saturating_mul(actual.len()) <= MAX_CELLS {
        nearest(work, expected, actual, pairs);
    }
}

/// The pairing of least cost, and where it leaves one entry on either side between two pairs, those two as well.
fn nearest(work: &Work<'_>, expected: &[usize], actual: &[usize], pairs: &mut Vec<Pair>) {
    if expected.is_empty() || actual.is_empty() {
        return;
    }
    let mut from = (0, 0);
    for (e, a) in least(work, expected, actual) {
        replaced(work, &expected[from.0..e], &actual[from.1..a], pairs);
        pairs.push((expected[e], actual[a]));
        from = (e + 1, a + 1);
    }
    replaced(work, &expected[from.0..], &actual[from.1..], pairs);
}

/// One entry in the place of one other is that one, replaced, however little they have in common; unless one of them only
/// stands elsewhere.
fn replaced(work: &Work<'_>, expected: &[usize], actual: &[usize], pairs: &mut Vec<Pair>) {
    if let ([e], [a]) = (expected, actual) {
        let moved = work
            .elsewhere
            .of_expected(*e)
            .or(work.elsewhere.of_actual(*a))
            .is_some();
        if work.is_one_group((*e, *a)) && !moved {
            pairs.push((*e, *a));
        }
    }
}

fn least(work: &Work<'_>, expected: &[usize], actual: &[usize]) -> Vec<Pair> {
    let (rows, columns) = (expected.len(), actual.len());
    let width = columns + 1;
    let mut costs: Vec<Option<u32>> = Vec::with_capacity(rows * columns);
    for e in expected {
        let late = work.is_late();
        costs.extend(actual.iter().map(|a| if late { None } else { work.cost((*e, *a)) }));
    }
    // best[i * width + j]: the least cost of expected[i..] against actual[j..].
    let mut best = vec![0u32; (rows + 1) * width];
    for i in (0..=rows).rev() {
        for j in (0..=columns).rev() {
            if i == rows || j == columns {
                best[i * width + j] = (rows - i + columns - j) as u32 * ALONE;
                continue;
            }
            let alone = best[(i + 1) * width + j].min(best[i * width + j + 1]) + ALONE;
            let paired = costs[i * columns + j].map_or(u32::MAX, |cost| cost + best[(i + 1) * width + j + 1]);
            best[i * width + j] = alone.min(paired);
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < rows && j < columns {
        let here = best[i * width + j];
        let paired = costs[i * columns + j].map(|cost| cost + best[(i + 1) * width + j + 1]);
        if paired == Some(here) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] + ALONE {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

impl Work<'_> {
    /// What a pair leaves to be explained: nothing if it is equal, about one if it is nearly so. `None`: it is no pair.
    fn cost(&self, pair: Pair) -> Option<u32> {
        if !self.is_one_group(pair) {
            return None;
        }
        if self.is_equal(pair) {
            return Some(0);
        }
        let nearness = self.nearness(self.expected[pair.0].term, self.actual[pair.1].term);
        (nearness >= NEAR).then(|| 1_000 + (1_000 - nearness) / 100)
    }
}
