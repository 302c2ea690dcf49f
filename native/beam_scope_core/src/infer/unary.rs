//! Templates of one field.

use crate::term::Value;

use super::cell::{Cell, Content, Number, Sort};
use super::sorted::Sorted;

/// A set of values that grows larger is none.
pub(super) const MOST_VALUES: usize = 5;

/// How an observation counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// The state is another one than before.
    pub(super) state: bool,
    /// So is the field.
    pub(super) field: bool,
}

/// The values that a field had, while they are few.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) list: Vec<Value>,
    /// By the hashes of the recording that is being read.
    hashes: Vec<u64>,
    /// Too many, or such that cannot be written down.
    pub(super) over: bool,
}

impl Values {
    fn take(&mut self, cell: &Cell, write: impl FnOnce() -> Option<Value>) {
        if self.over || self.hashes.contains(&cell.hash) {
            return;
        }
        match write() {
            Some(value) => {
                if !self.list.contains(&value) {
                    self.list.push(value);
                }
                self.hashes.push(cell.hash);
                self.over = self.list.len() > MOST_VALUES;
            }
            None => self.over = true,
        }
    }
}

/// The range of a number.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Range {
    /// It was no number at times, or whole at some and a float at others.
    pub(super) dead: bool,
    pub(super) n: u64,
    low: Option<Number>,
    high: Option<Number>,
    pub(super) at_low: u64,
    pub(super) at_high: u64,
}

impl Range {
    pub(super) fn take(&mut self, number: Option<Number>, counts: bool) {
        let Some(number) = number.filter(|_| !self.dead) else {
            self.dead = true;
            return;
        };
        self.n += u64::from(counts);
        let (Some(low), Some(high)) = (self.low, self.high) else {
            (self.low, self.high) = (Some(number), Some(number));
            (self.at_low, self.at_high) = (u64::from(counts), u64::from(counts));
            return;
        };
        match (number, low, high) {
            (Number::Int(n), Number::Int(low), Number::Int(high)) => {
                extreme(&mut self.low, &mut self.at_low, number, n.cmp(&low).reverse(), counts);
                extreme(&mut self.high, &mut self.at_high, number, n.cmp(&high), counts);
            }
            (Number::Float(n), Number::Float(low), Number::Float(high)) => {
                extreme(
                    &mut self.low,
                    &mut self.at_low,
                    number,
                    n.total_cmp(&low).reverse(),
                    counts,
                );
                extreme(&mut self.high, &mut self.at_high, number, n.total_cmp(&high), counts);
            }
            _ => self.dead = true,
        }
    }

    /// The least and the greatest, where all are whole numbers.
    pub(super) fn ints(&self) -> Option<(i64, i64)> {
        match (self.low?, self.high?) {
            (Number::Int(low), Number::Int(high)) if !self.dead => Some((low, high)),
            _ => None,
        }
    }

    /// The range as one of real numbers, see [`below`](super::chance::below).
    pub(super) fn widened(&self) -> Option<(f64, f64)> {
        let half = if self.ints().is_some() { 0.5 } else { 0.0 };
        Some((self.low?.as_f64() - half, self.high?.as_f64() + half))
    }

    /// Whether it was ever another number.
    pub(super) fn varied(&self) -> bool {
        !self.dead && self.low != self.high
    }
}

/// `order`: how the number compares to the extreme so far, outwards being greater.
fn extreme(bound: &mut Option<Number>, at: &mut u64, number: Number, order: std::cmp::Ordering, counts: bool) {
    match order {
        std::cmp::Ordering::Greater => (*bound, *at) = (Some(number), u64::from(counts)),
        std::cmp::Ordering::Equal => *at += u64::from(counts),
        std::cmp::Ordering::Less => {}
    }
}

/// What was seen of a field.
#[derive(Clone, Debug, Default)]
pub(super) struct Unary {
    /// In some state there was no such field.
    pub(super) absent: bool,
    /// In some state it could not be seen.
    pub(super) unknown: bool,
    /// In some state a part of it could not be seen.
    pub(super) partly: bool,
    /// How many states were others than before.
    pub(super) states: u64,
    /// How many changes of the field there were, first values included.
    pub(super) n: u64,
    sorts: u16,
    pub(super) values: Values,
    first: Option<u64>,
    /// It was not always the same.
    pub(super) varied: bool,
    pub(super) value: Range,
    pub(super) size: Range,
    measured: Option<Measured>,
    pub(super) sorted: Sorted,
}

/// What a size is the size of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measured {
    List,
    Map,
    Queue,
    /// Of one thing at times and of another at others.
    Mixed,
}

impl Unary {
    /// Whether anything can be said of it.
    pub(super) const fn alive(&self) -> bool {
        !self.absent && !self.unknown
    }

    /// Another recording follows: hashes mean something else there.
    pub(super) fn next_recording(&mut self) {
        self.values.hashes.clear();
        if let Some(first) = &mut self.first {
            // Its first value there is compared by what it is, not by its hash.
            *first = 0;
        }
    }

    pub(super) fn take(&mut self, cell: &Cell, weight: Weight, write: impl FnOnce() -> Option<Value>) {
        self.absent |= cell.content == Content::Absent;
        self.unknown |= cell.content == Content::Unknown && !cfg!(mutant = "infer_hidden_is_fine");
        let Some(sort) = cell.sort().filter(|_| self.alive()) else {
            return;
        };
        self.states += u64::from(weight.state);
        self.n += u64::from(weight.field);
        self.sorts |= sort.bit();
        self.partly |= !cell.whole;
        self.value.take(cell.number(false), weight.field);
        self.size.take(cell.number(true), weight.field);
        self.measure(cell);
        self.values.take(cell, write);
        self.vary(cell);
    }

    fn measure(&mut self, cell: &Cell) {
        let now = match cell.content {
            Content::List(_) => Measured::List,
            Content::Map(_) => Measured::Map,
            Content::Queue(_) => Measured::Queue,
            _ => Measured::Mixed,
        };
        let same = self.measured.is_none_or(|before| before == now);
        self.measured = Some(if same { now } else { Measured::Mixed });
    }

    /// What its size is the size of.
    pub(super) fn measured(&self) -> Option<Measured> {
        self.measured.filter(|measured| *measured != Measured::Mixed)
    }

    fn vary(&mut self, cell: &Cell) {
        match self.first {
            None => self.first = Some(cell.hash),
            // From another recording: only what was written down can be compared.
            Some(0) => {
                self.varied |= self.values.over || self.values.list.len() > 1;
                self.first = Some(cell.hash);
            }
            Some(first) => self.varied |= first != cell.hash,
        }
    }

    /// The sorts of things that it was.
    pub(super) fn sorts(&self) -> Vec<Sort> {
        Sort::ALL
            .into_iter()
            .filter(|sort| self.sorts & sort.bit() != 0)
            .collect()
    }

    /// It was a list every time.
    pub(super) const fn is_list(&self) -> bool {
        self.sorts == Sort::List.bit()
    }
}
