//! From what was learnt of a role to what is proposed of it: what held, often enough, and says more than what else is shown.

mod fields;
mod mail;
mod pairs;
mod steps;

use super::candidate::{Candidate, Measure, Operand, Property};
use super::layout::Layout;
use super::pairs::Var;
use super::role::Role;
use super::unary::{Measured, Range, Unary};

/// Whatever the chance is asked for: what was seen once is no invariant.
const FEWEST: u64 = 2;

/// What is proposed of one role.
pub(super) struct Choice<'a> {
    at: usize,
    role: &'a Role,
    /// The natural logarithm of the largest chance that is shown.
    ln_most: f64,
    out: Vec<Candidate>,
    /// Fields that are shown to be constant.
    constant: Vec<bool>,
    /// Values and sizes that are shown to equal another, of which everything is said.
    led: Vec<Var>,
}

/// Everything that is proposed of a role.
pub(super) fn choose(at: usize, role: &Role, ln_most: f64) -> Vec<Candidate> {
    let mut choice = Choice {
        at,
        role,
        ln_most,
        out: Vec::new(),
        constant: vec![false; role.fields.len()],
        led: Vec::new(),
    };
    if let Some(layout) = &role.layout {
        choice.constants(layout);
        choice.equals();
        choice.fields(layout);
        choice.pairs();
        choice.steps(layout);
    }
    choice.mail();
    choice.out
}

impl Choice<'_> {
    fn would_show(&self, observations: u64, ln_chance: f64) -> bool {
        observations >= FEWEST && ln_chance <= self.ln_most
    }

    /// Proposes something, if there is enough behind it; whether there was.
    fn propose(&mut self, property: Property, observations: u64, ln_chance: f64) -> bool {
        let shown = self.would_show(observations, ln_chance);
        if shown {
            self.out.push(Candidate {
                role: self.at,
                property,
                observations,
                ln_chance,
            });
        }
        shown
    }

    fn field(&self, at: usize) -> &Unary {
        &self.role.fields[at]
    }

    fn range(&self, var: Var) -> &Range {
        let field = self.field(var.field);
        if var.size {
            &field.size
        } else {
            &field.value
        }
    }

    /// A number that was seen to change, whole or not, and is not told by another one.
    fn is_free(&self, var: Var) -> bool {
        self.field(var.field).alive() && self.range(var).varied() && !self.led.contains(&var)
    }

    fn is_led(&self, field: usize) -> bool {
        self.led.contains(&Var { field, size: false })
    }

    fn operand(&self, layout: &Layout, var: Var) -> Option<Operand> {
        let measure = match (var.size, self.field(var.field).measured()) {
            (false, _) => Measure::Value,
            (true, Some(Measured::List)) => Measure::Length,
            (true, Some(Measured::Map)) => Measure::MapSize,
            (true, Some(Measured::Queue)) => Measure::QueueLength,
            _ => return None,
        };
        Some(Operand {
            path: layout.path(var.field),
            measure,
        })
    }

    /// Every field and size that is a number.
    fn vars(&self) -> Vec<Var> {
        let all = 0..self.role.fields.len();
        all.flat_map(|field| [false, true].map(|size| Var { field, size }))
            .collect()
    }
}
