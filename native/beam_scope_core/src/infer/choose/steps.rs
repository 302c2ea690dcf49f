//! Of what handling a message changes.

use crate::infer::candidate::{Amount, Property};
use crate::infer::chance;
use crate::infer::layout::Layout;
use crate::infer::steps::{may, Effect, Handled, Steps, Trend};
use crate::infer::tag::MOST_ARGS;

use super::Choice;

impl Choice<'_> {
    pub(super) fn steps(&mut self, layout: &Layout) {
        let steps = &self.role.steps;
        if steps.fixed.is_empty() {
            return;
        }
        if !steps.dead {
            self.fixed(layout, steps);
            self.trends(layout, steps);
        }
        // A message of which nobody knows what it was may be of any kind.
        if steps.vague {
            return;
        }
        for handled in &steps.handled {
            if handled.plain && !handled.dead && !steps.envelopes.contains(&handled.tag) {
                self.unchanged(layout, steps, handled);
                self.effects(layout, handled);
            }
        }
    }

    /// Fields that nothing changes.
    fn fixed(&mut self, layout: &Layout, steps: &Steps) {
        let fields = self.outermost(layout, &steps.fixed, |at| at == 0);
        if !fields.is_empty() {
            let paths = fields.into_iter().map(|at| layout.path(at)).collect();
            let n = steps.changes;
            self.propose(Property::Fixed(paths, None), n, chance::halves(n));
        }
    }

    /// The fields that stay, those within others that stay aside, and what is known to be constant anyway.
    fn outermost(&self, layout: &Layout, fixed: &[bool], skip: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut covered: Vec<bool> = (0..layout.len()).map(|at| self.constant[at] || skip(at)).collect();
        for at in (0..layout.len()).rev() {
            let mut children = (0..layout.len())
                .filter(|child| layout.parent(*child) == Some(at))
                .peekable();
            covered[at] |= children.peek().is_some() && children.all(|child| covered[child]);
        }
        let mut taken = vec![false; layout.len()];
        let mut fields = Vec::new();
        for at in 0..layout.len() {
            let within = layout.parent(at).is_some_and(|parent| taken[parent]);
            let shown = fixed[at] && self.field(at).alive() && !covered[at] && !within;
            taken[at] = shown || within;
            if shown {
                fields.push(at);
            }
        }
        fields
    }

    /// Fields that a kind of message leaves as they are.
    fn unchanged(&mut self, layout: &Layout, steps: &Steps, handled: &Handled) {
        let root = layout.path(0);
        if handled.fixed[0] && self.field(0).alive() {
            let property = Property::Fixed(vec![root], Some(handled.tag));
            self.propose(property, handled.n, chance::halves(handled.n));
            return;
        }
        let fields = self.outermost(layout, &handled.fixed, |at| steps.fixed[at]);
        if fields.is_empty() {
            return;
        }
        // Where the state did change, these parts of it might have.
        let n = if handled.changes > 0 {
            handled.changes
        } else {
            handled.n
        };
        let paths = fields.into_iter().map(|at| layout.path(at)).collect();
        self.propose(Property::Fixed(paths, Some(handled.tag)), n, chance::halves(n));
    }

    fn trends(&mut self, layout: &Layout, steps: &Steps) {
        for var in self.vars() {
            let at = var.field + if var.size { layout.len() } else { 0 };
            let trend = steps.trends[at];
            let one_way = !trend.dead && (trend.up == 0) != (trend.down == 0);
            if let Some(of) = self.operand(layout, var).filter(|_| one_way && self.is_free(var)) {
                self.trend(&of, trend);
            }
        }
    }

    fn trend(&mut self, of: &crate::infer::candidate::Operand, trend: Trend) {
        let (up, n) = (trend.up > 0, trend.up + trend.down);
        let property = |strict| Property::Trend {
            of: of.clone(),
            up,
            strict,
        };
        if trend.same > 0 || !self.propose(property(true), n, chance::strict_trend(n)) {
            self.propose(property(false), n, chance::alike(n));
        }
    }

    fn effects(&mut self, layout: &Layout, handled: &Handled) {
        for var in self.vars() {
            let at = var.field + if var.size { layout.len() } else { 0 };
            let effect = &handled.effects[at];
            if !effect.changed || !self.field(var.field).alive() || layout.has_children(var.field) {
                continue;
            }
            if self.is_free(var) {
                if let (Some(amount), Some(of)) = (amount(handled, effect), self.operand(layout, var)) {
                    let property = Property::Step(of, handled.tag, amount);
                    self.propose(property, handled.n, chance::alike(handled.n));
                    continue;
                }
            }
            let set = (0..MOST_ARGS).find(|at| effect.args[*at] & may::SET != 0 && handled.args[*at].varied);
            if let Some(arg) = set.filter(|_| !var.size && !self.is_led(var.field)) {
                let property = Property::Set(layout.path(var.field), handled.tag, arg + 1);
                self.propose(property, handled.n, chance::alike(handled.n));
            }
        }
    }
}

/// By how much a number changes.
fn amount(handled: &Handled, effect: &Effect) -> Option<Amount> {
    if !effect.whole {
        return None;
    }
    let told = (0..MOST_ARGS).find(|at| effect.args[*at] & (may::PLUS | may::MINUS) != 0 && handled.args[*at].varied);
    if let Some(at) = told {
        return Some(Amount::Argument {
            at: at + 1,
            minus: effect.args[at] & may::PLUS == 0,
        });
    }
    let by = effect.by.filter(|by| *by != 0)?;
    let literal = (0..MOST_ARGS).find_map(|at| {
        let n = handled.args[at].always()?;
        (n.unsigned_abs() == by.unsigned_abs()).then_some((at + 1, n))
    });
    Some(Amount::Constant { by, literal })
}
