//! Templates of two fields. A pair begins with whatever its first observation allows, and loses what another contradicts; one
//! that has lost all is dropped, so that few are left after some states.

use crate::term::arena::Arena;

use super::cell::{Cell, Content, Number, Sort};
use super::layout::{Layout, Row};

/// No more pairs of a role are looked at.
pub(super) const MOST_PAIRS: usize = 2_048;

/// A field, or the size of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Var {
    pub(super) field: usize,
    pub(super) size: bool,
}

impl Var {
    fn of(self, row: &Row) -> Option<Number> {
        row.cells[self.field].number(self.size)
    }
}

/// What may hold between two, as bits.
pub(super) mod may {
    pub(in super::super) const EQUAL: u8 = 1;
    pub(in super::super) const AT_MOST: u8 = 1 << 1;
    pub(in super::super) const AT_LEAST: u8 = 1 << 2;
    pub(in super::super) const DIFFER: u8 = 1 << 3;
    pub(in super::super) const OFFSET: u8 = 1 << 4;
    pub(in super::super) const SUM: u8 = 1 << 5;
    /// The second is a key of the first, or nil.
    pub(in super::super) const KEY: u8 = 1 << 6;
    /// The second is the head of the first, or the first is empty.
    pub(in super::super) const HEAD: u8 = 1 << 7;
}

/// Two fields and what still may hold of them.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) left: Var,
    pub(super) right: Var,
    pub(super) may: u8,
    /// How often either changed.
    pub(super) n: u64,
    /// Of a key or head: how often there was one.
    pub(super) hits: u64,
    /// `left - right` and `left + right`.
    pub(super) difference: i64,
    pub(super) sum: i64,
}

/// The pairs of a role.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) list: Vec<Pair>,
    /// There were more.
    pub(super) cut: bool,
    begun: bool,
}

impl Pairs {
    /// Takes a state. `changed` tells which fields are other ones than before.
    pub(super) fn take(&mut self, layout: &Layout, arena: &Arena, row: &Row, changed: &[bool], counts: bool) {
        if !self.begun {
            self.begin(layout, row);
        }
        self.list.retain_mut(|pair| {
            if changed[pair.left.field] || changed[pair.right.field] {
                pair.take(arena, row, counts);
            }
            pair.may != 0
        });
    }

    /// Every pair of which the first state allows anything.
    fn begin(&mut self, layout: &Layout, row: &Row) {
        self.begun = true;
        // A map with fields is a record: its size says nothing.
        let sized = |field: usize| row.cells[field].number(true).is_some() && !layout.has_children(field);
        let vars: Vec<Var> = (0..layout.len())
            .flat_map(|field| [false, true].map(|size| Var { field, size }))
            .filter(|var| !var.size || sized(var.field))
            .collect();
        for (at, left) in vars.iter().enumerate() {
            for right in &vars[at + 1..] {
                if !layout.related(left.field, right.field) {
                    self.add(row, *left, *right);
                    self.add_within(layout, row, *left, *right);
                    self.add_within(layout, row, *right, *left);
                }
            }
        }
    }

    fn add(&mut self, row: &Row, left: Var, right: Var) {
        let may = match (left.of(row), right.of(row)) {
            (Some(Number::Int(_)), Some(Number::Int(_))) => {
                may::EQUAL | may::AT_MOST | may::AT_LEAST | may::DIFFER | may::OFFSET | may::SUM
            }
            (Some(Number::Float(_)), Some(Number::Float(_))) => may::EQUAL | may::AT_MOST | may::AT_LEAST | may::DIFFER,
            _ if !left.size && !right.size && equal(row, left, right) => may::EQUAL,
            _ => 0,
        };
        self.push(Pair::new(row, left, right, may));
    }

    /// One as part of what the other holds.
    fn add_within(&mut self, layout: &Layout, row: &Row, whole: Var, part: Var) {
        if whole.size || part.size || layout.has_children(whole.field) {
            return;
        }
        let may = match row.cells[whole.field].content {
            Content::Map(_) => may::KEY,
            Content::List(_) => may::HEAD,
            _ => 0,
        };
        self.push(Pair::new(row, whole, part, may));
    }

    fn push(&mut self, pair: Pair) {
        match pair.may {
            0 => {}
            _ if self.list.len() >= MOST_PAIRS => self.cut = true,
            _ => self.list.push(pair),
        }
    }
}

impl Pair {
    fn new(row: &Row, left: Var, right: Var, may: u8) -> Self {
        let number = |var: Var| row.cells[var.field].int(var.size).unwrap_or(0);
        let (a, b) = (number(left), number(right));
        Self {
            left,
            right,
            may,
            n: 0,
            hits: 0,
            difference: a.saturating_sub(b),
            sum: a.saturating_add(b),
        }
    }

    fn take(&mut self, arena: &Arena, row: &Row, counts: bool) {
        let holds = match self.may & (may::KEY | may::HEAD) {
            0 => self.compare(row),
            _ => self.within(arena, row, counts),
        };
        if !cfg!(mutant = "infer_keeps_contradicted") {
            self.may &= holds;
        }
        self.n += u64::from(counts);
    }

    /// What an observation allows.
    fn compare(&self, row: &Row) -> u8 {
        match (self.left.of(row), self.right.of(row)) {
            (Some(Number::Int(a)), Some(Number::Int(b))) => {
                let mut holds = order(a.cmp(&b));
                holds |= keep(a.checked_sub(b) == Some(self.difference), may::OFFSET);
                holds | keep(a.checked_add(b) == Some(self.sum), may::SUM)
            }
            (Some(Number::Float(a)), Some(Number::Float(b))) => a.partial_cmp(&b).map_or(0, order),
            _ if self.left.size || self.right.size => 0,
            _ => keep(equal(row, self.left, self.right), may::EQUAL),
        }
    }

    /// Whether the right one is part of the left one as it was before.
    fn within(&mut self, arena: &Arena, row: &Row, counts: bool) -> u8 {
        let (whole, part) = (&row.cells[self.left.field], &row.cells[self.right.field]);
        let found = match whole.content {
            Content::List(0) => return may::HEAD,
            Content::Map(_) if part.content == Content::Atom(Sort::Nil) => return may::KEY,
            _ if !part.whole => return 0,
            Content::List(_) if arena.list_get(whole.node, 0) == Some(part.node) => may::HEAD,
            Content::Map(_) if arena.map_get(whole.node, part.node).is_some() => may::KEY,
            _ => 0,
        };
        self.hits += u64::from(counts && found != 0);
        found
    }
}

fn keep(holds: bool, bit: u8) -> u8 {
    if holds {
        bit
    } else {
        0
    }
}

fn order(order: std::cmp::Ordering) -> u8 {
    match order {
        std::cmp::Ordering::Less => may::AT_MOST | may::DIFFER,
        std::cmp::Ordering::Equal => may::EQUAL | may::AT_MOST | may::AT_LEAST,
        std::cmp::Ordering::Greater => may::AT_LEAST | may::DIFFER,
    }
}

fn equal(row: &Row, left: Var, right: Var) -> bool {
    let (a, b): (&Cell, &Cell) = (&row.cells[left.field], &row.cells[right.field]);
    a.whole && b.whole && a.hash == b.hash && a.is_known()
}
