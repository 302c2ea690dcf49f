//! The variables of a match, told once it is known which match it is.

use crate::pattern::{Bound, Given, Prepared};
use crate::term::arena::Arena;
use crate::term::{AtomId, Value};
use crate::timeline::{Facts, Words};

use super::content::Content;
use super::plan::CheckPlan;
use super::subject::Subject;

/// Variables and their values.
pub(super) type Bindings = Vec<(AtomId, Bound)>;

/// What the variables of a check's patterns stand for, given what its steps have matched.
pub(super) fn bindings(words: &Words, facts: &Facts, plan: &CheckPlan, matched: &[(usize, &Subject)]) -> Bindings {
    // The terms may live anywhere, so nothing is looked up beforehand.
    let nowhere = Arena::new();
    let contents: Vec<(usize, Content<'_>)> = matched
        .iter()
        .filter_map(|(step, subject)| Some((*step, Content::of(words, subject)?)))
        .collect();
    let pattern = |step: usize| plan.steps[step].step.pattern.prepare(&nowhere);
    let patterns: Vec<Prepared<'_>> = contents.iter().map(|(step, _)| pattern(*step)).collect();
    let scope = plan.scope.as_ref().map(|scope| scope.prepare(&nowhere));
    let mut told = Vec::new();
    let mut given = Given::default();
    for ((_, content), prepared) in contents.iter().zip(&patterns) {
        if let Some(scope) = &scope {
            let asked = content.ask_message(scope);
            tell(&mut told, asked.bindings());
            given.add(asked.given());
        }
        let asked = content.ask(prepared, &given);
        tell(&mut told, asked.bindings());
        given.add(asked.given());
    }
    for (step, subject) in matched {
        for (name, pid) in subject.parties(plan.steps[*step].step.parties, facts) {
            tell(&mut told, vec![(name, None, Bound::Value(Value::Pid(pid)))]);
        }
    }
    told
}

fn tell(told: &mut Vec<(AtomId, Bound)>, found: Vec<(AtomId, Option<&Arena>, Bound)>) {
    for (name, arena, bound) in found {
        if told.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let bound = match (arena, bound) {
            (Some(arena), Bound::Node(node)) => Bound::Value(arena.to_value(node)),
            (_, bound) => bound,
        };
        told.push((name, bound));
    }
}
