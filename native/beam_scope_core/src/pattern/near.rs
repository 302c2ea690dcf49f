//! How near a term comes to a pattern that it does not match: for telling which of many was probably meant.

use std::cell::Cell;

use super::ask::Given;
use super::heads::{Matching, FUEL};
use super::term::{Term, View};
use super::{Answer, Head, Part, Prepared};

/// An equal literal tells most; a known variable, a key that is there, a part of the right kind tell less.
const LITERAL: u32 = 4;
const VARIABLE: u32 = 3;
/// All but the guard.
const HEAD: u32 = 8;

impl Prepared<'_> {
    /// How near a term comes; 0: they have nothing in common.
    pub(crate) fn nearness<'b>(&'b self, part: Part<'b>, given: &Given<'b>) -> u32 {
        self.near(given, |matching, head| matching.near_part(head, part))
    }

    /// The same for terms that are asked as the elements of a tuple.
    pub(crate) fn nearness_of_parts<'b>(&'b self, parts: &[Part<'b>], given: &Given<'b>) -> u32 {
        self.near(given, |matching, head| match head {
            Head::Tuple(heads) => {
                let each = heads.iter().zip(parts);
                each.map(|(head, part)| matching.near_part(head, *part)).sum()
            }
            _ => 0,
        })
    }

    fn near<'b>(&'b self, given: &Given<'b>, score: impl FnOnce(&mut Matching<'_, 'b>, &'b Head) -> u32) -> u32 {
        let fuel = Cell::new(FUEL);
        let mut matching = Matching::new(self, &fuel);
        matching.give(given);
        score(&mut matching, &self.pattern.head)
    }
}

impl<'a> Matching<'_, 'a> {
    fn near_part(&mut self, head: &'a Head, part: Part<'a>) -> u32 {
        match part {
            Part::Term(arena, id) => {
                let term = Term::Node(arena, id);
                let near = self.near(head, &term);
                near + if self.head(head, term).is_ok() { HEAD } else { 0 }
            }
            Part::Unknown | Part::Absent => 0,
        }
    }

    fn near(&mut self, head: &'a Head, term: &Term<'a>) -> u32 {
        if self.compare.spend().is_err() {
            return 0;
        }
        let view = term.view();
        match (head, view) {
            (Head::Any, _) => 0,
            (Head::AnyAtom, View::Atom(_) | View::Bool(_)) => 1,
            (Head::As(both), _) => self.near(&both.0, term) + self.near(&both.1, term),
            (Head::Var(slot), _) => {
                let known = self.slots.get(*slot).cloned().flatten();
                let same = known.map(|known| self.compare.equal(&known, term, true));
                u32::from(same == Some(Answer::Yes)) * VARIABLE
            }
            (Head::Lit(id, _), view) => {
                let literal = Term::Node(&self.pattern.literals, *id);
                match self.compare.equal(term, &literal, true) {
                    Answer::Yes => LITERAL,
                    _ => u32::from(matches!((literal.view(), view), (View::Number(_), View::Number(_)))),
                }
            }
            (Head::Tuple(heads), View::Tuple(elements)) => {
                let each = heads.iter().enumerate();
                let sum = each.map(|(at, head)| self.near(head, &elements.get(at))).sum();
                if elements.arity == heads.len() as u64 {
                    of_shape(sum)
                } else {
                    sum / 2
                }
            }
            (Head::List(heads) | Head::Cons(heads, _), View::List(list)) => {
                let each = heads.iter().enumerate().take(list.known);
                of_shape(each.map(|(at, head)| self.near(head, &list.get(at))).sum())
            }
            (Head::Map(pairs), View::Map(map)) => {
                let found = pairs.iter().filter_map(|(key, head)| {
                    let id = self.value_of(*key, &map).ok().flatten()?;
                    Some(1 + self.near(head, &Term::Node(map.arena, id)))
                });
                of_shape(found.sum())
            }
            (Head::Bin(_), View::Bits(_)) => 1,
            _ => 0,
        }
    }
}

/// The right shape counts where something in it does.
const fn of_shape(parts: u32) -> u32 {
    if parts > 0 {
        parts + 1
    } else {
        0
    }
}
