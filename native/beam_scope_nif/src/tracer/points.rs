//! Points: which function's calls hold a process's message and state, and where.

use std::collections::HashMap;

use beam_scope_core::capture::engine::Told;
use beam_scope_core::event::Fields;

use crate::vm::{Class, Vm, Word};

/// A function by its words: module, name, arity.
pub(crate) type Mfa = (Word, Word, usize);

/// Highest argument that a point can name.
pub(crate) const MAX_ARGUMENTS: usize = 16;
/// The VM's own bound.
const MAX_ARITY: usize = 255;

/// A step into a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An element of a tuple, from 0.
    Elem(usize),
    Head,
    Tail,
}

/// Where a field's term comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An argument (from 0), and steps into it.
    Argument(usize, Vec<Step>),
    /// What the function returned.
    Result,
    /// The function's name.
    Function,
    /// A tuple made of others.
    Tuple(Vec<Source>),
    /// The same at every call, in wire form.
    Wire(Vec<u8>),
}

/// What is recorded of one function's calls or returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) mfa: Mfa,
    /// [`beam_scope_core::event::Point`] as a number.
    pub(crate) point: u8,
    /// Only when this argument (from 0) is this atom.
    pub(crate) only: Option<(usize, Word)>,
    /// Whether its states are a gen_statem's `{state, data}`, in which the state's name is no key.
    pub(crate) statem: bool,
    /// Whether its loop leaves nothing out: the state that a message is handled with is the one that the loop was entered
    /// with, unless a system message came between.
    pub(crate) gapless: bool,
    /// Whether its states come out of the user's own functions: then one word is one term as long as nothing moves.
    pub(crate) steady: bool,
    /// The fields by their bits of [`Fields`], lowest first.
    pub(crate) fields: Vec<(u16, Source)>,
}

impl Point {
    /// Whether it speaks of returns, not of calls.
    pub(crate) fn is_return(&self) -> bool {
        self.point == beam_scope_core::event::Point::Returned as u8
    }

    /// Whether the call is one that it means.
    pub(crate) fn applies(&self, call: &Call) -> bool {
        self.only
            .is_none_or(|(at, atom)| call.arguments().get(at) == Some(&atom))
    }

    /// What a record of it says of the process's state.
    pub(crate) fn told(&self) -> Told {
        use beam_scope_core::event::Point;
        match Point::from_u8(self.point) {
            Some(Point::Loop) if self.gapless => Told::State,
            _ => Told::Open,
        }
    }

    /// The fields that say nothing new to who knows the state that holds.
    pub(crate) fn repeats(&self) -> u16 {
        use beam_scope_core::event::Point;
        match Point::from_u8(self.point) {
            Some(Point::Handled) if self.gapless => Fields::BEFORE,
            _ => 0,
        }
    }

    /// How many of its terms may be as large as the budget allows.
    pub(crate) fn large(&self, without: u16) -> usize {
        const SMALL: u16 = Fields::CALLBACK | Fields::BEHAVIOUR | Fields::CLASS | Fields::HANDLER | Fields::ACTION;
        self.fields
            .iter()
            .filter(|(bit, _)| bit & (SMALL | without) == 0)
            .count()
    }
}

/// A call that a point looks at.
pub(crate) struct Call {
    pub(crate) function: Word,
    /// The first ones: no point names a later one.
    arguments: [Word; MAX_ARGUMENTS],
    pub(crate) arity: usize,
    pub(crate) result: Option<Word>,
}

impl Call {
    /// The call of a function with a list of arguments; `None` where that is no list: a call traced with the `arity` flag has
    /// none.
    #[inline]
    pub(crate) fn new(vm: Vm, function: Word, mut list: Word) -> Option<Self> {
        let mut call = Self {
            function,
            arguments: [0; MAX_ARGUMENTS],
            arity: 0,
            result: None,
        };
        while vm.class(list) == Class::List && call.arity <= MAX_ARITY {
            let (head, tail) = vm.cell(list)?;
            if let Some(slot) = call.arguments.get_mut(call.arity) {
                *slot = head;
            }
            call.arity += 1;
            list = tail;
        }
        (vm.class(list) == Class::Nil).then_some(call)
    }

    /// A function's return.
    pub(crate) fn returned(function: Word, result: Word) -> Self {
        Self {
            function,
            arguments: [0; MAX_ARGUMENTS],
            arity: 0,
            result: Some(result),
        }
    }

    fn arguments(&self) -> &[Word] {
        &self.arguments[..self.arity.min(MAX_ARGUMENTS)]
    }

    /// The term at a path; `None` where the path does not fit.
    pub(crate) fn find(&self, vm: Vm, argument: usize, steps: &[Step]) -> Option<Word> {
        let start = self.arguments().get(argument).copied();
        steps.iter().try_fold(start?, |word, step| match step {
            Step::Elem(i) => {
                let (items, arity) = (vm.class(word) == Class::Tuple).then(|| vm.tuple(word)).flatten()?;
                // SAFETY: below the arity of a live tuple.
                (*i < arity).then(|| unsafe { *items.add(*i) })
            }
            Step::Head | Step::Tail => {
                let (head, tail) = (vm.class(word) == Class::List).then(|| vm.cell(word)).flatten()?;
                Some(if *step == Step::Head { head } else { tail })
            }
        })
    }
}

/// Points by function, found without hashing more than three words.
#[derive(Debug, Default)]
pub(crate) struct Points {
    /// A power of two, at most a quarter full; an entry's `usize` is one more than an index of `lists`.
    table: Vec<(Mfa, usize)>,
    lists: Vec<Vec<Point>>,
}

impl Points {
    /// The points, each once.
    pub(crate) fn new(points: impl IntoIterator<Item = Point>) -> Self {
        let mut by_mfa: HashMap<Mfa, Vec<Point>> = HashMap::new();
        for point in points {
            let list = by_mfa.entry(point.mfa).or_default();
            if !list.contains(&point) {
                list.push(point);
            }
        }
        let size = if by_mfa.is_empty() {
            0
        } else {
            (by_mfa.len() * 4).next_power_of_two()
        };
        let mut made = Self {
            table: vec![((0, 0, 0), 0); size],
            lists: Vec::new(),
        };
        for (mfa, list) in by_mfa {
            made.lists.push(list);
            let mut at = made.place(mfa);
            while made.table[at].1 != 0 {
                at = (at + 1) & (size - 1);
            }
            made.table[at] = (mfa, made.lists.len());
        }
        made
    }

    /// The points of a function.
    #[inline]
    pub(crate) fn of(&self, mfa: Mfa) -> &[Point] {
        if self.table.is_empty() {
            return &[];
        }
        let mut at = self.place(mfa);
        loop {
            match self.table.get(at) {
                Some((found, i)) if *found == mfa => {
                    return self.lists.get(i.wrapping_sub(1)).map_or(&[], Vec::as_slice)
                }
                None | Some((_, 0)) => return &[],
                Some(_) => at = (at + 1) & (self.table.len() - 1),
            }
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Point> {
        self.lists.iter().flatten()
    }

    fn place(&self, (module, function, arity): Mfa) -> usize {
        let mixed = (module ^ function.rotate_left(21) ^ arity.rotate_left(42))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as usize);
        (mixed >> (usize::BITS / 2)) & (self.table.len() - 1)
    }
}
