//! The recording as a resource of the VM.

pub(crate) mod atoms;
pub(crate) mod hook;
pub(crate) mod loaded;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod sink;
pub(crate) mod wake;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use beam_scope_core::busy::Busy;
use beam_scope_core::capture::engine::RouteHandle;
use beam_scope_core::reserve;
use beam_scope_core::store::{Recording, StopReason, StoreError};
use beam_scope_core::timeline::Timeline;
use parking_lot::Mutex;
use rustler::{Resource, ResourceArc};

use crate::decode::{Live, Origin};
use crate::fault::fault;
use crate::tracer::config::Capture;
use crate::tracer::{self, own};
use crate::vm::{api, Word};
use settings::Settings;
use wake::Wake;

/// How long a stop waits for what was committed; the drainer goes on when it takes longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a wait for those that handle something sleeps between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);
/// A store larger than this is freed by a thread of its own: destructors run on schedulers.
const FREED_ELSEWHERE: u64 = 1 << 20;

/// What the VM holds of a recording. When the last term that refers to it is gone, so is the recording.
pub(crate) struct RecordingResource {
    pub(crate) shared: Arc<Shared>,
}

/// A recording: its store, and while it runs its route.
pub(crate) struct Shared {
    pub(crate) id: u64,
    pub(crate) store: Arc<Recording>,
    pub(crate) origin: Box<dyn Origin + Send + Sync>,
    pub(crate) settings: Mutex<Settings>,
    /// Processes of ours that serve this recording.
    own: Mutex<Vec<Word>>,
    /// When capture ended, in nanoseconds since the start; 0 while it runs.
    ended_ns: AtomicU64,
    closed: AtomicBool,
    route: Mutex<Option<Arc<RouteHandle<Capture>>>>,
    /// Who handles a message; nobody in a recording that was loaded.
    busy: Option<Arc<Busy>>,
    /// Who sleeps until something happens.
    pub(crate) wake: Option<Arc<Wake>>,
    /// What questions learn by reading the recording; made by the first one.
    timeline: Mutex<Option<Arc<Timeline>>>,
    /// Panics that the library had caught before.
    panics_before: u64,
    /// Anything that the control plane wants back from `recording_info`, in external term format.
    pub(crate) meta: Mutex<Vec<u8>>,
}

/// What only a recording that runs has.
pub(crate) struct Running {
    pub(crate) route: RouteHandle<Capture>,
    pub(crate) busy: Arc<Busy>,
    pub(crate) wake: Arc<Wake>,
}

#[rustler::resource_impl]
impl Resource for RecordingResource {}

static ALL: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl Shared {
    pub(crate) fn new(
        id: u64,
        store: Arc<Recording>,
        origin: Box<dyn Origin + Send + Sync>,
        settings: Settings,
        capture: Option<Running>,
    ) -> Arc<Self> {
        let (route, watchers) = capture.map(|one| (one.route, (one.busy, one.wake))).unzip();
        let (busy, wake) = watchers.unzip();
        let route = Mutex::new(route.map(Arc::new));
        let shared = Arc::new(Self {
            id,
            store,
            origin,
            settings: Mutex::new(settings),
            route,
            busy,
            wake,
            own: Mutex::default(),
            ended_ns: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            timeline: Mutex::default(),
            panics_before: tracer::panics(),
            meta: Mutex::default(),
        });
        let mut all = ALL.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&shared));
        shared
    }

    /// Panics of callbacks since the start, of any recording's: each is an event that is missing somewhere.
    pub(crate) fn panics(&self) -> u64 {
        tracer::panics() - self.panics_before
    }

    /// The route, while it is open.
    pub(crate) fn route(&self) -> Option<Arc<RouteHandle<Capture>>> {
        self.route.lock().clone()
    }

    /// The route, or an error that says that the recording has ended.
    pub(crate) fn open_route(&self) -> Result<Arc<RouteHandle<Capture>>, rustler::Error> {
        self.route().ok_or_else(|| fault("stopped", "the recording has ended"))
    }

    /// Waits until what was committed before the call can be read, and takes note of what was lost by then that no record tells yet.
    /// False when time ran out first.
    pub(crate) fn flush(&self, route: &RouteHandle<Capture>, timeout: Duration) -> bool {
        let now = crate::engine::get().map_or(0, |engine| engine.clock().now());
        // Before the flush: see `owed`.
        if !cfg!(mutant = "nif_debts_ignored") {
            self.store.set_owed(route.owed(), now);
        }
        route.flush(timeout)
    }

    /// Waits until `who` (`None`: all) are done with what they were handling at this call, except for those that the other
    /// pids name; only as long as that. What was committed before the call can be read afterwards.
    pub(crate) fn settle(&self, who: Option<&[u64]>, except: &[u64], timeout: Duration) {
        let (Some(busy), Some(route)) = (&self.busy, self.route()) else {
            return;
        };
        let Some(engine) = crate::engine::get() else { return };
        let (now, deadline) = (engine.clock().now(), Instant::now() + timeout);
        let mut pause = SHORTEST_PAUSE;
        loop {
            self.flush(&route, CLOSE_TIMEOUT);
            let mut waited = busy.since(who, now);
            waited.retain(|(pid, _)| !except.contains(pid));
            if waited.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                return busy.give_up(&waited);
            }
            std::thread::sleep(pause);
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Adds processes of ours, until this recording ends.
    pub(crate) fn serve(&self, env: api::Env, pids: Vec<Word>) {
        let added = pids.into_iter().filter(|pid| own::add(env, *pid));
        self.own.lock().extend(added);
    }

    fn dismiss(&self) {
        self.own.lock().drain(..).for_each(own::remove);
    }

    /// Ends capture. What was committed before is kept.
    pub(crate) fn stop(&self, reason: StopReason) {
        let route = self.route.lock().take();
        if let Some(route) = route {
            self.ended_ns.store(self.elapsed_ns(), Ordering::Relaxed);
            route.close(CLOSE_TIMEOUT);
            // Their losses were told at the close.
            self.store.set_owed(Vec::new(), 0);
            // The engine tells shares only to recordings that are open; the rings are others' now, or gone.
            self.store.set_ring_bytes(0);
        }
        self.dismiss();
        self.store.stop(reason);
    }

    /// Ends capture without waiting, and frees what was recorded.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.stop(StopReason::Closed);
        self.store.close();
        self.timeline.lock().take();
    }

    /// What it holds now, as a recording that has ended; this one goes on.
    pub(crate) fn freeze(&self) -> Result<Arc<Self>, StoreError> {
        let frozen = Self::new(self.id, self.store.freeze()?, Box::new(Live), Settings::none(), None);
        frozen.ended_ns.store(self.elapsed_ns(), Ordering::Relaxed);
        frozen.meta.lock().clone_from(&self.meta.lock());
        Ok(frozen)
    }

    /// Nanoseconds from the start to now.
    fn elapsed_ns(&self) -> u64 {
        let now = crate::engine::get().map_or(0, |engine| engine.clock().now());
        now.saturating_sub(self.store.config().start_ns)
    }

    /// Nanoseconds from the start to the end of capture, or to now while it runs.
    pub(crate) fn duration_ns(&self) -> u64 {
        let last = self.store.end_ns();
        match self.ended_ns.load(Ordering::Relaxed) {
            _ if self.store.is_loaded() => last,
            0 => self.elapsed_ns().max(last),
            ended => ended.max(last),
        }
    }

    /// Fails when it was closed.
    pub(crate) fn usable(&self) -> Result<&Self, rustler::Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(fault("closed", "the recording was closed"));
        }
        Ok(self)
    }

    /// What questions are asked of.
    pub(crate) fn timeline(&self) -> Result<Arc<Timeline>, rustler::Error> {
        self.usable()?;
        // An answer may take more than is left; what was recorded can be asked for later.
        if reserve::is_low() {
            return Err(fault("no_memory", "the system gives no more memory for an answer"));
        }
        let mut timeline = self.timeline.lock();
        // A flight recorder that is asked now and then must not remember all that it ever had.
        if timeline.as_ref().is_some_and(|timeline| timeline.has_outgrown()) {
            *timeline = None;
        }
        Ok(Arc::clone(timeline.get_or_insert_with(|| {
            Arc::new(Timeline::new(Arc::clone(&self.store)))
        })))
    }
}

impl RecordingResource {
    /// Fails when it was closed.
    pub(crate) fn usable(&self) -> Result<&Shared, rustler::Error> {
        self.shared.usable()
    }

    /// What questions are asked of; shared by all of them.
    pub(crate) fn timeline(&self) -> Result<Arc<Timeline>, rustler::Error> {
        self.shared.timeline()
    }

    /// Where its atoms and processes live.
    pub(crate) fn origin(&self) -> &dyn Origin {
        &*self.shared.origin
    }

    pub(crate) fn arc(shared: Arc<Shared>) -> ResourceArc<Self> {
        ResourceArc::new(Self { shared })
    }
}

impl Drop for RecordingResource {
    fn drop(&mut self) {
        // Not `stop`: a destructor must not wait.
        drop(self.shared.route.lock().take());
        self.shared.dismiss();
        self.shared.store.stop(StopReason::Closed);
        let store = Arc::clone(&self.shared.store);
        if store.counts().bytes < FREED_ELSEWHERE {
            store.close();
            return;
        }
        let again = Arc::clone(&store);
        let spawned = std::thread::Builder::new()
            .name("beam_scope_free".into())
            .spawn(move || store.close());
        if spawned.is_err() {
            again.close();
        }
    }
}

/// Stops every recording that runs; how many those were.
pub(crate) fn stop_all(reason: &StopReason) -> usize {
    let all: Vec<_> = ALL.lock().iter().filter_map(Weak::upgrade).collect();
    let running: Vec<_> = all.into_iter().filter(|one| one.route().is_some()).collect();
    running.iter().for_each(|one| one.stop(reason.clone()));
    running.len()
}
