//! How calls fail: `{:error, {reason, detail}}`, never a bare string, never a panic.

use rustler::{Encoder, Env, Error, Term};

/// What a call gives: a term, or an error that [`fault`] made.
pub(crate) type Answer<'a> = Result<Term<'a>, Error>;

/// `{:error, {reason, detail}}`; `reason` becomes an atom, so it must be one of ours.
pub(crate) fn fault(reason: &'static str, detail: impl Into<String>) -> Error {
    Error::Term(Box::new(Fault {
        reason,
        detail: detail.into(),
    }))
}

/// `{:ok, value}`.
pub(crate) fn ok<'a>(env: Env<'a>, value: impl Encoder) -> Answer<'a> {
    Ok((rustler::types::atom::ok(), value).encode(env))
}

/// `:ok`.
pub(crate) fn done(env: Env<'_>) -> Answer<'_> {
    Ok(rustler::types::atom::ok().encode(env))
}

struct Fault {
    reason: &'static str,
    detail: String,
}

impl Encoder for Fault {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        let reason = match rustler::Atom::from_str(env, self.reason) {
            Ok(atom) => atom.encode(env),
            Err(_) => rustler::types::atom::error().encode(env),
        };
        (reason, self.detail.as_str()).encode(env)
    }
}
