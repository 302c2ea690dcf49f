//! Worlds.

use beam_scope_core::timeline::{Facts, StateAt, TimelineError, World};
use rustler::{Encoder, Term};

use crate::atoms;

use super::event::name_of;
use super::{mailbox, nil, processes, tree, why, Map, Terms};

/// `%{seq, at_ns, tree, processes, states, mailboxes, flights, in_flight}`; the lists of states and mailboxes are in the order of
/// the processes.
pub(crate) fn world<'a, 'o>(terms: &mut Terms<'a, 'o>, facts: &'o Facts, found: &'o World) -> Term<'a> {
    let env = terms.env;
    let states: Vec<Term<'a>> = found.states.iter().map(|one| state(terms, one)).collect();
    let mailboxes: Vec<Term<'a>> = found.mailboxes.iter().map(|one| mailbox(terms, one)).collect();
    let flights: Vec<Term<'a>> = found
        .flights
        .iter()
        .map(|one| {
            let pid = |terms: &mut Terms<'a, 'o>, track| {
                let track = facts.track(track);
                track.map_or_else(|| nil(env), |track| terms.pid(track.pid))
            };
            let from = one.from.map_or_else(|| nil(env), |from| pid(terms, from));
            let (from_name, to_name) = (
                name_of(terms, facts, one.from, one.sent),
                name_of(terms, facts, Some(one.to), one.sent),
            );
            Map::default()
                .put(atoms::seq(), one.sent.encode(env))
                .put(atoms::from(), from)
                .put(atoms::from_track(), one.from.map(|from| from.0).encode(env))
                .put(atoms::from_name(), from_name)
                .put(atoms::to(), pid(terms, one.to))
                .put(atoms::to_track(), one.to.0.encode(env))
                .put(atoms::to_name(), to_name)
                .put(atoms::message(), terms.of(&one.message))
                .finish(env)
        })
        .collect();
    let (list, tree) = (processes(terms, &found.processes), tree(terms, &found.tree));
    Map::default()
        .put(atoms::seq(), found.at.seq.encode(env))
        .put(atoms::at_ns(), found.at.at_ns.encode(env))
        .put(atoms::tree(), tree)
        .put(atoms::processes(), list)
        .put(atoms::states(), states.encode(env))
        .put(atoms::mailboxes(), mailboxes.encode(env))
        .put(atoms::flights(), flights.encode(env))
        .put(atoms::in_flight(), found.in_flight.encode(env))
        .finish(env)
}

/// `{:ok, state} | {:unknown, why | nil}`.
fn state<'a, 'o>(terms: &mut Terms<'a, 'o>, found: &'o Result<StateAt, TimelineError>) -> Term<'a> {
    let env = terms.env;
    match found {
        Ok(at) => (rustler::types::atom::ok(), terms.of(&at.state)).encode(env),
        Err(error) => {
            let why = why(error).map_or_else(|| nil(env), |text| text.encode(env));
            (atoms::unknown(), why).encode(env)
        }
    }
}
