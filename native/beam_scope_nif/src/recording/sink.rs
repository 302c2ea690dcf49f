//! Between the engine and a store: says once when a limit stopped the recording.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use beam_scope_core::busy::Busy;
use beam_scope_core::capture::record::Header;
use beam_scope_core::capture::sink::RecordSink;
use beam_scope_core::store::{Recording, Status, StopReason};
use rustler::{Encoder, LocalPid, OwnedEnv};

use crate::maps::atom;
use crate::recording::wake::Wake;

/// A store, and whom to tell.
pub(crate) struct Sink {
    id: u64,
    store: Arc<Recording>,
    busy: Arc<Busy>,
    wake: Arc<Wake>,
    notify: Option<LocalPid>,
    told: AtomicBool,
}

impl Sink {
    pub(crate) fn new(
        id: u64,
        store: Arc<Recording>,
        busy: Arc<Busy>,
        wake: Arc<Wake>,
        notify: Option<LocalPid>,
    ) -> Self {
        Self {
            id,
            store,
            busy,
            wake,
            notify,
            told: AtomicBool::new(false),
        }
    }

    fn tell(&self) {
        let Status::Stopped(reason) = self.store.status() else {
            return;
        };
        let limit = matches!(
            reason,
            StopReason::Events | StopReason::Bytes | StopReason::Time | StopReason::Rate | StopReason::Error(_)
        );
        if self.told.swap(true, Ordering::Relaxed) || !limit {
            return;
        }
        if let Some(pid) = &self.notify {
            let _ = OwnedEnv::new().send_and_clear(pid, |env| {
                (
                    atom(env, "beam_scope"),
                    self.id,
                    (atom(env, "limit"), atom(env, &reason_name(&reason))),
                )
                    .encode(env)
            });
        }
    }
}

impl RecordSink for Sink {
    fn append(&self, header: &Header, payload: &[u8]) {
        self.busy.take(header, payload);
        RecordSink::append(&*self.store, header, payload);
    }

    fn lost(&self, pid: u64, count: u64, until_ns: u64) {
        self.busy.lost(pid);
        RecordSink::lost(&*self.store, pid, count, until_ns);
    }

    fn drained(&self, until_ns: u64) {
        RecordSink::drained(&*self.store, until_ns);
        if !self.told.load(Ordering::Relaxed) {
            self.tell();
        }
        self.wake.check(|| self.store.end_seq());
    }

    fn accepts(&self) -> bool {
        RecordSink::accepts(&*self.store)
    }

    fn has_forgotten(&self) -> bool {
        self.store.has_forgotten()
    }

    fn ring_bytes(&self, share: usize) {
        RecordSink::ring_bytes(&*self.store, share);
    }

    fn failed(&self, what: &str) {
        RecordSink::failed(&*self.store, what);
    }
}

/// The atom of a reason.
pub(crate) fn reason_name(reason: &StopReason) -> String {
    match reason {
        StopReason::Requested => "requested",
        StopReason::Events => "events",
        StopReason::Bytes => "bytes",
        StopReason::Time => "ms",
        StopReason::Rate => "rate",
        StopReason::OwnerDown => "owner_down",
        StopReason::Closed => "closed",
        StopReason::Frozen => "frozen",
        StopReason::Error(_) => "error",
        StopReason::Other(name) => name,
    }
    .to_owned()
}

/// The reason of an atom.
pub(crate) fn reason_of(name: String) -> StopReason {
    match name.as_str() {
        "requested" => StopReason::Requested,
        "events" => StopReason::Events,
        "bytes" => StopReason::Bytes,
        "ms" => StopReason::Time,
        "rate" => StopReason::Rate,
        "owner_down" => StopReason::OwnerDown,
        "closed" => StopReason::Closed,
        "frozen" => StopReason::Frozen,
        _ => StopReason::Other(name),
    }
}
