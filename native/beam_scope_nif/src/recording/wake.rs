//! Waking whoever sleeps because nothing happens. A process that looks ten times a second at nothing costs more than a recording of
//! nothing does: with each look schedulers wake, and stay awake for a while.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rustler::{Encoder, LocalPid, OwnedEnv};

use crate::maps::atom;

/// Nobody sleeps.
const NEVER: u64 = u64::MAX;

/// Who wants to be woken, and from how many stored events on.
pub(crate) struct Wake {
    from: AtomicU64,
    who: Mutex<Option<LocalPid>>,
}

impl Wake {
    pub(crate) fn new() -> Self {
        Self {
            from: AtomicU64::new(NEVER),
            who: Mutex::new(None),
        }
    }

    /// A process is to get the message `:wake`, once, when there are so many events.
    pub(crate) fn set(&self, who: LocalPid, from: u64) {
        *self.who.lock() = Some(who);
        self.from.store(from, Ordering::Release);
    }

    /// There are so many now. Asked after each pass of the drainer.
    pub(crate) fn check(&self, events: impl FnOnce() -> u64) {
        let from = self.from.load(Ordering::Acquire);
        if from == NEVER || events() < from {
            return;
        }
        self.from.store(NEVER, Ordering::Relaxed);
        if let Some(who) = self.who.lock().take() {
            let _ = OwnedEnv::new().send_and_clear(&who, |env| atom(env, "wake").encode(env));
        }
    }
}
