//! Equality and order of terms, three-valued and without recursion over terms.
//!
//! Equality looks on after a part that cannot be seen, since a difference elsewhere still decides; order stops there,
//! since nothing after it counts.

use std::cell::Cell;
use std::cmp::Ordering;

use super::number::Number;
use super::term::{Elements, End, List, Pairs, Term, View};
use super::{Answer, Truths, Why};
use crate::term::arena::Arena;
use crate::term::Kind;

/// Maps as keys of maps as keys: how deep sorting by them may nest.
const KEY_DEPTH: usize = 8;

/// Compares terms on behalf of one evaluation.
#[derive(Clone, Copy)]
pub(super) struct Compare<'e> {
    pub(super) truths: &'e Truths,
    /// Steps left. At 0 every answer is "unsupported".
    pub(super) fuel: &'e Cell<usize>,
}

/// What is still to be compared.
enum Work<'a> {
    Pair(Term<'a>, Term<'a>),
    /// Two lists from an element on.
    Lists(List<'a>, List<'a>, usize),
}

/// How one step of a comparison went on.
enum Step {
    Same,
    Differ(Ordering),
    /// Different, and no order is defined here.
    Unordered,
    Unknown(Why),
}

use Step::{Differ, Same, Unknown, Unordered};

impl Compare<'_> {
    pub(super) fn spend(&self) -> Result<(), Why> {
        match self.fuel.get().checked_sub(1) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => Err(Why::Unsupported),
        }
    }

    /// `==`, or `===` if `exact`.
    pub(super) fn equal<'a>(&self, a: &Term<'a>, b: &Term<'a>, exact: bool) -> Answer {
        let mut unknown = None;
        let mut stack = vec![Work::Pair(a.clone(), b.clone())];
        while let Some(work) = stack.pop() {
            if self.spend().is_err() {
                return Answer::Unknown(Why::Unsupported);
            }
            let step = match work {
                Work::Pair(a, b) => self.equal_step(&a, &b, exact, &mut stack),
                Work::Lists(a, b, at) => equal_lists(&a, &b, at, &mut stack),
            };
            match step {
                Same => {}
                Unknown(why) => unknown = unknown.or(Some(why)),
                Differ(_) | Unordered => return Answer::No,
            }
        }
        unknown.map_or(Answer::Yes, Answer::Unknown)
    }

    fn equal_step<'a>(&self, a: &Term<'a>, b: &Term<'a>, exact: bool, stack: &mut Vec<Work<'a>>) -> Step {
        if let Some(step) = same_node(a, b, exact) {
            return step;
        }
        match (a.view(), b.view()) {
            (View::Tuple(a), View::Tuple(b)) => equal_tuples(&a, &b, stack),
            (View::List(a), View::List(b)) => lengths(&a, &b).unwrap_or_else(|| equal_lists(&a, &b, 0, stack)),
            (View::Map(a), View::Map(b)) => self.equal_maps(&a, &b, exact, stack),
            (View::Bits(a), View::Bits(b)) => match a.equal(&b) {
                Some(true) => Same,
                Some(false) => Unordered,
                None => Unknown(if a.cut.is_some() { a.why() } else { b.why() }),
            },
            (View::Number(a), View::Number(b)) if exact => identical(&a, &b),
            (a, b) => self.order_leaves(&a, &b),
        }
    }

    fn equal_maps<'a>(&self, a: &Pairs<'a>, b: &Pairs<'a>, exact: bool, stack: &mut Vec<Work<'a>>) -> Step {
        if let (Some(a), Some(b)) = (a.size, b.size) {
            if a != b {
                return Unordered;
            }
        }
        if !std::ptr::eq(a.arena, b.arena) {
            return self.equal_apart(a, b, exact);
        }
        let mut step = if a.whole() && b.whole() {
            Same
        } else {
            Unknown(if a.whole() { b.why } else { a.why })
        };
        for (one, other, forward) in [(a, b, true), (b, a, false)] {
            for (key, value) in one.arena.map_iter(one.id) {
                match one.arena.map_get(other.id, key) {
                    Some(_) if !one.arena.is_complete(key) => step = Unknown(Why::Truncated),
                    Some(found) if forward => {
                        stack.push(Work::Pair(Term::Node(one.arena, value), Term::Node(one.arena, found)));
                    }
                    Some(_) => {}
                    None if other.whole() && one.arena.is_complete(key) && keys_complete(other) => return Unordered,
                    None => step = Unknown(if other.whole() { Why::Truncated } else { other.why }),
                }
            }
        }
        step
    }

    /// Maps of two arenas: both are copied into one, where keys can be looked up.
    fn equal_apart(&self, a: &Pairs<'_>, b: &Pairs<'_>, exact: bool) -> Step {
        let mut both = Arena::new();
        let (a, b) = (both.import(a.arena, a.id), both.import(b.arena, b.id));
        match self.equal(&Term::Node(&both, a), &Term::Node(&both, b), exact) {
            Answer::Yes => Same,
            Answer::No => Unordered,
            Answer::Unknown(why) => Unknown(why),
        }
    }

    /// The order of all terms, `Err` where it cannot be told.
    pub(super) fn order<'a>(&self, a: &Term<'a>, b: &Term<'a>) -> Result<Ordering, Why> {
        self.order_at(a, b, false, 0)
    }

    /// `keys`: as keys of maps are ordered, integers before floats.
    fn order_at<'a>(&self, a: &Term<'a>, b: &Term<'a>, keys: bool, depth: usize) -> Result<Ordering, Why> {
        let mut stack = vec![Work::Pair(a.clone(), b.clone())];
        while let Some(work) = stack.pop() {
            self.spend()?;
            let step = match work {
                Work::Pair(a, b) => self.order_step(&a, &b, keys, depth, &mut stack),
                Work::Lists(a, b, at) => order_lists(&a, &b, at, &mut stack),
            };
            match step {
                Same => {}
                Differ(order) => return Ok(order),
                Unordered => return Err(Why::Unsupported),
                Unknown(why) => return Err(why),
            }
        }
        Ok(Ordering::Equal)
    }

    fn order_step<'a>(&self, a: &Term<'a>, b: &Term<'a>, keys: bool, depth: usize, stack: &mut Vec<Work<'a>>) -> Step {
        if let Some(step @ Same) = same_node(a, b, false) {
            return step;
        }
        match (a.view(), b.view()) {
            (View::Tuple(a), View::Tuple(b)) if a.arity != b.arity => Differ(a.arity.cmp(&b.arity)),
            (View::Tuple(a), View::Tuple(b)) => equal_tuples(&a, &b, stack),
            (View::List(a), View::List(b)) => order_lists(&a, &b, 0, stack),
            (View::Map(a), View::Map(b)) => self.order_maps(&a, &b, depth, stack),
            (View::Bits(a), View::Bits(b)) => match a.cmp(&b) {
                Some(Ordering::Equal) => Same,
                Some(order) => Differ(order),
                None => Unknown(if a.cut.is_some() { a.why() } else { b.why() }),
            },
            (View::Number(Number::Int(_)), View::Number(Number::Float(_))) if keys => Differ(Ordering::Less),
            (View::Number(Number::Float(_)), View::Number(Number::Int(_))) if keys => Differ(Ordering::Greater),
            (View::Number(Number::Float(a)), View::Number(Number::Float(b))) if keys => match a.total_cmp(&b) {
                Ordering::Equal => Same,
                order => Differ(order),
            },
            (a, b) => self.order_leaves(&a, &b),
        }
    }

    // By size, then by keys, then by values in the order of the keys.
    fn order_maps<'a>(&self, a: &Pairs<'a>, b: &Pairs<'a>, depth: usize, stack: &mut Vec<Work<'a>>) -> Step {
        match (a.size, b.size) {
            (Some(a), Some(b)) if a != b => return Differ(a.cmp(&b)),
            _ if !a.whole() => return Unknown(a.why),
            _ if !b.whole() => return Unknown(b.why),
            _ => {}
        }
        let sorted = self.sorted(a, depth).and_then(|a| Ok((a, self.sorted(b, depth)?)));
        let (a, b) = match sorted {
            Ok(sorted) => sorted,
            Err(why) => return Unknown(why),
        };
        for ((key_a, _), (key_b, _)) in a.iter().zip(&b) {
            match self.order_at(key_a, key_b, true, depth + 1) {
                Ok(Ordering::Equal) => {}
                Ok(order) => return Differ(order),
                Err(why) => return Unknown(why),
            }
        }
        let values = a.into_iter().zip(b).map(|((_, a), (_, b))| Work::Pair(a, b));
        stack.extend(values.rev());
        Same
    }

    #[allow(clippy::type_complexity)]
    fn sorted<'a>(&self, map: &Pairs<'a>, depth: usize) -> Result<Vec<(Term<'a>, Term<'a>)>, Why> {
        if depth >= KEY_DEPTH {
            return Err(Why::Unsupported);
        }
        let arena = map.arena;
        let pairs = arena.map_iter(map.id);
        let mut pairs: Vec<_> = pairs
            .map(|(k, v)| (Term::Node(arena, k), Term::Node(arena, v)))
            .collect();
        let mut failed = None;
        pairs.sort_by(|(a, _), (b, _)| {
            self.order_at(a, b, true, depth + 1).unwrap_or_else(|why| {
                failed = failed.or(Some(why));
                Ordering::Equal
            })
        });
        failed.map_or(Ok(pairs), Err)
    }

    /// Terms without parts, or of different types.
    fn order_leaves(&self, a: &View<'_>, b: &View<'_>) -> Step {
        let ((low_a, high_a), (low_b, high_b)) = (rank(a), rank(b));
        if high_a < low_b {
            return Differ(Ordering::Less);
        }
        if high_b < low_a {
            return Differ(Ordering::Greater);
        }
        let ordered = |order| match order {
            Ordering::Equal => Same,
            order => Differ(order),
        };
        match (a, b) {
            (View::Hidden(hidden), _) | (_, View::Hidden(hidden)) => Unknown(hidden.why),
            (View::Number(a), View::Number(b)) => ordered(a.cmp(b)),
            (View::Atom(a), View::Atom(b)) if a == b => Same,
            (View::Atom(a), View::Atom(b)) => order_texts(self.truths.text(*a), self.truths.text(*b)),
            (View::Bool(a), View::Bool(b)) => ordered(a.cmp(b)),
            (View::Bool(a), View::Atom(b)) if self.truths.truth(*b) == Some(*a) => Same,
            (View::Atom(a), View::Bool(b)) if self.truths.truth(*a) == Some(*b) => Same,
            (View::Bool(a), View::Atom(b)) => order_texts(Some(bool_text(*a).into()), self.truths.text(*b)),
            (View::Atom(a), View::Bool(b)) => order_texts(self.truths.text(*a), Some(bool_text(*b).into())),
            (View::Nil, View::Nil) => Same,
            (a, b) => order_identities(a, b),
        }
    }
}

// Of two atoms, so the two do differ, whatever is known of their texts.
fn order_texts(a: Option<Box<str>>, b: Option<Box<str>>) -> Step {
    match (a, b) {
        (Some(a), Some(b)) if a != b => Differ(a.cmp(&b)),
        _ => Unordered,
    }
}

fn bool_text(b: bool) -> &'static str {
    if b {
        "true"
    } else {
        "false"
    }
}

/// What the ids alone decide.
fn same_node(a: &Term<'_>, b: &Term<'_>, exact: bool) -> Option<Step> {
    if a.is_same_node(b) {
        return a.is_complete().then_some(Same);
    }
    match (a, b) {
        (Term::Node(x, i), Term::Node(y, j)) if exact && std::ptr::eq(*x, *y) => {
            (x.is_complete(*i) && y.is_complete(*j)).then_some(Unordered)
        }
        _ => None,
    }
}

fn identical(a: &Number<'_>, b: &Number<'_>) -> Step {
    let same = match (a, b) {
        (Number::Int(a), Number::Int(b)) => a == b,
        (Number::Float(a), Number::Float(b)) => a.to_bits() == b.to_bits(),
        _ => false,
    };
    if same {
        Same
    } else {
        Unordered
    }
}

// Pids, references, ports and funs: their order depends on the VM's internals, so only equality is told.
fn order_identities(a: &View<'_>, b: &View<'_>) -> Step {
    let same = match (a, b) {
        (View::Pid(a), View::Pid(b)) => a == b,
        (View::Ref(a), View::Ref(b)) => a == b,
        (View::External(k, a), View::External(l, b)) => k == l && a == b,
        (View::Opaque(k, a), View::Opaque(l, b)) => k == l && a == b,
        (View::Export(m, f, a), View::Export(n, g, b)) => (m, f, a) == (n, g, b),
        _ => false,
    };
    if same {
        Same
    } else {
        Unordered
    }
}

fn equal_tuples<'a>(a: &Elements<'a>, b: &Elements<'a>, stack: &mut Vec<Work<'a>>) -> Step {
    if a.arity != b.arity {
        return Unordered;
    }
    let seen = a.known.len().max(b.known.len());
    if (seen as u64) < a.arity {
        // One more than is seen, at the bottom: it is met last and reports what is missing.
        stack.push(Work::Pair(a.get(seen), b.get(seen)));
    }
    stack.extend((0..seen).rev().map(|at| Work::Pair(a.get(at), b.get(at))));
    Same
}

/// What the lengths alone decide.
fn lengths(a: &List<'_>, b: &List<'_>) -> Option<Step> {
    match (a.len(), b.len()) {
        (Some(a), Some(b)) if a != b => Some(Unordered),
        _ => None,
    }
}

fn equal_lists<'a>(a: &List<'a>, b: &List<'a>, at: usize, stack: &mut Vec<Work<'a>>) -> Step {
    if at < a.known && at < b.known {
        stack.push(Work::Lists(*a, *b, at + 1));
        stack.push(Work::Pair(a.get(at), b.get(at)));
        return Same;
    }
    match (a.end, b.end) {
        // Cut lists: what is beyond cannot be seen, whatever stands there on the other side.
        (End::Cut(_, why), _) if at >= a.known && !ends_short(b, a, at) => Unknown(why),
        (_, End::Cut(_, why)) if at >= b.known && !ends_short(a, b, at) => Unknown(why),
        _ => {
            stack.push(Work::Pair(a.rest(at), b.rest(at)));
            Same
        }
    }
}

// A list that ends where a cut one goes on for sure.
fn ends_short(list: &List<'_>, cut: &List<'_>, at: usize) -> bool {
    matches!(list.end, End::Nil) && at >= list.known && matches!(cut.end, End::Cut(Some(more), _) if more > 0)
}

fn order_lists<'a>(a: &List<'a>, b: &List<'a>, at: usize, stack: &mut Vec<Work<'a>>) -> Step {
    equal_lists(a, b, at, stack)
}

/// Where in the order of types a term may stand.
fn rank(view: &View<'_>) -> (u8, u8) {
    let one = match view {
        View::Number(_) => 0,
        View::Atom(_) | View::Bool(_) => 1,
        View::Ref(_) => 2,
        View::Export(..) => 3,
        View::Pid(_) => 5,
        View::Tuple(_) => 6,
        View::Map(_) => 7,
        View::Nil => 8,
        View::List(_) => 9,
        View::Bits(_) => 10,
        View::External(kind, _) | View::Opaque(kind, _) => return rank_of_kind(*kind),
        View::Hidden(hidden) => return hidden.kind.map_or((0, 10), rank_of_kind),
    };
    (one, one)
}

fn rank_of_kind(kind: Kind) -> (u8, u8) {
    match kind {
        Kind::Integer | Kind::Float => (0, 0),
        Kind::Atom => (1, 1),
        Kind::Reference => (2, 2),
        Kind::Fun => (3, 3),
        Kind::Port => (4, 4),
        Kind::Pid => (5, 5),
        Kind::Tuple => (6, 6),
        Kind::Map => (7, 7),
        Kind::List => (8, 9),
        Kind::Binary => (10, 10),
    }
}

fn keys_complete(map: &Pairs<'_>) -> bool {
    map.arena.is_complete(map.id) || map.arena.map_iter(map.id).all(|(key, _)| map.arena.is_complete(key))
}
