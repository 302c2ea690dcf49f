//! What atoms are called.

use super::AtomId;

/// Who knows the text of atoms: the VM of a living recording, the table of a loaded one.
pub trait AtomSource: Send + Sync {
    /// The atom's text.
    fn text(&self, id: AtomId) -> Option<Box<str>>;
}
