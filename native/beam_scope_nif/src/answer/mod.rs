//! Answers of the core as maps of the VM, and questions of the VM as the core's.

pub(crate) mod check;
pub(crate) mod comparison;
pub(crate) mod event;
pub(crate) mod finding;
pub(crate) mod inference;
mod process;
pub(crate) mod question;
mod shared;
mod transition;
mod world;

pub(crate) use event::{counted, events};
pub(crate) use process::{processes, tree};
pub(crate) use transition::{history, mailbox, state, transition};
pub(crate) use world::world;

use std::collections::HashMap;

use beam_scope_core::store::StoreError;
use beam_scope_core::term::arena::{Arena, NodeId};
use beam_scope_core::term::AtomId;
use beam_scope_core::timeline::{AtomName, Stamp, TermRef, TimelineError};
use rustler::codegen_runtime::ErlNifTerm;
use rustler::{Atom, Encoder, Env, Error, Term};

use crate::atoms;
use crate::decode::{make_map, Decoder, Origin};
use crate::fault::fault;

/// Makes terms from nodes of any arena; each arena's shared nodes are made once.
pub(crate) struct Terms<'a, 'o> {
    pub(crate) env: Env<'a>,
    origin: &'o dyn Origin,
    decoders: HashMap<usize, Decoder<'a, 'o>>,
}

impl<'a, 'o> Terms<'a, 'o> {
    pub(crate) fn new(env: Env<'a>, origin: &'o dyn Origin) -> Self {
        Self {
            env,
            origin,
            decoders: HashMap::new(),
        }
    }

    pub(crate) fn node(&mut self, arena: &'o Arena, node: NodeId) -> Term<'a> {
        let (env, origin) = (self.env, self.origin);
        let place = std::ptr::from_ref(arena) as usize;
        self.decoders
            .entry(place)
            .or_insert_with(|| Decoder::new(env, arena, origin))
            .term(node)
    }

    pub(crate) fn of(&mut self, term: &'o TermRef) -> Term<'a> {
        self.node(term.arena(), term.node())
    }

    pub(crate) fn optional(&mut self, term: Option<&'o TermRef>) -> Term<'a> {
        match term {
            Some(term) => self.of(term),
            None => nil(self.env),
        }
    }

    pub(crate) fn pid(&self, word: u64) -> Term<'a> {
        // SAFETY: the origin makes a term of this environment, or an immediate.
        unsafe { Term::new(self.env, self.origin.pid(self.env, word)) }
    }

    pub(crate) fn atom(&self, id: AtomId) -> Term<'a> {
        // SAFETY: as above.
        unsafe { Term::new(self.env, self.origin.atom(self.env, id)) }
    }

    /// A derived name becomes an atom only where that atom exists.
    pub(crate) fn atom_name(&self, name: &AtomName) -> Term<'a> {
        match name {
            AtomName::Id(id) => self.atom(*id),
            AtomName::Text(text) => match Atom::existing_from_utf8_bytes(self.env, text.as_bytes()) {
                Ok(atom) => atom.encode(self.env),
                _ => text.as_str().encode(self.env),
            },
        }
    }

    pub(crate) fn stamp(&self, stamp: &Stamp) -> Term<'a> {
        Map::default()
            .put(atoms::seq(), stamp.seq.encode(self.env))
            .put(atoms::at_ns(), stamp.at_ns.encode(self.env))
            .finish(self.env)
    }
}

/// A map in the making.
#[derive(Default)]
pub(crate) struct Map {
    keys: Vec<ErlNifTerm>,
    values: Vec<ErlNifTerm>,
}

impl Map {
    pub(crate) fn put(mut self, key: Atom, value: Term<'_>) -> Self {
        self.set(key, value);
        self
    }

    pub(crate) fn set(&mut self, key: Atom, value: Term<'_>) {
        self.keys.push(key.as_c_arg());
        self.values.push(value.as_c_arg());
    }

    pub(crate) fn finish(self, env: Env<'_>) -> Term<'_> {
        // SAFETY: made in this environment.
        unsafe { Term::new(env, make_map(env, &self.keys, &self.values)) }
    }
}

pub(crate) fn nil(env: Env<'_>) -> Term<'_> {
    atoms::nil().encode(env)
}

/// One of our own names as an atom.
pub(crate) fn name<'a>(env: Env<'a>, text: &'static str) -> Term<'a> {
    Atom::from_str(env, text).map_or_else(|_| nil(env), |atom| atom.encode(env))
}

/// Why a state is not there, for a reader.
pub(crate) fn why(error: &TimelineError) -> Option<String> {
    match error {
        TimelineError::NeverSeen => None,
        TimelineError::Lost { count, .. } => Some(format!("{count} of its events were lost just before")),
        TimelineError::Unseen { seq, why } => Some(unseen(*seq, why)),
        TimelineError::Store(error) => Some(error.to_string()),
        _ => Some("nobody can tell".to_owned()),
    }
}

/// What was not recorded on purpose was not lost.
fn unseen(seq: u64, why: &str) -> String {
    format!("what it did was not recorded then (its timeline says at event {seq}: {why})")
}

/// Why a question has no answer, in the words of `BeamScope.Error`.
pub(crate) fn refused(error: TimelineError) -> Error {
    match error {
        TimelineError::NoSuchProcess => fault("no_such_process", ""),
        TimelineError::NotBegun(stamp) => fault(
            "not_alive",
            format!("it began with event {}, {} ns after the start", stamp.seq, stamp.at_ns),
        ),
        TimelineError::NotAlive(stamp) => fault(
            "not_alive",
            format!(
                "it had ended with event {}, {} ns after the start",
                stamp.seq, stamp.at_ns
            ),
        ),
        TimelineError::NeverSeen => fault("unknown_state", "no state of it was seen by then"),
        TimelineError::Lost { count, .. } => fault(
            "unknown_state",
            format!("{count} of its events were lost just before, so nobody can tell"),
        ),
        TimelineError::Unseen { seq, why } => fault("unknown_state", unseen(seq, &why)),
        TimelineError::OutsideRecording => fault("outside_recording", ""),
        TimelineError::Store(error) => stored(&error),
    }
}

pub(crate) fn stored(error: &StoreError) -> Error {
    fault(reason(error).unwrap_or("store"), error.to_string())
}

/// What is nobody's fault: somebody closed the recording between the question and the answer, or the system has no memory.
pub(crate) const fn reason(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Closed => Some("closed"),
        StoreError::Memory => Some("no_memory"),
        _ => None,
    }
}
