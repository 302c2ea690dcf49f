//! What came of expectations.
//!
//! ```text
//! %{verdict: :held | :broken | :unknown | :empty | :gap, count, seen, unknown, bindings: %{name => term},
//!   first: subject | nil, violation: subject | nil, nearest: subject | nil, steps: [subject | nil], failed_step: index | nil,
//!   open: n, gap: %{count, from_ns, to_ns, pid} | nil}
//! ```
//! A subject is an event's or a transition's map with `what` it was found as; a call has the `value`, or the `class` and
//! `reason`, that it ended with.

use beam_scope_core::event::EventKind;
use beam_scope_core::expect::{Decided, Finding, Gap, Subject};
use beam_scope_core::query::Hit;
use beam_scope_core::timeline::{term, Facts, Timeline};
use rustler::{Atom, Encoder, Env, Term};

use crate::atoms;
use crate::calls::{diff, pattern};
use crate::decode::Origin;

use super::{event, name, nil, transition, Map, Terms};

/// Tells findings of one recording.
pub(crate) struct Telling<'a, 'o> {
    terms: Terms<'a, 'o>,
    origin: &'o dyn Origin,
    timeline: &'o Timeline,
    facts: &'o Facts,
}

impl<'a, 'o> Telling<'a, 'o> {
    pub(crate) fn new(env: Env<'a>, origin: &'o dyn Origin, timeline: &'o Timeline, facts: &'o Facts) -> Self {
        Self {
            terms: Terms::new(env, origin),
            origin,
            timeline,
            facts,
        }
    }

    /// A list of findings.
    pub(crate) fn findings(&mut self, all: &'o [Finding]) -> Term<'a> {
        let list: Vec<Term<'a>> = all.iter().map(|one| self.finding(one)).collect();
        list.encode(self.terms.env)
    }

    /// `%{events: [{index, verdict, finding}], next: ms | nil}`.
    pub(crate) fn decided(&mut self, all: &'o [Decided], next_ms: Option<u64>) -> Term<'a> {
        let env = self.terms.env;
        let event = |this: &mut Self, (at, one): &'o Decided| {
            (*at, name(env, one.verdict.name()), this.finding(one)).encode(env)
        };
        let events: Vec<Term<'a>> = all.iter().map(|one| event(self, one)).collect();
        Map::default()
            .put(atoms::events(), events.encode(env))
            .put(atoms::next(), next_ms.encode(env))
            .finish(env)
    }

    fn finding(&mut self, one: &'o Finding) -> Term<'a> {
        let env = self.terms.env;
        let steps: Vec<Term<'a>> = one.steps.iter().map(|step| self.optional(step.as_ref())).collect();
        let (first, violation) = (self.optional(one.first.as_ref()), self.optional(one.violation.as_ref()));
        let nearest = self.optional(one.nearest.as_ref());
        Map::default()
            .put(atoms::verdict(), name(env, one.verdict.name()))
            .put(atoms::count(), one.count.encode(env))
            .put(atoms::seen(), one.seen.encode(env))
            .put(atoms::unknown(), one.unknown.encode(env))
            .put(atoms::bindings(), pattern::bound(env, self.origin, None, &one.bindings))
            .put(atoms::first(), first)
            .put(atoms::violation(), violation)
            .put(atoms::nearest(), nearest)
            .put(atoms::steps(), steps.encode(env))
            .put(atoms::failed_step(), one.failed_step.encode(env))
            .put(atoms::open(), one.open.encode(env))
            .put(
                atoms::gap(),
                one.gap.as_ref().map_or_else(|| nil(env), |gap| self.gap(gap)),
            )
            .finish(env)
    }

    fn gap(&self, gap: &Gap) -> Term<'a> {
        let env = self.terms.env;
        let pid = gap.pid.map_or_else(|| nil(env), |pid| self.terms.pid(pid));
        Map::default()
            .put(atoms::count(), gap.count.encode(env))
            .put(atoms::from_ns(), gap.from_ns.encode(env))
            .put(atoms::to_ns(), gap.to_ns.encode(env))
            .put(atoms::pid(), pid)
            .finish(env)
    }

    fn optional(&mut self, subject: Option<&'o Subject>) -> Term<'a> {
        match subject {
            Some(subject) => self.subject(subject),
            None => nil(self.terms.env),
        }
    }

    fn subject(&mut self, subject: &'o Subject) -> Term<'a> {
        let env = self.terms.env;
        match subject {
            Subject::Event { what, hit, end } => {
                let mut map = event::event_map(&mut self.terms, self.facts, hit);
                map.set(atoms::what(), name(env, what.name()));
                if let Some(end) = end {
                    self.ended(&mut map, end);
                }
                map.finish(env)
            }
            Subject::Transition { what, transition: one } => {
                let (origin, timeline) = (self.origin, self.timeline);
                let mut differ = |terms: &mut Terms<'a, 'o>, one: &'o beam_scope_core::timeline::Transition| {
                    let (from, to) = (one.from.term()?, one.to.term()?);
                    Some(diff::between(terms.env, origin, timeline.recording(), from, to))
                };
                let map = transition(&mut self.terms, self.facts, one, &mut differ);
                let what = name(env, what.name());
                map.map_put(atoms::what(), what).unwrap_or(map)
            }
        }
    }

    /// How a call ended.
    fn ended(&mut self, map: &mut Map, end: &'o Hit) {
        let keys: &[Atom] = match end.row.kind {
            EventKind::Return => &[atoms::value()],
            _ => &[atoms::class(), atoms::reason()],
        };
        for (at, key) in keys.iter().enumerate() {
            if let Some(node) = term(&end.row, at + 3) {
                map.set(*key, self.terms.node(&end.view.arena, node));
            }
        }
    }
}
