//! Differences as terms: what `BeamScope.Diff.new/1` takes.
//!
//! ```text
//! diff    :same | {:unknown, why} | {:replace, old, new} | {:map, name | nil, [change], unchanged, why | nil}
//!         | {:keyword, [change], unchanged, reordered? :: boolean} | {:set, removed, added, unchanged}
//!         | {:tuple, [{index, diff}], unchanged, why | nil} | {:list, [step], why | nil}
//!         | {:string, [part], :text | :bytes, why | nil}
//! change  {key, :added, value} | {key, :removed, value} | {key, :changed, diff}
//! step    {:keep, n} | {:remove, [value]} | {:add, [value]} | {:change, diff}
//! part    {:keep | :remove | :add, binary}
//! why     :truncated | :redacted
//! ```

use beam_scope_core::diff::{diff as compare, Change, Diff, DiffOptions, Hidden, ListOp, TextOp, Why};
use beam_scope_core::store::Recording;
use beam_scope_core::term::arena::{Arena, NodeId};
use beam_scope_core::term::AtomId;
use beam_scope_core::timeline::TermRef;
use rustler::{Atom, Encoder, Env, Term};

use crate::answer::nil;
use crate::atoms;
use crate::captured;
use crate::decode::{binary, Decoder, Live, Origin};
use crate::fault::Answer;
use crate::vm;

/// What differs between any two terms.
#[rustler::nif(schedule = "DirtyCpu")]
fn diff<'a>(env: Env<'a>, a: Term<'a>, b: Term<'a>) -> Answer<'a> {
    let mut arena = Arena::new();
    let (a, b) = (captured::intern(&mut arena, a)?, captured::intern(&mut arena, b)?);
    let options = DiffOptions::new(|text| live_id(env, text));
    Ok(Writer::new(env, &arena, &Live).diff(&compare(&arena, a, b, &options)))
}

pub(super) fn live_id(env: Env<'_>, text: &str) -> Option<AtomId> {
    let atom = Atom::from_str(env, text).ok()?;
    Some(AtomId(vm::word(atom.as_c_arg()) as u64))
}

/// What differs between two states of a recording, which may live in different chunks.
pub(crate) fn between<'a>(
    env: Env<'a>,
    origin: &dyn Origin,
    rec: &Recording,
    from: &TermRef,
    to: &TermRef,
) -> Term<'a> {
    let options = DiffOptions::new(|text| match rec.table() {
        Some(table) => Some(table.id(text)),
        None => live_id(env, text),
    });
    if std::ptr::eq(from.arena(), to.arena()) {
        let found = compare(from.arena(), from.node(), to.node(), &options);
        return Writer::new(env, from.arena(), origin).diff(&found);
    }
    let mut arena = Arena::new();
    let old = arena.import(from.arena(), from.node());
    let new = arena.import(to.arena(), to.node());
    Writer::new(env, &arena, origin).diff(&compare(&arena, old, new, &options))
}

/// Makes terms of differences.
pub(crate) struct Writer<'a, 'o> {
    env: Env<'a>,
    terms: Decoder<'a, 'o>,
    origin: &'o dyn Origin,
}

impl<'a, 'o> Writer<'a, 'o> {
    pub(crate) fn new(env: Env<'a>, arena: &'o Arena, origin: &'o dyn Origin) -> Self {
        Self {
            env,
            terms: Decoder::new(env, arena, origin),
            origin,
        }
    }

    pub(crate) fn term(&mut self, node: NodeId) -> Term<'a> {
        self.terms.term(node)
    }

    // As deep as the difference, which the core bounds.
    pub(crate) fn diff(&mut self, diff: &Diff) -> Term<'a> {
        let env = self.env;
        match diff {
            Diff::Same => atoms::same().encode(env),
            Diff::Unknown(why, _) => (atoms::unknown(), reason(*why)).encode(env),
            Diff::Replace(old, new) => (atoms::replace(), self.terms.term(*old), self.terms.term(*new)).encode(env),
            Diff::Map(map) => {
                let name = map.name.map_or_else(|| nil(env), |name| self.atom(name));
                let changes = self.changes(&map.changes);
                (atoms::map(), name, changes, map.unchanged, hidden(map.hidden)).encode(env)
            }
            Diff::Keyword(list) => {
                let changes = self.changes(&list.changes);
                (atoms::keyword(), changes, list.unchanged, list.order.is_some()).encode(env)
            }
            Diff::Set(set) => {
                let (removed, added) = (self.all(&set.removed), self.all(&set.added));
                (atoms::set(), removed, added, set.unchanged).encode(env)
            }
            Diff::Tuple(tuple) => {
                let changes: Vec<(usize, Term<'a>)> =
                    tuple.changes.iter().map(|(at, diff)| (*at, self.diff(diff))).collect();
                (atoms::tuple(), changes, tuple.unchanged, hidden(tuple.hidden)).encode(env)
            }
            Diff::List(list) => {
                let steps: Vec<Term<'a>> = list.ops.iter().map(|op| self.step(op)).collect();
                (atoms::list(), steps, hidden(list.hidden)).encode(env)
            }
            Diff::Text(text) => {
                let parts: Vec<Term<'a>> = text.ops.iter().map(|op| self.part(op)).collect();
                let kind = if text.is_text { atoms::text() } else { atoms::bytes() };
                (atoms::string(), parts, kind, hidden(text.hidden)).encode(env)
            }
        }
    }

    fn atom(&self, id: AtomId) -> Term<'a> {
        let atom = self.origin.atom(self.env, id);
        // SAFETY: the origin's term for an atom, in this environment.
        unsafe { Term::new(self.env, atom) }
    }

    fn all(&mut self, nodes: &[NodeId]) -> Vec<Term<'a>> {
        nodes.iter().map(|node| self.terms.term(*node)).collect()
    }

    fn changes(&mut self, changes: &[(NodeId, Change)]) -> Vec<Term<'a>> {
        changes.iter().map(|(key, change)| self.change(*key, change)).collect()
    }

    fn change(&mut self, key: NodeId, change: &Change) -> Term<'a> {
        let key = self.terms.term(key);
        match change {
            Change::Added(value) => (key, atoms::added(), self.terms.term(*value)).encode(self.env),
            Change::Removed(value) => (key, atoms::removed(), self.terms.term(*value)).encode(self.env),
            Change::Changed(diff) => (key, atoms::changed(), self.diff(diff)).encode(self.env),
        }
    }

    fn step(&mut self, op: &ListOp) -> Term<'a> {
        match op {
            ListOp::Keep(n) => (atoms::keep(), *n).encode(self.env),
            ListOp::Remove(items) => (atoms::remove(), self.all(items)).encode(self.env),
            ListOp::Add(items) => (atoms::add(), self.all(items)).encode(self.env),
            ListOp::Change(diff) => (atoms::change(), self.diff(diff)).encode(self.env),
        }
    }

    fn part(&self, op: &TextOp) -> Term<'a> {
        let (name, bytes) = match op {
            TextOp::Keep(bytes) => (atoms::keep(), bytes),
            TextOp::Remove(bytes) => (atoms::remove(), bytes),
            TextOp::Add(bytes) => (atoms::add(), bytes),
        };
        // SAFETY: a binary of this environment.
        let part = unsafe { Term::new(self.env, binary(self.env, bytes)) };
        (name, part).encode(self.env)
    }
}

fn reason(why: Why) -> Atom {
    match why {
        Why::Truncated => atoms::truncated(),
        Why::Redacted => atoms::redacted(),
    }
}

fn hidden(hidden: Option<Hidden>) -> Option<Atom> {
    hidden.map(|hidden| reason(hidden.why))
}
