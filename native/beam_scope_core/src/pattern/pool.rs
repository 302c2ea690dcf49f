//! What variables stood for, kept apart from the chunks they came from, so that later patterns can be asked beside it.
//!
//! A pool is an arena: values that are equal are kept once, and whether two are equal is mostly a look at their numbers.

use std::cell::Cell;
use std::collections::HashMap;

use super::ask::Asked;
use super::compare::Compare;
use super::guard::Guards;
use super::heads::FUEL;
use super::term::{self, Hidden, Term};
use super::{Answer, Pattern, Why};
use crate::term::arena::{Arena, NodeId};
use crate::term::{AtomId, Kind, Value};

/// Values of variables.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    arena: Arena,
}

/// One value in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Held {
    /// A term.
    Node(NodeId),
    /// Something hidden: its kind, if that much is known, and why.
    Hidden(Option<Kind>, Why),
}

impl Pool {
    /// Keeps what a variable stands for.
    pub(crate) fn hold(&mut self, asked: &Asked<'_>, name: AtomId) -> Option<Held> {
        asked.term(name).map(|term| self.hold_term(term))
    }

    /// Keeps a value.
    pub(crate) fn hold_value(&mut self, value: &Value) -> Held {
        Held::Node(self.arena.intern(value))
    }

    fn hold_term(&mut self, term: &Term<'_>) -> Held {
        match term {
            Term::Node(arena, id) => Held::Node(self.arena.import(arena, *id)),
            Term::Hidden(hidden) => Held::Hidden(hidden.kind, hidden.why),
            term => match term::to_value(term) {
                Some(value) => Held::Node(self.arena.intern(&value)),
                None => Held::Hidden(None, Why::Unsupported),
            },
        }
    }

    fn term(&self, held: Held) -> Term<'_> {
        match held {
            Held::Node(id) => Term::Node(&self.arena, id),
            Held::Hidden(kind, why) => Term::Hidden(Hidden {
                kind,
                ..Hidden::unknown(why)
            }),
        }
    }

    /// A number that equal values have; `None` where some part is hidden, so that any value may equal it.
    pub(crate) fn key(&self, held: Held) -> Option<u64> {
        match held {
            Held::Node(id) if self.arena.is_complete(id) => Some(self.arena.content_hash(id)),
            _ => None,
        }
    }

    /// Whether two values are equal, as a pattern that names a variable twice asks.
    pub(crate) fn same(&self, a: Held, b: Held, pattern: &Pattern) -> Answer {
        let fuel = Cell::new(FUEL);
        let compare = Compare {
            truths: &pattern.truths,
            fuel: &fuel,
        };
        compare.equal(&self.term(a), &self.term(b), true)
    }

    /// Asks a pattern's guard of values alone.
    pub(crate) fn guard(&self, pattern: &Pattern, value: impl Fn(AtomId) -> Option<Held>) -> Answer {
        let Some(guard) = &pattern.guard else {
            return Answer::Yes;
        };
        let fuel = Cell::new(FUEL);
        let terms = pattern
            .vars
            .iter()
            .map(|var| value(var.name).map(|held| self.term(held)));
        let slots: Vec<Option<Term<'_>>> = terms.collect();
        let guards = Guards {
            literals: &pattern.literals,
            slots: &slots,
            compare: Compare {
                truths: &pattern.truths,
                fuel: &fuel,
            },
        };
        guards.test(guard).answer()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.arena.bytes()
    }

    /// Keeps only these values.
    pub(crate) fn keep<'h>(&mut self, values: impl Iterator<Item = &'h mut Held>) {
        let old = std::mem::take(&mut self.arena);
        let mut done = HashMap::new();
        for held in values {
            if let Held::Node(id) = held {
                *id = self.arena.import_with(&old, *id, &mut done);
            }
        }
    }
}
