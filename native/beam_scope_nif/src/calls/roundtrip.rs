//! Law 1 as a function: what the tracer would write, read again.

use beam_scope_core::term::arena::Arena;
use rustler::{Env, Term};

use crate::atoms;
use crate::decode::{Decoder, Live};
use crate::encode::{encode, Budget, Rules};
use crate::fault::{done, fault, Answer};

/// Encodes a term as the tracer does and decodes it: `%{bytes, depth, redact}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn roundtrip<'a>(env: Env<'a>, term: Term<'a>, options: Term<'a>) -> Answer<'a> {
    let wire = encoded(env, term, options)?;
    let mut arena = Arena::new();
    let (id, _) = arena.intern_wire(&wire).map_err(|e| fault("wire", e.to_string()))?;
    Ok(Decoder::new(env, &arena, &Live).term(id))
}

/// The wire form of a term, for tests and benches.
#[rustler::nif(schedule = "DirtyCpu")]
fn encode_term<'a>(env: Env<'a>, term: Term<'a>, options: Term<'a>) -> Answer<'a> {
    let wire = encoded(env, term, options)?;
    // SAFETY: a term of this environment.
    Ok(unsafe { Term::new(env, crate::decode::binary(env, &wire)) })
}

/// Whether redaction rules can be asked in a tracer; the error says which part cannot.
#[rustler::nif(schedule = "DirtyCpu")]
fn redaction_check<'a>(env: Env<'a>, rules: Term<'a>) -> Answer<'a> {
    crate::recording::rules::wanted(rules)?;
    done(env)
}

fn encoded<'a>(env: Env<'a>, term: Term<'a>, options: Term<'a>) -> Result<Vec<u8>, rustler::Error> {
    let number = |key: rustler::Atom| options.map_get(key).ok().and_then(|n| n.decode::<usize>().ok());
    let budget = Budget {
        bytes: number(atoms::bytes()).unwrap_or(65_536).min(1 << 28),
        depth: number(atoms::depth()).unwrap_or(64),
    };
    let rules = match options.map_get(atoms::redact()) {
        Ok(rules) => Rules::new(crate::recording::rules::wanted(rules)?),
        Err(_) => Rules::none(),
    };
    let mut buffer = vec![0; budget.bytes.max(crate::encode::MIN_BYTES)];
    let encoded = encode(env.as_c_arg(), term.as_c_arg(), &mut buffer, budget, &rules)
        .ok_or_else(|| fault("budget", "too small for a marker"))?;
    buffer.truncate(encoded.len);
    Ok(buffer)
}
