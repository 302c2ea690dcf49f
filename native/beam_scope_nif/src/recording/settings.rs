//! What a recording wants, as Elixir says it.

use std::sync::Arc;

use beam_scope_core::event::{self, Fields};
use rustler::{Error, ListIterator, Term};

use crate::encode::secret::Wanted;
use crate::encode::{encode, Budget, Rules};
use crate::maps::{get, invalid, name, optional, required};
use crate::tracer::config::{merged, CallPattern, Capture, Guard};
use crate::tracer::points::{Point, Points, Source, Step, MAX_ARGUMENTS};
use crate::vm::{self, Word};

/// Most bytes of a literal in a profile.
const LITERAL_BYTES: usize = 4096;

/// What can be changed while a recording runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) kinds: u32,
    pub(crate) follow: bool,
    pub(crate) budget: Budget,
    pub(crate) redact: Wanted,
    pub(crate) points: Vec<Point>,
    pub(crate) calls: Vec<CallPattern>,
    pub(crate) keep_timeouts: bool,
    pub(crate) whole: usize,
    pub(crate) guards: Vec<Guard>,
    pub(crate) check: bool,
    pub(crate) ends: bool,
    pub(crate) stack: bool,
    pub(crate) lines: Vec<(u32, u32)>,
    pub(crate) schedule_ns: u64,
}

impl Settings {
    /// A loaded recording's: nothing.
    pub(crate) fn none() -> Self {
        Self {
            kinds: 0,
            follow: false,
            budget: Budget { bytes: 4096, depth: 64 },
            redact: Wanted::default(),
            points: Vec::new(),
            calls: Vec::new(),
            keep_timeouts: false,
            whole: 0,
            guards: Vec::new(),
            check: false,
            ends: false,
            stack: false,
            lines: Vec::new(),
            schedule_ns: 200,
        }
    }

    /// These settings with what a map changes of them.
    pub(crate) fn changed(&self, map: Term<'_>) -> Result<Self, Error> {
        let mut next = self.clone();
        next.kinds = optional(map, "kinds")?.unwrap_or(next.kinds);
        next.follow = optional(map, "follow")?.unwrap_or(next.follow);
        next.budget.bytes = optional(map, "budget_bytes")?.unwrap_or(next.budget.bytes);
        next.budget.depth = optional(map, "budget_depth")?.unwrap_or(next.budget.depth);
        next.keep_timeouts = optional(map, "keep_receive_timeouts")?.unwrap_or(next.keep_timeouts);
        if let Some(rules) = get(map, "redact") {
            next.redact = super::rules::wanted(rules)?;
        }
        if let Some(list) = get(map, "points") {
            next.points = each(list, "points", point)?;
        }
        if let Some(list) = get(map, "calls") {
            next.calls = each(list, "calls", call)?;
        }
        next.whole = optional(map, "whole_bytes")?.unwrap_or(next.whole);
        next.check = optional(map, "check")?.unwrap_or(next.check);
        next.schedule_ns = optional(map, "schedule_ns")?.unwrap_or(next.schedule_ns);
        next.ends = optional(map, "ends")?.unwrap_or(next.ends);
        next.stack = optional(map, "stack")?.unwrap_or(next.stack);
        if let Some(list) = get(map, "lines") {
            next.lines = merged(each(list, "lines", |range| range.decode().ok())?);
        }
        if let Some(list) = get(map, "guards") {
            next.guards = each(list, "guards", guard)?;
        }
        Ok(next)
    }

    /// What the callbacks need of these.
    pub(crate) fn capture(&self) -> Arc<Capture> {
        Arc::new(Capture {
            budget: self.budget,
            rules: Rules::new(self.redact.clone()),
            points: Points::new(self.points.iter().cloned()),
            calls: self.calls.clone(),
            keep_timeouts: self.keep_timeouts,
            whole: self.whole,
            guards: self.guards.clone(),
            check: self.check,
            ends: self.ends,
            stack: self.stack,
            lines: self.lines.clone(),
            schedule_ns: self.schedule_ns,
        })
    }
}

fn each<'a, T>(list: Term<'a>, what: &str, f: fn(Term<'a>) -> Option<T>) -> Result<Vec<T>, Error> {
    let items: ListIterator<'a> = list.decode().map_err(|_| invalid(what))?;
    items.map(|item| f(item).ok_or_else(|| invalid(what))).collect()
}

fn word(term: Term<'_>) -> Word {
    vm::word(term.as_c_arg())
}

fn atom_word(term: Term<'_>) -> Option<Word> {
    term.is_atom().then(|| word(term))
}

fn call(term: Term<'_>) -> Option<CallPattern> {
    let (module, function, arity): (Term<'_>, Term<'_>, Term<'_>) = term.decode().ok()?;
    let any = |term: Term<'_>| name(term).as_deref() == Some("_");
    Some(CallPattern {
        module: atom_word(module)?,
        function: if any(function) {
            None
        } else {
            Some(atom_word(function)?)
        },
        arity: if any(arity) { None } else { Some(arity.decode().ok()?) },
    })
}

/// `{mfa, :process | :all}`.
fn guard(term: Term<'_>) -> Option<Guard> {
    let ((module, function, arity), scope): ((Term<'_>, Term<'_>, usize), Term<'_>) = term.decode().ok()?;
    Some(Guard {
        mfa: (atom_word(module)?, atom_word(function)?, arity),
        all: name(scope)? == "all",
    })
}

fn point(term: Term<'_>) -> Option<Point> {
    let (module, function, arity): (Term<'_>, Term<'_>, usize) = required(term, "mfa").ok()?;
    let mut fields: Vec<(u16, Source)> = Vec::new();
    if let Some(behaviour) = get(term, "behaviour").filter(|term| term.is_atom()) {
        fields.push((Fields::BEHAVIOUR, literal(behaviour)?));
    }
    for item in get(term, "fields")?.decode::<ListIterator<'_>>().ok()? {
        let (field, path): (Term<'_>, Term<'_>) = item.decode().ok()?;
        let bit = field_bit(&name(field)?)?;
        fields.push((bit, source(bit, path)?));
    }
    fields.sort_by_key(|(bit, _)| *bit);
    fields.dedup_by_key(|(bit, _)| *bit);
    let only = match get(term, "when") {
        Some(condition) => {
            let (at, atom): (usize, Term<'_>) = condition.decode().ok()?;
            Some((argument(at)?, atom_word(atom)?))
        }
        None => None,
    };
    let behaviour = get(term, "behaviour").and_then(name);
    Some(Point {
        mfa: (atom_word(module)?, atom_word(function)?, arity),
        point: point_kind(&name(get(term, "point")?)?)? as u8,
        only,
        statem: behaviour.as_deref() == Some("gen_statem"),
        gapless: behaviour.as_deref() == Some("gen_server"),
        steady: get(term, "steady").and_then(name).as_deref() == Some("true"),
        fields,
    })
}

fn point_kind(name: &str) -> Option<event::Point> {
    Some(match name {
        "handled" => event::Point::Handled,
        "loop" => event::Point::Loop,
        "end" => event::Point::End,
        "step" => event::Point::Step,
        "read" => event::Point::Read,
        "callback" => event::Point::Callback,
        "returned" => event::Point::Returned,
        _ => return None,
    })
}

fn field_bit(name: &str) -> Option<u16> {
    Some(match name {
        "message" => Fields::MESSAGE,
        "before" => Fields::BEFORE,
        "after" => Fields::AFTER,
        "action" => Fields::ACTION,
        "class" => Fields::CLASS,
        "reason" => Fields::REASON,
        "callback" => Fields::CALLBACK,
        "returned" => Fields::RETURNED,
        "behaviour" => Fields::BEHAVIOUR,
        "handler" => Fields::HANDLER,
        _ => return None,
    })
}

/// A path: `[argument | steps]`, `[]` (the result, or for a callback's name the function), `:function`, `{:tuple, paths}`,
/// `{:literal, term}`.
fn source(bit: u16, path: Term<'_>) -> Option<Source> {
    if path.is_empty_list() {
        return Some(if bit == Fields::CALLBACK {
            Source::Function
        } else {
            Source::Result
        });
    }
    if path.is_list() {
        let mut items = path.decode::<ListIterator<'_>>().ok()?;
        let first = argument(items.next()?.decode().ok()?)?;
        return Some(Source::Argument(first, items.map(step).collect::<Option<_>>()?));
    }
    if path.is_atom() {
        return (name(path)? == "function").then_some(Source::Function);
    }
    let (kind, term): (Term<'_>, Term<'_>) = path.decode().ok()?;
    match name(kind)?.as_str() {
        "literal" => literal(term),
        "tuple" => {
            let paths: ListIterator<'_> = term.decode().ok()?;
            Some(Source::Tuple(
                paths.map(|path| source(bit, path)).collect::<Option<_>>()?,
            ))
        }
        _ => None,
    }
}

/// Positions count from 1 in Elixir.
fn argument(at: usize) -> Option<usize> {
    at.checked_sub(1).filter(|i| *i < MAX_ARGUMENTS)
}

fn step(term: Term<'_>) -> Option<Step> {
    if let Some(name) = name(term) {
        return match name.as_str() {
            "hd" => Some(Step::Head),
            "tl" => Some(Step::Tail),
            _ => None,
        };
    }
    let (kind, i): (Term<'_>, usize) = term.decode().ok()?;
    (name(kind)? == "elem")
        .then(|| i.checked_sub(1).map(Step::Elem))
        .flatten()
}

fn literal(term: Term<'_>) -> Option<Source> {
    let mut wire = vec![0; LITERAL_BYTES];
    let budget = Budget {
        bytes: LITERAL_BYTES,
        depth: 16,
    };
    let encoded = encode(
        term.get_env().as_c_arg(),
        term.as_c_arg(),
        &mut wire,
        budget,
        &Rules::none(),
    )?;
    wire.truncate(encoded.len);
    Some(Source::Wire(wire))
}
