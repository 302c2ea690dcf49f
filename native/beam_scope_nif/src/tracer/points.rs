//! Points: which function's calls hold a process's message and state, and where.

use std::collections::HashMap;

use beam_scope_core::event::Fields;

use crate::vm::{Class, Vm, Word};

/// A function by its words: module, name, arity.
pub(crate) type Mfa = (Word, Word, usize);

/// Highest argument that a point can name.
pub(crate) const MAX_ARGUMENTS: usize = 16;

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

    /// How many of its terms may be as large as the budget allows.
    pub(crate) fn large(&self) -> usize {
        const SMALL: u16 = Fields::CALLBACK | Fields::BEHAVIOUR | Fields::CLASS | Fields::HANDLER | Fields::ACTION;
        self.fields.iter().filter(|(bit, _)| bit & SMALL == 0).count()
    }
}

/// A call that a point looks at.
pub(crate) struct Call {
    pub(crate) function: Word,
    arguments: [Word; MAX_ARGUMENTS],
    len: usize,
    pub(crate) result: Option<Word>,
}

impl Call {
    /// The call of a function with a list of arguments.
    pub(crate) fn new(vm: Vm, function: Word, mut list: Word) -> Self {
        let mut call = Self {
            function,
            arguments: [0; MAX_ARGUMENTS],
            len: 0,
            result: None,
        };
        while call.len < MAX_ARGUMENTS && vm.class(list) == Class::List {
            let Some((head, tail)) = vm.cell(list) else { break };
            call.arguments[call.len] = head;
            call.len += 1;
            list = tail;
        }
        call
    }

    /// A function's return.
    pub(crate) fn returned(function: Word, result: Word) -> Self {
        Self {
            function,
            arguments: [0; MAX_ARGUMENTS],
            len: 0,
            result: Some(result),
        }
    }

    fn arguments(&self) -> &[Word] {
        &self.arguments[..self.len]
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
