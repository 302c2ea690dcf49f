//! Asking a pattern of a term at hand.

use std::sync::Arc;

use beam_scope_core::pattern::{Bindings, Bound, Match, Pattern, Why};
use beam_scope_core::term::arena::Arena;
use beam_scope_core::term::Kind;
use rustler::{Encoder, Env, Term};

use crate::answer::{question, Map};
use crate::atoms;
use crate::captured;
use crate::decode::{kind_atom, Decoder, Live, Origin};
use crate::fault::{fault, Answer};
use crate::recording::atoms::LiveAtoms;

/// `{:match, %{name => term}} | :nomatch | {:unknown, :truncated | :redacted | :unsupported}`.
#[rustler::nif(name = "match", schedule = "DirtyCpu")]
fn match_term<'a>(env: Env<'a>, data: Term<'a>, term: Term<'a>) -> Answer<'a> {
    let pattern = Pattern::from_value(&question::value(data)?, Arc::new(LiveAtoms))
        .map_err(|error| fault("bad_pattern", error.to_string()))?;
    let mut arena = Arena::new();
    let node = captured::intern(&mut arena, term)?;
    Ok(match pattern.matches(&arena, node) {
        Match::Yes(bindings) => (atoms::match_(), bound(env, &arena, &bindings)).encode(env),
        Match::No => atoms::nomatch().encode(env),
        Match::Unknown(why) => (atoms::unknown(), reason(why)).encode(env),
    })
}

fn reason(why: Why) -> rustler::Atom {
    match why {
        Why::Truncated => atoms::truncated(),
        Why::Redacted => atoms::redacted(),
        Why::Unsupported => atoms::unsupported(),
    }
}

fn bound<'a>(env: Env<'a>, arena: &Arena, bindings: &Bindings) -> Term<'a> {
    let mut terms = Decoder::new(env, arena, &Live);
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, bound) in &bindings.0 {
        names.push(Live.atom(env, *name));
        values.push(
            match bound {
                Bound::Node(node) => terms.term(*node),
                Bound::Value(value) => {
                    let mut own = Arena::new();
                    let node = own.intern(value);
                    Decoder::new(env, &own, &Live).term(node)
                }
                Bound::Hidden(kind, why, size) => hidden(env, *kind, *why, *size),
            }
            .as_c_arg(),
        );
    }
    // SAFETY: made in this environment.
    unsafe { Term::new(env, crate::decode::make_map(env, &names, &values)) }
}

/// A part that is not there; its kind may be unknown too.
fn hidden(env: Env<'_>, kind: Option<Kind>, why: Why, size: u64) -> Term<'_> {
    // SAFETY: an atom.
    let kind = unsafe { Term::new(env, kind.map_or_else(|| atoms::unknown().as_c_arg(), kind_atom)) };
    let map = Map::default()
        .put(atoms::kind(), kind)
        .put(atoms::size(), size.encode(env));
    match why {
        Why::Redacted => map.put(atoms::__struct__(), atoms::redacted_struct().encode(env)),
        _ => map
            .put(atoms::__struct__(), atoms::truncated_struct().encode(env))
            .put(atoms::known(), atoms::nil().encode(env)),
    }
    .finish(env)
}
