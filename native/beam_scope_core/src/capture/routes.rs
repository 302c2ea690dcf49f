//! Routes and the recordings behind them: who wants which record.

use super::gate::Snapshot;
use super::load::Tallies;
use super::members::{Members, Whose};
use super::merge::{Injected, Item};
use super::pool::Pool;
use super::record::Header;
use super::sink::{LifecycleHook, RecordSink, RouteConfig};
use super::slots::{Orphan, SlotConfig, Slots};
use crate::event::EventKind;
use crossbeam::queue::ArrayQueue;
use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

/// Routes at a time, the shared one included.
pub(crate) const MAX_ROUTES: usize = 256;

/// The shared route's number.
pub(crate) const SHARED_ROUTE: u32 = 0;

/// Recordings that may share a route: one bit each.
pub(crate) const MAX_SHARING: usize = 64;

/// Where in the tables a route's number stands. The rest of the number tells routes apart that had the same place.
#[inline(always)]
pub(crate) fn place(route: u32) -> usize {
    route as usize % MAX_ROUTES
}

/// The part of a route that callbacks see.
pub(crate) struct RouteState<C> {
    pub(crate) id: u32,
    pub(crate) slots: Slots,
    /// Points into [`Route::config`]; what it pointed at before is in [`Registry::limbo`].
    pub(crate) config: AtomicPtr<C>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) tallies: Tallies,
    /// Never 0. A new one begins whenever somebody wants something else of the route, or of other processes: what
    /// was told before was not told to everybody.
    generation: AtomicU32,
    orphans: ArrayQueue<Orphan>,
    nameless: AtomicU64,
    any_drop: AtomicBool,
}

impl<C> RouteState<C> {
    /// `None` when there is no memory for its slots.
    pub(crate) fn new(id: u32, slots: SlotConfig, config: &Arc<C>, pool: Arc<Pool>, threads: usize) -> Option<Self> {
        Some(Self {
            id,
            tallies: Tallies::new(threads),
            slots: Slots::new(slots)?,
            config: AtomicPtr::new(Arc::as_ptr(config).cast_mut()),
            pool,
            generation: AtomicU32::new(1),
            orphans: ArrayQueue::new(256),
            nameless: AtomicU64::new(0),
            any_drop: AtomicBool::new(false),
        })
    }

    /// The generation of what was told.
    #[inline(always)]
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Everything has to be told again.
    pub(crate) fn begin_generation(&self) {
        let next = self.generation.load(Ordering::Relaxed).wrapping_add(1).max(1);
        if !cfg!(mutant = "told_to_others") {
            self.generation.store(next, Ordering::Release);
        }
    }

    /// Remembers losses whose process has lost its slot.
    #[cold]
    pub(crate) fn orphan(&self, orphan: Orphan) {
        if self.orphans.push(orphan).is_err() {
            self.nameless.fetch_add(u64::from(orphan.1), Ordering::Relaxed);
        }
    }

    /// Remembers that something was dropped, so that the end looks for debts.
    #[inline]
    pub(crate) fn note_drop(&self) {
        if !self.any_drop.load(Ordering::Relaxed) {
            self.any_drop.store(true, Ordering::Relaxed);
        }
    }

    fn take_orphans(&self) -> Vec<(u64, u64)> {
        let mut orphans = Vec::new();
        while let Some((pid, count)) = self.orphans.pop() {
            orphans.push((pid, u64::from(count)));
        }
        let nameless = self.nameless.swap(0, Ordering::Relaxed);
        if nameless > 0 {
            orphans.push((0, nameless));
        }
        orphans
    }

    /// What processes lost that no record of theirs has told yet.
    pub(crate) fn debts(&self) -> impl Iterator<Item = Orphan> + '_ {
        let any = self.any_drop.load(Ordering::Relaxed);
        any.then(|| self.slots.debts()).into_iter().flatten()
    }
}

/// How far the closing of a recording has come.
pub(crate) enum Closing {
    /// Threads that may still write for it.
    Leaving(Snapshot),
    /// What was written before this time may still lie in rings.
    Draining(u64),
}

/// One recording behind a route.
pub(crate) struct Recording<C> {
    pub(crate) id: u64,
    pub(crate) bit: u64,
    /// When it was opened. On a route that was there before, older records may still be in the rings.
    pub(crate) opened: u64,
    pub(crate) sink: Arc<dyn RecordSink>,
    pub(crate) hook: Option<Arc<dyn LifecycleHook>>,
    pub(crate) kinds: u32,
    pub(crate) follow: bool,
    pub(crate) config: Arc<C>,
    pub(crate) closing: Option<Closing>,
    pub(crate) failed: bool,
    pub(crate) refused: bool,
    pub(crate) batch: Vec<(Header, Box<[u8]>)>,
}

impl<C> Recording<C> {
    /// Whether callbacks should still write for it.
    pub(crate) fn offers(&self) -> bool {
        self.closing.is_none() && !self.failed && !self.refused
    }

    /// Calls the sink; a panic there fails this recording and nothing else.
    pub(crate) fn call(&mut self, panics: &AtomicU64, what: &str, call: impl FnOnce(&dyn RecordSink)) {
        if self.failed {
            return;
        }
        let sink = &*self.sink;
        if catch_unwind(AssertUnwindSafe(|| call(sink))).is_err() {
            self.failed = true;
            panics.fetch_add(1, Ordering::Relaxed);
            if catch_unwind(AssertUnwindSafe(|| sink.failed(what))).is_err() {
                panics.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[inline]
    fn tell_of_starter(&mut self, header: &Header, payload: &[u8], whose: Whose) {
        if self.bit & (whose.adopted | whose.strangers) == 0 || self.hook.is_none() {
            return;
        }
        let mut header = *header;
        header.point = if self.bit & whose.adopted != 0 {
            SPAWNED_FOR_MEMBER
        } else {
            SPAWNED_FOR_ANYBODY
        };
        self.batch.push((header, payload.into()));
    }

    #[inline]
    fn give(&mut self, header: &Header, payload: &[u8], wants: impl FnOnce(&C) -> bool, panics: &AtomicU64) {
        if matches!(self.closing, Some(Closing::Draining(until)) if header.time > until) {
            return;
        }
        if self.hook.is_some() && is_lifecycle_news(header.kind) {
            self.batch.push((*header, payload.into()));
        }
        if self.kinds & (1u32.wrapping_shl(u32::from(header.kind))) != 0 && wants(&self.config) {
            self.call(panics, "append", |sink| sink.append(header, payload));
        } else if header.lost > 0 {
            self.call(panics, "lost", |sink| {
                sink.lost(header.pid, u64::from(header.lost), header.time)
            });
        }
    }
}

/// A spawn by a starter, as the hook gets it: the child is a member, or it is not known to be one.
const SPAWNED_FOR_MEMBER: u8 = 1;
const SPAWNED_FOR_ANYBODY: u8 = 0;

fn is_lifecycle_news(kind: u8) -> bool {
    use EventKind::{Exit, Register, Spawned, Unregister};
    matches!(EventKind::from_u8(kind), Some(Spawned | Register | Unregister | Exit))
}

/// A route and its recordings.
pub(crate) struct Route<C> {
    pub(crate) state: Arc<RouteState<C>>,
    pub(crate) config: Arc<C>,
    pub(crate) recordings: Vec<Recording<C>>,
    pub(crate) members: Members,
    /// The recordings that callbacks were last told to write for, as bits.
    pub(crate) shown: u64,
}

impl<C: RouteConfig> Route<C> {
    /// The recordings that callbacks should write for, as bits.
    pub(crate) fn offering(&self) -> u64 {
        self.recordings
            .iter()
            .filter(|recording| recording.offers())
            .fold(0, |bits, one| bits | one.bit)
    }

    /// Whether recordings get the events of their members only. Otherwise the VM has told them apart: a recording is alone on its
    /// route, and whoever sends something there is one of its own.
    pub(crate) fn by_members(&self) -> bool {
        self.state.id == SHARED_ROUTE || self.recordings.len() > 1 || self.members.has_starters()
    }

    /// What callbacks should offer: the kinds that any recording still wants.
    pub(crate) fn kinds(&self) -> u32 {
        self.recordings
            .iter()
            .filter(|recording| recording.offers())
            .fold(0, |kinds, one| kinds | one.kinds)
    }

    /// The configuration that serves all recordings that still want records. One that wants none of any kind has no say.
    pub(crate) fn wanted_config(&self) -> Arc<C> {
        let mut wanted = self
            .recordings
            .iter()
            .filter(|one| one.offers() && one.kinds != 0)
            .map(|one| Arc::clone(&one.config));
        match (wanted.next(), wanted.next()) {
            (None, _) => Arc::clone(&self.config),
            (Some(only), None) => only,
            (Some(first), Some(second)) => C::union(&[first, second].into_iter().chain(wanted).collect::<Vec<_>>()),
        }
    }
}

/// All routes, the recordings behind them, and what waits to be freed. The drainer holds its lock during a pass.
pub(crate) struct Registry<C> {
    pub(crate) routes: Vec<Option<Route<C>>>,
    pub(crate) pool: Option<Arc<Pool>>,
    /// What callbacks may still hold, until those that were inside one have left.
    pub(crate) limbo: Vec<(Snapshot, Box<dyn Any + Send>)>,
    pub(crate) thread: Option<std::thread::Thread>,
    pub(crate) join: Option<std::thread::JoinHandle<()>>,
    pub(crate) next_recording: u64,
    pub(crate) generation: u32,
    /// Everything older was handed to the sinks.
    pub(crate) drained_to: u64,
    /// Everything older was told to the hooks as well.
    pub(crate) told_to: u64,
}

impl<C: RouteConfig> Registry<C> {
    pub(crate) fn new() -> Self {
        Self {
            routes: (0..MAX_ROUTES).map(|_| None).collect(),
            pool: None,
            limbo: Vec::new(),
            thread: None,
            join: None,
            next_recording: 1,
            generation: 0,
            drained_to: 0,
            told_to: 0,
        }
    }

    pub(crate) fn recordings(&self) -> impl Iterator<Item = &Recording<C>> {
        self.routes.iter().flatten().flat_map(|route| &route.recordings)
    }

    pub(crate) fn recordings_mut(&mut self) -> impl Iterator<Item = &mut Recording<C>> {
        self.routes.iter_mut().flatten().flat_map(|route| &mut route.recordings)
    }

    pub(crate) fn find(&mut self, route: u32, recording: u64) -> Option<(&mut Route<C>, usize)> {
        let route = self.routes[place(route)]
            .as_mut()
            .filter(|found| found.state.id == route)?;
        let index = route.recordings.iter().position(|one| one.id == recording)?;
        Some((route, index))
    }

    /// Hands a record to the recordings that want it.
    #[inline]
    pub(crate) fn deliver(&mut self, item: Item<'_>, panics: &AtomicU64) {
        let (header, payload) = match item {
            Item::Record(header, payload) => (header, payload),
            Item::Injected(injected) => return self.deliver_injected(injected, panics),
        };
        let Some(route) = self.routes[place(header.route)].as_mut() else {
            return;
        };
        if route.state.id != header.route {
            return;
        }
        let following = || {
            route
                .recordings
                .iter()
                .filter(|one| one.follow)
                .fold(0, |bits, one| bits | one.bit)
        };
        if !route.by_members() {
            // Who they are has to be known all the same, for what comes from everybody.
            if is_lifecycle_news(header.kind) || header.kind == EventKind::Spawn as u8 {
                let _ = route.members.of_event(header, payload, following);
            }
            let anybodys = route.config.is_anybodys(header);
            if anybodys && route.members.of(header.pid) == 0 && !cfg!(mutant = "ends_of_strangers") {
                return;
            }
            return route
                .recordings
                .iter_mut()
                .for_each(|recording| recording.give(header, payload, |_| true, panics));
        }
        let whose = route.members.of_event(header, payload, following);
        for recording in &mut route.recordings {
            let is_of_before = header.time < recording.opened && !cfg!(mutant = "deliver_the_past");
            if recording.bit & whose.members != 0 && !is_of_before {
                let wants = |config: &C| config.wants(header, payload);
                recording.give(header, payload, wants, panics);
            }
            if !is_of_before {
                recording.tell_of_starter(header, payload, whose);
            }
        }
    }

    fn deliver_injected(&mut self, injected: &Injected, panics: &AtomicU64) {
        if let Some((route, index)) = self.find(injected.header.route, injected.recording) {
            let (header, payload) = (&injected.header, &injected.payload);
            route.recordings[index].call(panics, "append", |sink| sink.append(header, payload));
        }
    }

    /// Reports losses of processes that no longer have a slot.
    pub(crate) fn report_orphans(&mut self, until: u64, panics: &AtomicU64) {
        for route in self.routes.iter_mut().flatten() {
            for (pid, count) in route.state.take_orphans() {
                let members = if route.by_members() && pid != 0 {
                    route.members.of(pid)
                } else {
                    u64::MAX
                };
                for recording in route.recordings.iter_mut().filter(|one| one.bit & members != 0) {
                    recording.call(panics, "lost", |sink| sink.lost(pid, count, until));
                }
            }
        }
    }

    /// The last a recording hears: what its tracks lost after their last record, `homeless` events of threads without a
    /// gate, and the time up to which it is whole.
    pub(crate) fn finish(&mut self, route: u32, recording: u64, homeless: u64, panics: &AtomicU64) {
        let until = self.drained_to;
        let Some(found) = self.routes[place(route)].as_mut() else {
            return;
        };
        let Some(index) = found.recordings.iter().position(|one| one.id == recording) else {
            return;
        };
        let by_members = found.by_members();
        let mut gone = found.recordings.swap_remove(index);
        if !cfg!(mutant = "forget_tail") {
            for (pid, count) in found.state.debts() {
                if !by_members || found.members.of(pid) & gone.bit != 0 {
                    gone.call(panics, "lost", |sink| sink.lost(pid, u64::from(count), until));
                }
            }
        }
        if homeless > 0 {
            gone.call(panics, "lost", |sink| sink.lost(0, homeless, until));
        }
        gone.call(panics, "drained", |sink| sink.drained(until));
        found.members.forget(gone.bit);
        if found.recordings.is_empty() {
            self.routes[place(route)] = None;
        }
    }

    /// Tells every sink how far it is whole, and asks whether it takes more. The routes on which that has changed come back.
    pub(crate) fn tell_drained(&mut self, panics: &AtomicU64) -> Vec<u32> {
        let until = self.drained_to;
        for recording in self.recordings_mut() {
            recording.call(panics, "drained", |sink| sink.drained(until));
            let mut accepts = true;
            recording.call(panics, "accepts", |sink| accepts = sink.accepts());
            recording.refused = !accepts;
        }
        for route in self.routes.iter_mut().flatten() {
            let mut forgotten = false;
            for recording in &mut route.recordings {
                recording.call(panics, "has_forgotten", |sink| forgotten |= sink.has_forgotten());
            }
            if forgotten {
                route.state.begin_generation();
            }
        }
        let changed = self
            .routes
            .iter()
            .flatten()
            .filter(|route| route.offering() != route.shown);
        changed.map(|route| route.state.id).collect()
    }
}
