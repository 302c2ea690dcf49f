//! Where the two sequences differ, and which explanation of it is the shorter one.

use std::collections::HashSet;
use std::ops::Range;

use super::{moves, pair, Pair, Work};

/// Equal entries in a row that keep two changes apart; fewer may be chance.
const FIRM: usize = 6;

/// A stretch between two anchors.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    pub(super) expected: Range<usize>,
    pub(super) actual: Range<usize>,
}

impl Gap {
    fn cells(&self) -> usize {
        self.expected.len().saturating_mul(self.actual.len())
    }

    fn is_empty(&self) -> bool {
        self.expected.is_empty() && self.actual.is_empty()
    }
}

/// All stretches, empty ones too, each with the anchor that ends it; the last has none.
pub(super) fn gaps<'a>(work: &'a Work<'_>, anchors: &'a [Pair]) -> impl Iterator<Item = (Gap, Option<Pair>)> + 'a {
    let end = (work.expected.len(), work.actual.len());
    let ends = anchors.iter().map(|anchor| (*anchor, Some(*anchor)));
    let mut from = (0, 0);
    ends.chain([(end, None)]).map(move |(to, anchor)| {
        let gap = Gap {
            expected: from.0..to.0,
            actual: from.1..to.1,
        };
        from = (to.0 + 1, to.1 + 1);
        (gap, anchor)
    })
}

/// The pairs of an alignment: equal and nearly equal entries, rising on both sides.
pub(super) fn pairs(work: &Work<'_>, anchors: &[Pair]) -> Vec<Pair> {
    let mut regions = Regions::default();
    for (gap, anchor) in gaps(work, anchors) {
        regions.gap(gap);
        regions.anchors.extend(anchor);
    }
    regions.close();
    let mut pairs = Vec::with_capacity(anchors.len());
    for part in regions.done {
        match part {
            Part::Anchors(anchors) => pairs.extend(anchors),
            Part::Region(region) => pairs.extend(region.pairs(work)),
        }
    }
    pairs
}

enum Part {
    Anchors(Vec<Pair>),
    Region(Region),
}

struct Region {
    gap: Gap,
    anchors: Vec<Pair>,
}

/// Regions as they grow: a change joins the one before where only few anchors lie between.
#[derive(Default)]
struct Regions {
    done: Vec<Part>,
    open: Option<Region>,
    /// Since the last change.
    anchors: Vec<Pair>,
}

impl Regions {
    fn gap(&mut self, gap: Gap) {
        if gap.is_empty() {
            return;
        }
        if let Some(open) = &mut self.open {
            let joined = Gap {
                expected: open.gap.expected.start..gap.expected.end,
                actual: open.gap.actual.start..gap.actual.end,
            };
            if self.anchors.len() <= FIRM && joined.cells() <= pair::MAX_CELLS {
                open.gap = joined;
                open.anchors.append(&mut self.anchors);
                return;
            }
        }
        self.close();
        self.open = Some(Region {
            gap,
            anchors: Vec::new(),
        });
    }

    fn close(&mut self) {
        self.done.extend(self.open.take().map(Part::Region));
        self.done.push(Part::Anchors(std::mem::take(&mut self.anchors)));
    }
}

impl Region {
    /// The exact alignment, or the one by nearness where that leaves no more to be explained.
    fn pairs(&self, work: &Work<'_>) -> Vec<Pair> {
        if self.gap.expected.is_empty() || self.gap.actual.is_empty() {
            return self.anchors.clone();
        }
        let exact = self.exact(work);
        if self.anchors.is_empty() || self.gap.cells() > pair::MAX_CELLS || work.is_late() {
            return exact;
        }
        let near = self.near(work);
        if self.cost(work, &near) <= self.cost(work, &exact) && !cfg!(mutant = "align-exact-only") {
            near
        } else {
            exact
        }
    }

    /// What is equal stays; between, what has not moved is paired by nearness.
    fn exact(&self, work: &Work<'_>) -> Vec<Pair> {
        let moved = self.moved(work, &self.anchors);
        let (from, to): (HashSet<usize>, HashSet<usize>) = moved.into_iter().unzip();
        let mut pairs = Vec::new();
        for gap in self.between(&self.anchors) {
            let expected: Vec<usize> = gap.0.expected.filter(|e| !from.contains(e)).collect();
            let actual: Vec<usize> = gap.0.actual.filter(|a| !to.contains(a)).collect();
            pairs.extend(pair::pairs(work, &expected, &actual));
            pairs.extend(gap.1);
        }
        pairs
    }

    fn near(&self, work: &Work<'_>) -> Vec<Pair> {
        let (expected, actual): (Vec<usize>, Vec<usize>) =
            (self.gap.expected.clone().collect(), self.gap.actual.clone().collect());
        pair::pairs(work, &expected, &actual)
    }

    /// How many entries, or pairs of them, are not as expected.
    fn cost(&self, work: &Work<'_>, pairs: &[Pair]) -> usize {
        let equal = pairs.iter().filter(|pair| work.is_equal(**pair)).count();
        let different = pairs.len() - equal;
        let moved = self.moved(work, pairs).len();
        let left = self.gap.expected.len() + self.gap.actual.len() - 2 * (pairs.len() + moved);
        different + moved + left
    }

    fn moved(&self, work: &Work<'_>, pairs: &[Pair]) -> Vec<Pair> {
        let (paired_e, paired_a): (HashSet<usize>, HashSet<usize>) = pairs.iter().copied().unzip();
        let expected: Vec<usize> = self.gap.expected.clone().filter(|e| !paired_e.contains(e)).collect();
        let actual: Vec<usize> = self.gap.actual.clone().filter(|a| !paired_a.contains(a)).collect();
        moves::equal_pairs(work, &expected, &actual)
    }

    fn between(&self, anchors: &[Pair]) -> Vec<(Gap, Option<Pair>)> {
        let end = (self.gap.expected.end, self.gap.actual.end);
        let mut from = (self.gap.expected.start, self.gap.actual.start);
        let ends = anchors.iter().map(|anchor| (*anchor, Some(*anchor)));
        ends.chain([(end, None)])
            .map(|(to, anchor)| {
                let gap = Gap {
                    expected: from.0..to.0,
                    actual: from.1..to.1,
                };
                from = (to.0 + 1, to.1 + 1);
                (gap, anchor)
            })
            .collect()
    }
}
