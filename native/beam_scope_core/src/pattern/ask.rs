//! Asking a pattern of several terms at once, and of terms beside what earlier patterns bound.

use std::cell::Cell;

use super::heads::{require, Done, Matching, Mismatch, FUEL};
use super::term::{Hidden, Term};
use super::{Answer, Bound, Head, Pattern, Prepared, Why};
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::AtomId;

/// One of the terms that a tuple pattern is asked of as if they were the elements of a tuple.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// A term of any arena.
    Term(&'a Arena, NodeId),
    /// There is one, but it is not known which: only `_` matches it for sure.
    Unknown,
    /// There is none: only `_` matches.
    Absent,
}

/// Values of variables that were bound before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given<'a>(pub(super) Vec<(AtomId, Term<'a>)>);

impl<'a> Given<'a> {
    /// Adds what is new of it.
    pub(crate) fn add(&mut self, more: Self) {
        for (name, term) in more.0 {
            if !self.0.iter().any(|(known, _)| *known == name) {
                self.0.push((name, term));
            }
        }
    }
}

/// What came of asking.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) answer: Answer,
    pattern: &'a Pattern,
    slots: Vec<Option<Term<'a>>>,
}

impl<'a> Prepared<'a> {
    /// Asks whether a term of the arena matches.
    pub(crate) fn ask<'b>(&'b self, id: NodeId, given: &Given<'b>) -> Asked<'b> {
        if self.refuses(id) {
            return self.no();
        }
        self.try_head(given, |matching| {
            matching.head(&self.pattern.head, Term::Node(self.arena, id))
        })
    }

    /// Asks whether terms match one by one the elements of a tuple pattern. They may live in any arenas.
    pub(crate) fn ask_parts<'b>(&'b self, parts: &[Part<'b>], given: &Given<'b>) -> Asked<'b> {
        if self.refuses_parts(parts) {
            return self.no();
        }
        self.try_head(given, |matching| matching.parts(&self.pattern.head, parts))
    }

    /// Asks whether a term of any arena matches.
    pub(crate) fn ask_part<'b>(&'b self, part: Part<'b>, given: &Given<'b>) -> Asked<'b> {
        match part {
            Part::Term(arena, id) if std::ptr::eq(arena, self.arena) => self.ask(id, given),
            part => self.try_head(given, |matching| matching.part(&self.pattern.head, part)),
        }
    }

    fn try_head<'b>(&'b self, given: &Given<'b>, head: impl FnOnce(&mut Matching<'_, 'b>) -> Done) -> Asked<'b> {
        let fuel = Cell::new(FUEL);
        let mut matching = Matching::new(self, &fuel);
        matching.give(given);
        let answer = match head(&mut matching) {
            Err(Mismatch) => Answer::No,
            // A guard that needs what is not given yet is asked when it is.
            Ok(()) if matching.misses_given() => matching.so_far(),
            Ok(()) => matching.guarded(),
        };
        Asked {
            answer,
            pattern: self.pattern,
            slots: matching.slots,
        }
    }

    fn no(&self) -> Asked<'_> {
        Asked {
            answer: Answer::No,
            pattern: self.pattern,
            slots: Vec::new(),
        }
    }

    fn refuses_parts(&self, parts: &[Part<'_>]) -> bool {
        let Head::Tuple(heads) = &self.pattern.head else {
            return false;
        };
        heads.iter().zip(parts).any(|(head, part)| match part {
            Part::Term(arena, id) if std::ptr::eq(*arena, self.arena) => self.head_refuses(head, *id),
            _ => false,
        })
    }
}

impl<'a> Asked<'a> {
    /// What a variable stands for.
    pub(super) fn term(&self, name: AtomId) -> Option<&Term<'a>> {
        let slot = self.pattern.vars.iter().position(|var| var.name == name)?;
        self.slots.get(slot)?.as_ref()
    }

    /// Every variable of the head, for a pattern that is asked of the same thing.
    pub(crate) fn given(self) -> Given<'a> {
        let vars = self.pattern.vars.iter().zip(self.slots);
        Given(vars.filter_map(|(var, term)| Some((var.name, term?))).collect())
    }

    /// Every variable that is told, each with the arena that it lives in if it is a term of one.
    pub(crate) fn bindings(&self) -> Vec<(AtomId, Option<&'a Arena>, Bound)> {
        let vars = self.pattern.vars.iter().zip(&self.slots);
        let told = vars.filter(|(var, _)| !var.silent && !var.given);
        told.filter_map(|(var, term)| match term.as_ref()? {
            Term::Node(arena, id) => Some((var.name, Some(*arena), Bound::Node(*id))),
            term => Some((var.name, None, super::heads::apart(term))),
        })
        .collect()
    }
}

impl<'a> Matching<'_, 'a> {
    pub(super) fn give(&mut self, given: &Given<'a>) {
        for (slot, var) in self.slots.iter_mut().zip(&self.pattern.vars) {
            let found = given.0.iter().find(|(name, _)| *name == var.name);
            *slot = found.map(|(_, term)| term.clone());
        }
    }

    /// Whether the guard uses a variable of an earlier pattern that nobody told.
    fn misses_given(&self) -> bool {
        let vars = self.pattern.vars.iter().zip(&self.slots);
        vars.into_iter().any(|(var, term)| var.given && term.is_none())
    }

    fn parts(&mut self, head: &'a Head, parts: &[Part<'a>]) -> Done {
        match head {
            Head::Any => Ok(()),
            Head::Tuple(heads) => {
                require(heads.len() == parts.len())?;
                heads
                    .iter()
                    .zip(parts)
                    .try_for_each(|(head, part)| self.part(head, *part))
            }
            Head::Lit(id, _) => self.literal_parts(*id, parts),
            _ => Err(Mismatch),
        }
    }

    fn literal_parts(&mut self, literal: NodeId, parts: &[Part<'a>]) -> Done {
        let literals = &self.pattern.literals;
        let Node::Tuple(wanted) = literals.node(literal) else {
            return Err(Mismatch);
        };
        require(wanted.len() == parts.len())?;
        for (wanted, part) in wanted.iter().zip(parts) {
            let Some(term) = of_part(*part) else {
                return Err(Mismatch);
            };
            let answer = self.compare.equal(&term, &Term::Node(literals, *wanted), true);
            self.agree(answer)?;
        }
        Ok(())
    }

    fn part(&mut self, head: &'a Head, part: Part<'a>) -> Done {
        match (head, of_part(part)) {
            (Head::Any, _) => Ok(()),
            (_, None) => Err(Mismatch),
            (head, Some(term)) => {
                if matches!(part, Part::Unknown) && !cfg!(mutant = "expect_unknown_part_matches") {
                    // Not even a variable may stand for what nobody knows.
                    self.doubt(Why::Truncated);
                }
                self.head(head, term)
            }
        }
    }
}

fn of_part(part: Part<'_>) -> Option<Term<'_>> {
    match part {
        Part::Term(arena, id) => Some(Term::Node(arena, id)),
        Part::Unknown => Some(Term::Hidden(Hidden::unknown(Why::Truncated))),
        Part::Absent => None,
    }
}

impl Pattern {
    /// How many terms it may be asked of as one tuple; `None`: any number.
    pub(crate) fn parts(&self) -> Option<usize> {
        match &self.head {
            Head::Any => None,
            Head::Tuple(heads) => Some(heads.len()),
            Head::Lit(id, _) => match self.literals.node(*id) {
                Node::Tuple(items) => Some(items.len()),
                _ => Some(1),
            },
            _ => Some(1),
        }
    }

    /// Whether it looks at the part at this place at all.
    pub(crate) fn looks_at(&self, part: usize) -> bool {
        match &self.head {
            Head::Any => false,
            Head::Tuple(heads) => heads.get(part).is_some_and(|head| !matches!(head, Head::Any)),
            _ => true,
        }
    }
}
