//! Templates of what handling a message changes.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::term::arena::{Arena, Node, NodeId};

use super::candidate::Tag;
use super::cell::{Cell, Number};
use super::layout::Row;
use super::tag::{args, Kind, MOST_ARGS};

/// No more kinds of messages of a role are looked at.
pub(super) const MOST_TAGS: usize = 32;

/// Which way a number went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trend {
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) same: u64,
    pub(super) dead: bool,
}

impl Trend {
    fn take(&mut self, from: Option<Number>, to: Option<Number>) {
        let order = match (from, to) {
            (Some(Number::Int(from)), Some(Number::Int(to))) => Some(from.cmp(&to)),
            (Some(Number::Float(from)), Some(Number::Float(to))) => from.partial_cmp(&to),
            _ => None,
        };
        match order {
            Some(Ordering::Less) => self.up += 1,
            Some(Ordering::Greater) => self.down += 1,
            Some(Ordering::Equal) => self.same += 1,
            None => self.dead = true,
        }
    }
}

/// What an element of a message may have to do with a number, as bits.
pub(super) mod may {
    pub(in super::super) const PLUS: u8 = 1;
    pub(in super::super) const MINUS: u8 = 1 << 1;
    pub(in super::super) const SET: u8 = 1 << 2;
}

/// What a kind of message does to a field, or to its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    /// It was always a whole number.
    pub(super) whole: bool,
    /// By how much it changed, if always by the same.
    pub(super) by: Option<i64>,
    /// What each element may be.
    pub(super) args: [u8; MOST_ARGS],
    /// It changed at all.
    pub(super) changed: bool,
}

/// An element of a kind of message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Argument {
    first: Option<(u64, Option<i64>)>,
    pub(super) varied: bool,
    missing: bool,
}

impl Argument {
    fn take(&mut self, hash: u64, int: Option<i64>) {
        match self.first {
            None => self.first = Some((hash, int)),
            Some((first, _)) => self.varied |= first != hash,
        }
    }

    /// The whole number that it always was.
    pub(super) fn always(&self) -> Option<i64> {
        self.first
            .and_then(|(_, int)| int)
            .filter(|_| !self.varied && !self.missing)
    }
}

/// What is known of a kind of message.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) tag: Tag,
    /// How often such a message was handled, and how often the state was another one afterwards.
    pub(super) n: u64,
    pub(super) changes: u64,
    /// For each field: it stayed as it was.
    pub(super) fixed: Vec<bool>,
    /// For each field and, behind these, the size of each.
    pub(super) effects: Vec<Effect>,
    pub(super) args: [Argument; MOST_ARGS],
    /// Something that a pattern would have to see was not there, or nobody knows.
    pub(super) dead: bool,
    /// It was what somebody sent, not only its envelope.
    pub(super) plain: bool,
}

/// What is known of the transitions of a role.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// How many there were, and how many led to another state.
    pub(super) n: u64,
    pub(super) changes: u64,
    /// For each field and, behind these, the size of each.
    pub(super) trends: Vec<Trend>,
    /// For each field: nothing has changed it.
    pub(super) fixed: Vec<bool>,
    pub(super) handled: Vec<Handled>,
    /// Of some nobody knows the state before or after.
    pub(super) dead: bool,
    /// Of some nobody knows the message.
    pub(super) vague: bool,
    /// There were more kinds of messages.
    pub(super) cut: bool,
    /// Kinds of envelopes.
    pub(super) envelopes: HashSet<Tag>,
}

/// A transition.
pub(super) struct Change<'a> {
    pub(super) from: &'a Row,
    pub(super) to: &'a Row,
}

impl Change<'_> {
    fn cells(&self, field: usize) -> (&Cell, &Cell) {
        (&self.from.cells[field], &self.to.cells[field])
    }

    fn same(&self, field: usize) -> bool {
        let (from, to) = self.cells(field);
        from.hash == to.hash && from.whole && to.whole
    }

    fn other(&self) -> bool {
        let (from, to) = self.cells(0);
        from.hash != to.hash
    }
}

/// A message in one of its forms.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    pub(super) arena: &'a Arena,
    pub(super) node: NodeId,
    pub(super) kind: Kind,
    /// Without its envelope.
    pub(super) plain: bool,
}

impl Steps {
    /// Takes a transition between known states.
    pub(super) fn take(&mut self, change: &Change<'_>, forms: &[Form<'_>]) {
        let fields = change.to.cells.len();
        self.trends.resize(2 * fields, Trend::default());
        self.fixed.resize(fields, true);
        self.n += 1;
        self.changes += u64::from(change.other());
        for field in 0..fields {
            let (from, to) = change.cells(field);
            self.fixed[field] = self.fixed[field] && change.same(field);
            self.trends[field].take(from.number(false), to.number(false));
            self.trends[fields + field].take(from.number(true), to.number(true));
        }
        self.each(forms, fields, |handled, form| handled.take(change, form));
    }

    /// A transition of which the state before or after is not there, or not known.
    pub(super) fn blind(&mut self, forms: &[Form<'_>], fields: usize) {
        self.dead = !cfg!(mutant = "infer_ignores_the_killed");
        self.each(forms, fields, |handled, _| handled.dead = true);
    }

    fn each(&mut self, forms: &[Form<'_>], fields: usize, mut each: impl FnMut(&mut Handled, &Form<'_>)) {
        for form in forms {
            match form.kind {
                Kind::Is(tag) => {
                    if !form.plain {
                        self.envelopes.insert(tag);
                    }
                    if let Some(handled) = self.of(tag, fields) {
                        handled.plain |= form.plain;
                        each(handled, form);
                    }
                }
                Kind::Unknown => self.vague = true,
                Kind::None => {}
            }
        }
    }

    fn of(&mut self, tag: Tag, fields: usize) -> Option<&mut Handled> {
        if let Some(at) = self.handled.iter().position(|one| one.tag == tag) {
            return self.handled.get_mut(at);
        }
        if self.handled.len() == MOST_TAGS {
            self.cut = true;
            return None;
        }
        self.handled.push(Handled::new(tag, fields));
        self.handled.last_mut()
    }
}

impl Handled {
    fn new(tag: Tag, fields: usize) -> Self {
        let effect = Effect {
            whole: true,
            by: None,
            args: [may::PLUS | may::MINUS | may::SET; MOST_ARGS],
            changed: false,
        };
        Self {
            tag,
            n: 0,
            changes: 0,
            fixed: vec![true; fields],
            effects: vec![effect; 2 * fields],
            args: Default::default(),
            dead: false,
            plain: false,
        }
    }

    fn take(&mut self, change: &Change<'_>, form: &Form<'_>) {
        self.n += 1;
        self.changes += u64::from(change.other());
        let args = args(form.arena, form.node).map(|arg| arg.map(|node| Told::of(form.arena, node)));
        for (argument, told) in self.args.iter_mut().zip(&args) {
            match told {
                Some(told) if told.whole => argument.take(told.hash, told.int),
                _ => argument.missing = true,
            }
        }
        let fields = self.fixed.len();
        let first = self.n == 1;
        for field in 0..fields {
            let same = change.same(field);
            self.fixed[field] = self.fixed[field] && same;
            let (from, to) = change.cells(field);
            for size in [false, true] {
                let effect = &mut self.effects[field + if size { fields } else { 0 }];
                effect.take((from, to), size, first, &args);
                effect.changed |= !same;
            }
        }
    }
}

/// An element of a message.
#[derive(Clone, Copy)]
struct Told {
    hash: u64,
    int: Option<i64>,
    whole: bool,
}

impl Told {
    fn of(arena: &Arena, node: NodeId) -> Self {
        let int = match arena.node(node) {
            Node::Int(n) => Some(n),
            _ => None,
        };
        Self {
            hash: arena.content_hash(node),
            int,
            whole: arena.is_complete(node),
        }
    }
}

impl Effect {
    fn take(&mut self, (from, to): (&Cell, &Cell), size: bool, first: bool, args: &[Option<Told>; MOST_ARGS]) {
        let by = from
            .int(size)
            .zip(to.int(size))
            .and_then(|(from, to)| to.checked_sub(from));
        self.whole &= by.is_some();
        self.by = by.filter(|by| first || self.by == Some(*by));
        for (bits, told) in self.args.iter_mut().zip(args) {
            *bits &= told.filter(|told| told.whole).map_or(0, |told| told.may(by, to, size));
        }
    }
}

impl Told {
    /// What an observation allows it to be.
    fn may(&self, by: Option<i64>, to: &Cell, size: bool) -> u8 {
        let keep = |holds: bool, bit: u8| if holds { bit } else { 0 };
        let set = if size {
            self.int.is_some() && self.int == to.int(true)
        } else {
            to.whole && to.hash == self.hash
        };
        let plus = self.int.is_some() && self.int == by;
        let minus = self.int.and_then(i64::checked_neg).is_some_and(|n| Some(n) == by);
        keep(plus, may::PLUS) | keep(minus, may::MINUS) | keep(set, may::SET)
    }
}
