//! The engine: routes that callbacks write to, rings they write into, one thread that drains them into recordings.
//!
//! Nothing runs and nothing is allocated until the first recording opens; when the last one has closed, the thread has
//! ended and the rings are freed. What stays is a gate of one cache line a thread.

pub use super::handle::RouteHandle;
pub use super::load::{Deed, Load, Noise, DEEDS, SAMPLE};
pub use super::members::EVERYONE;
pub use super::memo::{Memo, Run, Seen};
pub use super::pool::RingConfig;
pub use super::sink::{Host, LifecycleHook, PlainHost, RecordSink, RouteConfig, ThreadKind};
pub use super::slots::{Allowance, SlotConfig, Told};
pub use super::writer::{RecordHead, RecordWriter};

use super::clock::Clock;
use super::drain;
use super::gate::Gates;
use super::members::Members;
use super::merge::Injected;
use super::pool::Pool;
use super::routes::{place, Recording, Registry, Route, RouteState, MAX_ROUTES, MAX_SHARING, SHARED_ROUTE};
use crate::reserve;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// One a program. `C` is what callbacks need to know of a route.
pub struct Engine<C: RouteConfig> {
    shared: Arc<Shared<C>>,
}

/// What the callbacks, the drainer and the control plane share.
pub(crate) struct Shared<C: RouteConfig> {
    pub(crate) id: u64,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) clock: Clock,
    pub(crate) gates: Arc<Gates>,
    /// By place. Good for every thread that announced itself at its gate before reading it.
    pub(crate) table: Box<[AtomicPtr<RouteState<C>>]>,
    /// By place: the route's number in the upper half, the kinds it wants in the lower.
    kinds: Box<[AtomicU64]>,
    /// By place: events of threads that have no gate.
    homeless: Box<[AtomicU64]>,
    pub(crate) registry: Mutex<Registry<C>>,
    /// Signalled after each pass of the drainer.
    pub(crate) progress: Condvar,
    pub(crate) inbox: Mutex<VecDeque<Injected>>,
    pub(crate) panics: AtomicU64,
    /// How long drainers have taken records out of rings.
    pub(crate) drained_ns: AtomicU64,
    /// How often the VM may have moved literals.
    pub(crate) literals: AtomicU32,
}

/// Which way a recording's records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// A route of its own: the VM tells recordings apart.
    Own,
    /// The route that another recording has for its own, and that goes on with either of them.
    Beside(u32),
    /// The one route for all: the engine tells recordings apart, by their members.
    Shared,
}

/// What it takes to open a recording.
pub struct Open<C: RouteConfig> {
    /// Own or shared.
    pub route: RouteKind,
    /// The kinds it wants, as [`crate::event::EventKind::bit`]s.
    pub kinds: u32,
    /// Shared route: whether children of members become members.
    pub follow: bool,
    /// The largest record, in bytes of terms, that its budget allows.
    pub max_record: usize,
    /// What callbacks need to know.
    pub config: Arc<C>,
    /// Rings to make, if there are none yet.
    pub rings: RingConfig,
    /// The size of the route's process table.
    pub slots: SlotConfig,
    /// Where the records go.
    pub sink: Arc<dyn RecordSink>,
    /// Who hears of its processes.
    pub hook: Option<Arc<dyn LifecycleHook>>,
}

/// Why a recording could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Too many recordings are open.
    TooManyRecordings {
        /// How many may be.
        limit: usize,
    },
    /// The route to be on is closed.
    NoRoute,
    /// The budget allows records larger than a quarter of a ring.
    RecordTooLarge {
        /// The largest allowed, in bytes of terms.
        limit: usize,
    },
    /// There is no memory for the rings or the route's process table.
    Memory,
    /// The drainer's thread did not start.
    Thread(String),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooManyRecordings { limit } => write!(out, "{limit} recordings are open already"),
            Self::NoRoute => write!(out, "the recording beside which this one was to be has ended"),
            Self::RecordTooLarge { limit } => {
                write!(out, "a record may take {limit} bytes at most in rings of this size")
            }
            Self::Memory => write!(out, "no memory for the rings or the table of processes"),
            Self::Thread(why) => write!(out, "the drainer's thread did not start: {why}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Figures of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// Drainer threads alive: 0 or 1.
    pub drainers: usize,
    /// Threads that ever wrote.
    pub threads: usize,
    /// Rings that threads have taken.
    pub rings: usize,
    /// What those rings may hold.
    pub ring_bytes: usize,
    /// What all rings may come to hold.
    pub pool_bytes: usize,
    /// Recordings open.
    pub recordings: usize,
    /// Events dropped since the rings were made.
    pub dropped: u64,
    /// Panics caught on the drainer's thread.
    pub panics: u64,
    /// Everything older than this reading of the clock was handed to the sinks.
    pub drained_to_ns: u64,
}

impl<C: RouteConfig> Engine<C> {
    /// An engine at rest.
    #[must_use]
    pub fn new(host: Arc<dyn Host>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let gates = Arc::new(Gates::new(host.max_threads().max(1)));
        Self {
            shared: Arc::new(Shared {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                host,
                clock: Clock::new(),
                gates,
                table: (0..MAX_ROUTES).map(|_| AtomicPtr::default()).collect(),
                kinds: (0..MAX_ROUTES).map(|_| AtomicU64::new(0)).collect(),
                homeless: (0..MAX_ROUTES).map(|_| AtomicU64::new(0)).collect(),
                registry: Mutex::new(Registry::new()),
                progress: Condvar::new(),
                inbox: Mutex::new(VecDeque::new()),
                panics: AtomicU64::new(0),
                drained_ns: AtomicU64::new(0),
                literals: AtomicU32::new(0),
            }),
        }
    }

    /// The engine's clock: what [`Header::time`] counts.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The kinds that a route wants, as bits; 0 when it is not open. One load: the answer for `enabled` callbacks.
    #[inline]
    #[must_use]
    pub fn kinds(&self, route: u32) -> u32 {
        self.shared.entry(route).unwrap_or(0)
    }

    /// Whether a route is open, even if it wants nothing just now.
    #[must_use]
    pub fn is_open(&self, route: u32) -> bool {
        self.shared.entry(route).is_some()
    }

    /// Enters a callback; `None` when the route is not open. Wait-free.
    #[inline]
    #[must_use]
    pub fn writer(&self, route: u32) -> Option<RecordWriter<'_, C>> {
        RecordWriter::enter(&self.shared, route)
    }

    /// Opens a recording. The first one makes the rings and starts the drainer.
    pub fn open(&self, open: Open<C>) -> Result<RouteHandle<C>, OpenError> {
        let mut registry = self.shared.registry.lock();
        if !reserve::fill() || reserve::is_short() {
            return Err(OpenError::Memory);
        }
        let pool = self.pool(&mut registry, open.rings, open.max_record)?;
        let opened = self.shared.admit(&mut registry, open, &pool);
        let (route, recording) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.shared.wake(&registry);
                return Err(error);
            }
        };
        self.shared.publish(&mut registry, route);
        self.shared.share_rings(&mut registry);
        let found = registry.find(route, recording);
        let state = found.map_or_else(Weak::new, |(found, _)| Arc::downgrade(&found.state));
        Ok(RouteHandle::new(Arc::clone(&self.shared), route, recording, state))
    }

    /// Figures, for `info`.
    #[must_use]
    pub fn info(&self) -> EngineInfo {
        let registry = self.shared.registry.lock();
        let pool = registry.pool.as_ref();
        let (rings, ring_bytes) = pool.map_or((0, 0), |pool| pool.taken());
        EngineInfo {
            drainers: usize::from(registry.thread.is_some()),
            threads: self.shared.gates.claimed(),
            rings,
            ring_bytes,
            pool_bytes: pool.map_or(0, |pool| pool.config().bytes()),
            recordings: registry.recordings().count(),
            dropped: pool.map_or(0, |pool| pool.drops()),
            panics: self.shared.panics.load(Ordering::Relaxed),
            drained_to_ns: registry.drained_to,
        }
    }

    /// The rings, made if there are none, with the drainer running.
    fn pool(&self, registry: &mut Registry<C>, rings: RingConfig, max_record: usize) -> Result<Arc<Pool>, OpenError> {
        let limit = registry.pool.as_ref().map_or(rings, |pool| pool.config()).max_record();
        if max_record > limit {
            return Err(OpenError::RecordTooLarge { limit });
        }
        if let Some(pool) = &registry.pool {
            return Ok(Arc::clone(pool));
        }
        let pool = Pool::new(rings, self.shared.host.max_threads().max(1)).ok_or(OpenError::Memory)?;
        let pool = Arc::new(pool);
        let (shared, drained) = (Arc::clone(&self.shared), Arc::clone(&pool));
        let body = Box::new(move || drain::run(&shared, drained));
        let started = self.shared.host.start_thread("beam_scope_drain", body);
        let join = started.map_err(|why| OpenError::Thread(why.to_string()))?;
        registry.thread = Some(join.thread().clone());
        registry.join = Some(join);
        registry.pool = Some(Arc::clone(&pool));
        Ok(pool)
    }
}

/// In an entry of `kinds`: the route is open. No kind has this bit.
const OPEN: u64 = 1;

impl<C: RouteConfig> Shared<C> {
    /// The kinds a route wants, if it is open.
    #[inline(always)]
    fn entry(&self, route: u32) -> Option<u32> {
        let entry = self.kinds[place(route)].load(Ordering::Relaxed);
        (entry & OPEN != 0 && (entry >> 32) as u32 == route).then_some((entry & !OPEN) as u32)
    }

    /// Finds a place for a recording: beside others on the shared route, or on a route of its own.
    fn admit(&self, registry: &mut Registry<C>, open: Open<C>, pool: &Arc<Pool>) -> Result<(u32, u64), OpenError> {
        let id = match open.route {
            RouteKind::Shared => SHARED_ROUTE,
            RouteKind::Own => free_route(registry)?,
            RouteKind::Beside(route) => {
                let there = registry.routes[place(route)].as_ref();
                there
                    .filter(|found| found.state.id == route)
                    .map(|_| route)
                    .ok_or(OpenError::NoRoute)?
            }
        };
        let taken = registry.routes[place(id)]
            .iter()
            .flat_map(|route| &route.recordings)
            .fold(0, |bits, one| bits | one.bit);
        let bit = !taken & taken.wrapping_add(1);
        if bit == 0 {
            return Err(OpenError::TooManyRecordings { limit: MAX_SHARING });
        }
        let recording = registry.next_recording;
        registry.next_recording += 1;
        if registry.routes[place(id)].is_none() {
            let state = RouteState::new(
                id,
                open.slots,
                &open.config,
                Arc::clone(pool),
                self.host.max_threads().max(1),
            )
            .ok_or(OpenError::Memory)?;
            let config = Arc::clone(&open.config);
            registry.routes[place(id)] = Some(Route {
                state: Arc::new(state),
                config,
                recordings: Vec::new(),
                members: Members::default(),
                shown: 0,
            });
        }
        let Some(route) = registry.routes[place(id)].as_mut() else {
            return Err(OpenError::Memory);
        };
        route.recordings.push(Recording {
            id: recording,
            bit,
            opened: self.clock.now(),
            sink: open.sink,
            hook: open.hook,
            kinds: open.kinds,
            follow: open.follow,
            config: open.config,
            closing: None,
            failed: false,
            refused: false,
            batch: Vec::new(),
        });
        Ok((id, recording))
    }

    /// Shows callbacks what a route's recordings want now. What they may still hold goes to limbo.
    pub(crate) fn publish(&self, registry: &mut Registry<C>, id: u32) {
        let Some(route) = registry.routes[place(id)].as_mut() else {
            return;
        };
        let kinds = route.kinds();
        route.shown = route.offering();
        let closing = route.recordings.iter().all(|recording| recording.closing.is_some());
        let wanted = route.wanted_config();
        let mut replaced = None;
        if !Arc::ptr_eq(&wanted, &route.config) {
            route
                .state
                .config
                .store(Arc::as_ptr(&wanted).cast_mut(), Ordering::SeqCst);
            replaced = Some(std::mem::replace(&mut route.config, wanted));
        }
        let state = if closing {
            std::ptr::null_mut()
        } else {
            Arc::as_ptr(&route.state).cast_mut()
        };
        self.table[place(id)].store(state, Ordering::SeqCst);
        let entry = if closing {
            0
        } else {
            u64::from(id) << 32 | u64::from(kinds) | OPEN
        };
        self.kinds[place(id)].store(entry, Ordering::Relaxed);
        route.state.begin_generation();
        if let Some(replaced) = replaced {
            let inside = self.gates.snapshot();
            registry.limbo.push((inside, Box::new(replaced)));
        }
    }

    /// Tells every recording its share of the rings.
    pub(crate) fn share_rings(&self, registry: &mut Registry<C>) {
        let bytes = registry.pool.as_ref().map_or(0, |pool| pool.config().bytes());
        let count = registry.recordings().count().max(1);
        let tell = |one: &mut Recording<C>| one.call(&self.panics, "ring_bytes", |sink| sink.ring_bytes(bytes / count));
        registry.recordings_mut().for_each(tell);
    }

    pub(crate) fn wake(&self, registry: &Registry<C>) {
        if let Some(thread) = &registry.thread {
            thread.unpark();
        }
    }

    #[cold]
    pub(crate) fn count_homeless(&self, route: u32) {
        if self.entry(route).is_some() {
            self.homeless[place(route)].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn take_homeless(&self, route: u32) -> u64 {
        self.homeless[place(route)].swap(0, Ordering::Relaxed)
    }

    /// Waits until `done`, waking the drainer; false when time ran out.
    pub(crate) fn wait(
        &self,
        registry: &mut MutexGuard<'_, Registry<C>>,
        timeout: Duration,
        done: impl Fn(&Registry<C>) -> bool,
    ) -> bool {
        let deadline = Instant::now() + timeout;
        while !done(registry) {
            self.wake(registry);
            if self.progress.wait_until(registry, deadline).timed_out() {
                return done(registry);
            }
        }
        true
    }
}

/// A number for a new route: a free place, and a generation so that no old tracer state means it.
fn free_route<C: RouteConfig>(registry: &mut Registry<C>) -> Result<u32, OpenError> {
    let limit = MAX_ROUTES - 1;
    let free = (1..MAX_ROUTES).find(|&place| registry.routes[place].is_none());
    let place = free.ok_or(OpenError::TooManyRecordings { limit })?;
    registry.generation = (registry.generation + 1) & 0x7f_ffff;
    Ok(registry.generation * MAX_ROUTES as u32 + place as u32)
}
