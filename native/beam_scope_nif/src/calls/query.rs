//! Events that answer a query.

use rustler::{Env, Term};

use crate::answer::{self, question, refused, stored, Terms};
use crate::fault::{ok, Answer};
use crate::resource;

/// Events that answer a query: `{:ok, %{events, more, unknown}}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn query<'a>(env: Env<'a>, rec: Term<'a>, asked: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let query = question::query(asked, timeline.recording())?;
    let found = beam_scope_core::query::run(&timeline, &query).map_err(refused)?;
    let events = timeline
        .with_facts(|facts| answer::events(&mut Terms::new(env, rec.origin()), facts, &found))
        .map_err(|error| stored(&error))?;
    ok(env, events)
}
