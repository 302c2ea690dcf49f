//! Of one field.

use crate::infer::candidate::Property;
use crate::infer::cell::Sort;
use crate::infer::chance;
use crate::infer::layout::Layout;
use crate::infer::pairs::{may, Var};
use crate::term::{AtomId, Value};

use super::Choice;

impl Choice<'_> {
    /// Fields that were always the same. What they contain is told, not they.
    pub(super) fn constants(&mut self, layout: &Layout) {
        for at in 0..layout.len() {
            let field = self.field(at);
            let values = &field.values;
            let single = !field.varied && !field.partly && !values.over && values.list.len() == 1;
            if !single || !field.alive() || layout.has_children(at) {
                continue;
            }
            let states = field.states;
            let property = Property::Constant(layout.path(at), values.list[0].clone());
            self.constant[at] = self.propose(property, states, chance::alike(states));
        }
    }

    pub(super) fn fields(&mut self, layout: &Layout) {
        for at in 0..layout.len() {
            if !self.field(at).alive() || !self.field(at).varied {
                continue;
            }
            let sized = self.bounds(layout, Var { field: at, size: true });
            let sorted = self.sorted(layout, at);
            if !self.is_led(at) && !layout.has_children(at) {
                let measured = self.led.contains(&Var { field: at, size: true }) || self.leads_size(at);
                self.content(layout, at, sized || sorted || measured);
            }
        }
    }

    /// Whether the field is shown to equal the size of another: then it is a whole number.
    fn leads_size(&self, at: usize) -> bool {
        let pairs = &self.role.pairs.list;
        pairs.iter().any(|pair| {
            let (a, b) = (pair.left, pair.right);
            pair.may & may::EQUAL != 0
                && [(a, b), (b, a)].iter().any(|(leader, follower)| {
                    leader.field == at && !leader.size && follower.size && self.led.contains(follower)
                })
        })
    }

    /// What it may be: the most that can be said. `typed`: what else is shown of it could not be said of another type.
    fn content(&mut self, layout: &Layout, at: usize, typed: bool) {
        let var = Var { field: at, size: false };
        if self.is_span(at) && self.range_shown(var) || !self.one_of(layout, at) {
            let ranged = self.ranged(layout, var);
            self.sorts(layout, at, ranged || typed);
        }
    }

    /// Whether the values that it had are whole numbers without a hole.
    fn is_span(&self, at: usize) -> bool {
        let (values, range) = (&self.field(at).values, self.field(at).value.ints());
        range.is_some_and(|(low, high)| !values.over && width(low, high) == values.list.len() as f64)
    }

    fn one_of(&mut self, layout: &Layout, at: usize) -> bool {
        let field = self.field(at);
        let known = !field.values.over && !field.partly && field.values.list.len() > 1;
        // Both booleans: that is a type. Of collections there are more than were seen.
        let plain = field.sorts() != [Sort::Boolean] && !field.values.list.iter().any(is_collection);
        if !known || !plain {
            return false;
        }
        let mut values = field.values.list.clone();
        values.sort_by(order);
        let (n, ln_chance) = (field.n, chance::one_of(values.len(), field.n));
        self.propose(Property::OneOf(layout.path(at), values), n, ln_chance)
    }

    fn limits(&self, var: Var) -> Option<(Limit, Limit, u64)> {
        let range = self.range(var);
        let (low, high) = range.ints()?;
        let width = width(low, high);
        let limit = |value, at| Limit {
            value,
            ln_chance: chance::bound(width, range.n, at),
        };
        Some((limit(low, range.at_low), limit(high, range.at_high), range.n))
    }

    fn range_shown(&self, var: Var) -> bool {
        let limits = self.limits(var);
        limits.is_some_and(|(low, high, n)| self.would_show(n, low.ln_chance) && self.would_show(n, high.ln_chance))
    }

    /// The same of a value; whether both are shown, so that it is a whole number.
    fn ranged(&mut self, layout: &Layout, var: Var) -> bool {
        let both = self.range_shown(var);
        self.bounds(layout, var) && both
    }

    /// Least and greatest; whether any is shown.
    fn bounds(&mut self, layout: &Layout, var: Var) -> bool {
        let Some(operand) = self.operand(layout, var).filter(|_| self.is_free(var)) else {
            return false;
        };
        let Some((low, high, n)) = self.limits(var) else {
            return false;
        };
        // No size is below 0.
        let low_shown = self.would_show(n, low.ln_chance) && !(var.size && low.value == 0);
        let high_shown = self.would_show(n, high.ln_chance);
        let shown = |limit: &Limit, shown: bool| shown.then_some(limit.value);
        let (from, to) = (shown(&low, low_shown), shown(&high, high_shown));
        if from.is_none() && to.is_none() {
            return false;
        }
        let mut ln_chance = f64::NEG_INFINITY;
        for (limit, _) in [(&low, from), (&high, to)]
            .into_iter()
            .filter(|(_, shown)| shown.is_some())
        {
            ln_chance = ln_chance.max(limit.ln_chance);
        }
        self.propose(Property::Bounds(operand, from, to), n, ln_chance)
    }

    /// `typed`: its type is told already.
    fn sorts(&mut self, layout: &Layout, at: usize, typed: bool) {
        let field = self.field(at);
        let sorts = told(field.sorts());
        let (n, path) = (field.n, layout.path(at));
        let typed = match sorts.as_slice() {
            _ if typed => true,
            [_] | [_, _] => {
                let ln_chance = chance::one_of(sorts.len(), n);
                self.propose(Property::Sorts(path.clone(), sorts.clone()), n, ln_chance)
            }
            _ => false,
        };
        let may_be_nil = self.field(at).sorts().contains(&Sort::Nil);
        let implied = typed && !sorts.contains(&Sort::Atom);
        if !may_be_nil && !implied {
            self.propose(Property::NotNil(path), n, chance::halves(n));
        }
    }

    fn sorted(&mut self, layout: &Layout, at: usize) -> bool {
        let field = self.field(at);
        let Some(descending) = field.sorted.descending().filter(|_| field.is_list()) else {
            return false;
        };
        let (n, most) = (field.sorted.n, field.sorted.most);
        let list = layout.path(at);
        self.propose(Property::Sorted { list, descending, most }, n, chance::alike(n))
    }
}

struct Limit {
    value: i64,
    ln_chance: f64,
}

/// How many whole numbers there are in a range.
fn width(low: i64, high: i64) -> f64 {
    high as f64 - low as f64 + 1.0
}

const fn is_collection(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

/// Sorts as guards tell them: an atom may be a boolean or nil.
fn told(mut sorts: Vec<Sort>) -> Vec<Sort> {
    if sorts.contains(&Sort::Atom) {
        sorts.retain(|sort| !matches!(sort, Sort::Nil | Sort::Boolean));
    }
    sorts
}

/// An order that is the same in every run: numbers by size, the rest as they were seen, atoms by number.
fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Atom(AtomId(a)), Value::Atom(AtomId(b))) => a.cmp(b),
        _ => std::cmp::Ordering::Equal,
    }
}
