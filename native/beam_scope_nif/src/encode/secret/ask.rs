//! Asking a pattern of a live term, within bounds.

use std::cmp::Ordering;

use beam_scope_core::pattern::Type;

use super::value::{is_binary, order, same, Bytes, Guard, Head, Op, MAX_VARS};
use crate::vm::{api, Class, Vm, Word};

/// Binaries up to this size are compared; ones that do not begin on a byte are copied by the VM to be looked at.
const MOST_BYTES: usize = 4096;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Yes,
    No,
    /// Not within the bounds.
    Unclear,
}

impl From<bool> for Is {
    fn from(yes: bool) -> Self {
        if yes {
            Self::Yes
        } else {
            Self::No
        }
    }
}

/// What a guard's expression is.
#[derive(Clone, Copy)]
enum Val {
    Term(Word),
    /// A term of the pattern: as large as somebody wrote it.
    Own(Word),
    Int(i128),
}

/// Why an expression has no value.
enum No {
    /// It fails, as in a guard of Erlang.
    Fails,
    Unclear,
}

pub(super) struct Ask {
    vm: Vm,
    left: usize,
    truths: (Word, Word),
    vars: [Word; MAX_VARS],
}

impl Ask {
    pub(super) const fn new(vm: Vm, steps: usize, truths: (Word, Word)) -> Self {
        Self {
            vm,
            left: steps,
            truths,
            vars: [0; MAX_VARS],
        }
    }

    /// The steps that were not taken.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    fn step(&mut self) -> bool {
        let may = self.left > 0;
        self.left -= usize::from(may);
        may
    }

    /// Whether a term looks like this. Nests as deep as the pattern, which is little.
    pub(super) fn head(&mut self, head: &Head, word: Word) -> Is {
        if !self.step() {
            return Is::Unclear;
        }
        match head {
            Head::Any => Is::Yes,
            Head::AnyAtom => (self.vm.class(word) == Class::Atom).into(),
            Head::Lit(literal) => same(*literal, word).into(),
            Head::Var(at) => self.bind(*at, word),
            Head::Tuple(heads) => match self.elements(word) {
                Some(items) if items.len() == heads.len() => {
                    self.all(heads.iter().zip(items).map(|(head, item)| (head, *item)))
                }
                _ => Is::No,
            },
            Head::List(heads, rest) => self.list(heads, rest.as_deref(), word),
            Head::Map(pairs) => self.map(pairs, word),
            Head::Both(both) => match self.head(&both.0, word) {
                Is::No => Is::No,
                first => and(first, self.head(&both.1, word)),
            },
            Head::Bytes(parts) => self.bytes(parts, word),
        }
    }

    fn all<'h>(&mut self, pairs: impl Iterator<Item = (&'h Head, Word)>) -> Is {
        let mut answer = Is::Yes;
        for (head, word) in pairs {
            answer = and(answer, self.head(head, word));
            if answer == Is::No {
                break;
            }
        }
        answer
    }

    /// A variable that is there twice asks for the same term.
    fn bind(&mut self, at: usize, word: Word) -> Is {
        let Some(place) = self.vars.get_mut(at) else {
            return Is::Unclear;
        };
        if *place == 0 {
            *place = word;
            return Is::Yes;
        }
        let other = *place;
        if self.bounded(word, other) {
            return same(word, other).into();
        }
        Is::Unclear
    }

    fn elements(&self, word: Word) -> Option<&'static [Word]> {
        if self.vm.class(word) != Class::Tuple {
            return None;
        }
        let (items, arity) = self.vm.tuple(word)?;
        // SAFETY: a live tuple has `arity` elements; they are asked of only while the callback lasts.
        Some(unsafe { std::slice::from_raw_parts(items, arity) })
    }

    fn list(&mut self, heads: &[Head], rest: Option<&Head>, mut word: Word) -> Is {
        let mut answer = Is::Yes;
        for head in heads {
            let cell = (self.vm.class(word) == Class::List)
                .then(|| self.vm.cell(word))
                .flatten();
            let Some((item, tail)) = cell else { return Is::No };
            answer = and(answer, self.head(head, item));
            if answer == Is::No {
                return answer;
            }
            word = tail;
        }
        match rest {
            Some(head) => and(answer, self.head(head, word)),
            None => and(answer, (self.vm.class(word) == Class::Nil).into()),
        }
    }

    fn map(&mut self, pairs: &[(Word, Head)], word: Word) -> Is {
        if self.vm.class(word) != Class::Map {
            return Is::No;
        }
        let mut answer = Is::Yes;
        for (key, head) in pairs {
            let Some(value) = api::map_get(self.vm.env, word, *key) else {
                return Is::No;
            };
            answer = and(answer, self.head(head, value));
            if answer == Is::No {
                break;
            }
        }
        answer
    }

    fn bytes(&mut self, parts: &[Bytes], word: Word) -> Is {
        if self.vm.class(word) != Class::Bits {
            return Is::No;
        }
        let large = self.vm.layout.byte_size(word).is_none_or(|size| size > MOST_BYTES);
        if !is_binary(self.vm.env, word) || (large && self.vm.is_unaligned(word)) {
            return Is::Unclear;
        }
        api::with_binary(self.vm.env, word, |bytes| begins(parts, bytes)).map_or(Is::Unclear, Is::from)
    }

    /// Whether a guard holds; one that fails does not.
    pub(super) fn guard(&mut self, guard: &Guard) -> Is {
        match self.value(guard) {
            Ok(Val::Term(word) | Val::Own(word)) => (word == self.truths.0).into(),
            Ok(Val::Int(_)) | Err(No::Fails) => Is::No,
            Err(No::Unclear) => Is::Unclear,
        }
    }

    fn value(&mut self, guard: &Guard) -> Result<Val, No> {
        if !self.step() {
            return Err(No::Unclear);
        }
        match guard {
            Guard::Lit(word) => Ok(Val::Own(*word)),
            Guard::Var(at) => self
                .vars
                .get(*at)
                .copied()
                .filter(|word| *word != 0)
                .map(Val::Term)
                .ok_or(No::Unclear),
            Guard::Op(op, arguments) => self.op(*op, arguments),
        }
    }

    fn op(&mut self, op: Op, arguments: &[Guard]) -> Result<Val, No> {
        match (op, arguments) {
            (Op::And, [a, b]) => self.both(a, b, false),
            (Op::Or, [a, b]) => self.both(a, b, true),
            (Op::Any, guards) => self.any(guards),
            (Op::In, [x, members @ ..]) => self.among(x, members),
            (_, [a]) => {
                let a = self.value(a)?;
                self.unary(op, a)
            }
            (_, [a, b]) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.binary(op, a, b)
            }
            _ => Err(No::Unclear),
        }
    }

    /// `and`, `or`: what the first says may be enough. One that is unclear makes the other decide, where it can.
    fn both(&mut self, a: &Guard, b: &Guard, enough: bool) -> Result<Val, No> {
        let first = match self.value(a) {
            Ok(value) => Some(self.truth(value)?),
            Err(No::Unclear) => None,
            Err(No::Fails) => return Err(No::Fails),
        };
        if first == Some(enough) {
            return Ok(self.bool(enough));
        }
        let second = self.value(b)?;
        let second = self.truth(second)?;
        match first {
            Some(_) => Ok(self.bool(second)),
            None if second == enough => Ok(self.bool(enough)),
            None => Err(No::Unclear),
        }
    }

    /// `when` after `when`: each for itself.
    fn any(&mut self, guards: &[Guard]) -> Result<Val, No> {
        let mut unclear = false;
        for guard in guards {
            match self.guard(guard) {
                Is::Yes => return Ok(self.bool(true)),
                Is::No => {}
                Is::Unclear => unclear = true,
            }
        }
        if unclear {
            return Err(No::Unclear);
        }
        Ok(self.bool(false))
    }

    fn among(&mut self, x: &Guard, members: &[Guard]) -> Result<Val, No> {
        let x = self.value(x)?;
        for member in members {
            let member = self.value(member)?;
            if self.is_same(x, member)? {
                return Ok(self.bool(true));
            }
        }
        Ok(self.bool(false))
    }

    fn truth(&self, value: Val) -> Result<bool, No> {
        match value {
            Val::Term(word) | Val::Own(word) if word == self.truths.0 => Ok(true),
            Val::Term(word) | Val::Own(word) if word == self.truths.1 => Ok(false),
            _ => Err(No::Fails),
        }
    }

    const fn bool(&self, yes: bool) -> Val {
        Val::Own(if yes { self.truths.0 } else { self.truths.1 })
    }

    fn unary(&mut self, op: Op, value: Val) -> Result<Val, No> {
        if let Op::Is(kind) = op {
            let is = self.is(kind, value);
            return Ok(self.bool(is));
        }
        if let Some(number) = match op {
            Op::Negative => Some(self.int(value)?.checked_neg()),
            Op::Abs => Some(self.int(value)?.checked_abs()),
            Op::Plus => Some(Some(self.int(value)?)),
            _ => None,
        } {
            return number.map(Val::Int).ok_or(No::Unclear);
        }
        if op == Op::Not {
            let truth = self.truth(value)?;
            return Ok(self.bool(!truth));
        }
        let (Val::Term(word) | Val::Own(word)) = value else {
            return Err(No::Fails);
        };
        let class = self.vm.class(word);
        match (op, class) {
            (Op::ByteSize, Class::Bits) => match self.vm.layout.byte_size(word) {
                // What is no binary has a byte more than that.
                Some(size) if is_binary(self.vm.env, word) => Ok(Val::Int(size as i128)),
                Some(size) => Ok(Val::Int(size as i128 + 1)),
                None => Err(No::Unclear),
            },
            (Op::TupleSize, Class::Tuple) => Ok(Val::Int(self.elements(word).map_or(0, <[Word]>::len) as i128)),
            (Op::MapSize, Class::Map) => Ok(Val::Int(self.vm.map_size(word).unwrap_or(0) as i128)),
            (Op::Length, Class::Nil) => Ok(Val::Int(0)),
            (Op::Length, Class::List) => self.length(word).map(Val::Int),
            (Op::Head | Op::Tail, Class::List) => {
                let (head, tail) = self.vm.cell(word).ok_or(No::Unclear)?;
                Ok(Val::Term(if op == Op::Head { head } else { tail }))
            }
            _ => Err(No::Fails),
        }
    }

    fn length(&mut self, mut word: Word) -> Result<i128, No> {
        let mut length = 0;
        loop {
            match self.vm.class(word) {
                Class::Nil => return Ok(length),
                Class::List if self.step() => word = self.vm.cell(word).ok_or(No::Unclear)?.1,
                Class::List => return Err(No::Unclear),
                _ => return Err(No::Fails),
            }
            length += 1;
        }
    }

    fn is(&self, kind: Type, value: Val) -> bool {
        let (Val::Term(word) | Val::Own(word)) = value else {
            return matches!(kind, Type::Integer | Type::Number);
        };
        let class = self.vm.class(word);
        let integer = matches!(class, Class::Small | Class::BigPositive | Class::BigNegative);
        match kind {
            Type::Atom => class == Class::Atom,
            Type::Binary => class == Class::Bits && is_binary(self.vm.env, word),
            Type::Bitstring => class == Class::Bits,
            Type::Boolean => word == self.truths.0 || word == self.truths.1,
            Type::Float => class == Class::Float,
            Type::Function => class == Class::Fun,
            Type::Integer => integer,
            Type::List => matches!(class, Class::Nil | Class::List),
            Type::Map => class == Class::Map,
            Type::Number => integer || class == Class::Float,
            Type::Pid => matches!(class, Class::Pid | Class::ExternalPid),
            Type::Port => matches!(class, Class::Port | Class::ExternalPort),
            Type::Reference => matches!(class, Class::Reference | Class::ExternalReference),
            Type::Tuple => class == Class::Tuple,
        }
    }

    fn binary(&mut self, op: Op, a: Val, b: Val) -> Result<Val, No> {
        let yes = match op {
            Op::Same => self.is_same(a, b)?,
            Op::NotSame => !self.is_same(a, b)?,
            Op::Equal => self.order(a, b)?.is_eq(),
            Op::NotEqual => self.order(a, b)?.is_ne(),
            Op::Less => self.order(a, b)?.is_lt(),
            Op::AtMost => self.order(a, b)?.is_le(),
            Op::Greater => self.order(a, b)?.is_gt(),
            Op::AtLeast => self.order(a, b)?.is_ge(),
            Op::Element => return self.element(a, b),
            Op::MapGet => return self.map_get(a, b).ok_or(No::Fails).map(Val::Term),
            Op::IsKey => self.map_get(a, b).is_some(),
            _ => return self.arithmetic(op, a, b).map(Val::Int),
        };
        Ok(self.bool(yes))
    }

    fn element(&self, at: Val, tuple: Val) -> Result<Val, No> {
        let (Val::Term(tuple) | Val::Own(tuple)) = tuple else {
            return Err(No::Fails);
        };
        let at = usize::try_from(self.int(at)?).map_err(|_| No::Fails)?;
        let item = self.elements(tuple).and_then(|items| items.get(at.checked_sub(1)?));
        item.copied().map(Val::Term).ok_or(No::Fails)
    }

    fn map_get(&self, key: Val, map: Val) -> Option<Word> {
        let (Val::Own(key) | Val::Term(key)) = key else {
            return None;
        };
        let (Val::Term(map) | Val::Own(map)) = map else {
            return None;
        };
        (self.vm.class(map) == Class::Map).then(|| api::map_get(self.vm.env, map, key))?
    }

    fn arithmetic(&self, op: Op, a: Val, b: Val) -> Result<i128, No> {
        let (a, b) = (self.int(a)?, self.int(b)?);
        let number = match op {
            Op::Plus => a.checked_add(b),
            Op::Minus => a.checked_sub(b),
            Op::Times => a.checked_mul(b),
            Op::Div | Op::Rem if b == 0 => return Err(No::Fails),
            Op::Div => a.checked_div(b),
            Op::Rem => a.checked_rem(b),
            _ => None,
        };
        number.ok_or(No::Unclear)
    }

    /// An integer; other numbers are not reckoned with here.
    fn int(&self, value: Val) -> Result<i128, No> {
        match value {
            Val::Int(number) => Ok(number),
            Val::Term(word) | Val::Own(word) => match self.vm.class(word) {
                Class::Small => api::int64(self.vm.env, word).map(i128::from).ok_or(No::Unclear),
                Class::BigPositive | Class::BigNegative | Class::Float => Err(No::Unclear),
                _ => Err(No::Fails),
            },
        }
    }

    fn is_same(&self, a: Val, b: Val) -> Result<bool, No> {
        match (a, b) {
            (Val::Int(a), Val::Int(b)) => Ok(a == b),
            (Val::Int(a), other) | (other, Val::Int(a)) => match self.int(other) {
                Ok(b) => Ok(a == b),
                Err(No::Fails) => Ok(false),
                Err(No::Unclear) => Err(No::Unclear),
            },
            (Val::Term(a) | Val::Own(a), Val::Term(b) | Val::Own(b)) if self.bounded(a, b) => Ok(same(a, b)),
            (Val::Own(a), Val::Term(b) | Val::Own(b)) | (Val::Term(a), Val::Own(b)) => Ok(same(a, b)),
            _ => Err(No::Unclear),
        }
    }

    fn order(&self, a: Val, b: Val) -> Result<Ordering, No> {
        match (a, b) {
            (Val::Int(a), Val::Int(b)) => Ok(a.cmp(&b)),
            (Val::Int(a), other) => self.against(a, other),
            (other, Val::Int(b)) => self.against(b, other).map(Ordering::reverse),
            (Val::Term(a) | Val::Own(a), Val::Term(b) | Val::Own(b)) if self.bounded(a, b) => Ok(order(a, b)),
            (Val::Own(a), Val::Term(b) | Val::Own(b)) | (Val::Term(a), Val::Own(b)) => Ok(order(a, b)),
            _ => Err(No::Unclear),
        }
    }

    /// A number that was reckoned, and a term: everything else comes after numbers.
    fn against(&self, number: i128, other: Val) -> Result<Ordering, No> {
        match self.int(other) {
            Ok(b) => Ok(number.cmp(&b)),
            Err(No::Fails) => Ok(Ordering::Less),
            Err(No::Unclear) => Err(No::Unclear),
        }
    }

    /// Whether two terms can be compared in little time: one of them is small, or what they are differs already.
    fn bounded(&self, a: Word, b: Word) -> bool {
        self.is_small(a) || self.is_small(b) || self.vm.class(a) != self.vm.class(b)
    }

    fn is_small(&self, word: Word) -> bool {
        match self.vm.class(word) {
            Class::List | Class::Tuple | Class::Map | Class::Fun => false,
            Class::BigPositive | Class::BigNegative | Class::Other | Class::Unknown => false,
            Class::Bits => self.vm.layout.byte_size(word).is_some_and(|size| size <= MOST_BYTES),
            _ => true,
        }
    }
}

/// Whether a binary begins with these parts, and ends with them.
fn begins(parts: &[Bytes], mut bytes: &[u8]) -> bool {
    for part in parts {
        let rest = match part {
            Bytes::These(these) => bytes.strip_prefix(these.as_slice()),
            Bytes::Skip(count) => bytes.get(*count..),
            Bytes::Rest => return true,
        };
        let Some(rest) = rest else { return false };
        bytes = rest;
    }
    bytes.is_empty()
}

const fn and(a: Is, b: Is) -> Is {
    match (a, b) {
        (Is::No, _) | (_, Is::No) => Is::No,
        (Is::Yes, Is::Yes) => Is::Yes,
        _ => Is::Unclear,
    }
}
