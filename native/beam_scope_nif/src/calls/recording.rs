//! The control plane's calls: opening, changing, feeding and ending recordings.

use std::sync::Arc;
use std::time::Duration;

use beam_scope_core::busy::Busy;
use beam_scope_core::capture::engine::{LifecycleHook, Open, OpenError, RecordHead, RouteKind, SlotConfig, EVERYONE};
use beam_scope_core::event::EventKind;
use beam_scope_core::store::{Budget as Memory, Mode, Recording, Status, StopReason, StoreConfig, StoreError};
use beam_scope_core::term::AtomId;
use rustler::{Encoder, Env, Error, ListIterator, LocalPid, Term};

use crate::answer::event::kind_name;
use crate::answer::{question, reason, stored};
use crate::atoms;
use crate::decode::Live;
use crate::encode::{encode, Budget, Rules};
use crate::engine;
use crate::fault::{done, fault, ok, Answer};
use crate::maps::{atom, get, invalid, name, optional, required, MapBuilder};
use crate::recording::atoms::LiveAtoms;
use crate::recording::hook::Notify;
use crate::recording::loaded::is_foreign;
use crate::recording::settings::Settings;
use crate::recording::sink::{reason_name, reason_of, Sink};
use crate::recording::wake::Wake;
use crate::recording::{self, RecordingResource, Running, Shared};
use crate::resource;
use crate::tracer::{self, own};
use crate::vm;

/// Opens a recording: `{:ok, rec, route_id}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_open<'a>(env: Env<'a>, config: Term<'a>) -> Answer<'a> {
    let settings = Settings::none().changed(config)?;
    let id: u64 = required(config, "id")?;
    let notify: Option<LocalPid> = optional(config, "notify")?;
    let engine = engine::get_or_make();
    let store = Recording::new(store_config(config)?, Arc::new(LiveAtoms));
    let busy = Arc::new(Busy::new(AtomId(vm::word(atoms::system().as_c_arg()) as u64)));
    let wake = Arc::new(Wake::new());
    let hook = notify.filter(|_| flag(config, "lifecycle_notify"));
    let capture = settings.capture();
    let open = Open {
        route: route_kind(config)?,
        kinds: settings.kinds,
        follow: settings.follow,
        max_record: capture.largest(),
        config: capture,
        rings: engine::rings(optional(config, "ring_bytes")?),
        slots: SlotConfig {
            bits: optional(config, "slot_bits")?
                .unwrap_or(SlotConfig::default().bits)
                .clamp(8, 24),
            ..SlotConfig::default()
        },
        sink: Arc::new(Sink::new(
            id,
            Arc::clone(&store),
            Arc::clone(&busy),
            Arc::clone(&wake),
            notify,
        )),
        hook: hook.map(|pid| Arc::new(Notify { id, pid }) as Arc<dyn LifecycleHook>),
    };
    let handle = engine.open(open).map_err(refused)?;
    let route = handle.route();
    let shared = Shared::new(
        id,
        store,
        Box::new(Live),
        settings,
        Some(Running {
            route: handle,
            busy,
            wake,
        }),
    );
    keep_meta(&shared, config);
    serve(&shared, config)?;
    Ok((rustler::types::atom::ok(), RecordingResource::arc(shared), route).encode(env))
}

fn refused(error: OpenError) -> Error {
    let reason = match error {
        OpenError::TooManyRecordings { .. } => "too_many_recordings",
        OpenError::RecordTooLarge { .. } => "budget_too_large",
        OpenError::Memory | OpenError::NoRoute | OpenError::Thread(_) => "setup_failed",
    };
    fault(reason, error.to_string())
}

fn store_config(config: Term<'_>) -> Result<StoreConfig, Error> {
    let clock = engine::get_or_make().clock();
    let start_ns = clock.now();
    let default = StoreConfig::default();
    Ok(StoreConfig {
        max_bytes: optional(config, "max_bytes")?.unwrap_or(default.max_bytes),
        max_events: optional(config, "max_events")?,
        max_ms: optional(config, "max_ms")?,
        rate: optional(config, "rate")?,
        mode: match get(config, "mode").and_then(name).as_deref() {
            None | Some("stop") => Mode::Stop,
            Some("ring") => Mode::Ring,
            Some(_) => return Err(invalid("mode")),
        },
        keep_ms: optional(config, "keep_ms")?,
        chunk_events: optional(config, "chunk_events")?.unwrap_or(default.chunk_events),
        start_ns,
        start_unix_ns: clock.unix_ns(start_ns),
        pid_shape: vm::pid_shape(),
        ..default
    })
}

/// `:own`, `:shared`, or the number of another recording's own route.
fn route_kind(config: Term<'_>) -> Result<RouteKind, Error> {
    if let Some(Ok(route)) = get(config, "route").map(|term| term.decode::<u32>()) {
        return Ok(RouteKind::Beside(route));
    }
    match get(config, "route").and_then(name).as_deref() {
        Some("own") => Ok(RouteKind::Own),
        Some("shared") => Ok(RouteKind::Shared),
        _ => Err(invalid("route")),
    }
}

fn flag(config: Term<'_>, key: &str) -> bool {
    get(config, key).and_then(name).as_deref() == Some("true")
}

fn keep_meta(shared: &Shared, config: Term<'_>) {
    if let Some(meta) = get(config, "meta") {
        *shared.meta.lock() = meta.to_binary().as_slice().to_vec();
    }
}

/// `own: [pid]`: processes of ours that talk to tracees.
fn serve(shared: &Shared, config: Term<'_>) -> Result<(), Error> {
    if let Some(pids) = get(config, "own") {
        let env = pids.get_env().as_c_arg();
        shared.serve(env, pid_words(pids)?.into_iter().map(|word| word as vm::Word).collect());
    }
    Ok(())
}

/// Changes what a running recording wants.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_update<'a>(env: Env<'a>, rec: Term<'a>, changes: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    keep_meta(shared, changes);
    serve(shared, changes)?;
    let mut settings = shared.settings.lock();
    let next = settings.changed(changes)?;
    if let Some(route) = shared.route() {
        route.update(next.kinds, next.follow, next.capture());
    }
    *settings = next;
    done(env)
}

/// Makes processes members of a recording.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_add_members<'a>(env: Env<'a>, rec: Term<'a>, pids: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    rec.usable()?.open_route()?.add_members(&pid_words(pids)?);
    done(env)
}

/// Undoes it. What is still in the rings is theirs: it is drained first.
#[rustler::nif(schedule = "DirtyIo")]
fn recording_remove_members<'a>(env: Env<'a>, rec: Term<'a>, pids: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let route = rec.usable()?.open_route()?;
    route.flush(Duration::from_secs(1));
    route.remove_members(&pid_words(pids)?);
    done(env)
}

/// Supervisors that start processes for members.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_add_starters<'a>(env: Env<'a>, rec: Term<'a>, pids: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    rec.usable()?.open_route()?.add_starters(&pid_words(pids)?);
    done(env)
}

/// The words of pids. The atom `new` stands for every process that starts.
pub(super) fn pid_words(pids: Term<'_>) -> Result<Vec<u64>, Error> {
    let word = |term: &Term<'_>| match term.decode::<LocalPid>() {
        Ok(pid) => Ok(vm::word(pid.as_c_arg_term()) as u64),
        Err(_) if *term == atoms::new().to_term(term.get_env()) => Ok(EVERYONE),
        Err(_) => Err(invalid("pids")),
    };
    let pids: Vec<Term<'_>> = pids.decode().map_err(|_| invalid("pids"))?;
    pids.iter().map(word).collect()
}

trait PidTerm {
    fn as_c_arg_term(&self) -> rustler::codegen_runtime::ErlNifTerm;
}

impl PidTerm for LocalPid {
    fn as_c_arg_term(&self) -> rustler::codegen_runtime::ErlNifTerm {
        // SAFETY: needs no environment; it hands out the word inside.
        unsafe { rustler::sys::enif_make_pid(std::ptr::null_mut(), *self.as_c_arg()) }
    }
}

/// What a record of the system's state may take at least: numbers and names, which no budget for users' terms is meant for.
const SYSTEM_BYTES: usize = 4096;

/// Adds a record of the control plane's own: `:baseline`, `:note`, `:system`.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_inject<'a>(env: Env<'a>, rec: Term<'a>, kind: Term<'a>, pid: LocalPid, terms: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let route = rec.usable()?.open_route()?;
    let kind = name(kind)
        .and_then(|name| kind_of(&name))
        .ok_or_else(|| invalid("kind"))?;
    let (head, payload) = written(env, &rec, kind, terms)?;
    route.inject(vm::word(pid.as_c_arg_term()) as u64, head, &payload);
    done(env)
}

/// A note's record.
pub(super) fn note<'a>(env: Env<'a>, rec: &RecordingResource, terms: Term<'a>) -> Result<(RecordHead, Vec<u8>), Error> {
    written(env, rec, EventKind::Note, terms)
}

/// The record of something that the control plane tells.
fn written<'a>(
    env: Env<'a>,
    rec: &RecordingResource,
    kind: EventKind,
    terms: Term<'a>,
) -> Result<(RecordHead, Vec<u8>), Error> {
    let system = kind == EventKind::System;
    let (mut budget, rules) = {
        let settings = rec.shared.settings.lock();
        // The keys are the control plane's own and their values numbers and names: a user's rule for the key `memory` means another.
        let rules = if system {
            Rules::none()
        } else {
            Rules::new(settings.redact.clone())
        };
        (settings.budget, rules)
    };
    if system {
        budget.bytes = budget.bytes.max(SYSTEM_BYTES);
        budget.depth = budget.depth.max(8);
    }
    let items: ListIterator<'a> = terms.decode().map_err(|_| invalid("terms"))?;
    let (mut payload, mut head) = (
        Vec::new(),
        RecordHead {
            kind: kind as u8,
            ..RecordHead::default()
        },
    );
    for item in items {
        let flags = append(env, item, budget, &rules, &mut payload)?;
        head.terms = head.terms.saturating_add(1);
        head.flags |= flags;
    }
    Ok((head, payload))
}

fn append(env: Env<'_>, term: Term<'_>, budget: Budget, rules: &Rules, out: &mut Vec<u8>) -> Result<u8, Error> {
    let start = out.len();
    out.resize(start + budget.bytes.max(crate::encode::MIN_BYTES), 0);
    let encoded = encode(env.as_c_arg(), term.as_c_arg(), &mut out[start..], budget, rules)
        .ok_or_else(|| fault("budget_too_small", "no room for a marker"))?;
    out.truncate(start + encoded.len);
    Ok(encoded.flags)
}

/// Waits until everything that was recorded before the call can be read: `true`, or `false` when time ran out.
#[rustler::nif(schedule = "DirtyIo")]
fn recording_flush(rec: Term<'_>, timeout_ms: u64) -> Result<bool, Error> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    let timeout = Duration::from_millis(timeout_ms);
    Ok(shared.route().is_none_or(|route| shared.flush(&route, timeout)))
}

/// Waits until all that was recorded before the call can be read, and processes that were handling a message then are done,
/// or `timeout_ms` are over. `who` is `all` or a list of selectors: one that stands for nobody stands for anybody. `except` are
/// pids that are not waited for.
#[rustler::nif(schedule = "DirtyIo")]
fn recording_settle<'a>(env: Env<'a>, rec: Term<'a>, who: Term<'a>, except: Term<'a>, timeout_ms: u64) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    let who = match who.decode::<Vec<Term<'a>>>() {
        Ok(selectors) if shared.route().is_some() => pids_of(shared, selectors)?,
        _ => None,
    };
    shared.settle(who.as_deref(), &pid_words(except)?, Duration::from_millis(timeout_ms));
    done(env)
}

/// The pids that selectors stand for; `None` where one of them stands for nobody that is known.
fn pids_of(shared: &Shared, selectors: Vec<Term<'_>>) -> Result<Option<Vec<u64>>, Error> {
    let mut pids = Vec::new();
    let timeline = shared.timeline()?;
    for selector in selectors {
        let selector = question::selector(selector, &shared.store)?;
        let found = timeline
            .with_facts(|facts| facts.pids_of(&selector))
            .map_err(|error| stored(&error))?;
        if found.is_empty() {
            return Ok(None);
        }
        pids.extend(found);
    }
    Ok(Some(pids))
}

/// What is recorded by now, as a recording that has ended; this one goes on: `{:ok, rec}`. What was committed before the call is in
/// it, unless the drainer needs longer than `timeout_ms` for that.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_freeze<'a>(env: Env<'a>, rec: Term<'a>, timeout_ms: u64) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    if let Some(route) = shared.route() {
        shared.flush(&route, Duration::from_millis(timeout_ms));
    }
    let frozen = shared.freeze().map_err(|error| refused_freeze(&error))?;
    ok(env, RecordingResource::arc(frozen))
}

fn refused_freeze(error: &StoreError) -> Error {
    fault(reason(error).unwrap_or("no_memory"), error.to_string())
}

/// Ends capture and keeps what was recorded.
#[rustler::nif(schedule = "DirtyIo")]
fn recording_stop<'a>(env: Env<'a>, rec: Term<'a>, reason: Term<'a>) -> Answer<'a> {
    resource::recording(rec)?
        .shared
        .stop(reason_of(name(reason).ok_or_else(|| invalid("reason"))?));
    done(env)
}

/// Ends capture and frees everything.
#[rustler::nif(schedule = "DirtyIo")]
fn recording_close<'a>(env: Env<'a>, rec: Term<'a>) -> Answer<'a> {
    resource::recording(rec)?.shared.close();
    done(env)
}

/// Stops every recording of this VM; how many ran.
#[rustler::nif(schedule = "DirtyIo")]
fn stop_all(reason: Term<'_>) -> Result<usize, Error> {
    let reason = reason_of(name(reason).ok_or_else(|| invalid("reason"))?);
    Ok(recording::stop_all(&reason))
}

/// Marks a process as BeamScope's own, for as long as the VM lives. `false` when there are too many.
#[rustler::nif]
fn own_add(env: Env<'_>, pid: LocalPid) -> bool {
    own::add(env.as_c_arg(), vm::word(pid.as_c_arg_term()))
}

/// Undoes it.
#[rustler::nif]
fn own_remove<'a>(env: Env<'a>, pid: LocalPid) -> Answer<'a> {
    own::remove(vm::word(pid.as_c_arg_term()));
    done(env)
}

/// The account of a recording. Reads no record, unless some were lost and it is not known yet where.
#[rustler::nif(schedule = "DirtyCpu")]
fn recording_info<'a>(env: Env<'a>, rec: Term<'a>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    let store = &shared.store;
    let counts = store.counts();
    let (status, reason, error) = match store.status() {
        Status::Running => ("running", None, None),
        Status::Stopped(reason) => {
            let text = if let StopReason::Error(text) = &reason {
                Some(text.clone())
            } else {
                None
            };
            ("stopped", Some(reason_name(&reason)), text)
        }
    };
    let events = MapBuilder::new(env)
        .put("offered", counts.offered)
        .put("stored", counts.stored)
        .put("dropped", counts.dropped)
        .put("evicted", counts.evicted)
        .put("truncated", counts.truncated)
        .put("redacted", counts.redacted);
    let mut by_kind = MapBuilder::new(env);
    for kind in EventKind::ALL {
        by_kind.set(kind_name(kind), counts.of_kind(kind));
    }
    let config = store.config();
    let rings = engine::get()
        .map(beam_scope_core::capture::engine::Engine::info)
        .unwrap_or_default();
    let meta = shared.meta.lock();
    let meta = if store.is_loaded() {
        env.binary_to_term(&meta).map(|(term, _)| term)
    } else {
        // SAFETY: written by `keep_meta` from a term of this VM.
        unsafe { env.binary_to_term_trusted(&meta) }.map(|(term, _)| term)
    };
    let info = MapBuilder::new(env)
        .put("id", shared.id)
        .put("status", atom(env, status))
        .put("stop_reason", reason.map(|reason| atom(env, &reason)))
        .put("error", error)
        .put("events", events.finish())
        .put("by_kind", by_kind.finish())
        .put("bytes", counts.bytes)
        .put("cache_bytes", store.cached_bytes())
        .put("rings", rings.rings)
        .put("ring_bytes", rings.ring_bytes)
        .put("losses", losses(env, shared))
        .put("started_at_unix_ns", config.start_unix_ns)
        .put("duration_ns", shared.duration_ns())
        .put("panics", shared.panics())
        .put("foreign", is_foreign(store))
        .put("damage", damage(env, shared))
        .put("meta", meta);
    Ok(info.finish())
}

fn damage<'a>(env: Env<'a>, shared: &Shared) -> Option<Term<'a>> {
    let damage = shared.store.damage()?;
    let map = MapBuilder::new(env)
        .put("cut_off", damage.cut_off)
        .put("bytes", damage.bytes)
        .put("chunks", damage.chunks);
    Some(map.finish())
}

fn losses<'a>(env: Env<'a>, shared: &Shared) -> Vec<Term<'a>> {
    let loss = |loss: beam_scope_core::store::Loss| {
        // SAFETY: the origin makes a term of this environment, or an immediate; 0 is shown as `nil`.
        let pid = (loss.pid != 0).then(|| unsafe { Term::new(env, shared.origin.pid(env, loss.pid)) });
        MapBuilder::new(env)
            .put("track", loss.track.map(|track| track.0))
            .put("pid", pid)
            .put("from_ns", loss.from_ns)
            .put("to_ns", loss.to_ns)
            .put("count", loss.count)
            .put("cause", atom(env, &format!("{:?}", loss.cause).to_lowercase()))
            .finish()
    };
    shared.store.losses().into_iter().map(loss).collect()
}

/// Figures of the engine that all recordings share.
#[rustler::nif]
fn engine_info(env: Env<'_>) -> Answer<'_> {
    let info = engine::get()
        .map(beam_scope_core::capture::engine::Engine::info)
        .unwrap_or_default();
    let map = MapBuilder::new(env)
        .put("drainers", info.drainers)
        .put("threads", info.threads)
        .put("rings", info.rings)
        .put("ring_bytes", info.ring_bytes)
        .put("pool_bytes", info.pool_bytes)
        .put("recordings", info.recordings)
        .put("held_bytes", Memory::global().held())
        .put("dropped", info.dropped)
        .put("panics", info.panics + tracer::panics());
    Ok(map.finish())
}

/// The kind of event with a name.
pub(crate) fn kind_of(name: &str) -> Option<EventKind> {
    EventKind::ALL.into_iter().find(|kind| kind_name(*kind) == name)
}
