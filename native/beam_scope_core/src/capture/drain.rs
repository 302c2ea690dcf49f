//! The drainer: one thread that merges the rings by time and hands records to recordings.

use super::engine::Shared;
use super::gate::Horizon;
use super::merge::{merge, Injected};
use super::pool::Pool;
use super::record::Header;
use super::routes::{Closing, Registry};
use super::sink::{LifecycleHook, RouteConfig};
use parking_lot::MutexGuard;
use std::collections::VecDeque;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two passes while many records come.
const BUSY_WAIT: Duration = Duration::from_micros(500);
/// Between two passes while some come: each pass wakes a core that a tracee could have used.
const CALM_WAIT: Duration = Duration::from_millis(1);
/// More records than this in a pass are many: a scheduler's ring holds ten times as many.
const MANY: usize = 4096;
/// Between two passes when none have come for a while. Callbacks wake nobody.
const IDLE_WAIT: Duration = Duration::from_millis(10);
/// And when none have for a second or so. A scheduler's ring holds what a flood brings in that time.
const LONG_IDLE_WAIT: Duration = Duration::from_millis(20);
const LONG: u32 = 100;
/// Records handed out before the registry's lock is let go once.
const PASS_ITEMS: usize = 8192;

type Batch = (Arc<dyn LifecycleHook>, Vec<(Header, Box<[u8]>)>);

struct Drainer {
    horizon: Horizon,
    injected: VecDeque<Injected>,
}

enum Next {
    /// There is more to do now.
    Again,
    /// Many came; look again soon.
    Soon,
    /// Some came.
    Calm,
    /// Nothing came.
    Later,
    /// The last recording has closed.
    End,
}

/// The drainer's thread.
pub(crate) fn run<C: RouteConfig>(shared: &Shared<C>, pool: Arc<Pool>) {
    let mut drainer = Drainer {
        horizon: Horizon::default(),
        injected: VecDeque::new(),
    };
    let mut wait = BUSY_WAIT;
    let mut idle = 0u32;
    guarded(shared, || shared.host.drainer_started());
    loop {
        let next = guarded(shared, || drainer.pass(shared, &pool)).unwrap_or(Next::Later);
        idle = if matches!(next, Next::Later) {
            idle.saturating_add(1)
        } else {
            0
        };
        match next {
            Next::Again => continue,
            Next::Soon => wait = BUSY_WAIT,
            Next::Calm => wait = CALM_WAIT.min(wait * 2),
            Next::Later if idle > LONG => wait = LONG_IDLE_WAIT,
            Next::Later => wait = IDLE_WAIT.min(wait * 2),
            Next::End => break,
        }
        std::thread::park_timeout(wait);
    }
    // Routes are gone, so this is the rings' last owner; the mark comes after, so that a close that saw it finds them freed.
    drop(pool);
    let mut registry = shared.registry.lock();
    if registry.pool.is_none() {
        registry.thread = None;
    }
    shared.progress.notify_all();
}

/// The time of the drainer's thread: that for which it had a processor, or where nobody tells that, the time of day.
#[derive(Clone, Copy)]
enum Moment {
    Thread(u64),
    Day(Instant),
}

impl Moment {
    fn now<C: RouteConfig>(shared: &Shared<C>) -> Self {
        let thread = shared.host.thread_ns();
        thread.map_or_else(|| Self::Day(Instant::now()), Self::Thread)
    }

    fn until(self, later: Self) -> u64 {
        match (self, later) {
            (Self::Thread(then), Self::Thread(now)) => now.saturating_sub(then),
            (Self::Day(then), Self::Day(now)) => now.duration_since(then).as_nanos() as u64,
            _ => 0,
        }
    }
}

/// Nothing that panics may end the thread: the error is in one recording, or one of ours to find by its count.
fn guarded<C: RouteConfig, R>(shared: &Shared<C>, act: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(act)).ok();
    if result.is_none() {
        shared.panics.fetch_add(1, Ordering::Relaxed);
    }
    result
}

impl Drainer {
    fn pass<C: RouteConfig>(&mut self, shared: &Shared<C>, pool: &Arc<Pool>) -> Next {
        let below = self.horizon.look(&shared.gates, || shared.clock.now());
        self.injected.append(&mut shared.inbox.lock());
        let mut registry = shared.registry.lock();
        let began = Moment::now(shared);
        let merged = {
            // SAFETY: this thread is the only one that reads the rings of its pool, and the readers end with the pass.
            #[allow(unsafe_code)]
            let mut readers = unsafe { pool.readers(&shared.gates) };
            merge(&mut readers, &mut self.injected, below, PASS_ITEMS, |item| {
                registry.deliver(item, &shared.panics)
            })
        };
        // What is made of the records later, in spare time, is not their tracing's price.
        let took = began.until(Moment::now(shared));
        shared.drained_ns.fetch_add(took, Ordering::Relaxed);
        registry.drained_to = registry.drained_to.max(merged.until);
        after_merge(shared, &mut registry);
        let batches = take_batches(&mut registry);
        let end = registry.recordings().next().is_none();
        if end {
            registry.pool = None;
            // A route is closed after its configuration was last replaced, and everyone inside a callback has left since.
            registry.limbo.clear();
        }
        let drained_to = registry.drained_to;
        if batches.is_empty() {
            registry.told_to = drained_to;
        }
        shared.progress.notify_all();
        // Fair: others wait for this lock, and a busy drainer would take it again at once.
        MutexGuard::unlock_fair(registry);
        if !batches.is_empty() {
            deliver(shared, batches);
            shared.registry.lock().told_to = drained_to;
            shared.progress.notify_all();
        }
        match (end, merged.items) {
            (true, _) => Next::End,
            (_, 0) => Next::Later,
            (_, items) if items >= PASS_ITEMS => Next::Again,
            (_, items) if items >= MANY => Next::Soon,
            _ => Next::Calm,
        }
    }
}

fn after_merge<C: RouteConfig>(shared: &Shared<C>, registry: &mut Registry<C>) {
    registry.report_orphans(registry.drained_to, &shared.panics);
    registry
        .tell_drained(&shared.panics)
        .into_iter()
        .for_each(|route| shared.publish(registry, route));
    let gates = &shared.gates;
    registry.limbo.retain_mut(|(inside, _)| !gates.passed(inside));
    for (route, recording) in step_closing(shared, registry) {
        let only = registry
            .routes
            .iter()
            .flatten()
            .any(|one| one.state.id == route && one.recordings.len() == 1);
        let homeless = if only { shared.take_homeless(route) } else { 0 };
        registry.finish(route, recording, homeless, &shared.panics);
        shared.share_rings(registry);
    }
}

/// Moves recordings that are closing one step on; those that are through come back.
fn step_closing<C: RouteConfig>(shared: &Shared<C>, registry: &mut Registry<C>) -> Vec<(u32, u64)> {
    let drained_to = registry.drained_to;
    let mut done = Vec::new();
    for route in registry.routes.iter_mut().flatten() {
        for recording in &mut route.recordings {
            let through = match &mut recording.closing {
                None => false,
                Some(Closing::Leaving(inside)) => shared.gates.passed(inside),
                Some(Closing::Draining(until)) => drained_to > *until,
            };
            match recording.closing {
                Some(Closing::Leaving(_)) if through => {
                    recording.closing = Some(Closing::Draining(shared.clock.now()));
                }
                Some(Closing::Draining(_)) if through => done.push((route.state.id, recording.id)),
                _ => {}
            }
        }
    }
    done
}

fn take_batches<C: RouteConfig>(registry: &mut Registry<C>) -> Vec<Batch> {
    let mut batches = Vec::new();
    for recording in registry.recordings_mut() {
        if let Some(hook) = recording.hook.as_ref().filter(|_| !recording.batch.is_empty()) {
            batches.push((Arc::clone(hook), std::mem::take(&mut recording.batch)));
        }
    }
    batches
}

fn deliver<C: RouteConfig>(shared: &Shared<C>, batches: Vec<Batch>) {
    for (hook, records) in batches {
        guarded(shared, || hook.lifecycle(&records));
    }
}
