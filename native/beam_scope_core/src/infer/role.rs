//! What is known of the processes of one role.

use std::borrow::Cow;

use crate::expect::content::Content;
use crate::pattern::Part;
use crate::term::arena::{Arena, NodeId};

use super::atoms::{Atoms, Local};
use super::calls::Calls;
use super::cell::Content as Held;
use super::follows::Follows;
use super::layout::{Keys, Layout, Row, Source};
use super::literal::literal;
use super::pairs::Pairs;
use super::roles::Keyed;
use super::steps::{Change, Form, Steps};
use super::unary::{Unary, Weight};

/// A role, and what was learnt of it.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) key: Keyed,
    pub(super) processes: u64,
    /// How many states were told.
    pub(super) states: u64,
    pub(super) layout: Option<Layout>,
    pub(super) fields: Vec<Unary>,
    pub(super) pairs: Pairs,
    pub(super) steps: Steps,
    pub(super) calls: Calls,
    pub(super) follows: Follows,
    keys: Keys,
    changed: Vec<bool>,
}

/// The last two states of a process, the latest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    before: Row,
    last: Row,
    /// States were told of it that are not kept any more.
    forgotten: bool,
}

impl Rows {
    /// Lets go of the states.
    pub(super) fn forget(&mut self) {
        *self = Self {
            forgotten: true,
            ..Self::default()
        };
    }

    /// Whether it holds no state.
    pub(super) fn is_empty(&self) -> bool {
        !Self::has(&self.last)
    }

    fn has(row: &Row) -> bool {
        !row.cells.is_empty()
    }

    /// The row of a state, if it is one of these.
    fn find(&self, arena: &Arena, node: NodeId) -> Option<&Row> {
        let hash = arena.content_hash(node);
        let rows = [&self.last, &self.before].into_iter().filter(|row| Self::has(row));
        rows.into_iter().find(|row| row.cells[0].hash == hash)
    }
}

impl Role {
    pub(super) fn new(key: Keyed) -> Self {
        Self {
            key,
            processes: 0,
            states: 0,
            layout: None,
            fields: Vec::new(),
            pairs: Pairs::default(),
            steps: Steps::default(),
            calls: Calls::default(),
            follows: Follows::default(),
            keys: Keys::default(),
            changed: Vec::new(),
        }
    }

    /// Another recording follows.
    pub(super) fn next_recording(&mut self) {
        self.keys = Keys::default();
        self.fields.iter_mut().for_each(Unary::next_recording);
    }

    /// A process came to this state.
    pub(super) fn state(&mut self, source: &mut Source<'_>, node: NodeId, rows: &mut Rows) {
        self.states += 1;
        if self.layout.is_none() {
            let layout = Layout::of(source, node);
            self.fields.resize_with(layout.len(), Unary::default);
            self.layout = Some(layout);
        }
        let Some(layout) = &self.layout else { return };
        std::mem::swap(&mut rows.before, &mut rows.last);
        layout.read(source, node, &mut self.keys, &rows.before, &mut rows.last);
        let known = Rows::has(&rows.before);
        let differs = |at: usize| !known || rows.before.cells[at].hash != rows.last.cells[at].hash;
        self.changed.clear();
        self.changed.extend((0..layout.len()).map(differs));
        // What was told of a process whose last state is not kept may be the same again.
        let counts = known || !rows.forgotten;
        self.take(source, rows, counts);
    }

    fn take(&mut self, source: &mut Source<'_>, rows: &Rows, counts: bool) {
        let (row, before) = (&rows.last, &rows.before);
        let shared = (row.home != 0 && row.home == before.home).then_some(before);
        for (at, field) in self.fields.iter_mut().enumerate() {
            let (cell, changed) = (&row.cells[at], self.changed[at]);
            let weight = Weight {
                state: counts && (self.changed[0] || cfg!(mutant = "infer_counts_what_stays")),
                field: counts && changed,
            };
            let arena = source.arena;
            field.take(cell, weight, || literal(source.local, source.atoms, arena, cell.node));
            if changed && field.sorted.alive() && matches!(cell.content, Held::List(_)) {
                let last = shared.map(|row| &row.cells[at]);
                let last = last.filter(|cell| matches!(cell.content, Held::List(_)));
                field.sorted.take(arena, cell.node, last.map(|cell| cell.node), counts);
            }
        }
        if let Some(layout) = &self.layout {
            self.pairs.take(layout, source.arena, row, &self.changed, counts);
        }
    }

    /// A process went from one state to another.
    pub(super) fn step(
        &mut self,
        atoms: (&mut Local, &mut Atoms),
        content: &Content<'_>,
        forms: &[Form<'_>],
        rows: &Rows,
    ) {
        let Content::Step([from, to], _) = content else { return };
        let (Some(layout), false) = (&self.layout, matches!(from, Part::Absent)) else {
            // A first state has none before it.
            return;
        };
        let from = row(layout, (&mut *atoms.0, &mut *atoms.1), *from, rows);
        let to = row(layout, atoms, *to, rows);
        match (from, to) {
            (Some(from), Some(to)) => self.steps.take(&Change { from: &from, to: &to }, forms),
            _ => self.steps.blind(forms, layout.len()),
        }
    }
}

/// The row of a state: one of those at hand, else it is read.
fn row<'r>(
    layout: &Layout,
    (local, atoms): (&mut Local, &mut Atoms),
    part: Part<'_>,
    rows: &'r Rows,
) -> Option<Cow<'r, Row>> {
    let Part::Term(arena, node) = part else { return None };
    if let Some(row) = rows.find(arena, node) {
        return Some(Cow::Borrowed(row));
    }
    let mut row = Row::default();
    let mut source = Source {
        local,
        atoms,
        arena,
        home: 0,
    };
    layout.read(&mut source, node, &mut Keys::default(), &Row::default(), &mut row);
    Some(Cow::Owned(row))
}
