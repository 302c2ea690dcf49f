//! Which elements of a run that was replaced are nearly equal, and so one element that changed.

use super::tree::Walk;
use crate::term::arena::{Node, NodeId};

/// Runs whose product is larger are not paired.
const MAX_CELLS: usize = 4_096;
/// Maps and tuples of more parts are judged by a part of them.
const MAX_PARTS: usize = 64;
/// From this share of equal parts on, in percent, two elements are one that changed.
const NEAR: usize = 34;

/// Pairs of indices, rising in both: the choice of pairs that are nearest in sum.
pub(super) fn pairs(walk: &Walk<'_>, old: &[NodeId], new: &[NodeId]) -> Vec<(usize, usize)> {
    let (rows, columns) = (old.len(), new.len());
    if rows == 0 || columns == 0 || rows.saturating_mul(columns) > MAX_CELLS {
        return Vec::new();
    }
    let near: Vec<usize> = old
        .iter()
        .flat_map(|a| new.iter().map(|b| nearness(walk, *a, *b)))
        .map(|share| if share >= NEAR { share } else { 0 })
        .collect();
    let width = columns + 1;
    // best[i * width + j]: the best sum for old[i..] and new[j..].
    let mut best = vec![0usize; (rows + 1) * width];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let skip = best[(i + 1) * width + j].max(best[i * width + j + 1]);
            let taken = near[i * columns + j];
            best[i * width + j] = skip.max(if taken > 0 {
                taken + best[(i + 1) * width + j + 1]
            } else {
                0
            });
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < rows && j < columns {
        let here = best[i * width + j];
        let taken = near[i * columns + j];
        if taken > 0 && here == taken + best[(i + 1) * width + j + 1] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// How much of two terms is equal, in percent.
fn nearness(walk: &Walk<'_>, a: NodeId, b: NodeId) -> usize {
    let arena = walk.arena;
    match (arena.node(a), arena.node(b)) {
        (Node::Map { len: x }, Node::Map { len: y }) if walk.name(a) == walk.name(b) => {
            // A struct's name is no sign that two structs are the same one.
            let plain = usize::from(walk.name(a).is_some());
            let equal = equal_values(walk, a, b).saturating_sub(plain);
            percent(equal, x.max(y).min(MAX_PARTS) - plain.min(x))
        }
        (Node::Tuple(x), Node::Tuple(y)) if x.len() == y.len() && x.len() > 1 => {
            if tag(walk, x) != tag(walk, y) {
                return 0;
            }
            percent(
                x.iter().zip(y).take(MAX_PARTS).filter(|(x, y)| x == y).count(),
                x.len().min(MAX_PARTS),
            )
        }
        (Node::List { len: x }, Node::List { len: y }) => {
            let (prefix, suffix) = arena.list_common(a, b);
            percent(prefix + suffix, x.max(y))
        }
        (Node::Binary(x), Node::Binary(y)) => {
            let same = |(a, b): &(&u8, &u8)| a == b;
            let prefix = x.iter().zip(y).take_while(same).count();
            let suffix = x[prefix..]
                .iter()
                .rev()
                .zip(y[prefix..].iter().rev())
                .take_while(same)
                .count();
            percent(prefix + suffix, x.len().max(y.len()))
        }
        _ => 0,
    }
}

fn percent(equal: usize, of: usize) -> usize {
    (equal * 100).checked_div(of).unwrap_or(0).min(100)
}

fn tag(walk: &Walk<'_>, items: &[NodeId]) -> Option<NodeId> {
    let first = *items.first()?;
    matches!(walk.arena.node(first), Node::Atom(_)).then_some(first)
}

fn equal_values(walk: &Walk<'_>, a: NodeId, b: NodeId) -> usize {
    let pairs = walk.arena.map_iter(a).take(MAX_PARTS);
    pairs
        .filter(|(key, value)| walk.arena.map_get(b, *key) == Some(*value))
        .count()
}
