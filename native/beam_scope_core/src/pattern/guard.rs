//! Guards: expressions over what a pattern bound.
//!
//! A guard's outcome is a *set* of what may come of it, so that what cannot be seen spreads exactly as far as it must:
//! `and` and `or` go on from the left side only in the outcomes that let them, `not` turns each around, and a failure
//! stays one.

use super::compare::Compare;
use super::number::{self, Arith, Number, Trouble, Unary};
use super::term::{Hidden, List, Pairs, Term, View};
use super::types::Type;
use super::{Answer, Guard, Why};
use crate::term::arena::{Arena, NodeId};
use crate::term::Kind;

/// What may come of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcomes {
    yes: bool,
    no: bool,
    fail: bool,
    /// Why there is more than one, where there is.
    why: Option<Why>,
}

impl Outcomes {
    const NONE: Self = Self {
        yes: false,
        no: false,
        fail: false,
        why: None,
    };
    const YES: Self = Self {
        yes: true,
        ..Self::NONE
    };
    const NO: Self = Self { no: true, ..Self::NONE };
    const FAIL: Self = Self {
        fail: true,
        ..Self::NONE
    };

    fn known(yes: bool) -> Self {
        if yes {
            Self::YES
        } else {
            Self::NO
        }
    }

    fn either(why: Why) -> Self {
        Self {
            yes: true,
            no: true,
            fail: false,
            why: Some(why),
        }
    }

    fn any(why: Why) -> Self {
        Self {
            fail: true,
            ..Self::either(why)
        }
    }

    fn union(self, other: Self) -> Self {
        Self {
            yes: self.yes | other.yes,
            no: self.no | other.no,
            fail: self.fail | other.fail,
            why: self.why.or(other.why),
        }
    }

    fn when(self, possible: bool) -> Self {
        if possible {
            self
        } else {
            Self::NONE
        }
    }

    fn not(self) -> Self {
        Self {
            yes: self.no,
            no: self.yes,
            ..self
        }
    }

    fn is_certain(self) -> bool {
        u8::from(self.yes) + u8::from(self.no) + u8::from(self.fail) == 1
    }

    /// As the whole guard of a pattern: failing is not matching.
    pub(super) fn answer(self) -> Answer {
        match self {
            Self { yes: false, .. } => Answer::No,
            _ if self.is_certain() => Answer::Yes,
            _ => Answer::Unknown(self.why.unwrap_or(Why::Truncated)),
        }
    }
}

impl From<Answer> for Outcomes {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::YES,
            Answer::No => Self::NO,
            Answer::Unknown(why) => Self::either(why),
        }
    }
}

/// What an expression comes to.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    /// A term; the `Why` is there if the expression may fail instead.
    Is(Term<'a>, Option<Why>),
    Test(Outcomes),
}

impl<'a> Val<'a> {
    const FAIL: Self = Self::Test(Outcomes::FAIL);

    fn is(term: Term<'a>) -> Self {
        Self::Is(term, None)
    }

    /// Unknown, of this kind if it is anything.
    fn hidden(kind: Option<Kind>, why: Why, may_fail: bool) -> Self {
        let hidden = Hidden {
            kind,
            ..Hidden::unknown(why)
        };
        Self::Is(Term::Hidden(hidden), may_fail.then_some(why))
    }

    fn or_fail(self, why: Option<Why>) -> Self {
        match (self, why) {
            (val, None) => val,
            (Self::Is(term, mine), why) => Self::Is(term, mine.or(why)),
            (Self::Test(outcomes), why) => Self::Test(outcomes.union(Outcomes {
                fail: true,
                why,
                ..Outcomes::NONE
            })),
        }
    }

    /// As a term, and why it may not be one; `None` if it fails for sure.
    fn term(self) -> Option<(Term<'a>, Option<Why>)> {
        match self {
            Self::Is(term, why) => Some((term, why)),
            Self::Test(set) if set == Outcomes::YES => Some((Term::Bool(true), None)),
            Self::Test(set) if set == Outcomes::NO => Some((Term::Bool(false), None)),
            Self::Test(set) if !set.yes && !set.no => None,
            Self::Test(set) => {
                let why = set.why.unwrap_or(Why::Truncated);
                let hidden = Hidden {
                    kind: Some(Kind::Atom),
                    ..Hidden::unknown(why)
                };
                Some((Term::Hidden(hidden), set.fail.then_some(why)))
            }
        }
    }
}

/// The operations of guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    AndAlso,
    OrElse,
    And,
    Or,
    Xor,
    Not,
    /// Alternatives: several `when`s.
    When,
    /// Member of the rest of the arguments.
    In,
    /// Equality: exact (`===`) or not, negated or not.
    Equal(bool, bool),
    /// Order: which outcome is asked for and whether equality will do.
    Order(std::cmp::Ordering, bool),
    Max,
    Min,
    Arith(Arith),
    Unary(Unary),
    Is(Type),
    IsFunctionOf,
    Length,
    Hd,
    Tl,
    Element,
    TupleSize,
    MapSize,
    ByteSize,
    BitSize,
    Size,
    MapGet,
    IsMapKey,
    BinaryPart,
}

/// Evaluates guards over the variables' values.
pub(super) struct Guards<'g, 'a> {
    pub(super) literals: &'a Arena,
    pub(super) slots: &'g [Option<Term<'a>>],
    pub(super) compare: Compare<'g>,
}

impl<'a> Guards<'_, 'a> {
    pub(super) fn test(&self, guard: &Guard) -> Outcomes {
        let value = self.eval(guard);
        self.outcomes(value)
    }

    /// The value of an expression that gives a number or fails; `Err` where it is not known.
    pub(super) fn size(&self, guard: &Guard) -> Result<Option<i128>, Why> {
        let Some((term, may_fail)) = self.eval(guard).term() else {
            return Ok(None);
        };
        match (term.view(), may_fail) {
            (View::Hidden(hidden), _) => Err(hidden.why),
            (_, Some(why)) => Err(why),
            (View::Number(Number::Int(n)), None) => Ok(n.small()),
            _ => Ok(None),
        }
    }

    fn outcomes(&self, value: Val<'a>) -> Outcomes {
        let (term, may_fail) = match value {
            Val::Test(outcomes) => return outcomes,
            Val::Is(term, may_fail) => (term, may_fail),
        };
        let outcomes = match term.view() {
            View::Bool(b) => Outcomes::known(b),
            View::Atom(id) => self.compare.truths.truth(id).map_or(Outcomes::FAIL, Outcomes::known),
            View::Hidden(hidden) if matches!(hidden.kind, None | Some(Kind::Atom)) => Outcomes::any(hidden.why),
            _ => Outcomes::FAIL,
        };
        match may_fail {
            Some(_) => outcomes.union(Outcomes {
                fail: true,
                why: may_fail,
                ..Outcomes::NONE
            }),
            None => outcomes,
        }
    }

    fn eval(&self, guard: &Guard) -> Val<'a> {
        if self.compare.spend().is_err() {
            return Val::Test(Outcomes::any(Why::Unsupported));
        }
        match guard {
            Guard::Lit(id) => Val::is(Term::Node(self.literals, *id)),
            Guard::Var(slot) => match self.slots.get(*slot).and_then(Option::as_ref) {
                Some(term) => Val::is(term.clone()),
                None => Val::hidden(None, Why::Truncated, true),
            },
            Guard::Op(op, args) => self.op(*op, args),
        }
    }

    fn op(&self, op: Op, args: &[Guard]) -> Val<'a> {
        let test = |at: usize| args.get(at).map_or(Outcomes::FAIL, |arg| self.test(arg));
        match op {
            Op::AndAlso => Val::Test(go_on(test(0), false, || test(1))),
            Op::OrElse => Val::Test(go_on(test(0), true, || test(1))),
            Op::And => Val::Test(both(test(0), test(1), |a, b| a & b)),
            Op::Or => Val::Test(both(test(0), test(1), |a, b| a | b)),
            Op::Xor => Val::Test(both(test(0), test(1), |a, b| a ^ b)),
            Op::Not => Val::Test(test(0).not()),
            Op::When => Val::Test(self.alternatives(args)),
            _ => self.strict(op, args),
        }
    }

    // A guard that fails only passes on to the next one.
    fn alternatives(&self, guards: &[Guard]) -> Outcomes {
        guards.iter().fold(Outcomes::NO, |before, guard| {
            let mut next = self.test(guard);
            next.no |= next.fail;
            next.fail = false;
            go_on(before, true, || next)
        })
    }

    // Operations that need all their arguments.
    fn strict(&self, op: Op, args: &[Guard]) -> Val<'a> {
        let mut terms = Vec::with_capacity(args.len());
        let mut may_fail = None;
        for arg in args {
            let Some((term, why)) = self.eval(arg).term() else {
                return Val::FAIL;
            };
            terms.push(term);
            may_fail = may_fail.or(why);
        }
        let value = match terms.as_slice() {
            [x, members @ ..] if op == Op::In => Val::Test(self.member(x, members)),
            [x] => self.one(op, x),
            [a, b] => self.two(op, a, b),
            [a, b, c] if op == Op::BinaryPart => binary_part(a, b, c),
            _ => Val::FAIL,
        };
        value.or_fail(may_fail)
    }

    fn member(&self, x: &Term<'a>, members: &[Term<'a>]) -> Outcomes {
        members.iter().fold(Outcomes::NO, |before, member| {
            go_on(before, true, || self.compare.equal(x, member, true).into())
        })
    }

    fn two(&self, op: Op, a: &Term<'a>, b: &Term<'a>) -> Val<'a> {
        match op {
            Op::Equal(exact, negated) => {
                let equal = Outcomes::from(self.compare.equal(a, b, exact));
                Val::Test(if negated { equal.not() } else { equal })
            }
            Op::Order(wanted, or_equal) => Val::Test(self.ordered(a, b, |order| {
                order == wanted || or_equal && order == std::cmp::Ordering::Equal
            })),
            Op::Max | Op::Min => self.extreme(op, a, b),
            Op::Arith(op) => arith(op, a, b),
            Op::IsFunctionOf => is_function_of(a, b),
            Op::Element => element(a, b),
            Op::MapGet => self.map_get(a, b),
            Op::IsMapKey => self.is_map_key(a, b),
            Op::BinaryPart => Val::FAIL,
            _ => Val::FAIL,
        }
    }

    fn ordered(&self, a: &Term<'a>, b: &Term<'a>, wanted: impl Fn(std::cmp::Ordering) -> bool) -> Outcomes {
        match self.compare.order(a, b) {
            Ok(order) => Outcomes::known(wanted(order)),
            Err(why) => Outcomes::either(why),
        }
    }

    fn extreme(&self, op: Op, a: &Term<'a>, b: &Term<'a>) -> Val<'a> {
        let first = |order: std::cmp::Ordering| match op {
            Op::Max => order.is_ge(),
            _ => order.is_le(),
        };
        match self.compare.order(a, b) {
            Ok(order) if first(order) => Val::is(a.clone()),
            Ok(_) => Val::is(b.clone()),
            Err(why) => Val::hidden(None, why, false),
        }
    }

    fn one(&self, op: Op, x: &Term<'a>) -> Val<'a> {
        match op {
            Op::Is(wanted) => Val::Test(self.is(wanted, x)),
            Op::Unary(op) => unary(op, x),
            _ => match x.view() {
                View::Hidden(hidden) => part_of_hidden(op, hidden),
                view => part(op, view),
            },
        }
    }

    fn is(&self, wanted: Type, x: &Term<'a>) -> Outcomes {
        match (wanted, x.view()) {
            (Type::Boolean, View::Bool(_)) => Outcomes::YES,
            (Type::Boolean, View::Atom(id)) => Outcomes::known(self.compare.truths.truth(id).is_some()),
            (Type::Boolean, View::Hidden(hidden)) => match hidden.kind {
                None | Some(Kind::Atom) => Outcomes::either(hidden.why),
                _ => Outcomes::NO,
            },
            (Type::Binary, View::Bits(bits)) => match bits.total() {
                Some(bits) => Outcomes::known(bits % 8 == 0),
                None if bits.cut.is_some_and(|cut| cut.bytes_only) => Outcomes::YES,
                None => Outcomes::either(bits.why()),
            },
            (Type::Binary, View::Hidden(hidden)) if hidden.kind == Some(Kind::Binary) => Outcomes::either(hidden.why),
            (Type::Integer, View::Number(n)) => Outcomes::known(matches!(n, Number::Int(_))),
            (Type::Float, View::Number(n)) => Outcomes::known(matches!(n, Number::Float(_))),
            (wanted, view) => match kind_of(&view) {
                Ok(kind) => Outcomes::known(kinds(wanted).contains(&kind)),
                Err(why) => Outcomes::either(why),
            },
        }
    }

    fn map_get(&self, key: &Term<'a>, map: &Term<'a>) -> Val<'a> {
        match map.view() {
            View::Map(pairs) => match self.lookup(&pairs, key) {
                Ok(Some(id)) => Val::is(Term::Node(pairs.arena, id)),
                Ok(None) => Val::FAIL,
                Err(why) => Val::hidden(None, why, true),
            },
            View::Hidden(hidden) if hidden.kind.is_none() => Val::hidden(None, hidden.why, true),
            _ => Val::FAIL,
        }
    }

    fn is_map_key(&self, key: &Term<'a>, map: &Term<'a>) -> Val<'a> {
        Val::Test(match map.view() {
            View::Map(pairs) => match self.lookup(&pairs, key) {
                Ok(found) => Outcomes::known(found.is_some()),
                Err(why) => Outcomes::either(why),
            },
            View::Hidden(hidden) if hidden.kind.is_none() => Outcomes::any(hidden.why),
            _ => Outcomes::FAIL,
        })
    }

    /// The value of a key, `None` if it is not there, `Err` where that cannot be told.
    pub(super) fn lookup(&self, map: &Pairs<'a>, key: &Term<'a>) -> Result<Option<NodeId>, Why> {
        if let Term::Bool(wanted) = key {
            let truth = |id| match map.arena.node(id) {
                crate::term::arena::Node::Atom(atom) => self.compare.truths.truth(atom),
                _ => None,
            };
            let found = map.arena.map_iter(map.id).find(|(key, _)| truth(*key) == Some(*wanted));
            return self.missing(map, key, found.map(|(_, value)| value));
        }
        if !key.is_complete() {
            return Err(Why::Truncated);
        }
        let id = match key {
            Term::Node(arena, id) if std::ptr::eq(*arena, map.arena) => Some(*id),
            key => super::term::to_value(key).and_then(|value| map.arena.find(&value)),
        };
        let found = id.and_then(|id| map.arena.map_get(map.id, id));
        self.missing(map, key, found)
    }

    /// A key that was not found is absent for sure only where nothing is hidden that it could be.
    pub(super) fn missing(
        &self,
        map: &Pairs<'a>,
        key: &Term<'a>,
        found: Option<NodeId>,
    ) -> Result<Option<NodeId>, Why> {
        if found.is_some() || map.whole() && map.arena.is_complete(map.id) {
            return Ok(found);
        }
        if !map.whole() {
            return Err(map.why);
        }
        for (other, _) in map
            .arena
            .map_iter(map.id)
            .filter(|(key, _)| !map.arena.is_complete(*key))
        {
            if let Answer::Unknown(why) = self.compare.equal(key, &Term::Node(map.arena, other), true) {
                return Err(why);
            }
        }
        Ok(None)
    }
}

/// `orelse` (`stop` is true) and `andalso` (false): where the left side comes to `stop`, that is all; where it fails too.
fn go_on(left: Outcomes, stop: bool, right: impl FnOnce() -> Outcomes) -> Outcomes {
    let (stops, goes_on) = if stop { (left.yes, left.no) } else { (left.no, left.yes) };
    let stopped = Outcomes::known(stop).when(stops).union(Outcomes::FAIL.when(left.fail));
    let mut all = if goes_on { stopped.union(right()) } else { stopped };
    all.why = left.why.or(all.why);
    all
}

/// The strict forms: a failure on either side is one.
fn both(a: Outcomes, b: Outcomes, op: impl Fn(bool, bool) -> bool) -> Outcomes {
    let mut all = Outcomes::FAIL.when(a.fail || b.fail);
    for (x, possible) in [(true, a.yes), (false, a.no)] {
        for (y, too) in [(true, b.yes), (false, b.no)] {
            all = all.union(Outcomes::known(op(x, y)).when(possible && too));
        }
    }
    all.why = a.why.or(b.why);
    all
}

fn kind_of(view: &View<'_>) -> Result<Kind, Why> {
    Ok(match view {
        View::Atom(_) | View::Bool(_) => Kind::Atom,
        View::Number(Number::Int(_)) => Kind::Integer,
        View::Number(Number::Float(_)) => Kind::Float,
        View::Bits(_) => Kind::Binary,
        View::Tuple(_) => Kind::Tuple,
        View::Map(_) => Kind::Map,
        View::Nil | View::List(_) => Kind::List,
        View::Pid(_) => Kind::Pid,
        View::Ref(_) => Kind::Reference,
        View::Export(..) => Kind::Fun,
        View::External(kind, _) | View::Opaque(kind, _) => *kind,
        View::Hidden(hidden) => return hidden.kind.ok_or(hidden.why),
    })
}

fn kinds(wanted: Type) -> &'static [Kind] {
    match wanted {
        Type::Atom | Type::Boolean => &[Kind::Atom],
        Type::Binary | Type::Bitstring => &[Kind::Binary],
        Type::Float => &[Kind::Float],
        Type::Function => &[Kind::Fun],
        Type::Integer => &[Kind::Integer],
        Type::List => &[Kind::List],
        Type::Map => &[Kind::Map],
        Type::Number => &[Kind::Integer, Kind::Float],
        Type::Pid => &[Kind::Pid],
        Type::Port => &[Kind::Port],
        Type::Reference => &[Kind::Reference],
        Type::Tuple => &[Kind::Tuple],
    }
}

fn trouble<'a>(trouble: Trouble) -> Val<'a> {
    match trouble {
        Trouble::Fail => Val::FAIL,
        Trouble::Unsupported => Val::hidden(None, Why::Unsupported, true),
    }
}

/// A number, or what the operation comes to without one.
fn number<'a>(x: &Term<'a>) -> Result<Number<'a>, Val<'a>> {
    match x.view() {
        View::Number(n) => Ok(n),
        View::Hidden(hidden) => match hidden.kind {
            Some(Kind::Integer | Kind::Float) | None => Err(Val::hidden(None, hidden.why, true)),
            Some(_) => Err(Val::FAIL),
        },
        _ => Err(Val::FAIL),
    }
}

fn arith<'a>(op: Arith, a: &Term<'a>, b: &Term<'a>) -> Val<'a> {
    match (number(a), number(b)) {
        // One side that is no number decides, whatever the other is.
        (Err(Val::Test(_)), _) | (_, Err(Val::Test(_))) => Val::FAIL,
        (Err(hidden), _) | (_, Err(hidden)) => hidden,
        (Ok(a), Ok(b)) => number::binary(op, &a, &b).map_or_else(trouble, |n| Val::is(Term::number(n))),
    }
}

fn unary<'a>(op: Unary, x: &Term<'a>) -> Val<'a> {
    match number(x) {
        Ok(n) => number::unary(op, &n).map_or_else(trouble, |n| Val::is(Term::number(n))),
        Err(value) => value,
    }
}

fn small(x: &Term<'_>) -> Result<i128, Val<'static>> {
    match x.view() {
        View::Number(Number::Int(n)) => n.small().ok_or(Val::FAIL),
        View::Hidden(hidden) if matches!(hidden.kind, None | Some(Kind::Integer)) => {
            Err(Val::hidden(None, hidden.why, true))
        }
        _ => Err(Val::FAIL),
    }
}

fn is_function_of<'a>(fun: &Term<'a>, arity: &Term<'a>) -> Val<'a> {
    let wanted = match small(arity) {
        Ok(n) if n >= 0 => n,
        Ok(_) => return Val::FAIL,
        Err(value) => return value,
    };
    Val::Test(match fun.view() {
        View::Export(_, _, arity) => Outcomes::known(i128::from(arity) == wanted),
        // What is kept of a local fun is how it printed.
        View::Opaque(Kind::Fun, _) => Outcomes::either(Why::Unsupported),
        View::Hidden(hidden) if matches!(hidden.kind, None | Some(Kind::Fun)) => Outcomes::either(hidden.why),
        _ => Outcomes::NO,
    })
}

fn element<'a>(index: &Term<'a>, tuple: &Term<'a>) -> Val<'a> {
    let elements = match tuple.view() {
        View::Tuple(elements) => elements,
        View::Hidden(hidden) if matches!(hidden.kind, None | Some(Kind::Tuple)) => {
            return Val::hidden(None, hidden.why, true)
        }
        _ => return Val::FAIL,
    };
    match small(index) {
        Ok(n) if n >= 1 && n <= i128::from(elements.arity) => {
            Val::is(elements.get(usize::try_from(n - 1).unwrap_or(usize::MAX)))
        }
        Ok(_) => Val::FAIL,
        Err(value) => value,
    }
}

fn binary_part<'a>(bits: &Term<'a>, at: &Term<'a>, len: &Term<'a>) -> Val<'a> {
    let bits = match bits.view() {
        View::Bits(bits) => bits,
        View::Hidden(hidden) if matches!(hidden.kind, None | Some(Kind::Binary)) => {
            return Val::hidden(Some(Kind::Binary), hidden.why, true)
        }
        _ => return Val::FAIL,
    };
    let (at, len) = match (small(at), small(len)) {
        (Ok(at), Ok(len)) if len < 0 => (at + len, -len),
        (Ok(at), Ok(len)) => (at, len),
        (Err(value), _) | (_, Err(value)) => return value,
    };
    let end = at.saturating_add(len).saturating_mul(8);
    let total = bits.total().map_or(i128::MAX, i128::from);
    match (usize::try_from(at), usize::try_from(len)) {
        (Ok(at), Ok(len)) if end <= bits.len as i128 => Val::is(Term::Bits(bits.slice(at * 8, len * 8))),
        (Ok(_), Ok(_)) if end <= total && bits.cut.is_some() => Val::hidden(Some(Kind::Binary), bits.why(), true),
        _ => Val::FAIL,
    }
}

/// Sizes and parts of one term that is there to be seen.
fn part(op: Op, view: View<'_>) -> Val<'_> {
    let count = |n: u64| Val::is(Term::int(n));
    match (op, view) {
        (Op::Length, View::Nil) => count(0),
        (Op::Length, View::List(list)) => length(&list),
        (Op::Hd, View::List(list)) => Val::is(list.get(0)),
        (Op::Tl, View::List(list)) => Val::is(list.rest(1)),
        (Op::TupleSize | Op::Size, View::Tuple(elements)) => count(elements.arity),
        (Op::MapSize, View::Map(pairs)) => match pairs.size {
            Some(n) => count(n),
            None => Val::hidden(Some(Kind::Integer), pairs.why, false),
        },
        (Op::ByteSize | Op::Size, View::Bits(bits)) => match (bits.total(), bits.cut.and_then(|cut| cut.total)) {
            (Some(n), _) | (None, Some(n)) => count(n.div_ceil(8)),
            (None, None) => Val::hidden(Some(Kind::Integer), bits.why(), false),
        },
        (Op::BitSize, View::Bits(bits)) => match bits.total() {
            Some(n) => count(n),
            None => Val::hidden(Some(Kind::Integer), bits.why(), false),
        },
        _ => Val::FAIL,
    }
}

fn length<'a>(list: &List<'a>) -> Val<'a> {
    match (list.len(), list.end) {
        (Some(n), _) => Val::is(Term::int(n)),
        (None, super::term::End::Cut(_, why)) => Val::hidden(Some(Kind::Integer), why, true),
        (None, _) => Val::FAIL,
    }
}

/// The same of a term that is hidden: it fails for sure if its kind cannot have such a part.
fn part_of_hidden<'a>(op: Op, hidden: Hidden) -> Val<'a> {
    let (needs, gives): (&[Kind], _) = match op {
        Op::Length => (&[Kind::List], Some(Kind::Integer)),
        Op::Hd | Op::Tl => (&[Kind::List], None),
        Op::TupleSize => (&[Kind::Tuple], Some(Kind::Integer)),
        Op::MapSize => (&[Kind::Map], Some(Kind::Integer)),
        Op::ByteSize | Op::BitSize => (&[Kind::Binary], Some(Kind::Integer)),
        Op::Size => (&[Kind::Binary, Kind::Tuple], Some(Kind::Integer)),
        _ => return Val::FAIL,
    };
    match hidden.kind {
        Some(kind) if !needs.contains(&kind) => Val::FAIL,
        _ => Val::hidden(gives, hidden.why, true),
    }
}
