//! What was compared.
//!
//! ```text
//! %{roles: [role], counts: %{verdict => n}, left_out: n, lost: {n, n}, unclear: n, steps: {[told], [told]}}
//! role     %{key, text, verdict, tally: {tally, tally}, unknown: n, reordered: n, vague: bool, shifts: [shift],
//!            divergence: nil | %{kind: atom, expected: told | nil, actual: told | nil, diff: diff | nil},
//!            ends: nil | %{first: term, second: term, diff: diff}}
//! key      {:name, term} | {:given, index} | :child
//! verdict  :same | :different | :unknown | :only_first | :only_second
//! told     %{what: atom, seq: n, at_ns: n, track: n, party: text | nil, message, reply, state: nil | {:ok, term},
//!            ended: nil | {:crash | :stop, term}, sent_seq: n | nil}
//! ```

use beam_scope_core::compare::{Comparison, Divergence, Ends, RoleKey, RoleReport, Shift, Tally, Told, Verdict};
use beam_scope_core::term::arena::{Arena, NodeId};
use rustler::{Encoder, Env, Term};

use super::nil;
use super::shared::Shared;
use crate::calls::diff::Writer;
use crate::decode::{Decoder, Origin};
use crate::maps::{atom, MapBuilder};

/// The answer as a term.
pub(crate) fn term<'a>(env: Env<'a>, found: &Comparison, origins: &[&dyn Origin]) -> Term<'a> {
    let origin = Shared {
        atoms: &found.atoms,
        origins,
    };
    let mut telling = Telling {
        env,
        origin: &origin,
        writer: Writer::new(env, &found.arena, &origin),
    };
    let roles: Vec<Term<'a>> = found.roles.iter().map(|role| telling.role(role)).collect();
    let steps = [0, 1].map(|side| {
        found.steps[side]
            .iter()
            .map(|told| telling.told(told))
            .collect::<Vec<_>>()
    });
    let [first, second] = steps;
    let counts = VERDICTS.iter().fold(MapBuilder::new(env), |map, verdict| {
        map.put(name(*verdict), found.count(*verdict))
    });
    MapBuilder::new(env)
        .put("roles", roles)
        .put("counts", counts.finish())
        .put("left_out", found.left_out)
        .put("lost", (found.lost[0], found.lost[1]))
        .put("unclear", found.unclear)
        .put("steps", (first, second))
        .finish()
}

const VERDICTS: [Verdict; 5] = [
    Verdict::Same,
    Verdict::Different,
    Verdict::Unknown,
    Verdict::OnlyFirst,
    Verdict::OnlySecond,
];

const fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Different => "different",
        Verdict::Unknown => "unknown",
        Verdict::OnlyFirst => "only_first",
        Verdict::OnlySecond => "only_second",
    }
}

struct Telling<'a, 'o> {
    env: Env<'a>,
    origin: &'o Shared<'o>,
    writer: Writer<'a, 'o>,
}

impl<'a> Telling<'a, '_> {
    fn word(&self, text: &'static str) -> Term<'a> {
        atom(self.env, text)
    }

    fn role(&mut self, role: &RoleReport) -> Term<'a> {
        let shifts: Vec<Term<'a>> = role.shifts.iter().map(|shift| self.shift(shift)).collect();
        let divergence = role.divergence.as_ref().map(|one| self.divergence(one));
        let ends = role.ends.as_ref().map(|ends| self.ends(ends));
        MapBuilder::new(self.env)
            .put("key", self.key(&role.key))
            .put("text", role.text.as_str())
            .put("verdict", self.word(name(role.verdict)))
            .put("tally", (self.tally(&role.tally[0]), self.tally(&role.tally[1])))
            .put("unknown", role.unknown)
            .put("reordered", role.reordered)
            .put("vague", role.vague)
            .put("shifts", shifts)
            .put("divergence", divergence)
            .put("ends", ends)
            .finish()
    }

    fn key(&self, key: &RoleKey) -> Term<'a> {
        match key {
            RoleKey::Name(name) => {
                let mut arena = Arena::new();
                let node = arena.intern(name);
                let term = Decoder::new(self.env, &arena, self.origin).term(node);
                (self.word("name"), term).encode(self.env)
            }
            RoleKey::Given(at) => (self.word("given"), *at).encode(self.env),
            RoleKey::Child { .. } => self.word("child"),
        }
    }

    fn tally(&self, tally: &Tally) -> Term<'a> {
        MapBuilder::new(self.env)
            .put("processes", tally.processes)
            .put("messages", tally.messages)
            .put("sends", tally.sends)
            .put("calls", tally.calls)
            .put("crashes", tally.crashes)
            .put("restarts", tally.restarts)
            .put("lost", tally.lost)
            .finish()
    }

    fn shift(&self, shift: &Shift) -> Term<'a> {
        MapBuilder::new(self.env)
            .put("measure", self.word(shift.measure.name()))
            .put("n", (shift.n[0], shift.n[1]))
            .put("median", (shift.median[0], shift.median[1]))
            .put("p", shift.p)
            .put("effect", shift.effect)
            .put("significant?", shift.is_significant())
            .finish()
    }

    fn divergence(&mut self, one: &Divergence) -> Term<'a> {
        let expected = one.expected.as_ref().map(|told| self.told(told));
        let actual = one.actual.as_ref().map(|told| self.told(told));
        let diff = one.diff.as_ref().map(|diff| self.writer.diff(diff));
        MapBuilder::new(self.env)
            .put("kind", self.word(one.kind.name()))
            .put("expected", expected)
            .put("actual", actual)
            .put("diff", diff)
            .finish()
    }

    fn ends(&mut self, ends: &Ends) -> Term<'a> {
        let (first, second) = (self.writer.term(ends.first), self.writer.term(ends.second));
        let diff = self.writer.diff(&ends.diff);
        MapBuilder::new(self.env)
            .put("first", first)
            .put("second", second)
            .put("diff", diff)
            .finish()
    }

    fn found(&mut self, node: Option<NodeId>) -> Term<'a> {
        match node {
            Some(node) => (rustler::types::atom::ok(), self.writer.term(node)).encode(self.env),
            None => nil(self.env),
        }
    }

    fn told(&mut self, told: &Told) -> Term<'a> {
        let (message, reply, state) = (self.found(told.message), self.found(told.reply), self.found(told.state));
        let ended = told.ended.map(|(crash, reason)| {
            let how = self.word(if crash { "crash" } else { "stop" });
            (how, self.writer.term(reason)).encode(self.env)
        });
        MapBuilder::new(self.env)
            .put("what", self.word(told.what))
            .put("seq", told.seq)
            .put("at_ns", told.at_ns)
            .put("track", told.track)
            .put("party", told.party.as_deref())
            .put("message", message)
            .put("reply", reply)
            .put("state", state)
            .put("ended", ended)
            .put("sent_seq", told.sent_seq)
            .finish()
    }
}
