//! Fingerprints of terms without what is another in every run: two terms have the same one if they are the same but for that.
//!
//! | what | counts as |
//! |---|---|
//! | an atom | its text: numbers of two recordings have nothing in common |
//! | a pid | the role of the process; all pids of processes without a role are one |
//! | a reference, a port | that it is one |
//! | a local fun | its module |
//! | a point in time ([`clock`](super::clock)), a date of one | that it is one |
//! | a stacktrace | that it is one |
//!
//! Maps and lists of many elements are mostly like the one before. Their fingerprints are sums over pairs, and polynomials over
//! elements, so that one that shares most of its nodes with the last one costs what differs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::term::arena::{Arena, Node, NodeId};
use crate::term::{AtomId, Kind};
use crate::timeline::Words;

use super::clock::Clock;
use super::hash::{inverse, mix, mix_bytes, power};
use super::marks::{fun_module, is_date, is_stacktrace, is_timestamp};
use super::roles::{Cast, Party};

/// The base of polynomials: odd, so that its powers have inverses.
const BASE: u64 = 0xA076_1D64_78BD_642F;
/// Smaller containers are read anew.
const LARGE: usize = 48;

const fn tag(n: u64) -> u64 {
    mix(1, n)
}

const ATOM: u64 = tag(1);
const INT: u64 = tag(2);
const BIG: u64 = tag(3);
const FLOAT: u64 = tag(4);
const BINARY: u64 = tag(5);
const LIST: u64 = tag(6);
const IMPROPER: u64 = tag(7);
const TUPLE: u64 = tag(8);
const MAP: u64 = tag(9);
const PID: u64 = tag(10);
const REF: u64 = tag(11);
const PORT: u64 = tag(12);
const FUN: u64 = tag(13);
const OPAQUE: u64 = tag(14);
const CUT: u64 = tag(15);
const REDACTED: u64 = tag(16);
const TIME: u64 = tag(17);
const TRACE: u64 = tag(18);

/// A large container that was read: its node and its sum, before length and kind were put to it.
#[derive(Clone, Copy)]
struct Large {
    node: NodeId,
    sum: u64,
}

/// What was printed of one arena.
#[derive(Default)]
struct Memo {
    dense: Vec<u64>,
    sparse: HashMap<NodeId, u64>,
    map: Option<Large>,
    list: Option<Large>,
}

impl Memo {
    fn get(&self, id: NodeId) -> Option<u64> {
        match self.dense.get(id.0 as usize) {
            Some(0) => None,
            Some(print) => Some(*print),
            None => self.sparse.get(&id).copied(),
        }
    }

    fn put(&mut self, id: NodeId, print: u64) {
        match self.dense.get_mut(id.0 as usize) {
            Some(place) => *place = print,
            None => {
                self.sparse.insert(id, print);
            }
        }
    }
}

/// Makes fingerprints of one recording's terms.
pub(super) struct Printer<'r> {
    words: Arc<Words>,
    cast: Option<&'r Cast>,
    clock: &'r Clock,
    atoms: HashMap<AtomId, u64>,
    chunk: *const Arena,
    memo: Memo,
    stack: Vec<NodeId>,
    parts: Vec<NodeId>,
}

impl<'r> Printer<'r> {
    /// Without a cast, all pids are alike.
    pub(super) fn new(words: Arc<Words>, cast: Option<&'r Cast>, clock: &'r Clock) -> Self {
        Self {
            words,
            cast,
            clock,
            atoms: HashMap::new(),
            chunk: std::ptr::null(),
            memo: Memo::default(),
            stack: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Most terms that follow are of this arena, until another is entered.
    pub(super) fn enter(&mut self, arena: &Arena) {
        self.chunk = std::ptr::from_ref(arena);
        self.memo = Memo {
            dense: vec![0; arena.len()],
            ..Memo::default()
        };
    }

    /// The fingerprint of a term, as of an event.
    pub(super) fn of(&mut self, arena: &Arena, node: NodeId, seq: u64) -> u64 {
        if std::ptr::eq(arena, self.chunk) {
            return self.walk(arena, node, seq);
        }
        let kept = std::mem::take(&mut self.memo);
        let print = self.walk(arena, node, seq);
        self.memo = kept;
        print
    }

    /// Of a term of an arena that is looked into once.
    pub(super) fn alone(&mut self, arena: &Arena, node: NodeId) -> u64 {
        self.memo = Memo::default();
        self.walk(arena, node, 0)
    }

    /// No recursion over terms: they may be nested as deep as they like.
    fn walk(&mut self, arena: &Arena, root: NodeId, seq: u64) -> u64 {
        if let Some(print) = self.memo.get(root) {
            return print;
        }
        let mut stack = std::mem::take(&mut self.stack);
        stack.push(root);
        let mut last = 1;
        while let Some(&id) = stack.last() {
            let open = stack.len();
            self.push_parts(arena, id, &mut stack);
            if stack.len() > open {
                continue;
            }
            last = self.close(arena, id, seq).max(1);
            self.memo.put(id, last);
            stack.pop();
        }
        self.stack = stack;
        last
    }

    /// The parts that have no fingerprint yet.
    fn push_parts(&mut self, arena: &Arena, id: NodeId, stack: &mut Vec<NodeId>) {
        if self.memo.get(id).is_some() {
            return;
        }
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        self.parts(arena, id, &mut parts);
        stack.extend(parts.iter().copied().filter(|part| self.memo.get(*part).is_none()));
        self.parts = parts;
    }

    fn parts(&self, arena: &Arena, id: NodeId, parts: &mut Vec<NodeId>) {
        match arena.node(id) {
            Node::Tuple(kids) => parts.extend(kids),
            Node::List { len } => self.list_parts(arena, id, len, parts),
            Node::Improper { tail, .. } => {
                parts.extend(arena.list_iter(id));
                parts.push(tail);
            }
            Node::Map { len } => match self.last_map(len) {
                Some(last) => {
                    for (key, old, new) in arena.map_changes(last.node, id) {
                        parts.extend([Some(key), old, new].into_iter().flatten());
                    }
                }
                None => arena.map_iter(id).for_each(|(key, value)| parts.extend([key, value])),
            },
            _ => {}
        }
    }

    fn last_map(&self, len: usize) -> Option<Large> {
        self.memo.map.filter(|_| len >= LARGE)
    }

    fn last_list(&self, len: usize) -> Option<Large> {
        self.memo.list.filter(|_| len >= LARGE)
    }

    fn list_parts(&self, arena: &Arena, id: NodeId, len: usize, parts: &mut Vec<NodeId>) {
        let Some(last) = self.last_list(len) else {
            return parts.extend(arena.list_iter(id));
        };
        let (prefix, suffix) = arena.list_common(last.node, id);
        let old_len = arena.list_len(last.node);
        parts.extend(arena.list_from(last.node, prefix).take(old_len - prefix - suffix));
        parts.extend(arena.list_from(id, prefix).take(len - prefix - suffix));
    }

    /// All parts of what was pushed have one: 0 stands for none, which no fingerprint is.
    fn part(&self, id: NodeId) -> u64 {
        self.memo.get(id).unwrap_or(0)
    }

    fn close(&mut self, arena: &Arena, id: NodeId, seq: u64) -> u64 {
        if let Some(print) = self.memo.get(id) {
            return print;
        }
        match arena.node(id) {
            Node::Atom(atom) => self.atom(atom),
            Node::Int(n) if self.clock.is_time(n) => TIME,
            Node::Int(n) => mix(INT, n as u64),
            Node::Big(negative, bytes) => mix_bytes(mix(BIG, u64::from(negative)), bytes),
            Node::Float(bits) => mix(FLOAT, bits),
            Node::Binary(bytes) => mix_bytes(BINARY, bytes),
            Node::Bits(bytes, used) => mix_bytes(mix(BINARY, u64::from(used)), bytes),
            Node::List { len } => self.list(arena, id, len),
            Node::Improper { tail, .. } => {
                let items = arena
                    .list_iter(id)
                    .fold(IMPROPER, |hash, item| mix(hash, self.part(item)));
                mix(items, self.part(tail))
            }
            Node::Tuple(kids) => self.tuple(arena, kids),
            Node::Map { len } => self.map(arena, id, len),
            Node::Pid(pid) if cfg!(mutant = "compare_pids_count") => mix(PID, pid),
            Node::Pid(pid) => {
                let party = self.cast.map_or(Party::OTHER, |cast| cast.of_pid(pid, seq));
                mix(PID, u64::from(party.0))
            }
            Node::Ref(_) => REF,
            Node::External(kind, bytes) => outside(kind).unwrap_or_else(|| mix_bytes(OPAQUE, bytes)),
            Node::Export(module, function, arity) => {
                let name = mix(mix(FUN, self.atom(module)), self.atom(function));
                mix(name, u64::from(arity))
            }
            Node::Opaque(Kind::Fun, text) => mix_bytes(FUN, fun_module(text).as_bytes()),
            Node::Opaque(kind, text) => outside(kind).unwrap_or_else(|| mix_bytes(OPAQUE, text.as_bytes())),
            Node::TruncatedList { .. } => mix(CUT, Kind::List as u64),
            Node::TruncatedMap { .. } => mix(CUT, Kind::Map as u64),
            Node::TruncatedTuple(..) => mix(CUT, Kind::Tuple as u64),
            Node::TruncatedBinary(..) => mix(CUT, Kind::Binary as u64),
            Node::Truncated(kind, _) => mix(CUT, kind as u64),
            Node::Redacted(kind, _) => mix(REDACTED, kind as u64),
        }
    }

    fn atom(&mut self, id: AtomId) -> u64 {
        if let Some(print) = self.atoms.get(&id) {
            return *print;
        }
        let print = match self.words.text(id) {
            Some(text) => mix_bytes(ATOM, text.as_bytes()),
            None => mix(ATOM, id.0),
        };
        self.atoms.insert(id, print);
        print
    }

    fn tuple(&self, arena: &Arena, kids: &[NodeId]) -> u64 {
        if self.clock.is_on() && is_timestamp(arena, kids, self.clock) {
            return TIME;
        }
        let start = mix(TUPLE, kids.len() as u64);
        kids.iter().fold(start, |hash, kid| mix(hash, self.part(*kid)))
    }

    fn list(&mut self, arena: &Arena, id: NodeId, len: usize) -> u64 {
        if is_stacktrace(arena, id) {
            return TRACE;
        }
        let sum = self
            .last_list(len)
            .and_then(|last| self.since_last(arena, last, id, len))
            .unwrap_or_else(|| self.horner(arena.list_iter(id)));
        if len >= LARGE {
            self.memo.list = Some(Large { node: id, sum });
        }
        mix(mix(LIST, len as u64), sum)
    }

    fn horner(&self, items: impl Iterator<Item = NodeId>) -> u64 {
        items.fold(0u64, |sum, item| sum.wrapping_mul(BASE).wrapping_add(self.part(item)))
    }

    /// `P ++ Old ++ S` became `P ++ New ++ S`. As polynomials: if nothing stands before or behind, or as much as before, what is left
    /// follows from the last sum.
    fn since_last(&self, arena: &Arena, last: Large, id: NodeId, len: usize) -> Option<u64> {
        let (prefix, suffix) = arena.list_common(last.node, id);
        let old_len = arena.list_len(last.node) - prefix - suffix;
        let new_len = len - prefix - suffix;
        let old = self.horner(arena.list_from(last.node, prefix).take(old_len));
        let new = self.horner(arena.list_from(id, prefix).take(new_len));
        let shift = power(BASE, suffix);
        let rest = last.sum.wrapping_sub(old.wrapping_mul(shift));
        let rest = if old_len == new_len || prefix == 0 {
            rest
        } else if suffix == 0 {
            rest.wrapping_mul(power(inverse(BASE), old_len))
                .wrapping_mul(power(BASE, new_len))
        } else {
            return None;
        };
        Some(rest.wrapping_add(new.wrapping_mul(shift)))
    }

    fn map(&mut self, arena: &Arena, id: NodeId, len: usize) -> u64 {
        if self.clock.is_on() && len <= 16 && self.is_date(arena, id) {
            return TIME;
        }
        let pair = |key, value| mix(mix(MAP, self.part(key)), self.part(value));
        let sum = match self.last_map(len) {
            Some(last) => arena
                .map_changes(last.node, id)
                .into_iter()
                .fold(last.sum, |sum, (key, old, new)| {
                    let of = |value: Option<NodeId>| value.map_or(0, |value| pair(key, value));
                    sum.wrapping_sub(of(old)).wrapping_add(of(new))
                }),
            None => arena
                .map_iter(id)
                .fold(0u64, |sum, (key, value)| sum.wrapping_add(pair(key, value))),
        };
        if len >= LARGE {
            self.memo.map = Some(Large { node: id, sum });
        }
        mix(mix(MAP, len as u64), sum)
    }

    /// A `DateTime` or `NaiveDateTime` within the windows.
    fn is_date(&self, arena: &Arena, id: NodeId) -> bool {
        is_date(&self.words, self.clock, arena, id)
    }
}

/// What is one of its kind outside of the VM.
fn outside(kind: Kind) -> Option<u64> {
    match kind {
        Kind::Pid => Some(mix(PID, u64::from(Party::OTHER.0))),
        Kind::Reference => Some(REF),
        Kind::Port => Some(PORT),
        _ => None,
    }
}
