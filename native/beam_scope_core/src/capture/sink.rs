//! What the engine needs from its surroundings: a place for records to go, someone to tell about processes, and facts of
//! the host.

use super::record::Header;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Where a recording's records go; [`crate::store`] implements it. Called by the drainer thread only, one call at a time
/// for a recording. A sink must not call back into the engine, nor own a handle of it. One that panics is left alone from then on.
pub trait RecordSink: Send + Sync + 'static {
    /// A record, in the order of time. `header.lost` events of the same track were lost directly before it: they are
    /// accounted for here and not reported again. `payload` is the record's terms; it is gone after the call.
    fn append(&self, header: &Header, payload: &[u8]);

    /// `count` events of a track were lost, the last of them before `until_ns`, and no record that came since says so: the
    /// tail of a track at the end of a recording, or losses in front of a record this recording did not want. `pid` is 0
    /// when it is not known whose they were.
    fn lost(&self, pid: u64, count: u64, until_ns: u64);

    /// Everything older than `until_ns` has been appended. Comes after every pass of the drainer, idle ones included.
    fn drained(&self, until_ns: u64) {
        let _ = until_ns;
    }

    /// Whether the sink still takes records. Once it says no, tracees are told to stop offering as soon as possible.
    fn accepts(&self) -> bool {
        true
    }

    /// Whether the sink let go of something that records to come may refer to, since it was asked last: then every process begins
    /// its stream anew.
    fn has_forgotten(&self) -> bool {
        false
    }

    /// The engine's rings hold this much memory now; the recording's share of it counts against its cap.
    fn ring_bytes(&self, share: usize) {
        let _ = share;
    }

    /// The sink panicked (`what` says where) and gets no more records.
    fn failed(&self, what: &str) {
        let _ = what;
    }
}

impl<S: RecordSink + ?Sized> RecordSink for Arc<S> {
    fn append(&self, header: &Header, payload: &[u8]) {
        (**self).append(header, payload);
    }
    fn lost(&self, pid: u64, count: u64, until_ns: u64) {
        (**self).lost(pid, count, until_ns);
    }
    fn drained(&self, until_ns: u64) {
        (**self).drained(until_ns);
    }
    fn accepts(&self) -> bool {
        (**self).accepts()
    }
    fn has_forgotten(&self) -> bool {
        (**self).has_forgotten()
    }
    fn ring_bytes(&self, share: usize) {
        (**self).ring_bytes(share);
    }
    fn failed(&self, what: &str) {
        (**self).failed(what);
    }
}

/// Someone to tell about the processes of a recording: those spawned, ended, named. Called by the drainer thread, after a
/// pass, outside the engine's locks.
pub trait LifecycleHook: Send + Sync + 'static {
    /// `Spawned`, `Register`, `Unregister` and `Exit` records of one pass, in order, with their terms. And `Spawn` records of
    /// starters: with `point` 1 where the child is a member, since a member asked for it, and 0 where that is not known.
    fn lifecycle(&self, records: &[(Header, Box<[u8]>)]);
}

/// What kind of thread asks for a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadKind {
    /// One that runs processes all the time: a large ring.
    Scheduler,
    /// One that runs a process now and then (dirty schedulers): a small ring.
    Dirty,
}

/// Facts of the program around the engine.
pub trait Host: Send + Sync + 'static {
    /// What the calling thread is. Asked once per thread and pool of rings, inside a callback: it must be quick.
    fn thread_kind(&self) -> ThreadKind {
        ThreadKind::Scheduler
    }

    /// How many threads may ever write.
    fn max_threads(&self) -> usize {
        1024
    }

    /// Called on the drainer thread as it starts.
    fn drainer_started(&self) {}

    /// How long the calling thread has had a processor, if the system tells.
    fn thread_ns(&self) -> Option<u64> {
        None
    }

    /// Starts a thread.
    fn start_thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(name.to_owned()).spawn(body)
    }
}

/// A host of which nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainHost;

impl Host for PlainHost {}

/// What the callbacks of a route need to know (levels, points, budgets, redactions). The engine only keeps it, lets
/// callbacks read it, and replaces it while they run.
pub trait RouteConfig: Send + Sync + 'static {
    /// One configuration for a route that several recordings share: what any of them wants, with every redaction.
    fn union(parts: &[Arc<Self>]) -> Arc<Self>
    where
        Self: Sized;

    /// Whether a recording with this configuration wants a record that was written for all of a route: of a kind that it wants, and
    /// of one of its processes.
    fn wants(&self, _header: &Header, _payload: &[u8]) -> bool {
        true
    }

    /// Whether a record like this comes from any process of the VM, traced or not: then it is a recording's only if the process is a
    /// member.
    fn is_anybodys(&self, _header: &Header) -> bool {
        false
    }
}

impl RouteConfig for () {
    fn union(_: &[Arc<Self>]) -> Arc<Self> {
        Arc::new(())
    }
}
