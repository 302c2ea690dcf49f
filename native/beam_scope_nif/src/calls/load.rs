//! What tracing costs, for whoever has to keep it within a budget.

use beam_scope_core::capture::engine::{Deed, Noise, SAMPLE};
use rustler::{Encoder, Env, LocalPid, Term};

use super::recording::pid_words;
use crate::fault::{done, Answer};
use crate::maps::{atom, MapBuilder};
use crate::recording::Shared;
use crate::resource;

/// How many processes are named at most.
const NOISIEST: usize = 256;

/// Whether what was recorded is indexed only when somebody asks: the system has no time to spare.
#[rustler::nif]
fn recording_rest<'a>(env: Env<'a>, rec: Term<'a>, rest: bool) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    rec.usable()?.store.rest(rest);
    done(env)
}

/// Sends a process `:wake`, once, when `more` events have been stored since.
#[rustler::nif(schedule = "DirtyIo")]
fn recording_wake<'a>(env: Env<'a>, rec: Term<'a>, who: LocalPid, more: u64) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    if let Some(wake) = &shared.wake {
        wake.set(who, shared.store.end_seq().saturating_add(more));
    }
    done(env)
}

/// More slots than this are not looked at on a scheduler's thread: some tens of microseconds.
const FEW_SLOTS: u64 = 4096;

/// The account of a recording's route: how often the VM called and for what, how long that took, how full rings and memory are. Reads
/// some numbers and waits for nobody: on a system with more work than schedulers it is this call that has to come through.
#[rustler::nif]
fn recording_load<'a>(env: Env<'a>, rec: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    let route = shared.open_route()?;
    let load = route.load();
    let count = |deed: Deed| load.counts[deed as usize];
    let map = MapBuilder::new(env)
        .put("lifecycle", count(Deed::Lifecycle))
        .put("send", count(Deed::Send))
        .put("receive", count(Deed::Receive))
        .put("call", count(Deed::Call))
        .put("return", count(Deed::Return))
        .put("collection", count(Deed::Collection))
        .put("schedule", count(Deed::Schedule))
        .put("callback_ns", load.sampled_ns * SAMPLE)
        .put("drain_ns", route.drained_ns())
        .put("ring_fill", route.ring_fill())
        .put("dropped", route.dropped());
    Ok(map.finish())
}

/// The processes that cost most since this was asked last, at `floor_ns` an event besides their callbacks: `{pid, events,
/// callback_ns}`, the noisiest first. The atom `many` where there are too many processes to look at here.
#[rustler::nif]
fn recording_noise<'a>(env: Env<'a>, rec: Term<'a>, most: usize, floor_ns: u64) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    if shared.open_route()?.slots() > FEW_SLOTS {
        return Ok(atom(env, "many"));
    }
    noise(env, shared, most, floor_ns)
}

/// The same, however many there are.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_noise_of_many<'a>(env: Env<'a>, rec: Term<'a>, most: usize, floor_ns: u64) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    noise(env, rec.usable()?, most, floor_ns)
}

fn noise<'a>(env: Env<'a>, shared: &Shared, most: usize, floor_ns: u64) -> Answer<'a> {
    let noisy = shared.open_route()?.noisiest(most.min(NOISIEST), floor_ns);
    let noisy: Vec<Term<'a>> = noisy.iter().map(|noise| noisy_process(env, shared, noise)).collect();
    Ok(noisy.encode(env))
}

/// `{pid, events, callback_ns}`.
fn noisy_process<'a>(env: Env<'a>, shared: &Shared, noise: &Noise) -> Term<'a> {
    // SAFETY: the origin makes a term of this environment, or an immediate.
    let pid = unsafe { Term::new(env, shared.origin.pid(env, noise.pid)) };
    (pid, noise.events, noise.sampled_ns * SAMPLE).encode(env)
}

/// Writes a note about each of these processes that had an event: from here on nobody records what it does, so that its state is
/// unknown. How many there were.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_unseen<'a>(env: Env<'a>, rec: Term<'a>, pids: Term<'a>, terms: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let route = rec.usable()?.open_route()?;
    let (mut head, payload) = super::recording::note(env, &rec, terms)?;
    head.flags |= beam_scope_core::capture::record::flags::UNSEEN;
    let seen = route.had_events(&pid_words(pids)?);
    seen.iter().for_each(|pid| route.inject(*pid, head, &payload));
    Ok(seen.len().encode(env))
}
