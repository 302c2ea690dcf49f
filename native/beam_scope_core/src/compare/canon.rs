//! Terms of two recordings in one arena, without what is another in every run: the few that are shown.
//!
//! What [`print`](super::print) holds to be the same is the same term here: `pid(Counter)`, `ref()`, `time()`.

use std::collections::HashMap;

use crate::infer::atoms::{Atoms, Local};
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::{AtomId, Kind, Opaque, Value};
use crate::timeline::TermRef;

use super::clock::Clock;
use super::marks::{fun_module, is_date, is_stacktrace, is_timestamp};
use super::roles::{Cast, Party};

/// Copies terms of one recording.
pub(super) struct Canon<'a> {
    pub(super) arena: &'a mut Arena,
    pub(super) atoms: &'a mut Atoms,
    pub(super) local: Local,
    pub(super) cast: &'a Cast,
    pub(super) texts: &'a [String],
    pub(super) clock: &'a Clock,
}

/// What stands for something.
pub(super) fn mark(arena: &mut Arena, kind: Kind, text: &str) -> NodeId {
    arena.intern(&Value::Opaque(Opaque {
        kind,
        text: text.to_owned(),
    }))
}

impl Canon<'_> {
    /// A role as others see it.
    pub(super) fn party(&self, party: Party) -> Option<String> {
        match (party, party.role()) {
            (_, Some(role)) => self.texts.get(role).cloned(),
            (Party::RUNTIME, _) => None,
            _ => Some("other".to_owned()),
        }
    }

    pub(super) fn of(&mut self, term: &TermRef, seq: u64) -> NodeId {
        self.term(term.arena(), term.node(), seq)
    }

    /// No recursion over terms.
    pub(super) fn term(&mut self, from: &Arena, root: NodeId, seq: u64) -> NodeId {
        let mut done: HashMap<NodeId, NodeId> = HashMap::new();
        let mut stack = vec![(root, false)];
        while let Some((id, opened)) = stack.pop() {
            if done.contains_key(&id) {
                continue;
            }
            if opened {
                let node = self.close(from, id, &done);
                done.insert(id, node);
            } else if let Some(leaf) = self.leaf(from, id, seq) {
                done.insert(id, leaf);
            } else {
                stack.push((id, true));
                stack.extend(from.parts(id).into_iter().map(|part| (part, false)));
            }
        }
        done.get(&root)
            .copied()
            .unwrap_or_else(|| mark(self.arena, Kind::Tuple, "…"))
    }

    fn atom(&mut self, id: AtomId) -> Option<AtomId> {
        self.local.shared(self.atoms, id)
    }

    fn leaf(&mut self, from: &Arena, id: NodeId, seq: u64) -> Option<NodeId> {
        let node = from.node(id);
        let text = |kind, text: &str| {
            Value::Opaque(Opaque {
                kind,
                text: text.to_owned(),
            })
        };
        let value = match node {
            Node::Atom(atom) => self.atom(atom).map_or_else(|| text(Kind::Atom, "atom()"), Value::Atom),
            Node::Int(n) if self.clock.is_time(n) => text(Kind::Integer, "time()"),
            Node::Tuple(kids) if self.clock.is_on() && is_timestamp(from, kids, self.clock) => {
                text(Kind::Integer, "time()")
            }
            Node::Map { len }
                if self.clock.is_on() && len <= 16 && is_date(self.local.words(), self.clock, from, id) =>
            {
                text(Kind::Map, "time()")
            }
            Node::List { .. } if is_stacktrace(from, id) => text(Kind::List, "stacktrace()"),
            Node::Pid(pid) => {
                let party = self.party(self.cast.of_pid(pid, seq)).unwrap_or_default();
                text(Kind::Pid, &format!("pid({party})"))
            }
            Node::External(Kind::Pid, _) | Node::Opaque(Kind::Pid, _) => text(Kind::Pid, "pid(other)"),
            Node::Ref(_) | Node::External(Kind::Reference, _) | Node::Opaque(Kind::Reference, _) => {
                text(Kind::Reference, "ref()")
            }
            Node::External(Kind::Port, _) | Node::Opaque(Kind::Port, _) => text(Kind::Port, "port()"),
            Node::Opaque(Kind::Fun, name) => {
                let module = fun_module(name);
                text(
                    Kind::Fun,
                    &format!("fun({})", module.strip_prefix("Elixir.").unwrap_or(module)),
                )
            }
            Node::Export(module, function, arity) => match (self.atom(module), self.atom(function)) {
                (Some(module), Some(function)) => Value::Export(module, function, arity),
                _ => text(Kind::Fun, "fun()"),
            },
            Node::TruncatedTuple(_, full) => Value::Truncated(Kind::Tuple, full),
            Node::Tuple(_)
            | Node::List { .. }
            | Node::Improper { .. }
            | Node::Map { .. }
            | Node::TruncatedList { .. }
            | Node::TruncatedMap { .. } => return None,
            _ => from.to_value(id),
        };
        Some(self.arena.intern(&value))
    }

    fn close(&mut self, from: &Arena, id: NodeId, done: &HashMap<NodeId, NodeId>) -> NodeId {
        let part = |id: &NodeId| done.get(id).copied().unwrap_or(NodeId(0));
        let parts: Vec<NodeId> = from.parts(id).iter().map(part).collect();
        match from.node(id) {
            Node::Tuple(_) => self.arena.make_tuple(&parts),
            Node::Improper { .. } => match parts.split_last() {
                Some((tail, items)) => {
                    let items = self.arena.make_list(items);
                    self.arena.put_improper(items, *tail)
                }
                None => self.arena.make_list(&[]),
            },
            Node::Map { .. } => self.map(&parts),
            Node::TruncatedMap { full, .. } => {
                let known = self.map(&parts);
                self.arena.put_cut_map(full, known)
            }
            Node::TruncatedList { full, .. } => {
                let known = self.arena.make_list(&parts);
                self.arena.put_cut_list(full, known)
            }
            _ => self.arena.make_list(&parts),
        }
    }

    /// Keys that were different ones and no longer are get a number each.
    fn map(&mut self, parts: &[NodeId]) -> NodeId {
        let mut met: HashMap<NodeId, i64> = HashMap::new();
        let mut pairs = Vec::with_capacity(parts.len() / 2);
        for pair in parts.chunks_exact(2) {
            let count = met.entry(pair[0]).or_default();
            *count += 1;
            let key = if *count == 1 {
                pair[0]
            } else {
                let number = self.arena.intern(&Value::Int(*count));
                self.arena.make_tuple(&[pair[0], number])
            };
            pairs.push((key, pair[1]));
        }
        self.arena.make_map(pairs)
    }
}
