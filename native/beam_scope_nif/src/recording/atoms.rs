//! What atoms of this VM are called.

use beam_scope_core::term::{AtomId, AtomSource};
use rustler::OwnedEnv;

use crate::vm::{api, Word};

/// Asks the VM, from any thread.
pub(crate) struct LiveAtoms;

impl AtomSource for LiveAtoms {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        let atom = Word::try_from(id.0).ok()?;
        OwnedEnv::new().run(|env| api::atom_text(env.as_c_arg(), atom, |text| Box::from(text)))
    }
}
