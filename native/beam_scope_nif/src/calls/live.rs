//! Standing queries: asked again and again of what came since. The process that asks sets the pace.

use beam_scope_core::query::Live;
use parking_lot::Mutex;
use rustler::{Encoder, Env, Resource, ResourceArc, Term};

use crate::answer::{self, question, refused, stored, Terms};
use crate::fault::{ok, Answer};
use crate::resource::{self, Handle};

/// A standing query and the recording it is asked of.
struct Standing {
    rec: ResourceArc<Handle>,
    live: Mutex<Live>,
}

#[rustler::resource_impl]
impl Resource for Standing {}

/// A standing query that begins with the next event: `{:ok, live}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn live_open<'a>(env: Env<'a>, rec: Term<'a>, asked: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let query = question::query(asked, timeline.recording())?;
    let live = Mutex::new(Live::new(&timeline, query).map_err(refused)?);
    ok(env, ResourceArc::new(Standing { rec, live }))
}

/// What came since the last poll, at most `limit`: `{:ok, %{events, more, unknown}}`. With `keep` false the events are counted
/// only: `{:ok, %{count, more}}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn live_poll<'a>(env: Env<'a>, live: ResourceArc<Standing>, limit: usize, keep: bool) -> Answer<'a> {
    let timeline = live.rec.timeline()?;
    let found = live.live.lock().poll(&timeline, limit).map_err(refused)?;
    if !keep {
        let count = answer::counted(env, found.hits.len(), found.more);
        return ok(env, count.encode(env));
    }
    let events = timeline
        .with_facts(|facts| answer::events(&mut Terms::new(env, live.rec.origin()), facts, &found))
        .map_err(|error| stored(&error))?;
    ok(env, events)
}
