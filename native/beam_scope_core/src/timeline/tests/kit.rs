//! Recordings made by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::capture::record::{flags, Header, HEADER_LEN};
use crate::event::{EventKind, Fields, Point};
use crate::store::{Recording, StoreConfig};
use crate::term::{wire, AtomId, AtomSource, Value};
use crate::timeline::{Module, Selector, Timeline, Transition};

static ATOMS: OnceLock<Mutex<Vec<String>>> = OnceLock::new();

fn atoms() -> std::sync::MutexGuard<'static, Vec<String>> {
    ATOMS.get_or_init(Mutex::default).lock().unwrap()
}

/// The atom with this text.
pub(crate) fn a(text: &str) -> Value {
    let mut atoms = atoms();
    let at = atoms.iter().position(|one| one == text).unwrap_or_else(|| {
        atoms.push(text.to_owned());
        atoms.len() - 1
    });
    Value::Atom(AtomId(at as u64 * 64 + 11))
}

struct Table;

impl AtomSource for Table {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        atoms().get((id.0 / 64) as usize).map(|text| text.as_str().into())
    }
}

pub(crate) fn atom_source() -> Arc<dyn AtomSource> {
    Arc::new(Table)
}

pub(crate) fn t(items: &[Value]) -> Value {
    Value::Tuple(items.to_vec())
}

pub(crate) fn l(items: &[Value]) -> Value {
    Value::List(items.to_vec())
}

pub(crate) const fn i(n: i64) -> Value {
    Value::Int(n)
}

pub(crate) const fn p(pid: u64) -> Value {
    Value::Pid(pid)
}

pub(crate) fn alias(n: u32) -> Value {
    Value::Improper(vec![a("alias")], Box::new(Value::Ref(vec![n, 0, 0])))
}

/// `{'$gen_call', {Pid, [alias | Ref]}, Message}`
pub(crate) fn call(from: u64, tag: u32, message: Value) -> Value {
    t(&[a("$gen_call"), t(&[p(from), alias(tag)]), message])
}

pub(crate) fn cast(message: Value) -> Value {
    t(&[a("$gen_cast"), message])
}

/// Writes a recording event by event.
pub(crate) struct Kit {
    pub(crate) rec: Arc<Recording>,
    time: u64,
    lost: HashMap<u64, u32>,
    flags: u8,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self::chunked(StoreConfig::CHUNK_EVENTS)
    }

    pub(crate) fn chunked(chunk_events: usize) -> Self {
        Self::with(StoreConfig {
            chunk_events,
            ..StoreConfig::default()
        })
    }

    pub(crate) fn with(config: StoreConfig) -> Self {
        Self {
            rec: Recording::new(config, Arc::new(Table)),
            time: 0,
            lost: HashMap::new(),
            flags: 0,
        }
    }

    /// The next event of this process comes after so many lost ones.
    pub(crate) fn lose(&mut self, pid: u64, count: u32) -> &mut Self {
        *self.lost.entry(pid).or_default() += count;
        self
    }

    pub(crate) fn ev(&mut self, pid: u64, kind: EventKind, terms: &[Value]) -> &mut Self {
        self.write(pid, kind, 0, 0, terms)
    }

    pub(crate) fn state(&mut self, pid: u64, point: Point, fields: &[(u16, Value)]) -> &mut Self {
        let bits = fields.iter().fold(0, |bits, (bit, _)| bits | bit);
        let mut fields = fields.to_vec();
        fields.sort_by_key(|(bit, _)| *bit);
        let terms: Vec<Value> = fields.into_iter().map(|(_, value)| value).collect();
        self.write(pid, EventKind::State, point as u8, bits, &terms)
    }

    /// So many nanoseconds pass.
    pub(crate) fn pass(&mut self, ns: u64) {
        self.time += ns;
    }

    fn write(&mut self, pid: u64, kind: EventKind, point: u8, fields: u16, terms: &[Value]) -> &mut Self {
        let mut payload = Vec::new();
        terms.iter().for_each(|term| wire::write(term, &mut payload));
        self.time += 10;
        let header = Header {
            len: (HEADER_LEN + payload.len()) as u32,
            kind: kind as u8,
            point,
            fields,
            time: self.time,
            pid,
            terms: terms.len() as u8,
            flags: self.flags,
            lost: self.lost.remove(&pid).unwrap_or(0),
            ..Header::default()
        };
        self.rec.append(&header, &payload);
        self
    }

    /// A note that nobody looks at what the process does from here on.
    pub(crate) fn unseen(&mut self, pid: u64, why: &str) -> &mut Self {
        self.flags = flags::UNSEEN;
        self.ev(pid, EventKind::Note, &[Value::Binary(why.into())]);
        self.flags = 0;
        self
    }

    pub(crate) fn handled(&mut self, pid: u64, message: Value, before: Value) -> &mut Self {
        self.state(
            pid,
            Point::Handled,
            &[(Fields::MESSAGE, message), (Fields::BEFORE, before)],
        )
    }

    pub(crate) fn looped(&mut self, pid: u64, after: Value) -> &mut Self {
        self.state(pid, Point::Loop, &[(Fields::AFTER, after)])
    }

    pub(crate) fn looped_then(&mut self, pid: u64, after: Value, action: Value) -> &mut Self {
        self.state(pid, Point::Loop, &[(Fields::AFTER, after), (Fields::ACTION, action)])
    }

    pub(crate) fn ended(&mut self, pid: u64, class: &str, reason: Value, before: Value) -> &mut Self {
        let fields = [
            (Fields::CLASS, a(class)),
            (Fields::REASON, reason),
            (Fields::BEFORE, before),
        ];
        self.state(pid, Point::End, &fields)
    }

    pub(crate) fn step(&mut self, pid: u64, message: Value, before: Value, after: Value) -> &mut Self {
        let fields = [
            (Fields::MESSAGE, message),
            (Fields::BEFORE, before),
            (Fields::AFTER, after),
        ];
        self.state(pid, Point::Step, &fields)
    }

    pub(crate) fn spawned(&mut self, pid: u64, parent: u64, mfa: Value) -> &mut Self {
        self.ev(parent, EventKind::Spawn, &[p(pid), mfa.clone()])
            .ev(pid, EventKind::Spawned, &[p(parent), mfa])
    }

    /// `proc_lib`'s start of a gen_server.
    pub(crate) fn server(&mut self, pid: u64, parent: u64, name: Option<&str>, module: &str, args: Value) -> &mut Self {
        let mfa = init_p(parent, name, "gen_server", module, args);
        self.spawned(pid, parent, mfa);
        if let Some(name) = name {
            self.ev(pid, EventKind::Register, &[a(name)]);
        }
        self
    }

    pub(crate) fn timeline(&self) -> Timeline {
        Timeline::new(Arc::clone(&self.rec))
    }
}

pub(crate) fn init_p(parent: u64, name: Option<&str>, behaviour: &str, module: &str, args: Value) -> Value {
    let mut inner = vec![a(behaviour), p(parent), p(parent)];
    inner.extend(name.map(|name| t(&[a("local"), a(name)])));
    inner.extend([a(module), args, l(&[])]);
    let all = [p(parent), l(&[a("top")]), a("gen"), a("init_it"), l(&inner)];
    t(&[a("proc_lib"), a("init_p"), l(&all)])
}

pub(crate) const fn pid(pid: u64) -> Selector {
    Selector::Pid(pid)
}

pub(crate) fn name(name: &str) -> Selector {
    Selector::Name(a(name))
}

pub(crate) fn module(text: &str) -> Selector {
    let Value::Atom(id) = a(text) else {
        unreachable!("an atom")
    };
    Selector::Module(Module { id, text: text.into() })
}

/// A transition in short: kind, message, from, to.
pub(crate) type Short = (&'static str, Option<Value>, Option<Value>, Option<Value>);

pub(crate) fn short(transition: &Transition) -> Short {
    let value = |known: &crate::timeline::Known| known.term().map(crate::timeline::TermRef::to_value);
    let message = transition.message.as_ref().map(crate::timeline::TermRef::to_value);
    (
        transition.kind.name(),
        message,
        value(&transition.from),
        value(&transition.to),
    )
}
