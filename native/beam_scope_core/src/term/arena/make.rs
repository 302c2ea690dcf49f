//! Building terms out of terms that are already in an arena.

use super::node::{Body, Draft, Tag};
use super::{list, map, Arena, NodeId};

impl Arena {
    /// The proper list of these elements.
    pub fn make_list(&mut self, items: &[NodeId]) -> NodeId {
        list::build(self, items).unwrap_or_else(|| self.overflow())
    }

    /// The tuple of these elements.
    pub fn make_tuple(&mut self, items: &[NodeId]) -> NodeId {
        self.put(Draft::new(Tag::Tuple, Body::Kids(items, 0)))
    }

    /// The map of these pairs. Of equal keys the last one counts.
    pub fn make_map(&mut self, pairs: impl IntoIterator<Item = (NodeId, NodeId)>) -> NodeId {
        let parts: Vec<NodeId> = pairs.into_iter().flat_map(|(key, value)| [key, value]).collect();
        map::build(self, &parts).unwrap_or_else(|| self.overflow())
    }

    /// The binary of these bytes.
    pub fn make_binary(&mut self, bytes: &[u8]) -> NodeId {
        self.put(Draft::new(Tag::Binary, Body::Bytes(bytes)))
    }
}
