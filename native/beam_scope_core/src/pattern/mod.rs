//! Patterns and guards as data, asked of stored terms.
//!
//! A [`Pattern`] means what the same pattern means in a `case` on OTP 27 and later: `1` does not match `1.0`, and `0.0`
//! does not match `-0.0`; maps match by subset; a variable that occurs twice asks for equality (`===`).
//!
//! # Answers
//!
//! Terms may have parts that were cut off or redacted, so there are three answers ([`Match`]). What is there decides
//! wherever it can: one definite mismatch anywhere makes a `No`, however much is hidden elsewhere, and a part that the
//! pattern does not look into (`_`, a variable) may be hidden without harm. Guards follow Kleene's logic, failures
//! included: a guard that fails does not match. Otherwise the answer is `Unknown`, with the reason ([`Why`]).
//!
//! Opaque terms (local funs, ports, magic references) are compared by what is kept of them. The order of pids,
//! references, ports and funs depends on the VM's internals; asking for it is answered `Unsupported`, and so is arithmetic
//! that leaves 128 bits. Comparing integers and floats of any size is exact.
//!
//! # The data
//!
//! ```text
//! pattern  {:pattern, head, guard | nil}
//! head     :any | :atom | {:lit, term} | {:var, name} | {:tuple, [head]} | {:list, [head]} | {:cons, [head], head}
//!          | {:map, [{key, head}]} | {:as, head, head} | {:bin, [segment]}
//! segment  {:seg, head, type, size, unit, sign, endian}
//!          head  :any | {:lit, term} | {:var, name}
//!          type  :integer | :float | :binary | :utf8 | :utf16 | :utf32
//!          size  guard | nil     nil: the rest (:binary), none (:utf8 ...)
//!          unit  1..256     sign  :signed | :unsigned     endian  :big | :little | :native
//! guard    {:lit, term} | {:var, name} | {:op, name, [guard]}
//! ```
//!
//! Guard operations have the names and the argument order of the `erlang` module (`:"=<"`, `:andalso`, `:element`, ...);
//! besides there are `:when` (any of its arguments, a failing one counting as false) and `:in` (the first argument is
//! `===` to one of the others). A variable must be bound by the head; in the size of a segment, before it.
//! Names that begin with `_` take part in equality but are not among the [`Bindings`].
//!
//! # Several patterns, several terms
//!
//! Patterns may share variables: those that earlier ones bound are *given* to a later one ([`Pattern::with_given`]), where
//! its head asks for equality and its guard may use them; sizes of segments may not. And a tuple pattern may be asked of
//! terms that live apart ([`Part`]) as if they were the elements of one tuple.
//!
//! # Bounds
//!
//! Patterns nest at most [`MAX_DEPTH`] deep and have at most [`MAX_NODES`] nodes, else [`PatternError`]. Terms are
//! walked iteratively; an evaluation that takes more than some millions of steps ends as `Unknown(Unsupported)`.

mod ask;
mod bits;
mod compare;
mod guard;
mod heads;
mod near;
mod number;
mod parse;
mod pool;
mod sieve;
mod term;
mod types;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::term::arena::{Arena, NodeId};
use crate::term::{AtomId, AtomSource, Kind, Value};

pub use ask::Part;
pub(crate) use ask::{Asked, Given};
pub(crate) use pool::{Held, Pool};
pub use types::Type;

/// How deep a pattern may nest.
pub const MAX_DEPTH: usize = 128;
/// How many heads, segments and guard operations a pattern may have.
pub const MAX_NODES: usize = 100_000;

/// A pattern, ready to be asked.
pub struct Pattern {
    head: Head,
    guard: Option<Guard>,
    /// The literals, and the keys of map patterns.
    literals: Arena,
    /// The literals among the heads.
    head_literals: Vec<NodeId>,
    keys: Vec<Value>,
    vars: Vec<Var>,
    truths: Truths,
}

#[derive(Debug)]
struct Var {
    name: AtomId,
    /// Not told among the bindings.
    silent: bool,
    /// Bound by an earlier pattern, and used in the guard only.
    given: bool,
}

#[derive(Debug)]
enum Head {
    Any,
    AnyAtom,
    /// A literal, and its place among all of them.
    Lit(NodeId, usize),
    Var(usize),
    Tuple(Vec<Head>),
    List(Vec<Head>),
    Cons(Vec<Head>, Box<Head>),
    /// Keys by their index in `keys`.
    Map(Vec<(usize, Head)>),
    As(Box<(Head, Head)>),
    Bin(Vec<Segment>),
}

#[derive(Debug)]
struct Segment {
    head: Head,
    kind: SegmentKind,
    size: Option<Guard>,
    unit: u16,
    signed: bool,
    little: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentKind {
    Integer,
    Float,
    Binary,
    Utf8,
    Utf16,
    Utf32,
}

#[derive(Debug)]
enum Guard {
    Lit(NodeId),
    Var(usize),
    Op(guard::Op, Vec<Guard>),
}

/// Which atoms are `true` and `false`: learned from their texts, then known by their ids.
struct Truths {
    atoms: Arc<dyn AtomSource>,
    yes: OnceLock<AtomId>,
    no: OnceLock<AtomId>,
}

impl Truths {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        self.atoms.text(id)
    }

    fn truth(&self, id: AtomId) -> Option<bool> {
        match (self.yes.get(), self.no.get()) {
            (Some(yes), _) if *yes == id => return Some(true),
            (_, Some(no)) if *no == id => return Some(false),
            (Some(_), Some(_)) => return None,
            _ => {}
        }
        match self.text(id).as_deref() {
            Some("true") => Some(*self.yes.get_or_init(|| id) == id),
            Some("false") => Some(*self.no.get_or_init(|| id) != id),
            _ => None,
        }
    }
}

/// Whether a term matches.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// It does, with these variables.
    Yes(Bindings),
    /// It does not.
    No,
    /// What could tell is not there.
    Unknown(Why),
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// What decides was cut off.
    Truncated,
    /// What decides was redacted.
    Redacted,
    /// What decides is past what this evaluator supports.
    Unsupported,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated",
            Self::Redacted => "redacted",
            Self::Unsupported => "unsupported",
        })
    }
}

/// The variables of a match, in the order in which the pattern first names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bindings(pub Vec<(AtomId, Bound)>);

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A term of the arena.
    Node(NodeId),
    /// A term that is none: the rest of a list, a part of a binary.
    Value(Value),
    /// Something hidden: its kind, if that much is known, why, and its size (0: not known).
    Hidden(Option<Kind>, Why, u64),
}

/// What keeps data from being a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// It is no `{:pattern, head, guard}`.
    NotAPattern,
    /// This part, in a few words, is not in the grammar.
    Malformed(&'static str),
    /// No such operation with so many arguments.
    UnknownOperation(Box<str>, usize),
    /// A guard or size uses a variable that nothing bound before it.
    Unbound(Box<str>),
    /// It nests deeper than [`MAX_DEPTH`].
    TooDeep,
    /// It has more than [`MAX_NODES`] nodes.
    TooLarge,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPattern => f.write_str("not a pattern: make one with BeamScope.pattern/1"),
            Self::Malformed(part) => write!(f, "malformed pattern data: {part}"),
            Self::UnknownOperation(name, arity) => write!(f, "unknown operation in a guard: {name}/{arity}"),
            Self::Unbound(name) => write!(
                f,
                "the variable {name} is used in a guard or size but not bound before it"
            ),
            Self::TooDeep => write!(f, "the pattern nests deeper than {MAX_DEPTH}"),
            Self::TooLarge => write!(f, "the pattern has more than {MAX_NODES} parts"),
        }
    }
}

impl std::error::Error for PatternError {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern")
            .field("head", &self.head)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

impl Pattern {
    /// Reads pattern data.
    ///
    /// # Errors
    /// Where the data is not in the grammar, too deep or too large.
    pub fn from_value(data: &Value, atoms: Arc<dyn AtomSource>) -> Result<Self, PatternError> {
        parse::pattern(data, atoms, &[])
    }

    /// Reads pattern data whose guard may use variables that earlier patterns bind: `given` are their names.
    ///
    /// # Errors
    /// As [`from_value`](Self::from_value) does.
    pub fn with_given(data: &Value, atoms: Arc<dyn AtomSource>, given: &[AtomId]) -> Result<Self, PatternError> {
        parse::pattern(data, atoms, given)
    }

    /// The variables that its head binds, and whether each is told among the bindings.
    pub fn variables(&self) -> impl Iterator<Item = (AtomId, bool)> + '_ {
        let own = self.vars.iter().filter(|var| !var.given);
        own.map(|var| (var.name, !var.silent))
    }

    /// The variables that its guard uses.
    pub(crate) fn guard_variables(&self) -> Vec<AtomId> {
        let mut slots = Vec::new();
        let mut guards: Vec<&Guard> = self.guard.iter().collect();
        while let Some(guard) = guards.pop() {
            match guard {
                Guard::Lit(_) => {}
                Guard::Var(slot) => slots.push(*slot),
                Guard::Op(_, args) => guards.extend(args),
            }
        }
        let names = slots.into_iter().filter_map(|slot| self.vars.get(slot));
        names.map(|var| var.name).collect()
    }

    /// The variables of earlier patterns that its guard uses.
    pub(crate) fn given(&self) -> impl Iterator<Item = AtomId> + '_ {
        self.vars.iter().filter(|var| var.given).map(|var| var.name)
    }

    /// Asks whether a term matches.
    #[must_use]
    pub fn matches(&self, arena: &Arena, id: NodeId) -> Match {
        self.prepare(arena).matches(id)
    }

    /// Looks the pattern's keys up in an arena once, for asking it of many terms.
    #[must_use]
    pub fn prepare<'a>(&'a self, arena: &'a Arena) -> Prepared<'a> {
        Prepared {
            pattern: self,
            arena,
            keys: self.keys.iter().map(|key| arena.find(key)).collect(),
            literals: Vec::new(),
            answers: Vec::new(),
            hopeless: false,
        }
    }
}

/// A pattern with its keys looked up in one arena.
#[derive(Debug)]
pub struct Prepared<'a> {
    pattern: &'a Pattern,
    arena: &'a Arena,
    keys: Vec<Option<NodeId>>,
    /// The head's literals in the arena; empty unless it is to sieve.
    literals: Vec<Option<NodeId>>,
    /// The last answers, each at the place that its term's number gives; empty unless it is to sieve.
    answers: Vec<Cell<Option<(NodeId, Answer)>>>,
    /// It asks for something that is nowhere in the arena.
    hopeless: bool,
}

impl Prepared<'_> {
    /// Asks whether a term of the arena matches.
    #[must_use]
    pub fn matches(&self, id: NodeId) -> Match {
        heads::matches(self, id)
    }
}

/// A three-valued answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    Unknown(Why),
}

impl Answer {
    /// Both of two.
    pub(crate) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(why), _) | (_, Self::Unknown(why)) => Self::Unknown(why),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }
}
