//! Terms that can be written down: small ones, of which nothing is missing, and that mean the same in any VM.

use crate::term::arena::{Arena, Node, NodeId};
use crate::term::Value;

use super::atoms::{Atoms, Local};

/// A literal has no more parts, and its binaries no more bytes.
const MOST_PARTS: usize = 16;
const MOST_BYTES: usize = 80;
const MOST_DEPTH: usize = 4;

/// The term with shared atoms. `None` where it cannot be written down.
pub(crate) fn literal(local: &mut Local, atoms: &mut Atoms, arena: &Arena, node: NodeId) -> Option<Value> {
    if !arena.is_complete(node) {
        return None;
    }
    let mut left = MOST_PARTS;
    Reader { local, atoms, arena }.read(node, &mut left, 0)
}

struct Reader<'a> {
    local: &'a mut Local,
    atoms: &'a mut Atoms,
    arena: &'a Arena,
}

impl Reader<'_> {
    fn read(&mut self, node: NodeId, left: &mut usize, depth: usize) -> Option<Value> {
        *left = left.checked_sub(1)?;
        if depth > MOST_DEPTH {
            return None;
        }
        Some(match self.arena.node(node) {
            Node::Atom(id) => Value::Atom(self.local.shared(self.atoms, id)?),
            Node::Int(n) => Value::Int(n),
            Node::Big(negative, bytes) if bytes.len() <= MOST_BYTES => Value::Big(negative, bytes.to_vec()),
            Node::Float(bits) => Value::Float(bits),
            Node::Binary(bytes) if bytes.len() <= MOST_BYTES => Value::Binary(bytes.to_vec()),
            Node::List { len } if len <= *left => {
                let items: Vec<NodeId> = self.arena.list_iter(node).collect();
                Value::List(self.all(&items, left, depth)?)
            }
            Node::Tuple(items) if items.len() <= *left => Value::Tuple(self.all(items, left, depth)?),
            Node::Map { len } if 2 * len <= *left => self.map(node, left, depth)?,
            _ => return None,
        })
    }

    fn all(&mut self, items: &[NodeId], left: &mut usize, depth: usize) -> Option<Vec<Value>> {
        items.iter().map(|item| self.read(*item, left, depth + 1)).collect()
    }

    /// Pairs in an order that does not depend on the recording, so that equal maps are equal values.
    fn map(&mut self, node: NodeId, left: &mut usize, depth: usize) -> Option<Value> {
        let mut pairs = Vec::new();
        for (key, value) in self.arena.map_iter(node) {
            pairs.push((self.read(key, left, depth + 1)?, self.read(value, left, depth + 1)?));
        }
        pairs.sort_by_cached_key(|(key, _)| format!("{key:?}"));
        Some(Value::Map(pairs))
    }
}
