//! Expectations: checked after the fact, or beside a recording that runs. The process that asks sets the pace.

use beam_scope_core::expect::{self, Monitor};
use parking_lot::Mutex;
use rustler::{Env, Resource, ResourceArc, Term};

use crate::answer::check::checks;
use crate::answer::finding::Telling;
use crate::answer::{refused, stored};
use crate::fault::{ok, Answer};
use crate::resource::{self, Handle};

/// Checks and the recording that they watch.
struct Watching {
    rec: ResourceArc<Handle>,
    monitor: Mutex<Monitor>,
}

#[rustler::resource_impl]
impl Resource for Watching {}

/// Answers checks in one pass over the recording: `{:ok, [finding]}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn check<'a>(env: Env<'a>, rec: Term<'a>, asked: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let checks = checks(asked, timeline.recording())?;
    let found = expect::run(&timeline, checks, rec.shared.duration_ns()).map_err(refused)?;
    let answer = timeline
        .with_facts(|facts| {
            let mut telling = Telling::new(env, rec.origin(), &timeline, facts);
            telling.findings(&found)
        })
        .map_err(|error| stored(&error))?;
    ok(env, answer)
}

/// Begins to watch a recording, its past included: `{:ok, monitor}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn monitor_open<'a>(env: Env<'a>, rec: Term<'a>, asked: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let timeline = rec.timeline()?;
    let checks = checks(asked, timeline.recording())?;
    let monitor = Mutex::new(Monitor::new(&timeline, checks).map_err(refused)?);
    ok(env, ResourceArc::new(Watching { rec, monitor }))
}

/// What was decided since the last poll: `{:ok, %{events: [{index, :held | :broken, finding}], next}}`; `next` is in how many
/// milliseconds time alone may decide something, or nil.
#[rustler::nif(schedule = "DirtyCpu")]
fn monitor_poll<'a>(env: Env<'a>, watching: ResourceArc<Watching>) -> Answer<'a> {
    let rec = &watching.rec;
    let timeline = rec.timeline()?;
    let now = rec.shared.duration_ns();
    let mut monitor = watching.monitor.lock();
    let found = monitor.poll(&timeline, now).map_err(refused)?;
    let next = monitor.next_ns().map(|at| at.saturating_sub(now).div_ceil(1_000_000));
    drop(monitor);
    let answer = timeline
        .with_facts(|facts| {
            let mut telling = Telling::new(env, rec.origin(), &timeline, facts);
            telling.decided(&found, next)
        })
        .map_err(|error| stored(&error))?;
    ok(env, answer)
}

/// The answer of every check if nothing more comes: `{:ok, [finding]}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn monitor_finish<'a>(env: Env<'a>, watching: ResourceArc<Watching>) -> Answer<'a> {
    let rec = &watching.rec;
    let timeline = rec.timeline()?;
    let now = rec.shared.duration_ns();
    let found = watching.monitor.lock().finish(&timeline, now).map_err(refused)?;
    let answer = timeline
        .with_facts(|facts| {
            let mut telling = Telling::new(env, rec.origin(), &timeline, facts);
            telling.findings(&found)
        })
        .map_err(|error| stored(&error))?;
    ok(env, answer)
}
