//! Terms that a call is given, as nodes of an arena.
//!
//! What a recording gave out as `%BeamScope.Truncated{}`, `%BeamScope.Redacted{}` or `%BeamScope.Opaque{}` and a user
//! gives back becomes again what it stood for: else a truncated value would equal itself, which it never may.

use beam_scope_core::capture::record::flags;
use beam_scope_core::term::arena::{Arena, NodeId};
use beam_scope_core::term::{AtomId, Kind, Opaque, Value};
use rustler::{Atom, Error, Term};

use crate::atoms;
use crate::encode::{encode, Budget, Rules, MAX_DEPTH};
use crate::fault::fault;
use crate::vm;

const FIRST_BYTES: usize = 16 << 10;
/// Larger terms are compared as far as they fit.
const MOST_BYTES: usize = 256 << 20;

const KINDS: [Kind; 11] = [
    Kind::Atom,
    Kind::Integer,
    Kind::Float,
    Kind::Binary,
    Kind::List,
    Kind::Tuple,
    Kind::Map,
    Kind::Pid,
    Kind::Port,
    Kind::Reference,
    Kind::Fun,
];

/// Puts a term into an arena: whole, where it is no larger than what calls take and no deeper than the encoder goes.
pub(crate) fn intern(arena: &mut Arena, term: Term<'_>) -> Result<NodeId, Error> {
    Intern::default().term(arena, term)
}

/// Puts many terms into an arena, one buffer for all.
pub(crate) struct Intern {
    buffer: Vec<u8>,
}

impl Default for Intern {
    fn default() -> Self {
        Self {
            buffer: vec![0; FIRST_BYTES],
        }
    }
}

impl Intern {
    /// See [`intern`].
    pub(crate) fn term(&mut self, arena: &mut Arena, term: Term<'_>) -> Result<NodeId, Error> {
        loop {
            let size = self.buffer.len();
            let budget = Budget {
                bytes: size,
                depth: MAX_DEPTH,
            };
            let env = term.get_env().as_c_arg();
            let written = encode(env, term.as_c_arg(), &mut self.buffer, budget, &Rules::none())
                .ok_or_else(|| fault("budget", "too small for a marker"))?;
            // Cut for its size, or for its depth, which no size helps.
            if written.flags & flags::TRUNCATED != 0 && size < MOST_BYTES {
                self.buffer = vec![0; size * 8];
                continue;
            }
            let wire = self.buffer.get(..written.len).unwrap_or(&[]);
            let (node, _) = arena
                .intern_wire(wire)
                .map_err(|error| fault("wire", error.to_string()))?;
            return Ok(revive(arena, node));
        }
    }
}

/// Turns our own structs back into what they stand for.
fn revive(arena: &mut Arena, node: NodeId) -> NodeId {
    let ours = [
        atoms::truncated_struct(),
        atoms::redacted_struct(),
        atoms::opaque_struct(),
    ];
    if !ours
        .into_iter()
        .any(|name| arena.find(&Value::Atom(id(name))).is_some())
    {
        return node;
    }
    let mut value = arena.to_value(node);
    let mut stack = vec![&mut value];
    while let Some(value) = stack.pop() {
        if let Some(found) = marker(value) {
            *value = found;
        }
        match value {
            Value::List(items) | Value::Tuple(items) => stack.extend(items),
            Value::TruncatedList(items, _) | Value::TruncatedTuple(items, _) => stack.extend(items),
            Value::Improper(items, tail) => {
                stack.extend(items);
                stack.push(tail);
            }
            Value::Map(pairs) | Value::TruncatedMap(pairs, _) => {
                stack.extend(pairs.iter_mut().flat_map(|(key, value)| [key, value]));
            }
            _ => {}
        }
    }
    arena.intern(&value)
}

fn id(atom: Atom) -> AtomId {
    AtomId(vm::word(atom.as_c_arg()) as u64)
}

fn marker(value: &Value) -> Option<Value> {
    let Value::Map(pairs) = value else {
        return None;
    };
    let field = |name: Atom| {
        let name = Value::Atom(id(name));
        pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let Value::Atom(name) = field(atoms::__struct__())? else {
        return None;
    };
    let kind = kind(field(atoms::kind())?)?;
    let size = || match field(atoms::size()) {
        Some(Value::Int(n)) => u64::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    match *name {
        name if name == id(atoms::redacted_struct()) => Some(Value::Redacted(kind, size())),
        name if name == id(atoms::truncated_struct()) => Some(truncated(kind, size(), field(atoms::known())?)),
        name if name == id(atoms::opaque_struct()) => match field(atoms::text())? {
            Value::Binary(text) => Some(Value::Opaque(Opaque {
                kind,
                text: String::from_utf8_lossy(text).into_owned(),
            })),
            _ => None,
        },
        _ => None,
    }
}

fn kind(value: &Value) -> Option<Kind> {
    KINDS.into_iter().find(|kind| {
        let atom = AtomId(vm::word(crate::decode::kind_atom(*kind)) as u64);
        *value == Value::Atom(atom)
    })
}

fn truncated(kind: Kind, size: u64, known: &Value) -> Value {
    match (kind, known) {
        (Kind::List, Value::List(items)) => Value::TruncatedList(items.clone(), size),
        (Kind::Tuple, Value::Tuple(items)) => Value::TruncatedTuple(items.clone(), size),
        (Kind::Map, Value::Map(pairs)) => Value::TruncatedMap(pairs.clone(), size),
        (Kind::Binary, Value::Binary(bytes)) => Value::TruncatedBinary(bytes.clone(), size),
        _ => Value::Truncated(kind, size),
    }
}
