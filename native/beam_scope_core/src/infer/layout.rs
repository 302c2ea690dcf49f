//! The fields of a role's states: found in its first state, then read in each.
//!
//! A field is a path: keys of maps and structs, places in tuples. The state itself is the field with the empty path.

use std::collections::VecDeque;

use crate::term::arena::{Arena, Node, NodeId};
use crate::term::{AtomId, Value};

use super::atoms::{Atoms, Local};
use super::cell::{Cell, Content};

/// One step into a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The value of an atom key in a map or struct.
    Key(AtomId),
    /// An element of a tuple of this many.
    At {
        /// Which, from 0.
        index: usize,
        /// Of how many.
        arity: usize,
    },
}

/// The way to a field.
pub type Path = Vec<Step>;

/// No more fields of a role are looked at.
pub(super) const MOST_FIELDS: usize = 64;
/// Larger maps and tuples are data, not records.
const MOST_PARTS: usize = 48;
/// How deep fields may nest. A state that is a tuple (a record, a gen_statem's name and data) is one level more.
const DEPTH: usize = 2;

/// Structs that are values of their own: their parts say nothing to a user.
const WHOLE: [&str; 9] = [
    "Elixir.DateTime",
    "Elixir.NaiveDateTime",
    "Elixir.Date",
    "Elixir.Time",
    "Elixir.Range",
    "Elixir.Regex",
    "Elixir.URI",
    "Elixir.Version",
    "Elixir.Decimal",
];

/// A field and the one that it is part of.
#[derive(Clone, Copy, Debug)]
struct Field {
    parent: usize,
    step: Option<Step>,
    children: bool,
}

/// The fields of a role, each after the one that it is part of.
#[derive(Debug)]
pub(super) struct Layout {
    fields: Vec<Field>,
    /// There were more.
    pub(super) cut: bool,
}

/// A state read: a cell for each field.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// Which arena the nodes are of; 0: one that nothing else is of.
    pub(super) home: u64,
}

/// Where the keys of a layout are in the arena of the chunk that is being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    home: u64,
    nodes: Vec<Option<NodeId>>,
}

/// What a state is read from.
pub(super) struct Source<'a> {
    pub(super) local: &'a mut Local,
    pub(super) atoms: &'a mut Atoms,
    pub(super) arena: &'a Arena,
    pub(super) home: u64,
}

impl Source<'_> {
    fn cell(&mut self, node: NodeId) -> Cell {
        Cell::read(self.local, self.atoms, self.arena, node)
    }
}

impl Layout {
    /// The fields of a state.
    pub(super) fn of(source: &mut Source<'_>, root: NodeId) -> Self {
        let mut layout = Self {
            fields: vec![Field {
                parent: 0,
                step: None,
                children: false,
            }],
            cut: false,
        };
        let is_tuple = matches!(source.arena.node(root), Node::Tuple(_) | Node::TruncatedTuple(..));
        let mut queue = VecDeque::from([(0, root, DEPTH + usize::from(is_tuple))]);
        while let Some((parent, node, depth)) = queue.pop_front() {
            for (step, child) in parts(source, node, depth) {
                if layout.fields.len() == MOST_FIELDS {
                    layout.cut = true;
                    return layout;
                }
                layout.fields[parent].children = true;
                queue.push_back((layout.fields.len(), child, depth - 1));
                layout.fields.push(Field {
                    parent,
                    step: Some(step),
                    children: false,
                });
            }
        }
        layout
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether fields were found in it.
    pub(super) fn has_children(&self, field: usize) -> bool {
        self.fields[field].children
    }

    pub(super) fn parent(&self, field: usize) -> Option<usize> {
        (field > 0).then(|| self.fields[field].parent)
    }

    /// Whether one of two fields is part of the other, or is it.
    pub(super) fn related(&self, a: usize, b: usize) -> bool {
        let above = |low: usize, high: usize| {
            let mut at = Some(low);
            while let Some(field) = at.filter(|field| *field != high) {
                at = self.parent(field);
            }
            at == Some(high)
        };
        above(a, b) || above(b, a)
    }

    pub(super) fn path(&self, field: usize) -> Path {
        let mut path = Vec::new();
        let mut at = field;
        while let Some(step) = self.fields[at].step {
            path.push(step);
            at = self.fields[at].parent;
        }
        path.reverse();
        path
    }

    /// Reads a state. What is the same as in `last`, if that lives in the same arena, is taken from there.
    pub(super) fn read(&self, source: &mut Source<'_>, root: NodeId, keys: &mut Keys, last: &Row, row: &mut Row) {
        let same_home = source.home != 0 && last.home == source.home && last.cells.len() == self.len();
        row.home = source.home;
        row.cells.clear();
        for (at, field) in self.fields.iter().enumerate() {
            let found = match field.step {
                None => Found::At(root),
                Some(step) => self.part(source, keys, at, step, &row.cells[field.parent]),
            };
            let cell = match found {
                Found::At(node) if same_home && last.cells[at].is_known() && last.cells[at].node == node => {
                    last.cells[at]
                }
                Found::At(node) => source.cell(node),
                Found::Absent => Cell::ABSENT,
                Found::Unknown => Cell::UNKNOWN,
            };
            row.cells.push(cell);
        }
    }

    fn part(&self, source: &mut Source<'_>, keys: &mut Keys, at: usize, step: Step, parent: &Cell) -> Found {
        match parent.content {
            Content::Absent => return Found::Absent,
            // Of a map that was cut some pairs are known: the key may be among them.
            Content::Unknown if parent.hash == 0 => return Found::Unknown,
            _ => {}
        }
        match (source.arena.node(parent.node), step) {
            (Node::Map { .. }, Step::Key(key)) => self
                .value(source, keys, at, key, parent.node)
                .map_or(Found::Absent, Found::At),
            (Node::TruncatedMap { .. }, Step::Key(key)) => self
                .value(source, keys, at, key, parent.node)
                .map_or(Found::Unknown, Found::At),
            (Node::Tuple(items), Step::At { index, arity }) if items.len() == arity => Found::At(items[index]),
            (Node::TruncatedTuple(items, full), Step::At { index, arity }) if full == arity as u64 => {
                items.get(index).map_or(Found::Unknown, |item| Found::At(*item))
            }
            (Node::Truncated(..) | Node::Redacted(..), _) => Found::Unknown,
            _ => Found::Absent,
        }
    }

    fn value(&self, source: &mut Source<'_>, keys: &mut Keys, at: usize, key: AtomId, map: NodeId) -> Option<NodeId> {
        if source.local.own(key).is_none() {
            meet_keys(source, map);
        }
        let own = source.local.own(key)?;
        let find = |arena: &Arena| arena.find(&Value::Atom(own));
        if source.home == 0 {
            return source.arena.map_get(map, find(source.arena)?);
        }
        if keys.home != source.home {
            keys.home = source.home;
            keys.nodes.clear();
            keys.nodes.resize(self.len(), None);
        }
        let key = match keys.nodes[at] {
            Some(key) => key,
            None => {
                let key = find(source.arena)?;
                keys.nodes[at] = Some(key);
                key
            }
        };
        source.arena.map_get(map, key)
    }
}

enum Found {
    At(NodeId),
    Absent,
    Unknown,
}

/// Learns which atoms of this recording the keys of a map are.
fn meet_keys(source: &mut Source<'_>, map: NodeId) {
    for (key, _) in source.arena.map_iter(map).take(MOST_PARTS) {
        if let Node::Atom(id) = source.arena.node(key) {
            source.local.shared(source.atoms, id);
        }
    }
}

/// The fields of a term, in an order that depends on nothing but what they are called.
fn parts(source: &mut Source<'_>, node: NodeId, depth: usize) -> Vec<(Step, NodeId)> {
    if depth == 0 {
        return Vec::new();
    }
    match source.arena.node(node) {
        Node::Map { len } | Node::TruncatedMap { known: len, .. } if len <= MOST_PARTS => {
            pairs(source, node).unwrap_or_default()
        }
        Node::Tuple(items) if (2..=MOST_PARTS).contains(&items.len()) => elements(source, node, items),
        _ => Vec::new(),
    }
}

/// The pairs of a map all of whose keys are atoms; `None` of any other.
fn pairs(source: &mut Source<'_>, node: NodeId) -> Option<Vec<(Step, NodeId)>> {
    let mut pairs = Vec::new();
    for (key, value) in source.arena.map_iter(node) {
        let Node::Atom(id) = source.arena.node(key) else {
            return None;
        };
        let key = source.local.shared(source.atoms, id)?;
        if source.atoms.text(key) == "__struct__" && is_whole(source, value) {
            return None;
        }
        pairs.push((key, value));
    }
    pairs.sort_by(|(a, _), (b, _)| source.atoms.text(*a).cmp(source.atoms.text(*b)));
    Some(pairs.into_iter().map(|(key, value)| (Step::Key(key), value)).collect())
}

fn is_whole(source: &mut Source<'_>, module: NodeId) -> bool {
    let Node::Atom(id) = source.arena.node(module) else {
        return false;
    };
    let module = source.local.shared(source.atoms, id);
    module.is_some_and(|module| WHOLE.contains(&source.atoms.text(module)))
}

fn elements(source: &mut Source<'_>, node: NodeId, items: &[NodeId]) -> Vec<(Step, NodeId)> {
    if matches!(source.cell(node).content, Content::Queue(_)) {
        return Vec::new();
    }
    let arity = items.len();
    let step = |index| Step::At { index, arity };
    items
        .iter()
        .enumerate()
        .map(|(index, item)| (step(index), *item))
        .collect()
}
