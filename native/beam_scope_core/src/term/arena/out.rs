//! Terms on their way out: owned trees, and other arenas.

use std::collections::HashMap;

use super::node::{Body, Draft, Slot, Tag};
use super::{Arena, Node, NodeId};
use crate::term::wire::words;
use crate::term::{Opaque, Value};

impl Arena {
    /// The term as an owned tree. Shared parts are copied for each place they stand at.
    #[must_use]
    pub fn to_value(&self, id: NodeId) -> Value {
        enum Step {
            Visit(NodeId),
            Close(NodeId, usize),
        }
        let mut steps = vec![Step::Visit(id)];
        let mut done: Vec<Value> = Vec::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Visit(id) => match self.leaf_value(id) {
                    Some(value) => done.push(value),
                    None => {
                        let parts = self.parts(id);
                        steps.push(Step::Close(id, parts.len()));
                        steps.extend(parts.into_iter().rev().map(Step::Visit));
                    }
                },
                Step::Close(id, parts) => {
                    let parts = done.split_off(done.len() - parts);
                    done.push(self.close_value(id, parts));
                }
            }
        }
        done.pop().unwrap_or(Value::List(Vec::new()))
    }

    /// What a user sees as the parts of a term: elements, then the tail; keys and values alternating.
    #[must_use]
    pub fn parts(&self, id: NodeId) -> Vec<NodeId> {
        match self.node(id) {
            Node::Tuple(kids) | Node::TruncatedTuple(kids, _) => kids.to_vec(),
            Node::List { .. } | Node::TruncatedList { .. } => self.list_iter(id).collect(),
            Node::Improper { tail, .. } => self.list_iter(id).chain([tail]).collect(),
            Node::Map { .. } | Node::TruncatedMap { .. } => self.map_iter(id).flat_map(|(k, v)| [k, v]).collect(),
            _ => Vec::new(),
        }
    }

    fn leaf_value(&self, id: NodeId) -> Option<Value> {
        Some(match self.node(id) {
            Node::Atom(atom) => Value::Atom(atom),
            Node::Int(n) => Value::Int(n),
            Node::Big(negative, magnitude) => Value::Big(negative, magnitude.to_vec()),
            Node::Float(bits) => Value::Float(bits),
            Node::Binary(bytes) => Value::Binary(bytes.to_vec()),
            Node::Bits(bytes, used) => Value::Bits(bytes.to_vec(), used),
            Node::Pid(word) => Value::Pid(word),
            Node::Ref(bytes) => Value::Ref(words(bytes)),
            Node::External(kind, bytes) => Value::External(kind, bytes.to_vec()),
            Node::Export(module, function, arity) => Value::Export(module, function, arity),
            Node::Opaque(kind, text) => Value::Opaque(Opaque {
                kind,
                text: text.to_owned(),
            }),
            Node::TruncatedBinary(bytes, full) => Value::TruncatedBinary(bytes.to_vec(), full),
            Node::Truncated(kind, size) => Value::Truncated(kind, size),
            Node::Redacted(kind, size) => Value::Redacted(kind, size),
            _ => return None,
        })
    }

    fn close_value(&self, id: NodeId, mut parts: Vec<Value>) -> Value {
        match self.node(id) {
            Node::Tuple(_) => Value::Tuple(parts),
            Node::TruncatedTuple(_, full) => Value::TruncatedTuple(parts, full),
            Node::TruncatedList { full, .. } => Value::TruncatedList(parts, full),
            Node::Map { .. } => Value::Map(pairs(parts)),
            Node::TruncatedMap { full, .. } => Value::TruncatedMap(pairs(parts), full),
            Node::Improper { .. } => match parts.pop() {
                Some(tail) => Value::Improper(parts, Box::new(tail)),
                None => Value::List(parts),
            },
            _ => Value::List(parts),
        }
    }

    /// Copies a term of another arena; parts that it shares are copied once.
    pub fn import(&mut self, from: &Arena, id: NodeId) -> NodeId {
        let slot = from.slot(id);
        if !slot.has_links() {
            return self.copy(from, slot, &HashMap::new());
        }
        self.import_with(from, id, &mut HashMap::new())
    }

    /// [`import`](Self::import) of many terms: `done` remembers what was copied before.
    pub fn import_with(&mut self, from: &Arena, id: NodeId, done: &mut HashMap<NodeId, NodeId>) -> NodeId {
        let mut stack = vec![(id, false)];
        while let Some((at, opened)) = stack.pop() {
            if done.contains_key(&at) {
                continue;
            }
            let slot = from.slot(at);
            if opened || !slot.has_links() {
                let copy = self.copy(from, slot, done);
                done.insert(at, copy);
            } else {
                stack.push((at, true));
                from.links(slot, |link| stack.push((link, false)));
            }
        }
        done[&id]
    }

    /// Every node that this one points to, inner nodes of containers included.
    pub(super) fn links(&self, slot: &Slot, mut each: impl FnMut(NodeId)) {
        match slot.tag {
            Tag::List | Tag::Seq | Tag::Tuple | Tag::Map | Tag::Trie => {
                self.slot_kids(slot).iter().rev().for_each(|kid| each(*kid));
            }
            Tag::Improper => {
                each(NodeId(slot.b));
                each(NodeId(slot.a));
            }
            Tag::TruncatedList | Tag::TruncatedMap | Tag::TruncatedTuple | Tag::TruncatedBinary => each(NodeId(slot.c)),
            _ => {}
        }
    }

    /// Copies one node whose links were copied before. The shape of tries and chunks follows from content, so it is the
    /// same here as there; only the order among keys of equal hash goes by id and is set anew.
    fn copy(&mut self, from: &Arena, slot: &Slot, done: &HashMap<NodeId, NodeId>) -> NodeId {
        let mut kids: Vec<NodeId> = Vec::new();
        let body = match slot.tag {
            Tag::List | Tag::Seq | Tag::Tuple | Tag::Map | Tag::Trie => {
                kids.extend(from.slot_kids(slot).iter().map(|kid| done[kid]));
                if slot.tag == Tag::Map {
                    self.sort_pairs(&mut kids);
                }
                Body::Kids(&kids, slot.c)
            }
            Tag::Improper => Body::Two(done[&NodeId(slot.a)], done[&NodeId(slot.b)]),
            Tag::TruncatedList | Tag::TruncatedMap | Tag::TruncatedTuple | Tag::TruncatedBinary => {
                Body::Cut(slot.word(), done[&NodeId(slot.c)])
            }
            Tag::Big | Tag::Binary | Tag::Bits | Tag::Ref | Tag::External | Tag::Export | Tag::Opaque => {
                Body::Bytes(from.slot_bytes(slot))
            }
            _ => Body::Word(slot.word()),
        };
        self.put(Draft {
            tag: slot.tag,
            level: slot.level(),
            aux: slot.aux,
            body,
        })
    }

    fn sort_pairs(&self, kids: &mut [NodeId]) {
        let order = |pair: &[NodeId]| (self.hash(pair[0]), pair[0]);
        let sorted = kids
            .chunks_exact(2)
            .zip(kids.chunks_exact(2).skip(1))
            .all(|(a, b)| order(a) <= order(b));
        if !sorted {
            let mut pairs: Vec<[NodeId; 2]> = kids.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
            pairs.sort_by_key(|pair| (self.hash(pair[0]), pair[0]));
            kids.copy_from_slice(pairs.as_flattened());
        }
    }
}

impl Slot {
    pub(super) fn has_links(&self) -> bool {
        matches!(
            self.tag,
            Tag::List
                | Tag::Seq
                | Tag::Tuple
                | Tag::Map
                | Tag::Trie
                | Tag::Improper
                | Tag::TruncatedList
                | Tag::TruncatedMap
                | Tag::TruncatedTuple
                | Tag::TruncatedBinary
        )
    }
}

fn pairs(parts: Vec<Value>) -> Vec<(Value, Value)> {
    let mut parts = parts.into_iter();
    std::iter::from_fn(|| Some((parts.next()?, parts.next()?))).collect()
}
