//! Questions: selectors, moments, queries and patterns as they come from Elixir.

use std::sync::Arc;

use beam_scope_core::event::EventKind;
use beam_scope_core::pattern::{Match, Pattern};
use beam_scope_core::query::{Mfa, Order, Query};
use beam_scope_core::store::{Recording, TrackId};
use beam_scope_core::term::arena::{Arena, NodeId};
use beam_scope_core::term::{AtomId, AtomSource, Value};
use beam_scope_core::timeline::{Module, Moment, Selector, Verdict};
use rustler::{Atom, Error, Term};

use crate::atoms;
use crate::encode::{encode, Budget, Rules, MAX_DEPTH};
use crate::fault::fault;
use crate::recording::atoms::LiveAtoms;
use crate::recording::loaded::is_foreign;
use crate::vm;

use super::event::kind_name;

/// What a user types in is small; what a user computes may not be.
const MOST_BYTES: usize = 64 << 20;

fn bad(what: &'static str) -> Error {
    fault("bad_query", what)
}

/// Whether a term is this atom.
pub(crate) fn is(term: Term<'_>, atom: Atom) -> bool {
    term.decode::<Atom>().is_ok_and(|found| found == atom)
}

/// What a map has under a key, `nil` being nothing.
pub(crate) fn given<'a>(map: Term<'a>, key: Atom) -> Option<Term<'a>> {
    map.map_get(key).ok().filter(|value| !is(*value, atoms::nil()))
}

/// A term of the VM as an owned one, whole.
pub(crate) fn value(term: Term<'_>) -> Result<Value, Error> {
    let mut size = 4096;
    loop {
        let mut buffer = vec![0; size];
        let budget = Budget {
            bytes: size,
            depth: MAX_DEPTH,
        };
        let written = encode(
            term.get_env().as_c_arg(),
            term.as_c_arg(),
            &mut buffer,
            budget,
            &Rules::none(),
        );
        let read = written.and_then(|written| {
            let mut arena = Arena::new();
            let (root, _) = arena.intern_wire(&buffer[..written.len]).ok()?;
            arena.is_complete(root).then(|| arena.to_value(root))
        });
        match read {
            Some(value) => return Ok(value),
            None if size >= MOST_BYTES => return Err(fault("too_large", "the term given is too large or too deep")),
            None => size *= 8,
        }
    }
}

/// The same in the words of a recording: one that was read from a file has atoms of its own.
pub(crate) fn local(term: Term<'_>, rec: &Recording) -> Result<Value, Error> {
    let mut value = value(term)?;
    if let Some(table) = rec.table() {
        table.localize(&mut value, &LiveAtoms);
    }
    Ok(value)
}

fn local_atom(term: Term<'_>, rec: &Recording) -> AtomId {
    let id = AtomId(vm::word(term.as_c_arg()) as u64);
    let text = rec.table().and_then(|table| Some((table, LiveAtoms.text(id)?)));
    text.map_or(id, |(table, text)| table.id(&text))
}

/// `:start | :end | {:ns, n} | {:seq, n}`.
pub(crate) fn moment(term: Term<'_>) -> Result<Moment, Error> {
    if let Ok(edge) = term.decode::<Atom>() {
        return match edge {
            _ if edge == atoms::start() => Ok(Moment::Start),
            _ if edge == atoms::end() => Ok(Moment::End),
            _ => Err(bad("a moment is :start, :end, {:ns, n} or {:seq, n}")),
        };
    }
    let (unit, n): (Atom, u64) = term
        .decode()
        .map_err(|_| bad("a moment is :start, :end, {:ns, n} or {:seq, n}"))?;
    match unit {
        _ if unit == atoms::ns() => Ok(Moment::AtNs(n)),
        _ if unit == atoms::seq() => Ok(Moment::Seq(n)),
        _ => Err(bad("a moment counts :ns or :seq")),
    }
}

/// `{:pid, pid} | {:name, atom} | {:track, n} | {:term, term} | {:module, atom} | {:bearer, {name, pid}}`.
pub(crate) fn selector(term: Term<'_>, rec: &Recording) -> Result<Selector, Error> {
    let (kind, what): (Atom, Term<'_>) = term.decode().map_err(|_| bad("a selector is a pair"))?;
    match kind {
        _ if kind == atoms::pid() && is_foreign(rec) => Err(fault(
            "no_such_process",
            "pids of a recording that another VM made mean nothing here: ask by name or track",
        )),
        _ if kind == atoms::pid() => Ok(Selector::Pid(vm::word(what.as_c_arg()) as u64)),
        _ if kind == atoms::track() => Ok(Selector::Track(TrackId(
            what.decode().map_err(|_| bad("a track is a number"))?,
        ))),
        _ if kind == atoms::name() || kind == atoms::term() => Ok(Selector::Name(local(what, rec)?)),
        _ if kind == atoms::module() => module(what, rec).map(Selector::Module),
        _ if kind == atoms::bearer() => {
            let (name, pid): (Term<'_>, Term<'_>) = what.decode().map_err(|_| bad("a name and a pid"))?;
            let name = local(name, rec)?;
            Ok(if is_foreign(rec) {
                Selector::Name(name)
            } else {
                Selector::Bearer(name, vm::word(pid.as_c_arg()) as u64)
            })
        }
        _ => Err(bad(
            "a selector is a pid, a name, a name and a pid, a track, a module or a term",
        )),
    }
}

fn module(term: Term<'_>, rec: &Recording) -> Result<Module, Error> {
    term.decode::<Atom>().map_err(|_| bad("a module is an atom"))?;
    let text = LiveAtoms.text(AtomId(vm::word(term.as_c_arg()) as u64));
    Ok(Module {
        id: local_atom(term, rec),
        text: text.unwrap_or_default(),
    })
}

/// A pattern in the words of a recording.
pub(crate) fn pattern(data: Term<'_>, rec: &Recording) -> Result<Pattern, Error> {
    Pattern::from_value(&local(data, rec)?, Arc::clone(rec.atoms()))
        .map_err(|error| fault("bad_pattern", error.to_string()))
}

/// Whether a term matches.
pub(crate) fn verdict(pattern: &Pattern, arena: &Arena, node: NodeId) -> Verdict {
    match pattern.matches(arena, node) {
        Match::Yes(_) => Verdict::Yes,
        Match::No => Verdict::No,
        Match::Unknown(_) => Verdict::Unknown,
    }
}

/// A query map, see `BeamScope.Recording.Query`.
pub(crate) fn query(map: Term<'_>, rec: &Recording) -> Result<Query, Error> {
    let get = |key| given(map, key);
    Ok(Query {
        kinds: get(atoms::kinds()).map(kinds).transpose()?,
        track: get(atoms::track()).map(|term| selector(term, rec)).transpose()?,
        from: get(atoms::from()).map(|term| selector(term, rec)).transpose()?,
        to: get(atoms::to()).map(|term| selector(term, rec)).transpose()?,
        since: get(atoms::since()).map(moment).transpose()?,
        until: get(atoms::until()).map(moment).transpose()?,
        matches: get(atoms::match_())
            .map(|data| pattern(data, rec))
            .transpose()?
            .map(Arc::new),
        mfa: get(atoms::mfa()).map(|term| mfa(term, rec)).transpose()?,
        limit: limit(get(atoms::limit()))?,
        order: match get(atoms::order()) {
            Some(order) if is(order, atoms::desc()) => Order::Desc,
            _ => Order::Asc,
        },
    })
}

/// `nil` or a number.
pub(crate) fn limit(term: Option<Term<'_>>) -> Result<Option<usize>, Error> {
    term.map(|limit| limit.decode().map_err(|_| bad("a limit is a number")))
        .transpose()
}

pub(crate) fn kinds(list: Term<'_>) -> Result<u32, Error> {
    let names: Vec<Term<'_>> = list.decode().map_err(|_| bad("kinds are a list"))?;
    names.into_iter().try_fold(0, |bits, name| {
        let text = name.atom_to_string().map_err(|_| bad("a kind is an atom"))?;
        let kind = EventKind::ALL.into_iter().find(|kind| kind_name(*kind) == text);
        kind.map(|kind| bits | kind.bit())
            .ok_or_else(|| bad("an unknown kind of event"))
    })
}

pub(crate) fn mfa(term: Term<'_>, rec: &Recording) -> Result<Mfa, Error> {
    let (module, function, arity): (Term<'_>, Term<'_>, Term<'_>) = term
        .decode()
        .map_err(|_| bad("a function is {module, function, arity}"))?;
    let atom = |term: Term<'_>| (!is(term, atoms::any())).then(|| local_atom(term, rec));
    Ok(Mfa {
        module: atom(module),
        function: atom(function),
        arity: if is(arity, atoms::any()) {
            None
        } else {
            Some(arity.decode().map_err(|_| bad("an arity is a number"))?)
        },
    })
}
