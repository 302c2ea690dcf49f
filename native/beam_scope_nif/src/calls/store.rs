//! Recordings as files, whole or piece by piece.

use std::time::Duration;

use beam_scope_core::store::{Recording, StoreError};
use rustler::{Binary, Encoder, Env, Error, NewBinary, Term};

use crate::answer::reason;
use crate::fault::{done, fault, ok, Answer};
use crate::maps::atom;
use crate::recording::loaded::{instance, Loaded};
use crate::recording::settings::Settings;
use crate::recording::{RecordingResource, Shared};
use crate::resource;

/// Bytes of a file's meta before the control plane's own: who wrote it.
const INSTANCE: usize = 8;

/// Writes a recording to a file: `{:ok, bytes}`. `meta` is what the control plane wants back from `recording_info` wherever the
/// file is opened: bytes in external term format without anything that lives in one system only; `nil` keeps what there is.
#[rustler::nif(schedule = "DirtyIo")]
fn save<'a>(env: Env<'a>, rec: Term<'a>, path: &str, meta: Option<Binary<'a>>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    keep_meta(shared, meta);
    let bytes = shared.store.save(path).map_err(|error| failed(path, &error))?;
    ok(env, bytes)
}

fn keep_meta(shared: &Shared, meta: Option<Binary<'_>>) {
    if let Some(meta) = meta {
        let meta = [&instance().to_le_bytes()[..], meta.as_slice()].concat();
        shared.store.set_meta(meta);
    }
}

/// Opens a recording that was written to a file: `{:ok, rec}`.
#[rustler::nif(schedule = "DirtyIo")]
fn load<'a>(env: Env<'a>, path: &str) -> Answer<'a> {
    let store = Recording::load(path).map_err(|error| failed(path, &error))?;
    let table = store.table().cloned().ok_or_else(|| fault("file", "it has no atoms"))?;
    let meta = store.meta().get(INSTANCE..).unwrap_or(&[]).to_vec();
    let origin = Box::new(Loaded::new(&store, table));
    let shared = Shared::new(0, store, origin, Settings::none(), None);
    *shared.meta.lock() = meta;
    ok(env, RecordingResource::arc(shared))
}

/// The first piece of a file that grows as it is recorded: `{:ok, binary}`.
#[rustler::nif(schedule = "DirtyIo")]
fn stream_begin<'a>(env: Env<'a>, rec: Term<'a>, meta: Option<Binary<'a>>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    keep_meta(shared, meta);
    let bytes = shared.store.stream_begin().map_err(|error| failed("", &error))?;
    ok(env, binary(env, &bytes))
}

/// The next piece, `{:ok, binary, events}`, or `:none`. Works for `most_ms` at most, and closes a chunk that has been open for
/// `age_ms`.
#[rustler::nif(schedule = "DirtyCpu")]
fn stream_next<'a>(env: Env<'a>, rec: Term<'a>, most_ms: u64, age_ms: u64) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let store = &rec.usable()?.store;
    let next = store.stream_next(Duration::from_millis(most_ms), Duration::from_millis(age_ms));
    match next.map_err(|error| failed("", &error))? {
        Some(piece) => Ok((rustler::types::atom::ok(), binary(env, &piece.bytes), piece.events).encode(env)),
        None => Ok(atom(env, "none")),
    }
}

/// The piece given out last is in this file, with all before it: memory may let go of it.
#[rustler::nif(schedule = "DirtyIo")]
fn stream_written<'a>(env: Env<'a>, rec: Term<'a>, path: &str) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let store = &rec.usable()?.store;
    store.stream_written(path).map_err(|error| failed(path, &error))?;
    done(env)
}

/// The last piece, once the recording has stopped and there is no next one: `{:ok, binary}`.
#[rustler::nif(schedule = "DirtyIo")]
fn stream_end<'a>(env: Env<'a>, rec: Term<'a>, meta: Option<Binary<'a>>) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    keep_meta(shared, meta);
    let bytes = shared.store.stream_end().map_err(|error| failed("", &error))?;
    ok(env, binary(env, &bytes))
}

fn binary<'a>(env: Env<'a>, bytes: &[u8]) -> Term<'a> {
    let mut binary = NewBinary::new(env, bytes.len());
    binary.as_mut_slice().copy_from_slice(bytes);
    binary.into()
}

fn failed(path: &str, error: &StoreError) -> Error {
    match (reason(error), path) {
        (Some(reason), _) => fault(reason, error.to_string()),
        (None, "") => fault("file", error.to_string()),
        (None, path) => fault("file", format!("{path}: {error}")),
    }
}
