//! Looking at terms.

use super::node::Tag;
use super::{Arena, Node, NodeId};
use crate::term::AtomId;

impl Arena {
    /// What a term is.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        let slot = self.slot(id);
        match slot.tag {
            Tag::Atom => Node::Atom(AtomId(slot.word())),
            Tag::Int => Node::Int(slot.word() as i64),
            Tag::Big => Node::Big(slot.aux != 0, self.slot_bytes(slot)),
            Tag::Float => Node::Float(slot.word()),
            Tag::Binary => Node::Binary(self.slot_bytes(slot)),
            Tag::Bits => Node::Bits(self.slot_bytes(slot), slot.aux as u8),
            Tag::List | Tag::Seq => Node::List { len: self.list_len(id) },
            Tag::Improper => Node::Improper {
                len: self.list_len(id),
                tail: NodeId(slot.b),
            },
            Tag::Tuple => Node::Tuple(self.slot_kids(slot)),
            Tag::Map | Tag::Trie => Node::Map { len: self.map_len(id) },
            Tag::Pid => Node::Pid(slot.word()),
            Tag::Ref => Node::Ref(self.slot_bytes(slot)),
            Tag::External => Node::External(slot.kind(), self.slot_bytes(slot)),
            Tag::Export => export(self.slot_bytes(slot)),
            Tag::Opaque => Node::Opaque(slot.kind(), std::str::from_utf8(self.slot_bytes(slot)).unwrap_or("")),
            Tag::TruncatedList => Node::TruncatedList {
                known: self.list_len(id),
                full: slot.word(),
            },
            Tag::TruncatedMap => Node::TruncatedMap {
                known: self.map_len(id),
                full: slot.word(),
            },
            Tag::TruncatedTuple => Node::TruncatedTuple(self.slot_kids(self.slot(NodeId(slot.c))), slot.word()),
            Tag::TruncatedBinary => Node::TruncatedBinary(self.slot_bytes(self.slot(NodeId(slot.c))), slot.word()),
            Tag::Truncated => Node::Truncated(slot.kind(), slot.word()),
            Tag::Redacted => Node::Redacted(slot.kind(), slot.word()),
        }
    }

    /// Whether every part of the term was captured: nothing truncated, nothing redacted.
    #[must_use]
    pub fn is_complete(&self, id: NodeId) -> bool {
        self.slot(id).meta & super::COMPLETE != 0
    }

    /// The hash of the term's content: equal terms have equal hashes in every arena, on every machine.
    #[must_use]
    pub fn content_hash(&self, id: NodeId) -> u64 {
        self.hash(id)
    }

    /// How large the term is at its top: elements, pairs or bytes; 1 for what has no size.
    #[must_use]
    pub fn size_hint(&self, id: NodeId) -> usize {
        match self.node(id) {
            Node::List { len } | Node::Map { len } | Node::Improper { len, .. } => len,
            Node::Tuple(kids) | Node::TruncatedTuple(kids, _) => kids.len(),
            Node::TruncatedList { known, .. } | Node::TruncatedMap { known, .. } => known,
            Node::Binary(bytes) | Node::Bits(bytes, _) | Node::Big(_, bytes) => bytes.len(),
            Node::TruncatedBinary(bytes, _) | Node::Ref(bytes) | Node::External(_, bytes) => bytes.len(),
            Node::Opaque(_, text) => text.len(),
            _ => 1,
        }
    }
}

pub(super) fn export(bytes: &[u8]) -> Node<'_> {
    let word = |at: usize, len: usize| {
        bytes
            .iter()
            .skip(at)
            .take(len)
            .rev()
            .fold(0u64, |word, byte| word << 8 | u64::from(*byte))
    };
    Node::Export(AtomId(word(0, 8)), AtomId(word(8, 8)), word(16, 4) as u32)
}
