//! Flight recorders: what is too old goes, and what is there can be had as a recording of its own.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::config::{Mode, Status, StopReason, StoreConfig};
use super::error::StoreError;
use super::index::Index;
use super::recording::Recording;
use crate::reserve;

/// What is to go by its age goes in so many steps of the time that is kept.
const STEPS: u64 = 16;
/// What was frozen is read at leisure: it may hold several times of what the other may.
const READING: usize = 4;
const READING_BYTES: usize = 256 << 20;

impl Recording {
    /// What the recording holds now, as a recording that has stopped. This one goes on: whoever appends to it waits for no longer
    /// than it takes to copy an open block. Nothing is indexed here, that is left to whoever reads what was frozen.
    ///
    /// Chunks at rest are shared by both, but count against the common budget twice: fails where that has no room for it.
    pub fn freeze(&self) -> Result<Arc<Self>, StoreError> {
        let index = self.index.lock();
        if index.closed {
            return Err(StoreError::Closed);
        }
        if !reserve::is_there(index.bytes()) {
            return Err(StoreError::Memory);
        }
        let mut frozen_index = index.snapshot();
        let mut intake = self.intake.lock().clone();
        drop(index);
        if cfg!(mutant = "freeze_leaves_what_waits") {
            intake.backlog = super::backlog::Backlog::new(0);
        }
        let config = StoreConfig {
            mode: Mode::Stop,
            keep_ms: None,
            max_bytes: self.config.max_bytes.saturating_mul(READING).max(READING_BYTES),
            ..self.config.clone()
        };
        if let Some(keep_ms) = self.config.keep_ms {
            frozen_index.evict_before(&self.context(), intake.last_ns.saturating_sub(nanoseconds(keep_ms)));
        }
        let room = self.held.index.room();
        let needed = frozen_index.bytes() + intake.backlog.bytes();
        if needed > room {
            return Err(StoreError::TooLarge(format!(
                "what is to be frozen takes {needed} bytes, and all recordings together may hold {room} more"
            )));
        }
        let mut frozen = Self::with_index(config, Arc::clone(&self.atoms), frozen_index);
        frozen.held.backlog.set(intake.backlog.bytes());
        frozen.stopped_ns = intake.last_ns.into();
        *frozen.intake.get_mut() = intake;
        *frozen.meta.get_mut() = self.meta();
        *frozen.status.get_mut() = Status::Stopped(StopReason::Frozen);
        *frozen.running.get_mut() = false;
        *frozen.owed.get_mut() = self.owed.lock().clone();
        frozen.table.clone_from(&self.table);
        Ok(Arc::new(frozen))
    }

    /// Lets what is older than is to be kept go, at `now_ns` since the start. Looks now and then only, and never waits for a reader.
    pub(super) fn age(&self, now_ns: u64) {
        let (Mode::Ring, Some(keep_ms)) = (self.config.mode, self.config.keep_ms) else {
            return;
        };
        let keep_ns = nanoseconds(keep_ms);
        let step = keep_ns / STEPS;
        if now_ns.saturating_sub(self.aged_ns.load(Ordering::Relaxed)) < step {
            return;
        }
        if !reserve::is_there(self.config.max_bytes / 4) {
            return;
        }
        let Some(mut index) = self.index.try_lock() else { return };
        self.aged_ns.store(now_ns, Ordering::Relaxed);
        self.drop_older(&mut index, now_ns, keep_ns, step);
    }

    fn drop_older(&self, index: &mut Index, now_ns: u64, keep_ns: u64, step: u64) {
        // A chunk goes as a whole: one that stays open for long would keep what is old with what is new.
        if index.is_open_since(now_ns.saturating_sub(2 * step)) {
            index.seal(&self.context());
        }
        if index.evict_before(&self.context(), now_ns.saturating_sub(keep_ns)) {
            self.account(index);
        }
    }
}

const fn nanoseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}
