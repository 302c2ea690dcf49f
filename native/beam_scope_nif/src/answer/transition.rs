//! Histories, states and mailboxes.

use beam_scope_core::timeline::{Facts, History, Known, Mailbox, Outcome, StateAt, Transition};
use rustler::{Encoder, Term};

use crate::atoms;

use super::event::{module_of, name_of};
use super::process::processes;
use super::{name, nil, Map, Terms};

/// What makes the diff of two known states.
pub(crate) type Differ<'d, 'a, 'o> = &'d mut dyn FnMut(&mut Terms<'a, 'o>, &'o Transition) -> Option<Term<'a>>;

/// `%{processes, transitions, more}`.
pub(crate) fn history<'a, 'o>(
    terms: &mut Terms<'a, 'o>,
    facts: &'o Facts,
    found: &'o History,
    differ: Differ<'_, 'a, 'o>,
) -> Term<'a> {
    let env = terms.env;
    let list: Vec<Term<'a>> = found
        .transitions
        .iter()
        .map(|one| transition(terms, facts, one, differ))
        .collect();
    let processes = processes(terms, &found.processes);
    Map::default()
        .put(atoms::processes(), processes)
        .put(atoms::transitions(), list.encode(env))
        .put(atoms::more(), found.more.encode(env))
        .finish(env)
}

/// One transition map.
pub(crate) fn transition<'a, 'o>(
    terms: &mut Terms<'a, 'o>,
    facts: &'o Facts,
    one: &'o Transition,
    differ: Differ<'_, 'a, 'o>,
) -> Term<'a> {
    let env = terms.env;
    let sender = one.from_process.and_then(|pid| facts.of_pid_at(pid, one.began_seq));
    let sender_name = name_of(terms, facts, sender, one.began_seq);
    let (from, to) = (known(terms, &one.from), known(terms, &one.to));
    let diff = differ(terms, one).unwrap_or_else(|| nil(env));
    let reply = match &one.reply {
        Some(reply) => (rustler::types::atom::ok(), terms.of(reply)).encode(env),
        None => nil(env),
    };
    Map::default()
        .put(atoms::seq(), one.seq.encode(env))
        .put(atoms::at_ns(), one.at_ns.encode(env))
        .put(atoms::began_seq(), one.began_seq.encode(env))
        .put(atoms::began_ns(), one.began_ns.encode(env))
        .put(atoms::track(), one.track.0.encode(env))
        .put(atoms::module(), module_of(terms, facts, one.track))
        .put(atoms::kind(), name(env, one.kind.name()))
        .put(
            atoms::message(),
            terms.optional(one.raw.as_ref().or(one.message.as_ref())),
        )
        .put(atoms::content(), terms.optional(one.message.as_ref()))
        .put(
            atoms::from_process(),
            one.from_process.map_or_else(|| nil(env), |pid| terms.pid(pid)),
        )
        .put(atoms::from_name(), sender_name)
        .put(atoms::from(), from)
        .put(atoms::to(), to)
        .put(atoms::diff(), diff)
        .put(atoms::result(), outcome(terms, &one.outcome))
        .put(atoms::reply(), reply)
        .put(atoms::handler(), terms.optional(one.handler.as_ref()))
        .put(atoms::lost(), one.lost.encode(env))
        .finish(env)
}

fn known<'a, 'o>(terms: &mut Terms<'a, 'o>, state: &'o Known) -> Term<'a> {
    match state {
        Known::Is(state) => (rustler::types::atom::ok(), terms.of(state)).encode(terms.env),
        Known::Unknown => atoms::unknown().encode(terms.env),
    }
}

fn outcome<'a, 'o>(terms: &mut Terms<'a, 'o>, outcome: &'o Outcome) -> Term<'a> {
    let env = terms.env;
    match outcome {
        Outcome::Ok => rustler::types::atom::ok().encode(env),
        Outcome::Pending => atoms::pending().encode(env),
        Outcome::Stop(reason) => (atoms::stop(), terms.of(reason)).encode(env),
        Outcome::Crash(class, reason) => {
            let class = class
                .as_ref()
                .map_or_else(|| rustler::types::atom::error().encode(env), |class| terms.of(class));
            (atoms::crash(), class, terms.of(reason)).encode(env)
        }
    }
}

/// `%{state, seq, at_ns, track}`.
pub(crate) fn state<'a, 'o>(terms: &mut Terms<'a, 'o>, found: &'o StateAt) -> Term<'a> {
    let env = terms.env;
    let state = terms.of(&found.state);
    Map::default()
        .put(atoms::state(), state)
        .put(atoms::seq(), found.told.seq.encode(env))
        .put(atoms::at_ns(), found.told.at_ns.encode(env))
        .put(atoms::track(), found.track.0.encode(env))
        .finish(env)
}

/// `%{messages, exact}`.
pub(crate) fn mailbox<'a, 'o>(terms: &mut Terms<'a, 'o>, found: &'o Mailbox) -> Term<'a> {
    let env = terms.env;
    let messages: Vec<Term<'a>> = found
        .messages
        .iter()
        .map(|waiting| terms.of(&waiting.message))
        .collect();
    Map::default()
        .put(atoms::messages(), messages.encode(env))
        .put(atoms::count(), found.len.encode(env))
        .put(atoms::exact(), found.exact.encode(env))
        .finish(env)
}
