//! Terms that were made of several recordings: their atoms are one list.

use beam_scope_core::infer::SharedAtom;
use beam_scope_core::term::{AtomId, Kind};
use rustler::codegen_runtime::ErlNifTerm;
use rustler::{Atom, Env};

use crate::decode::{opaque, Origin};

/// Each atom is one of the recording that it was seen in.
pub(crate) struct Shared<'o> {
    pub(crate) atoms: &'o [SharedAtom],
    pub(crate) origins: &'o [&'o dyn Origin],
}

impl Origin for Shared<'_> {
    fn atom(&self, env: Env<'_>, id: AtomId) -> ErlNifTerm {
        let known = usize::try_from(id.0).ok().and_then(|at| self.atoms.get(at));
        let Some(known) = known else {
            return opaque(env, Kind::Atom, "");
        };
        match (Atom::existing_from_utf8_bytes(env, known.text.as_bytes()), known.origin) {
            (Ok(atom), _) => atom.as_c_arg(),
            (Err(_), Some((recording, id))) => self.origins[recording].atom(env, id),
            (Err(_), None) => opaque(env, Kind::Atom, &known.text),
        }
    }

    fn pid(&self, env: Env<'_>, _word: u64) -> ErlNifTerm {
        // What is told of several recordings has no pids in it.
        opaque(env, Kind::Pid, "#PID<?>")
    }

    fn is_local(&self) -> bool {
        false
    }
}
