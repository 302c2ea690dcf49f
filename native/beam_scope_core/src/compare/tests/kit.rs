//! Servers and clients that are recorded, and what is found in words.

use crate::compare::{compare, Comparison, Evidence, Options, RoleReport, Told, Verdict};
use crate::event::EventKind;
use crate::term::arena::NodeId;
use crate::term::{AtomId, Value};
use crate::timeline::tests::kit::{a, alias, call, cast, i, l, p, t, Kit};
use crate::timeline::Timeline;

/// A recording in the making. Pids depend on the run, so that no two have the same.
pub(super) struct World {
    pub(super) kit: Kit,
    run: u64,
    tag: u32,
}

pub(super) const TOP: u64 = 9;
/// Servers and clients by number.
pub(super) const S: u64 = 1;
pub(super) const X: u64 = 2;
pub(super) const Y: u64 = 3;
pub(super) const Z: u64 = 4;

impl World {
    pub(super) fn new(run: u64) -> Self {
        let mut world = Self {
            kit: Kit::new(),
            run,
            tag: 0,
        };
        let names = ["server", "x", "y", "z"];
        for (who, name) in [S, X, Y, Z].into_iter().zip(names) {
            let pid = world.pid(who);
            let parent = world.pid(TOP);
            if who == S {
                world.kit.server(pid, parent, Some(name), "Server", l(&[]));
            } else {
                let mfa = t(&[a("client"), a("run"), l(&[])]);
                world.kit.spawned(pid, parent, mfa);
                world.kit.ev(pid, EventKind::Register, &[a(name)]);
            }
        }
        let server = world.pid(S);
        world.kit.looped(server, i(0));
        world
    }

    pub(super) fn pid(&self, who: u64) -> u64 {
        (who + self.run * 16) << 4 | 3
    }

    pub(super) fn send(&mut self, from: u64, to: u64, message: Value) -> &mut Self {
        let (from, to) = (self.pid(from), self.pid(to));
        self.kit.ev(from, EventKind::Send, &[p(to), message]);
        self
    }

    pub(super) fn receive(&mut self, to: u64, from: u64, message: Value) -> &mut Self {
        let (from, to) = (self.pid(from), self.pid(to));
        self.kit.ev(to, EventKind::Receive, &[message, p(from)]);
        self
    }

    pub(super) fn handled(&mut self, message: Value, before: Value) -> &mut Self {
        let server = self.pid(S);
        self.kit.handled(server, message, before);
        self
    }

    pub(super) fn looped(&mut self, after: Value) -> &mut Self {
        let server = self.pid(S);
        self.kit.looped(server, after);
        self
    }

    /// Somebody casts to the server, which goes from one state to another.
    pub(super) fn cast(&mut self, from: u64, message: Value, before: Value, after: Value) -> &mut Self {
        self.send(from, S, cast(message.clone()));
        self.take_cast(from, message, before, after)
    }

    /// What was sent before is handled now.
    pub(super) fn take_cast(&mut self, from: u64, message: Value, before: Value, after: Value) -> &mut Self {
        self.receive(S, from, cast(message.clone()));
        self.handled(cast(message), before).looped(after)
    }

    /// A call and its answer.
    pub(super) fn call(&mut self, from: u64, message: Value, reply: Value, before: Value, after: Value) -> &mut Self {
        self.tag += 1;
        // As references are, in each run another.
        let number = self.tag + self.run as u32 * 1000;
        let raw = call(self.pid(from), number, message);
        let answer = t(&[alias(number), reply]);
        self.send(from, S, raw.clone()).receive(S, from, raw.clone());
        self.handled(raw, before);
        let server = self.pid(S);
        self.kit.ev(server, EventKind::Send, &[alias(number), answer.clone()]);
        self.receive(from, S, answer).looped(after)
    }

    pub(super) fn timeline(&self) -> Timeline {
        self.kit.timeline()
    }
}

/// A run of the server: numbers that are added, by whom.
pub(super) fn sum(run: u64, steps: &[(u64, i64)]) -> World {
    let mut world = World::new(run);
    let mut state = 0;
    for (who, n) in steps {
        world.cast(*who, t(&[a("add"), i(*n)]), i(state), i(state + n));
        state += n;
    }
    world
}

pub(super) fn options() -> Options {
    Options::default()
}

pub(super) fn compared(one: &World, other: &World, options: &Options) -> Comparison {
    let (one, other) = (one.timeline(), other.timeline());
    compare([&evidence(&one), &evidence(&other)], options).expect("an answer")
}

pub(super) const fn evidence(timeline: &Timeline) -> Evidence<'_> {
    Evidence {
        timeline,
        cut: false,
        ignore: Vec::new(),
    }
}

pub(super) fn found(one: &World, other: &World) -> Comparison {
    compared(one, other, &options())
}

pub(super) fn role<'c>(comparison: &'c Comparison, text: &str) -> &'c RoleReport {
    let all: Vec<&str> = comparison.roles.iter().map(|role| &*role.text).collect();
    comparison
        .roles
        .iter()
        .find(|role| role.text == text)
        .unwrap_or_else(|| panic!("{text} in {all:?}"))
}

/// Roles that are not the same, in order.
pub(super) fn parted(comparison: &Comparison) -> Vec<String> {
    let parted = comparison.roles.iter().filter(|role| role.verdict != Verdict::Same);
    parted
        .map(|role| format!("{} {}", role.text, what(comparison, role)))
        .collect()
}

fn what(comparison: &Comparison, role: &RoleReport) -> String {
    let Some(divergence) = &role.divergence else {
        return format!("{:?}", role.verdict);
    };
    let side = |told: &Option<Told>| {
        told.as_ref()
            .map_or_else(|| "-".to_owned(), |told| say(comparison, told))
    };
    format!(
        "{}: {} | {}",
        divergence.kind.name(),
        side(&divergence.expected),
        side(&divergence.actual)
    )
}

pub(super) fn say(comparison: &Comparison, told: &Told) -> String {
    let mut text = told.what.to_owned();
    let mut put = |name: &str, node: Option<NodeId>| {
        if let Some(node) = node {
            text = format!("{text} {name}{}", value(comparison, &comparison.arena.to_value(node)));
        }
    };
    put("", told.message);
    put("-> ", told.reply);
    put("=> ", told.state);
    put("! ", told.ended.map(|(_, reason)| reason));
    match &told.party {
        Some(party) => format!("{text} @{party}"),
        None => text,
    }
}

pub(super) fn value(comparison: &Comparison, one: &Value) -> String {
    let all = |items: &[Value]| {
        items
            .iter()
            .map(|item| value(comparison, item))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match one {
        Value::Atom(AtomId(at)) => comparison.atoms[*at as usize].text.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Tuple(items) => format!("{{{}}}", all(items)),
        Value::List(items) => format!("[{}]", all(items)),
        Value::Opaque(opaque) => opaque.text.clone(),
        other => format!("{other:?}"),
    }
}
