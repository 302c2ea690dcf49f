//! Asking a pattern of a term at hand.

use std::sync::Arc;

use beam_scope_core::pattern::{Bindings, Bound, Match, Pattern, Why};
use beam_scope_core::term::arena::Arena;
use beam_scope_core::term::{AtomId, Kind};
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
        Match::Yes(Bindings(found)) => (atoms::match_(), bound(env, &Live, Some(&arena), &found)).encode(env),
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

/// Variables and their values, as a map. Nodes are those of `arena`.
pub(crate) fn bound<'a>(
    env: Env<'a>,
    origin: &dyn Origin,
    arena: Option<&Arena>,
    bindings: &[(AtomId, Bound)],
) -> Term<'a> {
    let mut terms = arena.map(|arena| Decoder::new(env, arena, origin));
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, bound) in bindings {
        let value = match bound {
            Bound::Node(node) => terms.as_mut().map(|terms| terms.term(*node)),
            Bound::Value(value) => {
                let mut own = Arena::new();
                let node = own.intern(value);
                Some(Decoder::new(env, &own, origin).term(node))
            }
            Bound::Hidden(kind, why, size) => Some(hidden(env, *kind, *why, *size)),
        };
        if let Some(value) = value {
            names.push(origin.atom(env, *name));
            values.push(value.as_c_arg());
        }
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
