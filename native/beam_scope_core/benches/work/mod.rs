//! Recordings to be asked, written by hand.

use std::sync::Arc;

use beam_scope_core::capture::record::{Header, HEADER_LEN};
use beam_scope_core::event::EventKind;
use beam_scope_core::store::{Budget, Recording, StoreConfig};
use beam_scope_core::term::{wire, AtomId, AtomSource, Value};

/// Atoms by their place in a list.
pub(crate) struct Names;

const NAMES: &[&str] = &[
    "true",
    "false",
    "nil",
    "pattern",
    "any",
    "lit",
    "var",
    "tuple",
    "list",
    "map",
    "op",
    ">=",
    ">",
    "=:=",
    "+",
    "count",
    "name",
    "add",
    "$gen_call",
    "alias",
    "gen_server",
    "n",
    "m",
    "k",
    "never",
    "handle",
    "Repo",
    "insert",
    "ok",
    "proc_lib",
    "init_p",
    "gen",
    "init_it",
    "local",
    "Server",
    "server0",
    "server1",
    "server2",
    "server3",
    "total",
    "items",
    "size",
    "last",
    "limit",
    "status",
    "idle",
    "busy",
    "jobs",
    "current",
    "free",
    "used",
    "inc",
    "get",
    "set",
    "put",
    "job",
    "ship",
    "top",
];

impl AtomSource for Names {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        NAMES.get(usize::try_from(id.0).ok()?).map(|text| (*text).into())
    }
}

pub(crate) fn a(text: &str) -> Value {
    let at = NAMES.iter().position(|name| *name == text);
    Value::Atom(AtomId(at.unwrap_or_else(|| panic!("add {text} to NAMES")) as u64))
}

pub(crate) fn t(items: &[Value]) -> Value {
    Value::Tuple(items.to_vec())
}

pub(crate) fn l(items: &[Value]) -> Value {
    Value::List(items.to_vec())
}

/// A recording that is being written.
pub(crate) struct Log {
    pub(crate) rec: Arc<Recording>,
    pub(crate) time: u64,
}

impl Log {
    pub(crate) fn new() -> Self {
        let config = StoreConfig {
            max_bytes: 1 << 32,
            budget: Some(Budget::new(usize::MAX)),
            ..StoreConfig::default()
        };
        Self {
            rec: Recording::new(config, Arc::new(Names)),
            time: 0,
        }
    }

    /// An event, so many nanoseconds after the last.
    pub(crate) fn push(&mut self, after: u64, pid: u64, kind: EventKind, (point, fields): (u8, u16), terms: &[Value]) {
        self.time += after;
        let mut payload = Vec::new();
        terms.iter().for_each(|term| wire::write(term, &mut payload));
        let header = Header {
            len: (HEADER_LEN + payload.len()) as u32,
            kind: kind as u8,
            point,
            fields,
            time: self.time,
            pid,
            terms: terms.len() as u8,
            ..Header::default()
        };
        self.rec.append(&header, &payload);
    }
}
