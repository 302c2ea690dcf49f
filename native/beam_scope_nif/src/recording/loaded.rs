//! Where the atoms and processes of a recording live that was read from a file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use beam_scope_core::store::{AtomTable, Recording};
use beam_scope_core::term::{AtomId, AtomSource, Kind};
use parking_lot::Mutex;
use rustler::codegen_runtime::ErlNifTerm;
use rustler::{Atom, Env};

use crate::decode::{opaque, Origin};
use crate::vm::{self, api, Word};

/// Tag bits of a local pid.
const PID: u64 = 0x3;
/// Files could name any number of atoms, and the VM never forgets one: all files together make so many at most.
const MOST_ATOMS: usize = 100_000;
static MADE_ATOMS: AtomicUsize = AtomicUsize::new(0);

/// A number that no other VM, and no other life of this one, has.
pub(crate) fn instance() -> u64 {
    static INSTANCE: OnceLock<u64> = OnceLock::new();
    *INSTANCE.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        hasher.write_u128(now.map_or(0, |now| now.as_nanos()));
        hasher.write_u32(std::process::id());
        hasher.finish()
    })
}

/// Whether a recording was read from a file that another VM wrote.
pub(crate) fn is_foreign(rec: &Recording) -> bool {
    rec.is_loaded() && !rec.meta().starts_with(&instance().to_le_bytes())
}

/// Atoms by their text; pids and references live only if this very VM wrote the file.
pub(crate) struct Loaded {
    table: Arc<AtomTable>,
    same_vm: bool,
    /// See [`beam_scope_core::store::StoreConfig::pid_shape`].
    pid_shape: Vec<(u32, u32)>,
    /// Atoms are never collected, so their words stay right.
    atoms: Mutex<HashMap<AtomId, Word>>,
}

impl Loaded {
    pub(crate) fn new(rec: &Recording, table: Arc<AtomTable>) -> Self {
        Self {
            table,
            same_vm: !is_foreign(rec),
            pid_shape: rec.config().pid_shape.clone(),
            atoms: Mutex::default(),
        }
    }
}

impl Origin for Loaded {
    fn atom(&self, env: Env<'_>, id: AtomId) -> ErlNifTerm {
        let mut atoms = self.atoms.lock();
        if let Some(word) = atoms.get(&id) {
            return vm::term(*word);
        }
        let text = self.table.text(id).unwrap_or_default();
        let known = Atom::existing_from_utf8_bytes(env, text.as_bytes()).ok();
        let atom = known.or_else(|| {
            let room = MADE_ATOMS.fetch_add(1, Ordering::Relaxed) < MOST_ATOMS;
            room.then(|| Atom::from_str(env, &text).ok()).flatten()
        });
        match atom {
            Some(atom) => {
                let term = atom.as_c_arg();
                atoms.insert(id, vm::word(term));
                term
            }
            None => opaque(env, Kind::Atom, &text),
        }
    }

    fn pid(&self, env: Env<'_>, word: u64) -> ErlNifTerm {
        let checked = Word::try_from(word)
            .ok()
            .filter(|_| word & 0xF == PID && vm::layout().immediates);
        match checked {
            Some(word) if self.same_vm => vm::term(word),
            // As it was printed where it lived: releases part number and serial differently.
            Some(_) if !self.pid_shape.is_empty() => {
                let set = self.pid_shape.iter().zip(0..).filter(|(_, bit)| word >> bit & 1 == 1);
                let (number, serial) = set.fold((0, 0), |(number, serial), ((n, s), _)| (number | n, serial | s));
                opaque(env, Kind::Pid, &format!("#PID<0.{number}.{serial}>"))
            }
            // An immediate: the VM prints it from its own bits.
            Some(word) => opaque(env, Kind::Pid, &format!("#PID{}", api::print(word, &mut [0; 64]))),
            None => opaque(env, Kind::Pid, "#PID<?>"),
        }
    }

    fn is_local(&self) -> bool {
        self.same_vm
    }
}
