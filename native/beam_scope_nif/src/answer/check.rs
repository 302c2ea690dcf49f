//! Expectations as they come from Elixir, see `BeamScope.Expect`.
//!
//! ```text
//! check  %{check: :count | :every | :flow | :leads_to | :causality, steps: [step], min: n | nil, max: n | nil,
//!          scope: pattern | nil, negate: boolean, within_ms: number | nil, strict: boolean, lenient: boolean,
//!          since: moment | nil, until: moment | nil}
//! step   %{what: :sent | :received | :called | :state | :transition | :crashed, process: selector | nil, from: selector | nil,
//!          to: selector | nil, mfa: {m, f, a | :_} | nil, pattern: pattern}
//! ```

use std::sync::Arc;

use beam_scope_core::expect::{Check, Rule, Step, What};
use beam_scope_core::pattern::Pattern;
use beam_scope_core::store::Recording;
use beam_scope_core::term::AtomId;
use rustler::{Error, Term};

use crate::atoms;
use crate::fault::fault;
use crate::maps;

use super::question::{given, is, local, mfa, moment, selector};

fn bad(what: impl Into<String>) -> Error {
    fault("bad_check", what)
}

/// A list of checks, each of them valid.
pub(crate) fn checks(list: Term<'_>, rec: &Recording) -> Result<Vec<Check>, Error> {
    let list: Vec<Term<'_>> = list.decode().map_err(|_| bad("checks are a list"))?;
    list.into_iter().map(|one| check(one, rec)).collect()
}

fn check(map: Term<'_>, rec: &Recording) -> Result<Check, Error> {
    let get = |key| given(map, key);
    let mut names = Vec::new();
    let scope = get(atoms::scope())
        .map(|data| pattern(data, rec, &mut names))
        .transpose()?;
    let steps: Vec<Term<'_>> = get(atoms::steps())
        .and_then(|steps| steps.decode().ok())
        .ok_or_else(|| bad("a check has a list of steps"))?;
    let steps = steps.into_iter().map(|one| step(one, rec, &mut names));
    let lenient = get(atoms::lenient()).is_some_and(|value| is(value, rustler::types::atom::true_()));
    let check = Check {
        rule: rule(map)?,
        steps: steps.collect::<Result<_, Error>>()?,
        scope,
        since: get(atoms::since()).map(moment).transpose()?,
        until: get(atoms::until()).map(moment).transpose()?,
        lenient,
    };
    check.validate().map_err(|error| bad(error.to_string()))?;
    Ok(check)
}

fn rule(map: Term<'_>) -> Result<Rule, Error> {
    let name = given(map, atoms::check()).and_then(maps::name);
    let flag = |key| given(map, key).is_some_and(|value| is(value, rustler::types::atom::true_()));
    let number = |key| {
        let value = given(map, key).map(|value| value.decode::<u64>());
        value.transpose().map_err(|_| bad("a bound of a count is a number"))
    };
    match name.as_deref() {
        Some("count") => Ok(Rule::Count {
            min: number(atoms::min())?,
            max: number(atoms::max())?,
        }),
        Some("every") => Ok(Rule::Every {
            negate: flag(atoms::negate()),
        }),
        Some("flow") => Ok(Rule::Flow),
        Some("leads_to") => Ok(Rule::LeadsTo {
            within_ns: within(map)?,
        }),
        Some("causality") => Ok(Rule::Causality {
            within_ns: within(map)?,
            strict: flag(atoms::strict()),
        }),
        _ => Err(bad("a check is a :count, :every, :flow, :leads_to or :causality")),
    }
}

fn within(map: Term<'_>) -> Result<Option<u64>, Error> {
    let Some(ms) = given(map, atoms::within_ms()) else {
        return Ok(None);
    };
    let ms = ms.decode::<f64>().or_else(|_| ms.decode::<u64>().map(|ms| ms as f64));
    match ms {
        Ok(ms) if ms >= 0.0 => Ok(Some((ms * 1_000_000.0) as u64)),
        _ => Err(bad("a time is a number of milliseconds")),
    }
}

fn step(map: Term<'_>, rec: &Recording, names: &mut Vec<AtomId>) -> Result<Step, Error> {
    let get = |key| given(map, key);
    let what = get(atoms::what()).and_then(maps::name);
    let what = What::ALL.into_iter().find(|one| what.as_deref() == Some(one.name()));
    let who = |key| get(key).map(|term| selector(term, rec)).transpose();
    let data = get(atoms::pattern()).ok_or_else(|| bad("a step has a pattern"))?;
    Ok(Step {
        what: what
            .ok_or_else(|| bad("a step is about something sent, received, called, a state, a transition or a crash"))?,
        process: who(atoms::process())?,
        from: who(atoms::from())?,
        to: who(atoms::to())?,
        mfa: get(atoms::mfa()).map(|term| mfa(term, rec)).transpose()?,
        pattern: pattern(data, rec, names)?,
    })
}

/// A pattern that is given the variables of those before it.
fn pattern(data: Term<'_>, rec: &Recording, names: &mut Vec<AtomId>) -> Result<Pattern, Error> {
    let pattern = Pattern::with_given(&local(data, rec)?, Arc::clone(rec.atoms()), names)
        .map_err(|error| fault("bad_pattern", error.to_string()))?;
    names.extend(pattern.variables().map(|(name, _)| name));
    Ok(pattern)
}
