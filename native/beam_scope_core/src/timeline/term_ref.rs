//! A term together with the arena it lives in.

use std::sync::Arc;

use crate::store::ChunkView;
use crate::term::arena::{Arena, NodeId};
use crate::term::Value;

#[derive(Clone)]
enum Home {
    Chunk(Arc<ChunkView>),
    Own(Arc<Arena>),
}

/// A term of a recording, held without a copy: the chunk it lives in stays in memory as long as the reference does.
#[derive(Clone)]
pub struct TermRef {
    home: Home,
    node: NodeId,
}

impl TermRef {
    /// A term of a chunk.
    #[must_use]
    pub fn in_chunk(view: &Arc<ChunkView>, node: NodeId) -> Self {
        Self {
            home: Home::Chunk(Arc::clone(view)),
            node,
        }
    }

    /// A term in an arena of its own.
    #[must_use]
    pub const fn in_arena(arena: Arc<Arena>, node: NodeId) -> Self {
        Self {
            home: Home::Own(arena),
            node,
        }
    }

    /// A term made from an owned one.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let mut arena = Arena::new();
        let node = arena.intern(value);
        Self::in_arena(Arc::new(arena), node)
    }

    /// A tuple of terms that may live in different arenas.
    #[must_use]
    pub fn tuple(parts: &[&Self]) -> Self {
        Self::of(&Value::Tuple(parts.iter().map(|part| part.to_value()).collect()))
    }

    /// The arena it lives in.
    #[must_use]
    pub fn arena(&self) -> &Arena {
        match &self.home {
            Home::Chunk(view) => &view.arena,
            Home::Own(arena) => arena,
        }
    }

    /// The node in it.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Another node of the same arena.
    #[must_use]
    pub fn at(&self, node: NodeId) -> Self {
        Self {
            home: self.home.clone(),
            node,
        }
    }

    /// Lets go of the chunks that these terms live in: what is theirs is copied into one arena. Terms without a chunk stay.
    pub(crate) fn unpin<'r>(terms: impl Iterator<Item = &'r mut Self>) {
        let mut arena = Arena::new();
        let pinned: Vec<(&mut Self, NodeId)> = terms
            .filter(|term| matches!(term.home, Home::Chunk(_)))
            .map(|term| {
                let node = arena.import(term.arena(), term.node);
                (term, node)
            })
            .collect();
        let arena = Arc::new(arena);
        for (term, node) in pinned {
            *term = Self::in_arena(Arc::clone(&arena), node);
        }
    }

    /// Whether both have the same content. Content hashes of 64 bits decide across arenas.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        if std::ptr::eq(self.arena(), other.arena()) {
            return self.node == other.node;
        }
        self.hash() == other.hash()
    }

    /// The hash of its content: equal in every arena.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.arena().content_hash(self.node)
    }

    /// An owned copy.
    #[must_use]
    pub fn to_value(&self) -> Value {
        self.arena().to_value(self.node)
    }
}

impl std::fmt::Debug for TermRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_value().fmt(f)
    }
}
