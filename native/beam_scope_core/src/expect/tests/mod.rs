//! Expectations over recordings made by hand.

mod calls;
mod counts;
mod flows;
mod meanwhile;
mod model;
mod monitors;
mod pairs;
mod scopes;
mod spans;
mod states;

use std::sync::Arc;

use super::{Check, Finding, Monitor, Parties, Rule, Step, Verdict, What};
use crate::event::EventKind;
use crate::pattern::{Bound, Pattern};
use crate::term::{AtomId, Value};
use crate::timeline::tests::kit::*;
use crate::timeline::{Moment, Selector, Timeline};

// ---- patterns as data ----

pub(super) fn anything() -> Value {
    a("any")
}

pub(super) fn lit(value: Value) -> Value {
    t(&[a("lit"), value])
}

pub(super) fn var(name: &str) -> Value {
    t(&[a("var"), a(name)])
}

pub(super) fn tup(heads: &[Value]) -> Value {
    t(&[a("tuple"), l(heads)])
}

/// `{tag, head}`
pub(super) fn tagged(tag: &str, head: Value) -> Value {
    tup(&[lit(a(tag)), head])
}

pub(super) fn op(name: &str, args: &[Value]) -> Value {
    t(&[a("op"), a(name), l(args)])
}

pub(super) fn when(head: Value, guard: Value) -> Value {
    t(&[a("pattern"), head, guard])
}

pub(super) fn just(head: Value) -> Value {
    when(head, a("nil"))
}

// ---- checks ----

/// A step, its pattern still as data.
#[derive(Clone, Debug)]
pub(super) struct S {
    what: What,
    process: Option<Selector>,
    from: Option<Selector>,
    to: Option<Selector>,
    mfa: Option<crate::query::Mfa>,
    parties: Parties,
    pattern: Value,
}

pub(super) fn step(what: What, pattern: Value) -> S {
    S {
        what,
        process: None,
        from: None,
        to: None,
        mfa: None,
        parties: Parties::default(),
        pattern,
    }
}

pub(super) fn sent(head: Value) -> S {
    step(What::Sent, just(head))
}

pub(super) fn state(head: Value) -> S {
    step(What::State, just(head))
}

impl S {
    pub(super) fn of(mut self, who: Selector) -> Self {
        self.process = Some(who);
        self
    }

    pub(super) fn from(mut self, who: Selector) -> Self {
        self.from = Some(who);
        self
    }

    pub(super) fn to(mut self, who: Selector) -> Self {
        self.to = Some(who);
        self
    }

    /// Variables for whom it happened to, who sent it and who it was for.
    pub(super) fn who(mut self, process: &str, from: &str, to: &str) -> Self {
        let name = |name: &str| match a(name) {
            Value::Atom(atom) if !name.is_empty() => Some(atom),
            _ => None,
        };
        self.parties = Parties {
            process: name(process),
            from: name(from),
            to: name(to),
        };
        self
    }

    pub(super) fn function(mut self, name: &str) -> Self {
        let function = match a(name) {
            Value::Atom(atom) => Some(atom),
            _ => None,
        };
        self.mfa = Some(crate::query::Mfa {
            function,
            ..Default::default()
        });
        self
    }
}

/// A check, its patterns given the variables of those before them.
pub(super) fn check(timeline: &Timeline, rule: Rule, scope: Option<Value>, steps: &[S]) -> Check {
    let atoms = timeline.recording().atoms();
    let mut names: Vec<AtomId> = Vec::new();
    let mut parse = |data: &Value, parties: Parties| {
        names.extend(parties.names());
        let pattern = Pattern::with_given(data, Arc::clone(atoms), &names).expect("well-formed");
        names.extend(pattern.variables().map(|(name, _)| name));
        pattern
    };
    let scope = scope.as_ref().map(|data| parse(data, Parties::default()));
    let of = |one: &S| Step {
        what: one.what,
        process: one.process.clone(),
        from: one.from.clone(),
        to: one.to.clone(),
        mfa: one.mfa,
        parties: one.parties,
        pattern: parse(&one.pattern, one.parties),
    };
    let check = Check {
        rule,
        steps: steps.iter().map(of).collect(),
        scope,
        since: None,
        until: None,
        lenient: false,
    };
    check.validate().expect("a valid check");
    check
}

pub(super) fn run(timeline: &Timeline, rule: Rule, steps: &[S]) -> Finding {
    run_check(timeline, check(timeline, rule, None, steps))
}

pub(super) fn run_check(timeline: &Timeline, check: Check) -> Finding {
    let now = timeline.recording().end_ns();
    let mut all = super::run(timeline, vec![check], now).expect("an answer");
    all.pop().expect("one answer")
}

pub(super) const fn count(min: Option<u64>, max: Option<u64>) -> Rule {
    Rule::Count { min, max }
}

pub(super) const NEVER: Rule = Rule::Every { negate: true };
pub(super) const ALWAYS: Rule = Rule::Every { negate: false };

/// Bindings by name.
pub(super) fn bound(finding: &Finding) -> Vec<(String, Value)> {
    let text = |id: &AtomId| {
        let timeline = Kit::new().timeline();
        timeline.words().text(*id).expect("named").into_string()
    };
    let value = |bound: &Bound| match bound {
        Bound::Value(value) => value.clone(),
        other => panic!("{other:?}"),
    };
    let all = finding.bindings.iter();
    all.map(|(name, one)| (text(name), value(one))).collect()
}

pub(super) fn seq(subject: &Option<super::Subject>) -> Option<u64> {
    subject.as_ref().map(super::Subject::seq)
}
