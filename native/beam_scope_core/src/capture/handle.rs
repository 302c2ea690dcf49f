//! The control plane's hold on one recording.

use super::engine::Shared;
use super::gate::Snapshot;
use super::load::{noisiest, Load, Noise};
use super::members::Members;
use super::merge::Injected;
use super::record::{flags, Header, HEADER_LEN};
use super::routes::{Closing, Registry, RouteState};
use super::sink::RouteConfig;
use super::writer::RecordHead;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// An open recording. Dropping it closes it without waiting.
pub struct RouteHandle<C: RouteConfig> {
    shared: Arc<Shared<C>>,
    route: u32,
    recording: u64,
    /// What callbacks see of the route, to be read without waiting for anybody; it must not outlive the route.
    state: Weak<RouteState<C>>,
}

impl<C: RouteConfig> RouteHandle<C> {
    pub(crate) fn new(shared: Arc<Shared<C>>, route: u32, recording: u64, state: Weak<RouteState<C>>) -> Self {
        Self {
            shared,
            route,
            recording,
            state,
        }
    }

    /// The route's number: the state of the tracer to install.
    #[must_use]
    pub fn route(&self) -> u32 {
        self.route
    }

    /// The recording's number in this engine, never used twice.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.recording
    }

    /// Changes what the recording wants. Callbacks that begin after this see it.
    pub fn update(&self, kinds: u32, follow: bool, config: Arc<C>) {
        let mut registry = self.shared.registry.lock();
        if let Some((route, index)) = registry.find(self.route, self.recording) {
            let recording = &mut route.recordings[index];
            (recording.kinds, recording.follow, recording.config) = (kinds, follow, config);
            self.shared.publish(&mut registry, self.route);
        }
    }

    /// Makes processes members of this recording. Their events from now on are its own. On a route of its own that matters
    /// only beside starters: without them every event is.
    pub fn add_members(&self, pids: &[u64]) {
        self.with_bit(|members, bit| pids.iter().for_each(|&pid| members.add(pid, bit)));
    }

    /// Processes are no members any more. Their events that are still in rings are lost to this recording: flush first.
    pub fn remove_members(&self, pids: &[u64]) {
        self.with_bit(|members, bit| pids.iter().for_each(|&pid| members.remove(pid, bit)));
    }

    /// Supervisors that start processes for members: such a process is a member when one asked for it. Nothing else that
    /// happens to a starter is this recording's; of its other children the hook hears. Call it before the first event.
    pub fn add_starters(&self, pids: &[u64]) {
        self.with_bit(|members, bit| pids.iter().for_each(|&pid| members.add_starter(pid, bit)));
    }

    fn with_bit(&self, act: impl FnOnce(&mut Members, u64)) {
        let mut registry = self.shared.registry.lock();
        if let Some((route, index)) = registry.find(self.route, self.recording) {
            let bit = route.recordings[index].bit;
            act(&mut route.members, bit);
            // After the members: what is told from here on is told to all of them.
            route.state.begin_generation();
        }
    }

    /// Adds a record of the control plane's own (a baseline, a note) about process `pid`, at the time of this call.
    pub fn inject(&self, pid: u64, head: RecordHead, payload: &[u8]) {
        let header = |time| Header {
            len: (HEADER_LEN + payload.len()) as u32,
            kind: head.kind,
            point: head.point,
            fields: head.fields,
            time,
            pid,
            route: self.route,
            terms: head.terms,
            flags: head.flags | flags::SYNTHETIC,
            ..Header::default()
        };
        // The clock is read under the lock: the inbox is in the order of time, and what the drainer did not find in it is
        // younger than the time it looked.
        let mut inbox = self.shared.inbox.lock();
        let header = header(self.shared.clock.now());
        inbox.push_back(Injected {
            recording: self.recording,
            header,
            payload: payload.into(),
        });
    }

    /// What the recording's route costs: the account of all recordings on it. Waits for nobody.
    #[must_use]
    pub fn load(&self) -> Load {
        let threads = self.shared.gates.claimed();
        self.state
            .upgrade()
            .map(|state| state.tallies.sum(threads))
            .unwrap_or_default()
    }

    /// How full the fullest ring is, in thousandths.
    #[must_use]
    pub fn ring_fill(&self) -> usize {
        self.state.upgrade().map_or(0, |state| state.pool.fill())
    }

    /// How many events of all recordings were dropped since the rings were made.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state.upgrade().map_or(0, |state| state.pool.drops())
    }

    /// What processes of the route lost that no record of theirs has told yet: pids and how many. Looks at the whole table of processes
    /// once anything was lost: may take milliseconds.
    ///
    /// A record that tells of a loss takes the debt away as it is committed. So who asks first, and flushes then, misses none: what was
    /// owed is still, or has been told by a record that came after.
    #[must_use]
    pub fn owed(&self) -> Vec<(u64, u64)> {
        let state = self.state.upgrade();
        let owed = state
            .iter()
            .flat_map(|state| state.debts().map(|(pid, count)| (pid, u64::from(count))));
        owed.collect()
    }

    /// How many slots [`noisiest`](Self::noisiest) has to look at.
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.state.upgrade().map_or(0, |state| state.slots.used())
    }

    /// How long the drainer has taken records out of rings, for all recordings.
    #[must_use]
    pub fn drained_ns(&self) -> u64 {
        self.shared.drained_ns.load(Ordering::Relaxed)
    }

    /// The processes that cost most since this was asked last, at `floor_ns` an event besides the time in callbacks. Looks at the
    /// whole table of processes: may take milliseconds.
    #[must_use]
    pub fn noisiest(&self, most: usize, floor_ns: u64) -> Vec<Noise> {
        let state = self.state.upgrade();
        state.map_or_else(Vec::new, |state| noisiest(state.slots.noise(), most, floor_ns))
    }

    /// Of these processes, those that had an event.
    #[must_use]
    pub fn had_events(&self, pids: &[u64]) -> Vec<u64> {
        let Some(state) = self.state.upgrade() else {
            return Vec::new();
        };
        let seen = |pid: &u64| {
            let slot = state.slots.of(*pid);
            slot.is_owned_by(*pid) && slot.has_events()
        };
        pids.iter().copied().filter(seen).collect()
    }

    /// Waits until everything that was committed before the call has been appended, and hooks have heard of it. False when
    /// time ran out first.
    pub fn flush(&self, timeout: Duration) -> bool {
        let mut registry = self.shared.registry.lock();
        let now = self.shared.clock.now();
        let recording = self.recording;
        self.shared.wait(&mut registry, timeout, |registry| {
            registry.told_to > now || !registry.recordings().any(|one| one.id == recording)
        })
    }

    /// Ends the recording: no callback writes for it any more, what was committed is appended, the losses at the end of its
    /// tracks are reported, its sink is let go. The last one to close stops the drainer and frees the rings. False when
    /// time ran out first: the drainer goes on with it.
    pub fn close(&self, timeout: Duration) -> bool {
        let begun = Instant::now();
        let mut registry = self.shared.registry.lock();
        self.request_close(&mut registry);
        let recording = self.recording;
        let closed = self.shared.wait(&mut registry, timeout, |registry| {
            !registry.recordings().any(|one| one.id == recording)
        });
        let ended = closed && registry.recordings().next().is_none();
        let left = timeout.saturating_sub(begun.elapsed());
        if ended
            && self
                .shared
                .wait(&mut registry, left, |registry| registry.thread.is_none())
        {
            let join = registry.join.take();
            drop(registry);
            if let Some(join) = join {
                // The thread is past its last statement but one; it catches its panics.
                let _ = join.join();
            }
        }
        closed
    }

    fn request_close(&self, registry: &mut Registry<C>) {
        let Some((route, index)) = registry.find(self.route, self.recording) else {
            return;
        };
        if route.recordings[index].closing.is_some() {
            return;
        }
        route.recordings[index].closing = Some(Closing::Leaving(Snapshot::default()));
        self.shared.publish(registry, self.route);
        // After the route is out of sight: who is inside a callback now may still have it.
        let inside = self.shared.gates.snapshot();
        if let Some((route, index)) = registry.find(self.route, self.recording) {
            route.recordings[index].closing = Some(Closing::Leaving(inside));
        }
        self.shared.wake(registry);
    }
}

impl<C: RouteConfig> Drop for RouteHandle<C> {
    fn drop(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut registry = shared.registry.lock();
        self.request_close(&mut registry);
    }
}
