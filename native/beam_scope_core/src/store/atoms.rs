//! The atoms of a recording that was read from a file.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::AtomSource;
use crate::term::{AtomId, Value};

/// Atoms that no recording has get numbers from here on; a VM's atom words are smaller.
const FRESH: u64 = 1 << 62;

/// A two-way table of atoms. Texts that the file does not know get numbers of their own, so that a question may name any
/// atom; they equal none of the file's.
#[derive(Debug, Default)]
pub struct AtomTable(RwLock<Atoms>);

#[derive(Debug, Default)]
struct Atoms {
    texts: HashMap<AtomId, Box<str>>,
    ids: HashMap<Box<str>, AtomId>,
}

impl AtomTable {
    pub(crate) fn new(atoms: impl IntoIterator<Item = (u64, String)>) -> Self {
        let mut table = Atoms::default();
        for (id, text) in atoms {
            table.ids.entry(text.as_str().into()).or_insert(AtomId(id));
            table.texts.insert(AtomId(id), text.into());
        }
        Self(RwLock::new(table))
    }

    /// The number that stands for an atom in this recording.
    pub fn id(&self, text: &str) -> AtomId {
        if let Some(id) = self.0.read().ids.get(text) {
            return *id;
        }
        let mut atoms = self.0.write();
        let fresh = AtomId(FRESH + atoms.ids.len() as u64);
        let id = *atoms.ids.entry(text.into()).or_insert(fresh);
        atoms.texts.entry(id).or_insert_with(|| text.into());
        id
    }

    /// Rewrites a term of the running VM into this recording's numbers: what a question about a loaded recording needs.
    pub fn localize(&self, value: &mut Value, vm: &dyn AtomSource) {
        let local = |id: &mut AtomId| {
            if let Some(text) = vm.text(*id) {
                *id = self.id(&text);
            }
        };
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            match value {
                Value::Atom(id) => local(id),
                Value::Export(module, function, _) => {
                    local(module);
                    local(function);
                }
                Value::List(items)
                | Value::Tuple(items)
                | Value::TruncatedList(items, _)
                | Value::TruncatedTuple(items, _) => stack.extend(items),
                Value::Improper(items, tail) => {
                    stack.extend(items);
                    stack.push(tail);
                }
                Value::Map(pairs) | Value::TruncatedMap(pairs, _) => {
                    stack.extend(pairs.iter_mut().flat_map(|(key, value)| [key, value]));
                }
                _ => {}
            }
        }
    }
}

impl AtomSource for AtomTable {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        self.0.read().texts.get(&id).cloned()
    }
}
