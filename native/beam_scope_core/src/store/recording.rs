//! A recording: what the drainer appends to and readers ask.
//!
//! Two locks matter most. *Intake* is held by the drainer for a copy, and by readers for the moment it takes to take a block out.
//! *Index* is held by readers; the drainer only ever tries it. A third, *stream*, is held by who writes a file. Order: stream before
//! index before intake.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard, RwLock};

use super::budget::{Budget, Share};
use super::config::{Mode, Status, StopReason, StoreConfig};
use super::file::Stream;
use super::index::{Context, Index};
use super::intake::{makes_sense, Intake, Tail};
use super::losses::Owed;
use super::row::LossCause;
use super::{AtomSource, AtomTable};
use crate::capture::record::Header;
use crate::reserve;

/// The drainer indexes in spare time for at most so long at once, so that no ring runs full behind its back.
const SPARE: Duration = Duration::from_millis(1);
/// And, while records come, no more often than this: indexing beside tracees at work costs them more than tracing does.
const PACE: Duration = Duration::from_millis(10);
/// Who waits for the index while a reader brings it up to date gets it after so many records.
const AT_ONCE: usize = 256;
/// So often a reader drops chunks, or indexes a block that becomes one, before it goes on: in a flood as much comes as goes.
const ROUNDS: usize = 16;
/// While more than so many bytes a second come there is no spare time.
const BUSY: usize = 64 << 20;

/// A session of capture and its data. Shared: the drainer appends, any thread reads.
pub struct Recording {
    pub(super) config: StoreConfig,
    pub(super) atoms: Arc<dyn AtomSource>,
    pub(super) intake: Mutex<Intake>,
    pub(super) index: Mutex<Index>,
    pub(super) status: RwLock<Status>,
    pub(super) running: AtomicBool,
    forgot: AtomicBool,
    /// There was no memory to index what is here: answers would be of a part.
    pub(super) starved: AtomicBool,
    pub(super) meta: RwLock<Vec<u8>>,
    /// Nanoseconds from start to stop, once stopped.
    pub(super) stopped_ns: AtomicU64,
    /// Atoms of a recording that was read from a file.
    pub(super) table: Option<Arc<AtomTable>>,
    /// The file that it is written to while it runs.
    pub(super) stream: Mutex<Option<Stream>>,
    pub(super) held: Held,
    /// When what is too old was last looked for, in nanoseconds since the start.
    pub(super) aged_ns: AtomicU64,
    resting: AtomicBool,
    pub(super) owed: Mutex<Owed>,
}

/// Bytes held, in parts that change under different locks.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) backlog: Share,
    pub(super) index: Share,
    rings: Share,
    /// What readers keep for each event, to find things again.
    readers: Share,
}

impl Held {
    fn new(budget: &Arc<Budget>) -> Self {
        let share = || Share::new(Arc::clone(budget));
        Self {
            backlog: share(),
            index: share(),
            rings: share(),
            readers: share(),
        }
    }

    pub(super) fn all(&self) -> usize {
        self.backlog.held() + self.index.held() + self.rings.held() + self.readers.held()
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("status", &self.status())
            .field("held", &self.held.all())
            .finish()
    }
}

impl Recording {
    /// A recording without events.
    #[must_use]
    pub fn new(config: StoreConfig, atoms: Arc<dyn AtomSource>) -> Arc<Self> {
        Arc::new(Self::with_index(config, atoms, Index::default()))
    }

    pub(super) fn with_index(config: StoreConfig, atoms: Arc<dyn AtomSource>, index: Index) -> Self {
        let budget = config.budget.clone().unwrap_or_else(Budget::global);
        let held = Held::new(&budget);
        let max_bytes = config.max_bytes;
        held.index.set(index.bytes());
        Self {
            config,
            atoms,
            intake: Mutex::new(Intake::new(max_bytes)),
            index: Mutex::new(index),
            status: RwLock::new(Status::Running),
            running: AtomicBool::new(true),
            forgot: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            meta: RwLock::default(),
            stopped_ns: AtomicU64::new(0),
            table: None,
            stream: Mutex::default(),
            held,
            aged_ns: AtomicU64::new(0),
            resting: AtomicBool::new(false),
            owed: Mutex::default(),
        }
    }

    /// Its limits and its start.
    #[must_use]
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// Whether it was read from a file: then pids and references in it are of another time.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.table.is_some()
    }

    /// The atoms of a recording that was read from a file: its terms name atoms by the numbers of the VM that made it.
    #[must_use]
    pub fn table(&self) -> Option<&Arc<AtomTable>> {
        self.table.as_ref()
    }

    /// Whatever the recorder wants to keep with the recording; saved with it.
    pub fn set_meta(&self, meta: Vec<u8>) {
        *self.meta.write() = meta;
    }

    /// What [`set_meta`](Self::set_meta) was given.
    #[must_use]
    pub fn meta(&self) -> Vec<u8> {
        self.meta.read().clone()
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            config: &self.config,
            atoms: &*self.atoms,
        }
    }

    /// Takes a record, in the order of time. Copies and counts; after a stop it only counts.
    pub fn append(&self, header: &Header, payload: &[u8]) {
        let at_ns = header.time.saturating_sub(self.config.start_ns);
        let mut intake = self.intake.lock();
        intake.offer(header);
        if !self.running.load(Ordering::Relaxed) {
            return intake.refuse(header, at_ns, LossCause::Stopped);
        }
        if !makes_sense(header) {
            return intake.refuse(header, at_ns, LossCause::Damaged);
        }
        if let Some(reason) = intake.limit(&self.config, at_ns) {
            intake.refuse(header, at_ns, LossCause::Stopped);
            drop(intake);
            return self.stop_at(reason, at_ns);
        }
        if self.config.mode == Mode::Ring && self.is_far_over() {
            drop(intake);
            self.relieve(at_ns);
            intake = self.intake.lock();
            // Still: a reader holds what could go. The newest has to wait, or the cap would not hold.
            if self.is_far_over() {
                self.forgot.store(true, Ordering::Relaxed);
                return intake.postpone(header);
            }
        }
        // What the reserve is there for is to end in good order.
        if reserve::is_short() || !intake.store(header, at_ns, payload) {
            intake.refuse(header, at_ns, LossCause::Stopped);
            drop(intake);
            return self.stop_at(StopReason::Error("there is no memory for more events".into()), at_ns);
        }
        let bytes = intake.backlog.bytes();
        if bytes == self.held.backlog.held() {
            return;
        }
        self.held.backlog.set(bytes);
        drop(intake);
        if self.is_over() {
            self.relieve(at_ns);
        }
    }

    fn is_over(&self) -> bool {
        self.held.all() >= self.config.max_bytes || self.held.index.is_spent()
    }

    /// More over the cap than a record can bring about.
    fn is_far_over(&self) -> bool {
        let over = self.held.all().saturating_sub(self.config.max_bytes);
        over > self.config.max_bytes / 16
    }

    /// At the cap: what can be made again goes first; then `:stop` stops and `:ring` drops its oldest chunks. When a
    /// reader holds the index, that reader will see to it.
    fn relieve(&self, at_ns: u64) {
        let index = self.index.try_lock();
        {
            let mut intake = self.intake.lock();
            intake.backlog.trim();
            self.held.backlog.set(intake.backlog.bytes());
        }
        if let Some(mut index) = index {
            index.shrink();
            self.account(&index);
            if self.config.mode == Mode::Ring {
                self.make_room(&mut index, usize::MAX);
                return;
            }
        }
        if self.config.mode == Mode::Stop && self.is_over() {
            self.stop_at(StopReason::Bytes, at_ns);
        }
    }

    /// Drops the oldest until a sixteenth of the cap is free, or for so many rounds.
    fn make_room(&self, index: &mut Index, rounds: usize) {
        // Chunks are read for what is to be carried forward of them.
        if !reserve::is_there(self.config.max_bytes / 4) {
            return;
        }
        let context = self.context();
        let low = self.config.max_bytes - self.config.max_bytes / 16;
        let mut rounds = 0..rounds;
        while (self.held.all() > low || self.held.index.is_spent()) && rounds.next().is_some() {
            let over = self.held.all().saturating_sub(low);
            let went = index.evict(&context, over) || self.step(index, usize::MAX) || {
                index.seal(&context);
                index.shrink();
                index.evict(&context, over)
            };
            self.account(index);
            if !went {
                return;
            }
        }
    }

    pub(super) fn account(&self, index: &Index) {
        self.held.index.set(index.bytes());
    }

    /// Takes note of losses that no record tells: `count` events of a track (pid 0: of somebody) before `until_ns` of the
    /// engine's clock.
    pub fn lost(&self, pid: u64, count: u64, until_ns: u64) {
        let until_ns = until_ns.saturating_sub(self.config.start_ns);
        self.intake.lock().lost(Tail { pid, count, until_ns });
    }

    /// What was lost by `until_ns` of the engine's clock and no record tells yet, by process, in place of what was said so before:
    /// nobody can tell what these did last. Not counted: the record that tells of it is.
    pub fn set_owed(&self, by_pid: Vec<(u64, u64)>, until_ns: u64) {
        let until_ns = until_ns.saturating_sub(self.config.start_ns);
        *self.owed.lock() = Owed::new(by_pid, until_ns);
    }

    /// How many events a process lost after its last known one, at `last_ns` since the start, as far as they are owed.
    pub(crate) fn owed(&self, pid: u64, last_ns: u64) -> u64 {
        self.owed.lock().by(pid, last_ns)
    }

    /// The drainer has nothing more for now, up to `until_ns` of the engine's clock: a little time for the index, if the pass was a
    /// quiet one.
    pub fn drained(&self, until_ns: u64) {
        self.age(until_ns.saturating_sub(self.config.start_ns));
        // At the cap the index must not grow by itself: only who asks makes it.
        if self.resting.load(Ordering::Relaxed) || !self.intake.lock().has_spare_time(BUSY, PACE) || self.is_over() {
            return;
        }
        let Some(mut index) = self.index.try_lock() else { return };
        let end = Instant::now() + SPARE;
        while self.step(&mut index, 64) && Instant::now() < end {}
        self.account(&index);
        self.settle(&mut index);
    }

    /// Whether nothing is indexed but what somebody asks for: the system has no time to spare.
    pub fn rest(&self, rest: bool) {
        self.resting.store(rest, Ordering::Relaxed);
    }

    /// The recording's share of the rings, which counts against its cap.
    pub fn set_ring_bytes(&self, bytes: usize) {
        self.held.rings.set(bytes);
    }

    /// Indexes up to `most` records; `false` when everything is indexed.
    pub(super) fn step(&self, index: &mut Index, most: usize) -> bool {
        if index.closed {
            return false;
        }
        if index.work(&self.context(), most) {
            return true;
        }
        // Rows and their indexes cannot be refused what they need.
        let starved = !self.intake.lock().backlog.is_empty() && !reserve::is_there(2 * index.open_bytes());
        self.starved.store(starved, Ordering::Relaxed);
        if starved {
            return false;
        }
        let mut intake = self.intake.lock();
        let block = intake.backlog.pop();
        self.held.backlog.set(intake.backlog.bytes());
        match block {
            Some(block) => {
                drop(intake);
                index.give(block);
                self.account(index);
                true
            }
            None => {
                drop(intake);
                self.take_tails(index);
                false
            }
        }
    }

    fn take_tails(&self, index: &mut Index) {
        let tails = std::mem::take(&mut self.intake.lock().tails);
        tails.into_iter().for_each(|tail| index.take_tail(tail));
    }

    /// The index with everything in it that was appended before the call.
    pub(super) fn up_to_date(&self) -> MutexGuard<'_, Index> {
        let end = self.end_seq();
        let mut index = self.index.lock();
        while self.step(&mut index, AT_ONCE) {
            self.account(&index);
            self.settle(&mut index);
            // Who comes later than the call must not keep it waiting for ever.
            if self.running.load(Ordering::Relaxed) && index.next_seq >= end {
                self.take_tails(&mut index);
                break;
            }
            MutexGuard::bump(&mut index);
        }
        let whole = !self.running.load(Ordering::Relaxed) && self.fed().is_ok();
        if whole && reserve::is_there(2 * index.open_bytes()) {
            // Nothing will be added: what is left takes a fraction when sealed.
            index.end_streams();
            index.seal(&self.context());
        }
        self.account(&index);
        index
    }

    /// After the index grew: back under the cap, if it can be.
    pub(super) fn settle(&self, index: &mut Index) {
        if !self.is_over() {
            return;
        }
        index.shrink();
        // What streams hold serves the future, what chunks hold was asked for.
        while index.drop_stream_over(self.config.max_bytes / 4) {
            self.forgot.store(true, Ordering::Relaxed);
        }
        self.account(index);
        if self.config.mode == Mode::Ring {
            self.make_room(index, ROUNDS);
        }
    }

    /// Whether something was let go of that records to come may refer to, since this was asked last.
    pub fn has_forgotten(&self) -> bool {
        self.forgot.load(Ordering::Relaxed) && self.forgot.swap(false, Ordering::Relaxed)
    }

    /// Whether it takes events.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.read().clone()
    }

    /// What readers hold for each event of the recording counts against its cap.
    pub fn set_reader_bytes(&self, bytes: usize) {
        self.held.readers.set(bytes);
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// Takes no more events. The first reason stays.
    pub fn stop(&self, reason: StopReason) {
        self.stop_at(reason, 0);
    }

    fn stop_at(&self, reason: StopReason, at_ns: u64) {
        let mut status = self.status.write();
        if *status == Status::Running {
            *status = Status::Stopped(reason);
            self.stopped_ns.store(at_ns, Ordering::Relaxed);
            self.running.store(false, Ordering::Relaxed);
        }
    }

    /// Stops and frees everything at once; readers that hold a view keep that view.
    pub fn close(&self) {
        self.stop(StopReason::Closed);
        // Before the index: who asks for the next piece of a file has this lock while it waits for that one.
        *self.stream.lock() = None;
        let mut index = self.index.lock();
        *index = Index::closed();
        self.held.index.set(0);
        let mut intake = self.intake.lock();
        intake.backlog = super::backlog::Backlog::new(0);
        self.held.backlog.set(0);
        self.held.rings.set(0);
        self.held.readers.set(0);
    }

    /// Bytes of chunks that are kept decoded, to be read again: part of what is held, and given up when room is needed.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.index.lock().cached_bytes()
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.index.lock().closed
    }
}
