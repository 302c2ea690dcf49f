//! What differs between two terms.
//!
//! Both terms live in one hash-consed [`Arena`], so that parts that are the same cost nothing: two maps of 100,000 keys
//! with one change compare in the time that the change takes.
//!
//! How terms are compared, at any depth up to [`MAX_DEPTH`] (below it, and past [`MAX_PLACES`] places, what differs is
//! replaced whole):
//!
//! * maps by key; structs too, if they have the same name, else they are replaced;
//! * keyword lists with unique keys, as maps of their keys, with their order;
//! * lists by alignment; of what was replaced, elements that are nearly equal are paired and compared in turn;
//! * text by alignment of words, other binaries by what they share at the front and the back;
//! * a `MapSet` by its members; tuples of one size by position; all else is the same or replaced.
//!
//! What was truncated or redacted is never the same as anything, itself included: it is marked [`Diff::Unknown`], or,
//! where a part of a container is known, the container's difference is [`hidden`](Hidden) beyond that part.
//! Local funs, ports and magic references are compared by how they printed, which is all that is kept of them.
//!
//! The law: `apply(diff(a, b), a) == b`, and `diff(a, a)` is empty for a complete `a`.

mod apply;
mod list;
mod map;
mod pair;
mod text;
mod tree;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::time::{Duration, Instant};

pub use apply::{apply, ApplyError};

use crate::term::arena::{Arena, NodeId};
use crate::term::{AtomId, Value};

/// How deep differences are followed.
pub const MAX_DEPTH: usize = 64;

/// How many places of the two terms are compared one by one; what is left after that is replaced whole.
pub const MAX_PLACES: usize = 200_000;

/// Why a difference cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// It was cut off.
    Truncated,
    /// It was redacted.
    Redacted,
}

/// The difference between two terms. Ids are those of the arena that held both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diff {
    /// None.
    Same,
    /// Not known: at least one side was not captured. The id is the new side.
    Unknown(Why, NodeId),
    /// The old term, then the new one.
    Replace(NodeId, NodeId),
    /// Two maps, or two structs of one name.
    Map(MapDiff),
    /// Two keyword lists with unique keys.
    Keyword(KeywordDiff),
    /// Two `MapSet`s.
    Set(SetDiff),
    /// Two tuples of one size: elements that differ by their index, from 0.
    Tuple(TupleDiff),
    /// Two lists.
    List(ListDiff),
    /// Two binaries.
    Text(TextDiff),
}

impl Diff {
    /// Whether the two terms are the same, for sure.
    #[must_use]
    pub fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }
}

/// Beyond the known part of a container there may be more differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Why they cannot be seen.
    pub why: Why,
    /// The new container, as it was captured.
    pub new: NodeId,
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key is new.
    Added(NodeId),
    /// The key is gone.
    Removed(NodeId),
    /// The key's value differs.
    Changed(Diff),
}

/// See [`Diff::Map`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDiff {
    /// The name, if these are structs.
    pub name: Option<AtomId>,
    /// What changed, by key.
    pub changes: Vec<(NodeId, Change)>,
    /// How many pairs are the same.
    pub unchanged: usize,
    /// Whether pairs are missing.
    pub hidden: Option<Hidden>,
}

/// See [`Diff::Keyword`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeywordDiff {
    /// What changed, by key; removed and changed ones in the old order, then added ones in the new order.
    pub changes: Vec<(NodeId, Change)>,
    /// How many pairs are the same.
    pub unchanged: usize,
    /// The keys in their new order, where that is not the old order with what was added at the end.
    pub order: Option<Vec<NodeId>>,
}

/// See [`Diff::Set`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetDiff {
    /// Members that are gone.
    pub removed: Vec<NodeId>,
    /// Members that are new.
    pub added: Vec<NodeId>,
    /// How many members stayed.
    pub unchanged: usize,
    /// The key in the struct under which the members are.
    pub(crate) field: NodeId,
    /// What stands beside each member.
    pub(crate) mark: NodeId,
}

/// See [`Diff::Tuple`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TupleDiff {
    /// Elements that differ.
    pub changes: Vec<(usize, Diff)>,
    /// How many elements are the same.
    pub unchanged: usize,
    /// Whether elements are missing.
    pub hidden: Option<Hidden>,
}

/// See [`Diff::List`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDiff {
    /// From front to back.
    pub ops: Vec<ListOp>,
    /// Whether elements are missing.
    pub hidden: Option<Hidden>,
}

/// A step through two lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListOp {
    /// So many elements are the same.
    Keep(usize),
    /// These are gone.
    Remove(Vec<NodeId>),
    /// These are new.
    Add(Vec<NodeId>),
    /// One element became another.
    Change(Diff),
}

/// See [`Diff::Text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDiff {
    /// From front to back.
    pub ops: Vec<TextOp>,
    /// Whether both sides are text; else these are bytes.
    pub is_text: bool,
    /// Whether bytes are missing.
    pub hidden: Option<Hidden>,
}

/// A step through two binaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOp {
    /// This part is the same.
    Keep(Vec<u8>),
    /// This part is gone.
    Remove(Vec<u8>),
    /// This part is new.
    Add(Vec<u8>),
}

/// What the comparison needs to know of names, and its limits.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// The atom `__struct__`.
    pub struct_key: Option<AtomId>,
    /// The atom `Elixir.MapSet`.
    pub map_set: Option<AtomId>,
    /// The atom `map`, a field of a `MapSet`.
    pub map_set_field: Option<AtomId>,
    /// How long alignments may take in all; then what is left is replaced in blocks.
    pub deadline: Duration,
    /// Lists and texts whose differing middle has more parts than this are not aligned.
    pub max_align: usize,
    /// How many places are compared one by one: [`MAX_PLACES`], or fewer; with 0, what differs is replaced whole.
    pub max_places: usize,
}

impl DiffOptions {
    /// Options with the names that `find` knows.
    pub fn new(find: impl Fn(&str) -> Option<AtomId>) -> Self {
        Self {
            struct_key: find("__struct__"),
            map_set: find("Elixir.MapSet"),
            map_set_field: find("map"),
            deadline: Duration::from_millis(200),
            max_align: 20_000,
            max_places: MAX_PLACES,
        }
    }
}

/// What differs between two terms of an arena.
#[must_use]
pub fn diff(arena: &Arena, a: NodeId, b: NodeId, options: &DiffOptions) -> Diff {
    let node = |atom: Option<AtomId>| atom.and_then(|atom| arena.find(&Value::Atom(atom)));
    let walk = tree::Walk {
        arena,
        struct_key: node(options.struct_key),
        map_set: node(options.map_set),
        map_set_field: node(options.map_set_field),
        until: Instant::now() + options.deadline,
        max_align: options.max_align,
        fuel: Cell::new(options.max_places),
    };
    walk.diff(a, b, 0)
}
