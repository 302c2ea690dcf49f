//! Servers at work, and candidates in words.

use crate::event::EventKind;
use crate::infer::{
    infer, Amount, Candidate, Evidence, Inference, Measure, Operand, Options, Path, Property, Relation, Reply, RoleKey,
    Step, Tag,
};
use crate::term::{AtomId, Value};
use crate::timeline::tests::kit::{a, call, cast, i, l, p, t, Kit};
use crate::timeline::Timeline;

pub(super) const CLIENT: u64 = 0x9003;
pub(super) const SERVER: u64 = 0x1003;

pub(super) fn b(text: &str) -> Value {
    Value::Binary(text.as_bytes().to_vec())
}

pub(super) fn m(pairs: &[(&str, Value)]) -> Value {
    Value::Map(pairs.iter().map(|(key, value)| (a(key), value.clone())).collect())
}

/// A server that handles messages one after the other.
pub(super) struct Server<'k> {
    pub(super) kit: &'k mut Kit,
    pub(super) pid: u64,
    pub(super) state: Value,
    tag: u32,
}

impl<'k> Server<'k> {
    pub(super) fn new(kit: &'k mut Kit, pid: u64, name: Option<&str>, module: &str, state: Value) -> Self {
        kit.server(pid, CLIENT, name, module, l(&[]));
        kit.looped(pid, state.clone());
        Self {
            kit,
            pid,
            state,
            tag: 0,
        }
    }

    /// A server named `server`.
    pub(super) fn named(kit: &'k mut Kit, state: Value) -> Self {
        Self::new(kit, SERVER, Some("server"), "Server", state)
    }

    fn handle(&mut self, raw: Value, sends: &[(Value, Value)], state: Value) -> &mut Self {
        let receive = [raw.clone(), p(CLIENT)];
        self.kit.ev(self.pid, EventKind::Receive, &receive);
        self.kit.handled(self.pid, raw, self.state.clone());
        for (to, message) in sends {
            self.kit.ev(self.pid, EventKind::Send, &[to.clone(), message.clone()]);
        }
        self.kit.looped(self.pid, state.clone());
        self.state = state;
        self
    }

    pub(super) fn cast(&mut self, message: Value, state: Value) -> &mut Self {
        self.handle(cast(message), &[], state)
    }

    /// A message after which others are sent, to whom each.
    pub(super) fn told(&mut self, message: Value, sends: &[(Value, Value)]) -> &mut Self {
        let state = self.state.clone();
        self.handle(message, sends, state)
    }

    /// A call; without a reply it stays open.
    pub(super) fn call(&mut self, message: Value, reply: Option<Value>) -> &mut Self {
        self.tag += 1;
        let tag = crate::timeline::tests::kit::alias(self.tag);
        let sends: Vec<(Value, Value)> = reply.map(|reply| (tag.clone(), t(&[tag, reply]))).into_iter().collect();
        let (raw, state) = (call(CLIENT, self.tag, message), self.state.clone());
        self.handle(raw, &sends, state)
    }

    /// States one after the other, each after a message `:next`.
    pub(super) fn through(&mut self, states: impl IntoIterator<Item = Value>) -> &mut Self {
        for state in states {
            self.cast(a("next"), state);
        }
        self
    }
}

/// What is found in a recording of one server that goes through these states, the first one included.
pub(super) fn through(states: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut kit = Kit::new();
    let mut states = states.into_iter();
    let first = states.next().expect("a state");
    Server::named(&mut kit, first).through(states);
    shown(&kit.timeline())
}

pub(super) fn found(timelines: &[&Timeline], chance: f64) -> Inference {
    let recordings: Vec<Evidence<'_>> = timelines
        .iter()
        .map(|timeline| Evidence {
            timeline,
            now_ns: timeline.recording().end_ns(),
        })
        .collect();
    let options = Options {
        chance,
        ..Options::default()
    };
    infer(&recordings, &options).expect("an answer")
}

/// Everything that is shown of a recording, in words.
pub(super) fn shown(timeline: &Timeline) -> Vec<String> {
    words(&found(&[timeline], 0.01))
}

pub(super) fn words(inference: &Inference) -> Vec<String> {
    let say = Say(inference);
    inference.candidates.iter().map(|one| say.candidate(one)).collect()
}

/// The candidate that reads like this.
pub(super) fn one<'i>(inference: &'i Inference, text: &str) -> &'i Candidate {
    let say = Say(inference);
    let all = &inference.candidates;
    all.iter()
        .find(|one| say.candidate(one) == text)
        .unwrap_or_else(|| panic!("{text} in {:#?}", words(inference)))
}

struct Say<'i>(&'i Inference);

impl Say<'_> {
    fn atom(&self, id: AtomId) -> String {
        self.0.atoms[id.0 as usize].text.to_string()
    }

    fn role(&self, at: usize) -> String {
        match &self.0.roles[at].key {
            RoleKey::Name(name) => self.value(name),
            RoleKey::Module(module) => format!("%{}", self.atom(*module)),
        }
    }

    fn value(&self, value: &Value) -> String {
        let all = |items: &[Value]| items.iter().map(|item| self.value(item)).collect::<Vec<_>>().join(", ");
        match value {
            Value::Atom(id) => self.atom(*id),
            Value::Int(n) => n.to_string(),
            Value::Float(bits) => f64::from_bits(*bits).to_string(),
            Value::Binary(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
            Value::Tuple(items) => format!("{{{}}}", all(items)),
            Value::List(items) => format!("[{}]", all(items)),
            other => format!("{other:?}"),
        }
    }

    fn path(&self, path: &Path) -> String {
        if path.is_empty() {
            return "state".into();
        }
        let step = |step: &Step| match step {
            Step::Key(key) => self.atom(*key),
            Step::At { index, .. } => index.to_string(),
        };
        path.iter().map(step).collect::<Vec<_>>().join(".")
    }

    fn paths(&self, paths: &[Path]) -> String {
        paths.iter().map(|path| self.path(path)).collect::<Vec<_>>().join(", ")
    }

    fn operand(&self, operand: &Operand) -> String {
        let path = self.path(&operand.path);
        match operand.measure {
            Measure::Value => path,
            Measure::Length => format!("length({path})"),
            Measure::MapSize => format!("map_size({path})"),
            Measure::QueueLength => format!("queue({path})"),
        }
    }

    fn tag(&self, tag: Tag) -> String {
        match tag {
            Tag::Atom(atom) => self.atom(atom),
            Tag::Tuple(atom, arity) => format!("{}/{arity}", self.atom(atom)),
            Tag::Struct(atom) => format!("%{}", self.atom(atom)),
        }
    }

    fn candidate(&self, one: &Candidate) -> String {
        let text = self.property(&one.property);
        match self.role(one.role).as_str() {
            "server" => text,
            role => format!("{role}: {text}"),
        }
    }

    fn property(&self, property: &Property) -> String {
        match property {
            Property::Constant(path, value) => format!("{} is {}", self.path(path), self.value(value)),
            Property::OneOf(path, values) => {
                format!("{} in {}", self.path(path), self.value(&Value::List(values.clone())))
            }
            Property::Bounds(of, low, high) => {
                let end = |end: &Option<i64>| end.map(|end| end.to_string()).unwrap_or_default();
                format!("{} in {}..{}", self.operand(of), end(low), end(high))
            }
            Property::Sorts(path, sorts) => {
                let sorts: Vec<&str> = sorts.iter().map(|sort| sort.name()).collect();
                format!("{} is a {}", self.path(path), sorts.join(" or "))
            }
            Property::NotNil(path) => format!("{} is not nil", self.path(path)),
            Property::Compare {
                left,
                relation,
                right,
                plus,
            } => {
                let sign = match relation {
                    Relation::Equal => "==",
                    Relation::Less => "<",
                    Relation::AtMost => "<=",
                };
                let plus = if *plus == 0 {
                    String::new()
                } else {
                    format!(" + {plus}")
                };
                format!("{} {sign} {}{plus}", self.operand(left), self.operand(right))
            }
            Property::Sum([left, right], sum) => {
                format!("{} + {} == {sum}", self.operand(left), self.operand(right))
            }
            Property::Head { list, of, or_empty } => {
                let or = if *or_empty { " or empty" } else { "" };
                format!("{} heads {}{or}", self.path(of), self.path(list))
            }
            Property::Key { map, of, or_nil } => {
                let or = if *or_nil { " or nil" } else { "" };
                format!("{} is a key of {}{or}", self.path(of), self.path(map))
            }
            Property::Sorted { list, descending, most } => {
                let way = if *descending { "falling" } else { "rising" };
                format!("{} is {way}, up to {most}", self.path(list))
            }
            Property::Trend { of, up, strict } => {
                let way = if *up { "grows" } else { "falls" };
                let strict = if *strict { "always " } else { "" };
                format!("{} {strict}{way}", self.operand(of))
            }
            Property::Fixed(paths, None) => format!("nothing changes {}", self.paths(paths)),
            Property::Fixed(paths, Some(tag)) => format!("{} leaves {}", self.tag(*tag), self.paths(paths)),
            Property::Step(of, tag, Amount::Constant { by, literal }) => {
                let literal = literal.map(|(at, n)| format!(" with {n} at {at}")).unwrap_or_default();
                format!("{}{literal} adds {by} to {}", self.tag(*tag), self.operand(of))
            }
            Property::Step(of, tag, Amount::Argument { at, minus }) => {
                let what = if *minus { "takes" } else { "adds" };
                format!("{} {what} what it says at {at}: {}", self.tag(*tag), self.operand(of))
            }
            Property::Set(path, tag, at) => format!("{} sets {} to {at}", self.tag(*tag), self.path(path)),
            Property::Answered {
                call,
                reply,
                by_itself,
                in_time,
            } => {
                let reply = match reply {
                    None => String::new(),
                    Some(Reply::Constant(value)) => format!(" {}", self.value(value)),
                    Some(Reply::Tagged(tag)) => format!(" {}", self.tag(*tag)),
                    Some(Reply::Sort(sort)) => format!(" a {}", sort.name()),
                };
                let who = if *by_itself { "" } else { " by others" };
                let time = if *in_time { " in time" } else { "" };
                format!("{} is answered{reply}{who}{time}", self.tag(*call))
            }
            Property::Follows {
                cause,
                effect,
                to,
                by,
                caused,
                in_time,
            } => {
                let by = by.map(|(i, j)| format!(" by {i} {j}")).unwrap_or_default();
                let to = to.map(|to| format!(" to {}", self.role(to))).unwrap_or_default();
                let verb = if *caused { "causes" } else { "leads to" };
                let time = if *in_time { " in time" } else { "" };
                format!("{} {verb} {}{by}{to}{time}", self.tag(*cause), self.tag(*effect))
            }
        }
    }
}

pub(super) fn n(n: i64) -> Value {
    i(n)
}

/// A sequence of numbers that is the same in every run and looks like none.
pub(super) fn random(seed: u64) -> impl FnMut(u64) -> i64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below) as i64
    }
}
