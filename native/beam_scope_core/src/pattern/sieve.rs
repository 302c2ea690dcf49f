//! For asking a pattern of very many terms.
//!
//! Equal terms of an arena have one number, so that an answer can be remembered: states mostly stay as they are. And most terms that do not match differ in a tag, an arity or a kind, which ids alone tell.

use std::cell::Cell;

use super::ask::{Given, Part};
use super::{Answer, Head, Pattern, Prepared};
use crate::term::arena::{Arena, Node, NodeId};

/// So many answers are remembered.
const ANSWERS: usize = 256;

impl Pattern {
    /// As [`prepare`](Self::prepare), with the literals looked up too: for asking it of very many terms, most of which do
    /// not match.
    pub(crate) fn prepare_sieve<'a>(&'a self, arena: &'a Arena) -> Prepared<'a> {
        let find = |id: &NodeId| arena.find(&self.literals.to_value(*id));
        let mut prepared = Prepared {
            literals: self.head_literals.iter().map(find).collect(),
            answers: vec![Cell::new(None); ANSWERS],
            ..self.prepare(arena)
        };
        prepared.hopeless = prepared.lacks(&self.head);
        prepared
    }
}

impl Prepared<'_> {
    /// Whether a term matches, by itself.
    pub(crate) fn answer(&self, part: Part<'_>) -> Answer {
        match part {
            Part::Term(arena, id) if std::ptr::eq(arena, self.arena) => self.remembered(id),
            part => self.ask_part(part, &Given::default()).answer,
        }
    }

    fn remembered(&self, id: NodeId) -> Answer {
        if self.refuses(id) {
            return Answer::No;
        }
        let place = self.answers.get(id.0 as usize % ANSWERS);
        if let Some((known, answer)) = place.and_then(Cell::get) {
            if known == id {
                return answer;
            }
        }
        let answer = self.ask(id, &Given::default()).answer;
        if let Some(place) = place {
            place.set(Some((id, answer)));
        }
        answer
    }

    /// Whether a term of the arena does not match for sure. `false` says nothing.
    pub(super) fn refuses(&self, id: NodeId) -> bool {
        let whole = self.arena.is_complete(id) || cfg!(mutant = "pattern-lacks-though-cut");
        let hopeless = self.hopeless && whole;
        hopeless || !self.literals.is_empty() && self.head_refuses(&self.pattern.head, id)
    }

    /// Whether a head asks for a literal or a key that is nowhere in the arena: of whole terms none matches.
    fn lacks(&self, head: &Head) -> bool {
        let any = |heads: &[Head]| heads.iter().any(|head| self.lacks(head));
        match head {
            Head::As(both) => self.lacks(&both.0) || self.lacks(&both.1),
            Head::Lit(_, at) => self.literals.get(*at).is_some_and(Option::is_none),
            Head::Tuple(heads) | Head::List(heads) | Head::Cons(heads, _) => any(heads),
            Head::Map(pairs) => pairs.iter().any(|(key, head)| {
                let key = self.keys.get(*key);
                key.is_some_and(Option::is_none) || self.lacks(head)
            }),
            _ => false,
        }
    }

    /// The same for one head, of whichever term of the arena.
    pub(super) fn head_refuses(&self, head: &Head, id: NodeId) -> bool {
        let arena = self.arena;
        match head {
            Head::Any | Head::AnyAtom | Head::Var(_) => false,
            Head::As(both) => self.head_refuses(&both.0, id) || self.head_refuses(&both.1, id),
            // Equal terms have equal ids; what is cut may still be anything.
            Head::Lit(_, at) => self.literals.get(*at).is_some_and(|lit| *lit != Some(id)) && arena.is_complete(id),
            head => self.parts_refuse(head, id),
        }
    }

    fn parts_refuse(&self, head: &Head, id: NodeId) -> bool {
        let arena = self.arena;
        let each =
            |heads: &[Head], kids: &[NodeId]| heads.iter().zip(kids).any(|(head, kid)| self.head_refuses(head, *kid));
        match (head, arena.node(id)) {
            (Head::Tuple(heads), Node::Tuple(kids)) => heads.len() != kids.len() || each(heads, kids),
            (Head::List(heads), Node::List { len }) => heads.len() != len || self.elements_refuse(heads, id),
            (Head::Cons(heads, _), Node::List { len }) => heads.len() > len || self.elements_refuse(heads, id),
            (Head::Map(pairs), Node::Map { .. }) => arena.is_complete(id) && self.pairs_refuse(pairs, id),
            (Head::Bin(_), Node::Binary(_) | Node::Bits(..)) | (Head::Cons(..), Node::Improper { .. }) => false,
            _ => arena.is_complete(id),
        }
    }

    fn elements_refuse(&self, heads: &[Head], id: NodeId) -> bool {
        heads.iter().enumerate().any(|(at, head)| {
            let element = self.arena.list_get(id, at);
            element.is_some_and(|element| self.head_refuses(head, element))
        })
    }

    fn pairs_refuse(&self, pairs: &[(usize, Head)], id: NodeId) -> bool {
        pairs.iter().any(|(key, head)| {
            let key = self.keys.get(*key).copied().flatten();
            let value = key.and_then(|key| self.arena.map_get(id, key));
            value.is_none_or(|value| self.head_refuses(head, value))
        })
    }
}
