//! Maps in and out of calls.

use rustler::codegen_runtime::ErlNifTerm;
use rustler::{Atom, Decoder, Encoder, Env, Error, Term};

use crate::decode::make_map;
use crate::fault::fault;

/// A map in the making; keys are atoms by name.
pub(crate) struct MapBuilder<'a> {
    env: Env<'a>,
    keys: Vec<ErlNifTerm>,
    values: Vec<ErlNifTerm>,
}

impl<'a> MapBuilder<'a> {
    pub(crate) fn new(env: Env<'a>) -> Self {
        Self {
            env,
            keys: Vec::with_capacity(16),
            values: Vec::with_capacity(16),
        }
    }

    /// Adds a pair.
    pub(crate) fn put(mut self, key: &'static str, value: impl Encoder) -> Self {
        self.set(key, value);
        self
    }

    /// Adds a pair.
    pub(crate) fn set(&mut self, key: &'static str, value: impl Encoder) {
        self.keys.push(atom(self.env, key).as_c_arg());
        self.values.push(value.encode(self.env).as_c_arg());
    }

    pub(crate) fn finish(self) -> Term<'a> {
        // SAFETY: made in this environment.
        unsafe { Term::new(self.env, make_map(self.env, &self.keys, &self.values)) }
    }
}

/// An atom of ours. Only for names that are written in this library, or that were atoms before.
pub(crate) fn atom<'a>(env: Env<'a>, name: &str) -> Term<'a> {
    match Atom::from_str(env, name) {
        Ok(atom) => atom.to_term(env),
        Err(_) => crate::atoms::nil().to_term(env),
    }
}

/// The value of a key; `None` when it is not there or `nil`.
pub(crate) fn get<'a>(map: Term<'a>, key: &str) -> Option<Term<'a>> {
    let value = map.map_get(atom(map.get_env(), key)).ok()?;
    (value.as_c_arg() != crate::atoms::nil().as_c_arg()).then_some(value)
}

/// The value of a key, if it is there; a wrong one is an error that names the key.
pub(crate) fn optional<'a, T: Decoder<'a>>(map: Term<'a>, key: &'static str) -> Result<Option<T>, Error> {
    get(map, key)
        .map(|value| value.decode::<T>().map_err(|_| invalid(key)))
        .transpose()
}

/// The value of a key that must be there.
pub(crate) fn required<'a, T: Decoder<'a>>(map: Term<'a>, key: &'static str) -> Result<T, Error> {
    optional(map, key)?.ok_or_else(|| invalid(key))
}

/// An argument that control should not have let through.
pub(crate) fn invalid(what: &str) -> Error {
    fault("invalid_option", format!("{what} is missing or has a wrong value"))
}

/// The name of an atom.
pub(crate) fn name(term: Term<'_>) -> Option<String> {
    term.is_atom()
        .then(|| {
            crate::vm::api::atom_text(
                term.get_env().as_c_arg(),
                crate::vm::word(term.as_c_arg()),
                str::to_owned,
            )
        })
        .flatten()
}
