//! Interned terms: a hash-consed arena.
//!
//! Equal terms are one node, so comparing two is comparing two numbers, and a state that shares most of its parts with
//! the one before adds only what changed. To keep that true of large containers:
//!
//! * a **map** of more than 16 pairs is a trie of fan-out 16 over its keys' content hashes. Its shape depends on nothing
//!   but the set of pairs: not on the VM's order, not on history;
//! * a **list** of more than 16 elements is cut into chunks where an element's hash says so, and the chunks again, until
//!   one is left. An insertion moves only the cuts near it.
//!
//! Nothing here recurses over terms: a list nested 100,000 deep is as safe as a flat one.

mod get;
mod hash;
mod intern;
mod list;
mod make;
mod map;
mod node;
mod out;
mod pack;
mod splice;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub use list::ListIter;
pub use map::{MapChange, MapIter};
pub use node::{Node, NodeId};
pub use pack::{BadPack, Packed};

use hash::Hasher;
use node::{Body, Draft, Slot, Tag, COMPLETE};
use table::Table;

use crate::reserve;

/// No node has this number.
const NOBODY: u32 = u32::MAX;

/// A set of terms in which equal ones are stored once.
#[derive(Clone, Default)]
pub struct Arena {
    slots: Vec<Slot>,
    /// Content hash of each slot.
    hashes: Vec<u64>,
    kids: Vec<NodeId>,
    bytes: Vec<u8>,
    table: Table,
    scratch: intern::Scratch,
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena")
            .field("nodes", &self.len())
            .field("bytes", &self.bytes())
            .finish()
    }
}

/// Where built nodes go: into the arena, or, for [`Arena::find`], nowhere.
trait Place {
    /// The node with this content. `None`: it is not there and will not be made.
    fn place(&mut self, draft: Draft<'_>) -> Option<NodeId>;
    fn arena(&self) -> &Arena;
}

impl Place for Arena {
    fn place(&mut self, draft: Draft<'_>) -> Option<NodeId> {
        Some(self.put(draft))
    }

    fn arena(&self) -> &Arena {
        self
    }
}

/// Looks up and never adds.
struct Lookup<'a>(&'a Arena);

impl Place for Lookup<'_> {
    fn place(&mut self, draft: Draft<'_>) -> Option<NodeId> {
        self.0.lookup(&draft, self.0.hash_of(&draft))
    }

    fn arena(&self) -> &Arena {
        self.0
    }
}

impl Arena {
    /// An empty arena. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many nodes there are, inner ones of large containers included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.hashes.capacity() * 8
            + self.kids.capacity() * 4
            + self.bytes.capacity()
            + self.table.bytes()
            + self.scratch.bytes()
    }

    fn put(&mut self, draft: Draft<'_>) -> NodeId {
        let hash = self.hash_of(&draft);
        if let Some(id) = self.lookup(&draft, hash) {
            return id;
        }
        let has_room = self.table.make_room(&self.hashes);
        let Some(slot) = has_room.then(|| self.store_body(&draft)).flatten() else {
            return self.overflow();
        };
        self.add(slot, hash)
    }

    /// The arena is full (4 GB of bytes, or 4 billion nodes or children), or there is no more memory: what does not fit is truncated, not
    /// wrong. For this node there always is room.
    #[cold]
    fn overflow(&mut self) -> NodeId {
        let draft = Draft::with(Tag::Truncated, crate::term::Kind::Tuple as u16, Body::Word(0));
        let hash = self.hash_of(&draft);
        self.lookup(&draft, hash).unwrap_or_else(|| {
            let slot = Slot {
                tag: draft.tag,
                meta: 0,
                aux: draft.aux,
                a: 0,
                b: 0,
                c: 0,
            };
            self.add(slot, hash)
        })
    }

    fn add(&mut self, slot: Slot, hash: u64) -> NodeId {
        let id = self.add_unlisted(slot, hash);
        self.table.add(&self.hashes);
        id
    }

    /// Adds a node that is not there, to an arena in which nothing was looked up yet.
    fn add_unlisted(&mut self, slot: Slot, hash: u64) -> NodeId {
        let id = self.slots.len() as u32;
        self.slots.push(slot);
        self.hashes.push(hash);
        NodeId(id)
    }

    fn lookup(&self, draft: &Draft<'_>, hash: u64) -> Option<NodeId> {
        let is = |id: u32| self.is_same(&self.slots[id as usize], draft);
        self.table.find(&self.hashes, hash, is).map(NodeId)
    }

    fn is_same(&self, slot: &Slot, draft: &Draft<'_>) -> bool {
        slot.tag == draft.tag
            && slot.aux == draft.aux
            && slot.level() == draft.level
            && match draft.body {
                Body::Word(word) => slot.word() == word,
                Body::Bytes(bytes) => self.slot_bytes(slot) == bytes,
                Body::Kids(kids, _) => self.slot_kids(slot) == kids,
                Body::Cut(full, known) => slot.word() == full && slot.c == known.0,
                Body::Two(a, b) => slot.a == a.0 && slot.b == b.0,
            }
    }

    fn hash_of(&self, draft: &Draft<'_>) -> u64 {
        let of = |id: NodeId| self.hashes[id.0 as usize];
        let hasher = Hasher::new(draft.tag as u8, draft.aux);
        let hasher = match draft.body {
            Body::Word(word) => hasher.word(word),
            Body::Bytes(bytes) => hasher.bytes(bytes),
            Body::Kids(kids, _) => kids
                .iter()
                .fold(hasher.word(u64::from(draft.level)), |hasher, kid| hasher.word(of(*kid))),
            Body::Cut(full, known) => hasher.word(full).word(of(known)),
            Body::Two(a, b) => hasher.word(of(a)).word(of(b)),
        };
        hasher.finish()
    }

    /// Copies the content in; `None` when there is no room for it.
    fn store_body(&mut self, draft: &Draft<'_>) -> Option<Slot> {
        if self.slots.len() >= NOBODY as usize - 1 {
            return None;
        }
        // One more than is needed now: for the node that stands for what has no room.
        if !reserve::room(&mut self.slots, 2) || !reserve::room(&mut self.hashes, 2) {
            return None;
        }
        let complete = self.would_be_complete(draft);
        let meta = draft.level | if complete { COMPLETE } else { 0 };
        let (a, b, c) = match draft.body {
            Body::Word(word) => (word as u32, (word >> 32) as u32, 0),
            Body::Bytes(bytes) => {
                let at = u32::try_from(self.bytes.len()).ok()?;
                let len = u32::try_from(bytes.len()).ok()?;
                if !reserve::room(&mut self.bytes, bytes.len()) {
                    return None;
                }
                self.bytes.extend_from_slice(bytes);
                (at, len, 0)
            }
            Body::Kids(kids, count) => {
                let at = u32::try_from(self.kids.len()).ok()?;
                let len = u32::try_from(kids.len()).ok()?;
                if !reserve::room(&mut self.kids, kids.len()) {
                    return None;
                }
                self.kids.extend_from_slice(kids);
                (at, len, count)
            }
            Body::Cut(full, known) => (full as u32, (full >> 32) as u32, known.0),
            Body::Two(a, b) => (a.0, b.0, 0),
        };
        Some(Slot {
            tag: draft.tag,
            meta,
            aux: draft.aux,
            a,
            b,
            c,
        })
    }

    fn would_be_complete(&self, draft: &Draft<'_>) -> bool {
        match draft.body {
            Body::Word(_) if cfg!(mutant = "arena_redacted_is_whole") => draft.tag != Tag::Truncated,
            Body::Word(_) => !matches!(draft.tag, Tag::Truncated | Tag::Redacted),
            Body::Bytes(_) => true,
            Body::Kids(kids, _) => kids.iter().all(|kid| self.is_complete(*kid)),
            Body::Cut(..) => false,
            Body::Two(a, b) => self.is_complete(a) && self.is_complete(b),
        }
    }

    fn slot(&self, id: NodeId) -> &Slot {
        &self.slots[id.0 as usize]
    }

    fn hash(&self, id: NodeId) -> u64 {
        self.hashes[id.0 as usize]
    }

    fn slot_bytes(&self, slot: &Slot) -> &[u8] {
        &self.bytes[slot.a as usize..][..slot.b as usize]
    }

    fn slot_kids(&self, slot: &Slot) -> &[NodeId] {
        &self.kids[slot.a as usize..][..slot.b as usize]
    }
}
