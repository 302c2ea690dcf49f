//! Recordings as files.

use beam_scope_core::store::{Recording, StoreError};
use rustler::{Env, Error, Term};

use crate::fault::{done, fault, ok, Answer};
use crate::recording::loaded::{instance, Loaded};
use crate::recording::settings::Settings;
use crate::recording::{RecordingResource, Shared};
use crate::resource;

/// Bytes of a file's meta before the control plane's own: who wrote it.
const INSTANCE: usize = 8;

/// Writes a recording to a file: `:ok`.
#[rustler::nif(schedule = "DirtyIo")]
fn save<'a>(env: Env<'a>, rec: Term<'a>, path: &str) -> Answer<'a> {
    let rec = resource::recording(rec)?;
    let shared = rec.usable()?;
    if !shared.store.is_loaded() {
        shared
            .store
            .set_meta([&instance().to_le_bytes()[..], &shared.meta.lock()].concat());
    }
    shared.store.save(path).map_err(|error| failed(path, &error))?;
    done(env)
}

/// Reads a recording from a file: `{:ok, rec}`.
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

fn failed(path: &str, error: &StoreError) -> Error {
    match error {
        StoreError::Closed => fault("closed", "the recording was closed"),
        error => fault("file", format!("{path}: {error}")),
    }
}
