//! Processes, trees, histories, states, mailboxes.

use beam_scope_core::timeline::{Found, Moment, Timeline, Transition};
use rustler::{Env, Term};

use crate::answer::{self, question, refused, stored, Terms};
use crate::atoms;
use crate::decode::Origin;
use crate::fault::{fault, ok, Answer};
use crate::resource;

/// The processes known of by a moment: a list of maps.
#[rustler::nif(schedule = "DirtyCpu")]
fn processes<'a>(env: Env<'a>, rec: Term<'a>, moment: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let found = rec.timeline()?.processes(question::moment(moment)?).map_err(refused)?;
    Ok(answer::processes(&mut Terms::new(env, rec.origin()), &found))
}

/// Whether a selector stands for any process of the recording: `{:ok, boolean}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn knows<'a>(env: Env<'a>, rec: Term<'a>, process: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let selector = question::selector(process, &rec.shared.store)?;
    let known = rec.timeline()?.with_facts(|facts| facts.knows(&selector));
    ok(env, known.map_err(|error| stored(&error))?)
}

/// Who started whom among the living at a moment: nested maps.
#[rustler::nif(schedule = "DirtyCpu")]
fn tree<'a>(env: Env<'a>, rec: Term<'a>, moment: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let found = rec.timeline()?.tree(question::moment(moment)?).map_err(refused)?;
    Ok(answer::tree(&mut Terms::new(env, rec.origin()), &found))
}

/// The transitions of a process: `{:ok, %{processes, transitions, more}}`; range is `%{since, until, limit, diff}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn history<'a>(env: Env<'a>, rec: Term<'a>, process: Term<'a>, range: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let get = |key| question::given(range, key);
    let edge = |key, default| get(key).map_or(Ok(default), question::moment);
    let found = timeline
        .history(
            &question::selector(process, &rec.shared.store)?,
            edge(atoms::since(), Moment::Start)?,
            edge(atoms::until(), Moment::End)?,
            question::limit(get(atoms::limit()))?,
        )
        .map_err(refused)?;
    let with_diff = get(atoms::diff()).is_some_and(|diff| question::is(diff, rustler::types::atom::true_()));
    let answer = timeline
        .with_facts(|facts| {
            let mut terms = Terms::new(env, rec.origin());
            let mut differ = |terms: &mut Terms<'a, '_>, one: &Transition| {
                with_diff
                    .then(|| difference(terms, rec.origin(), &timeline, one))
                    .flatten()
            };
            answer::history(&mut terms, facts, &found, &mut differ)
        })
        .map_err(|error| stored(&error))?;
    ok(env, answer)
}

/// What changed between two known states.
pub(super) fn difference<'a>(
    terms: &mut Terms<'a, '_>,
    origin: &dyn Origin,
    timeline: &Timeline,
    one: &Transition,
) -> Option<Term<'a>> {
    let (from, to) = (one.from.term()?, one.to.term()?);
    Some(super::diff::between(terms.env, origin, timeline.recording(), from, to))
}

/// The state of a process at a moment: `{:ok, %{state, seq, at_ns, track}}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn state_at<'a>(env: Env<'a>, rec: Term<'a>, process: Term<'a>, moment: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let at = question::moment(moment)?;
    let found = rec
        .timeline()?
        .state_at(&question::selector(process, &rec.shared.store)?, at)
        .map_err(refused)?;
    let answer = answer::state(&mut Terms::new(env, rec.origin()), &found);
    ok(env, answer)
}

/// The first transition to a state that matches: `{:ok, transition_map}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn find_state<'a>(env: Env<'a>, rec: Term<'a>, process: Term<'a>, pattern: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let pattern = question::pattern(pattern, timeline.recording())?;
    let found = timeline
        .find_state(&question::selector(process, &rec.shared.store)?, |arena, node| {
            question::verdict(&pattern, arena, node)
        })
        .map_err(refused)?;
    match found {
        Found::At(one, _) => {
            let answer = timeline
                .with_facts(|facts| {
                    let mut differ =
                        |terms: &mut Terms<'a, '_>, one: &Transition| difference(terms, rec.origin(), &timeline, one);
                    answer::transition(&mut Terms::new(env, rec.origin()), facts, &one, &mut differ)
                })
                .map_err(|error| stored(&error))?;
            ok(env, answer)
        }
        Found::Nowhere(0) => Err(fault("not_found", "no state of it matches")),
        Found::Nowhere(unknown) => Err(fault(
            "not_found",
            format!(
                "no state of it matches, but {unknown} could not be decided: what decides was truncated or redacted"
            ),
        )),
    }
}

/// What waited in a process' mailbox: `{:ok, %{messages, exact}}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn mailbox<'a>(env: Env<'a>, rec: Term<'a>, process: Term<'a>, moment: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let at = question::moment(moment)?;
    let found = rec
        .timeline()?
        .mailbox(&question::selector(process, &rec.shared.store)?, at)
        .map_err(refused)?;
    let answer = answer::mailbox(&mut Terms::new(env, rec.origin()), &found);
    ok(env, answer)
}
