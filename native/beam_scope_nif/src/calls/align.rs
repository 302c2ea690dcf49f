//! Two sequences of terms against each other, for `BeamScope.Align`.
//!
//! Entries are `{term, group}`; the answer is `{:ok, %{steps: [step], exact: boolean}}`, where numbers are places in the
//! two lists, from 0, and `diff` is what `diff/2` gives:
//!
//! ```text
//! step  {:matched, expected, actual} | {:different, expected, actual, diff} | {:out_of_order, expected, actual}
//!       | {:missing, expected} | {:unexpected, actual}
//! ```

use std::time::Duration;

use beam_scope_core::align::{align as aligned, AlignOptions, Entry, Step};
use beam_scope_core::diff::DiffOptions;
use beam_scope_core::term::arena::Arena;
use rustler::{Encoder, Env, Error, Term};

use super::diff::{live_id, Writer};
use crate::atoms;
use crate::captured::Intern;
use crate::decode::Live;
use crate::fault::{ok, Answer};
use crate::maps::{optional, MapBuilder};

/// Aligns two lists of entries; `options` is a map with `deadline_ms`.
#[rustler::nif(schedule = "DirtyCpu")]
fn align<'a>(env: Env<'a>, expected: Term<'a>, actual: Term<'a>, options: Term<'a>) -> Answer<'a> {
    let mut arena = Arena::new();
    let mut intern = Intern::default();
    let expected = entries(&mut arena, &mut intern, expected)?;
    let actual = entries(&mut arena, &mut intern, actual)?;
    let mut limits = AlignOptions::new(DiffOptions::new(|text| live_id(env, text)));
    if let Some(ms) = optional::<u64>(options, "deadline_ms")? {
        limits.deadline = Duration::from_millis(ms);
    }
    let found = aligned(&arena, &expected, &actual, &limits);
    let mut writer = Writer::new(env, &arena, &Live);
    let steps: Vec<Term<'a>> = found.steps.iter().map(|one| step(env, &mut writer, one)).collect();
    let answer = MapBuilder::new(env).put("steps", steps).put("exact", found.exact);
    ok(env, answer.finish())
}

fn entries(arena: &mut Arena, intern: &mut Intern, list: Term<'_>) -> Result<Vec<Entry>, Error> {
    let pairs: Vec<(Term<'_>, Term<'_>)> = list.decode()?;
    let mut entry = |(term, group): (Term<'_>, Term<'_>)| {
        Ok(Entry {
            term: intern.term(arena, term)?,
            group: Some(intern.term(arena, group)?),
        })
    };
    pairs.into_iter().map(&mut entry).collect()
}

fn step<'a>(env: Env<'a>, writer: &mut Writer<'a, '_>, step: &Step) -> Term<'a> {
    match step {
        Step::Matched { expected, actual } => (atoms::matched(), *expected, *actual).encode(env),
        Step::Different { expected, actual, diff } => {
            (atoms::different(), *expected, *actual, writer.diff(diff)).encode(env)
        }
        Step::OutOfOrder { expected, actual } => (atoms::out_of_order(), *expected, *actual).encode(env),
        Step::Missing { expected } => (atoms::missing(), *expected).encode(env),
        Step::Unexpected { actual } => (atoms::unexpected(), *actual).encode(env),
    }
}
