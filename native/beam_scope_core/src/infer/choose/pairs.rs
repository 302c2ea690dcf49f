//! Of two fields.

use crate::infer::candidate::{Operand, Property, Relation};
use crate::infer::chance;
use crate::infer::pairs::{may, Pair, Var};

use super::Choice;

/// An order of two numbers that would be shown.
struct Edge {
    low: Var,
    high: Var,
    strict: bool,
    n: u64,
    ln_chance: f64,
}

impl Choice<'_> {
    fn operands(&self, left: Var, right: Var) -> Option<(Operand, Operand)> {
        let layout = self.role.layout.as_ref()?;
        Some((self.operand(layout, left)?, self.operand(layout, right)?))
    }

    /// Both were seen to change. A constant makes no pairs.
    fn are_free(&self, pair: &Pair) -> bool {
        let varies = |var: Var| {
            let field = self.field(var.field);
            field.alive() && field.varied && (!var.size || field.size.varied())
        };
        varies(pair.left) && varies(pair.right)
    }

    /// Fields that are always the same as another one; of those one is told.
    pub(super) fn equals(&mut self) {
        for pair in &self.role.pairs.list {
            let seen = pair.may & may::EQUAL != 0 && self.are_free(pair);
            let led = |var| self.led.contains(&var);
            if !seen || led(pair.left) || led(pair.right) {
                continue;
            }
            // What is a value itself leads, not what is measured.
            let (leader, follower) = match (pair.left.size, pair.right.size) {
                (true, false) => (pair.right, pair.left),
                _ => (pair.left, pair.right),
            };
            let ranges = [self.range(leader), self.range(follower)];
            let width = ranges.into_iter().filter_map(|range| range.ints());
            let width = width.map(|(low, high)| high as f64 - low as f64 + 1.0);
            let q = width.fold(0.5_f64, |q, width| q.min(1.0 / width));
            if self.compare(leader, Relation::Equal, follower, 0, pair.n, chance::share(q, pair.n)) {
                self.led.push(follower);
            }
        }
    }

    fn compare(&mut self, left: Var, relation: Relation, right: Var, plus: i64, n: u64, ln_chance: f64) -> bool {
        let Some((left, right)) = self.operands(left, right) else {
            return false;
        };
        let property = Property::Compare {
            left,
            relation,
            right,
            plus,
        };
        self.propose(property, n, ln_chance)
    }

    pub(super) fn pairs(&mut self) {
        let role = self.role;
        let mut edges = Vec::new();
        for pair in &role.pairs.list {
            if !self.are_free(pair) {
                continue;
            }
            if pair.may & (may::KEY | may::HEAD) != 0 {
                self.within(pair);
                continue;
            }
            if !self.is_free(pair.left) || !self.is_free(pair.right) {
                continue;
            }
            if !self.sums(pair) {
                edges.extend(self.edge(pair));
            }
        }
        for edge in &edges {
            if !is_implied(edge, &edges) {
                let relation = if edge.strict { Relation::Less } else { Relation::AtMost };
                self.compare(edge.low, relation, edge.high, 0, edge.n, edge.ln_chance);
            }
        }
    }

    /// A constant difference or sum; the difference says how they are ordered, too.
    fn sums(&mut self, pair: &Pair) -> bool {
        let ln_chance = chance::alike(pair.n);
        if pair.may & may::SUM != 0 {
            if let Some((left, right)) = self.operands(pair.left, pair.right) {
                self.propose(Property::Sum([left, right], pair.sum), pair.n, ln_chance);
            }
        }
        if pair.may & may::OFFSET == 0 || pair.difference == 0 {
            return false;
        }
        // The larger is told by the smaller.
        let (low, high, by) = match pair.difference {
            by if by > 0 => (pair.right, pair.left, by),
            by => (pair.left, pair.right, by.saturating_neg()),
        };
        self.compare(high, Relation::Equal, low, by, pair.n, ln_chance)
    }

    fn edge(&self, pair: &Pair) -> Option<Edge> {
        let (low, high) = match (pair.may & may::AT_MOST != 0, pair.may & may::AT_LEAST != 0) {
            (true, false) => (pair.left, pair.right),
            (false, true) => (pair.right, pair.left),
            _ => return None,
        };
        let q = chance::below(self.range(low).widened()?, self.range(high).widened()?);
        let ln_chance = chance::share(q, pair.n);
        self.would_show(pair.n, ln_chance).then_some(Edge {
            low,
            high,
            strict: pair.may & may::DIFFER != 0,
            n: pair.n,
            ln_chance,
        })
    }

    /// The right one is a key or the head of the left one.
    fn within(&mut self, pair: &Pair) {
        let Some(layout) = &self.role.layout else { return };
        let (whole, of) = (layout.path(pair.left.field), layout.path(pair.right.field));
        let at_times = pair.hits < pair.n;
        let property = if pair.may & may::KEY != 0 {
            Property::Key {
                map: whole,
                of,
                or_nil: at_times,
            }
        } else {
            Property::Head {
                list: whole,
                of,
                or_empty: at_times,
            }
        };
        self.propose(property, pair.hits, chance::halves(pair.hits));
    }
}

/// Whether an order follows from two others.
fn is_implied(edge: &Edge, all: &[Edge]) -> bool {
    let strict_enough =
        |a: &Edge, b: &Edge| !edge.strict || a.strict || b.strict || cfg!(mutant = "infer_implies_strictness");
    all.iter().filter(|first| first.low == edge.low).any(|first| {
        let second = all
            .iter()
            .find(|second| second.low == first.high && second.high == edge.high);
        second.is_some_and(|second| strict_enough(first, second))
    })
}
