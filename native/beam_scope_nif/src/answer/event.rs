//! Events.

use beam_scope_core::capture::record::flags;
use beam_scope_core::event::{EventKind, Fields, Point};
use beam_scope_core::query::{Answer, Hit};
use beam_scope_core::store::TrackId;
use beam_scope_core::timeline::{point, Facts};
use rustler::{Atom, Encoder, Term};

use crate::atoms;

use super::{name, nil, Map, Terms};

/// `%{events, more, unknown}`.
pub(crate) fn events<'a, 'o>(terms: &mut Terms<'a, 'o>, facts: &'o Facts, answer: &'o Answer) -> Term<'a> {
    let env = terms.env;
    let list: Vec<Term<'a>> = answer.hits.iter().map(|hit| event(terms, facts, hit)).collect();
    Map::default()
        .put(atoms::events(), list.encode(env))
        .put(atoms::more(), answer.more.encode(env))
        .put(atoms::unknown(), answer.unknown.encode(env))
        .finish(env)
}

/// `%{count, more}`.
pub(crate) fn counted(env: rustler::Env<'_>, count: usize, more: bool) -> Term<'_> {
    Map::default()
        .put(atoms::count(), count.encode(env))
        .put(atoms::more(), more.encode(env))
        .finish(env)
}

fn event<'a, 'o>(terms: &mut Terms<'a, 'o>, facts: &'o Facts, hit: &'o Hit) -> Term<'a> {
    event_map(terms, facts, hit).finish(terms.env)
}

/// The map of one event, to be added to.
pub(super) fn event_map<'a, 'o>(terms: &mut Terms<'a, 'o>, facts: &'o Facts, hit: &'o Hit) -> Map {
    let (env, row) = (terms.env, &hit.row);
    let pid = facts
        .track(row.track)
        .map_or_else(|| nil(env), |track| terms.pid(track.pid));
    let name_of_track = name_of(terms, facts, Some(row.track), row.seq);
    let mut map = Map::default()
        .put(atoms::seq(), row.seq.encode(env))
        .put(atoms::at_ns(), row.at_ns.encode(env))
        .put(atoms::kind(), name(env, kind_name(row.kind)))
        .put(atoms::track(), row.track.0.encode(env))
        .put(atoms::pid(), pid)
        .put(atoms::name(), name_of_track)
        .put(atoms::lost_before(), row.lost_before.encode(env))
        .put(atoms::partner(), hit.partner.encode(env))
        .put(atoms::flags(), flag_list(env, row.flags));
    let mut parts = Parts { terms, facts, hit };
    parts.of_kind(&mut map);
    map
}

/// The module whose code a process runs.
pub(super) fn module_of<'a>(terms: &Terms<'a, '_>, facts: &Facts, id: TrackId) -> Term<'a> {
    let initial = facts.track(id).and_then(|track| track.initial.as_ref());
    let module = initial.and_then(|initial| initial.module.as_ref());
    module.map_or_else(|| nil(terms.env), |module| terms.atom_name(module))
}

/// The name that a track bore after an event.
pub(super) fn name_of<'a, 'o>(terms: &mut Terms<'a, 'o>, facts: &'o Facts, id: Option<TrackId>, seq: u64) -> Term<'a> {
    let track = id.and_then(|id| facts.track(id));
    // A name is often taken after the first events: the first one it ever bore is better than none.
    let node = track.and_then(|track| {
        let now = track.names_at(seq).next();
        now.or_else(|| track.names.last().map(|span| span.what))
    });
    match node {
        Some(node) => terms.node(&facts.arena, node),
        None => nil(terms.env),
    }
}

struct Parts<'t, 'a, 'o> {
    terms: &'t mut Terms<'a, 'o>,
    facts: &'o Facts,
    hit: &'o Hit,
}

impl<'a, 'o> Parts<'_, 'a, 'o> {
    fn term(&mut self, at: usize) -> Term<'a> {
        match self.hit.row.terms.get(at) {
            Some(node) => self.terms.node(&self.hit.view.arena, *node),
            None => nil(self.terms.env),
        }
    }

    fn set(&mut self, map: &mut Map, keys: &[Atom]) {
        for (at, key) in keys.iter().enumerate() {
            let term = self.term(at);
            map.set(*key, term);
        }
    }

    fn other_end(&mut self, map: &mut Map, track_key: Atom, name_key: Atom, track: Option<TrackId>) {
        let (env, seq) = (self.terms.env, self.hit.row.seq);
        map.set(track_key, track.map(|track| track.0).encode(env));
        let name = name_of(self.terms, self.facts, track, seq);
        map.set(name_key, name);
    }

    fn of_kind(&mut self, map: &mut Map) {
        match self.hit.row.kind {
            EventKind::Send | EventKind::SendToDead => {
                self.set(map, &[atoms::to(), atoms::message()]);
                if let Some(pid) = self.hit.to_pid {
                    let pid = self.terms.pid(pid);
                    map.set(atoms::to(), pid);
                }
                self.other_end(map, atoms::to_track(), atoms::to_name(), self.hit.to_track);
            }
            EventKind::Receive => {
                self.received(map);
                self.other_end(map, atoms::from_track(), atoms::from_name(), self.hit.from_track);
            }
            EventKind::Spawn => self.set(map, &[atoms::child(), atoms::mfa()]),
            EventKind::Spawned => self.set(map, &[atoms::parent(), atoms::mfa()]),
            EventKind::Exit => self.set(map, &[atoms::reason()]),
            EventKind::Link | EventKind::Unlink | EventKind::GettingLinked | EventKind::GettingUnlinked => {
                self.set(map, &[atoms::other()]);
            }
            EventKind::Register | EventKind::Unregister => self.set(map, &[atoms::registered()]),
            EventKind::Call => {
                self.mfa(map, &[]);
                self.stack(map);
            }
            EventKind::Return => self.mfa(map, &[atoms::value()]),
            EventKind::Exception => self.mfa(map, &[atoms::class(), atoms::reason()]),
            EventKind::State => self.state(map),
            EventKind::Baseline => self.set(map, &[atoms::detail()]),
            EventKind::Note => self.set(map, &[atoms::text(), atoms::detail()]),
            EventKind::System | EventKind::Gc => self.set(map, &[atoms::what(), atoms::detail()]),
            EventKind::Running => self.set(map, &[atoms::what(), atoms::mfa()]),
            EventKind::Line | EventKind::Mark => {
                self.set(map, &[atoms::what(), atoms::value()]);
                self.stack(map);
            }
        }
    }

    /// The last term, where it is a stack.
    fn stack(&mut self, map: &mut Map) {
        let row = &self.hit.row;
        if row.fields.0 & Fields::STACK != 0 {
            let stack = self.term(row.terms.len().saturating_sub(1));
            map.set(atoms::stack(), stack);
        }
    }

    /// The sender as the VM told it; where it told none, as the send it was paired with does.
    fn received(&mut self, map: &mut Map) {
        let env = self.terms.env;
        let message = self.term(0);
        map.set(atoms::message(), message);
        let told = self.term(1);
        let track = self.hit.from_track.and_then(|id| self.facts.track(id));
        let from = match track {
            Some(track) if told.is_atom() => self.terms.pid(track.pid),
            _ => told,
        };
        map.set(atoms::from(), from.encode(env));
    }

    fn mfa(&mut self, map: &mut Map, rest: &[Atom]) {
        let mfa = (self.term(0), self.term(1), self.term(2)).encode(self.terms.env);
        map.set(atoms::mfa(), mfa);
        for (at, key) in rest.iter().enumerate() {
            let term = self.term(at + 3);
            map.set(*key, term);
        }
    }

    fn state(&mut self, map: &mut Map) {
        let env = self.terms.env;
        let step = point(&self.hit.row).map_or_else(|| nil(env), |point| name(env, point_name(point)));
        map.set(atoms::point(), step);
        map.set(atoms::module(), module_of(self.terms, self.facts, self.hit.row.track));
        for (bit, key) in state_fields() {
            if let Some(at) = self.hit.row.fields.index_of(bit) {
                let term = self.term(at);
                map.set(key, term);
            }
        }
    }
}

fn state_fields() -> [(u16, Atom); 10] {
    [
        (Fields::MESSAGE, atoms::message()),
        (Fields::BEFORE, atoms::before()),
        (Fields::AFTER, atoms::after()),
        (Fields::ACTION, atoms::action()),
        (Fields::CLASS, atoms::class()),
        (Fields::REASON, atoms::reason()),
        (Fields::CALLBACK, atoms::callback()),
        (Fields::RETURNED, atoms::returned()),
        (Fields::BEHAVIOUR, atoms::behaviour()),
        (Fields::HANDLER, atoms::handler()),
    ]
}

fn flag_list(env: rustler::Env<'_>, bits: u8) -> Term<'_> {
    let known = [
        (flags::TRUNCATED, atoms::truncated()),
        (flags::REDACTED, atoms::redacted()),
        (flags::SYNTHETIC, atoms::synthetic()),
    ];
    let set: Vec<Atom> = known
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, atom)| atom)
        .collect();
    set.encode(env)
}

/// The name of a kind that users see.
pub(crate) const fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Send => "send",
        EventKind::SendToDead => "send_to_dead",
        EventKind::Receive => "receive",
        EventKind::Spawn => "spawn",
        EventKind::Spawned => "spawned",
        EventKind::Exit => "exit",
        EventKind::Link => "link",
        EventKind::Unlink => "unlink",
        EventKind::GettingLinked => "getting_linked",
        EventKind::GettingUnlinked => "getting_unlinked",
        EventKind::Register => "register",
        EventKind::Unregister => "unregister",
        EventKind::Call => "call",
        EventKind::Return => "return",
        EventKind::Exception => "exception",
        EventKind::State => "state",
        EventKind::Baseline => "baseline",
        EventKind::Note => "note",
        EventKind::System => "system",
        EventKind::Gc => "gc",
        EventKind::Running => "running",
        EventKind::Line => "line",
        EventKind::Mark => "mark",
    }
}

const fn point_name(point: Point) -> &'static str {
    match point {
        Point::Handled => "handled",
        Point::Loop => "loop",
        Point::End => "end",
        Point::Step => "step",
        Point::Read => "read",
        Point::Callback => "callback",
        Point::Returned => "returned",
    }
}
