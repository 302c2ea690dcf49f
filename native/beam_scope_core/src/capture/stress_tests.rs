//! The engine as a whole, with real threads.

use super::engine::*;
use super::record::Header;
use crate::event::EventKind;
use crate::term::tag;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);
const ALL_KINDS: u32 = u32::MAX;

#[derive(Default)]
struct Log {
    records: Mutex<Vec<(Header, Vec<u8>)>>,
    lost: Mutex<Vec<(u64, u64)>>,
    lost_before: AtomicU64,
    refuse: AtomicBool,
    panic: AtomicBool,
    panic_drained: AtomicBool,
    failed: AtomicBool,
    slow: AtomicU64,
}

impl RecordSink for Log {
    fn append(&self, header: &Header, payload: &[u8]) {
        assert!(!self.panic.load(Ordering::Relaxed), "told to");
        let slow = self.slow.load(Ordering::Relaxed);
        if slow > 0 {
            std::thread::sleep(Duration::from_micros(slow));
        }
        self.lost_before.fetch_add(u64::from(header.lost), Ordering::Relaxed);
        self.records.lock().push((*header, payload.to_vec()));
    }
    fn lost(&self, pid: u64, count: u64, _until_ns: u64) {
        self.lost.lock().push((pid, count));
    }
    fn drained(&self, _until_ns: u64) {
        assert!(!self.panic_drained.load(Ordering::Relaxed), "told to");
    }
    fn accepts(&self) -> bool {
        !self.refuse.load(Ordering::Relaxed)
    }
    fn failed(&self, _what: &str) {
        self.failed.store(true, Ordering::Relaxed);
    }
}

impl Log {
    fn pids(&self) -> Vec<u64> {
        self.records.lock().iter().map(|(header, _)| header.pid).collect()
    }
    fn stored(&self) -> u64 {
        self.records.lock().len() as u64
    }
    fn dropped(&self) -> u64 {
        self.lost_before.load(Ordering::Relaxed) + self.lost.lock().iter().map(|(_, count)| count).sum::<u64>()
    }
}

fn engine() -> Engine<()> {
    Engine::new(Arc::new(PlainHost))
}

fn small(scheduler_rings: usize, scheduler_bytes: usize) -> RingConfig {
    RingConfig {
        scheduler_rings,
        scheduler_bytes,
        dirty_rings: 0,
        dirty_bytes: 256,
    }
}

/// A recording of everything, on a route of its own.
fn wanted<C: RouteConfig>(config: C, sink: Arc<dyn RecordSink>, rings: RingConfig) -> Open<C> {
    Open {
        route: RouteKind::Own,
        kinds: ALL_KINDS,
        follow: true,
        max_record: 16,
        config: Arc::new(config),
        rings,
        slots: SlotConfig { bits: 8, shift: 4 },
        sink,
        hook: None,
    }
}

fn open(engine: &Engine<()>, route: RouteKind, sink: &Arc<Log>, rings: RingConfig) -> RouteHandle<()> {
    let open = Open {
        route,
        ..wanted((), Arc::clone(sink) as _, rings)
    };
    engine.open(open).expect("opens")
}

fn put(engine: &Engine<()>, route: u32, pid: u64, kind: EventKind, payload: &[u8]) -> bool {
    let Some(mut writer) = engine.writer(route) else {
        return false;
    };
    let Some(room) = writer.reserve(pid, payload.len(), kind.is_lifecycle()) else {
        return false;
    };
    room[..payload.len()].copy_from_slice(payload);
    writer.commit(
        RecordHead {
            kind: kind as u8,
            terms: 1,
            ..RecordHead::default()
        },
        payload.len(),
    );
    true
}

fn tell(engine: &Engine<()>, route: u32, pid: u64) {
    let mut writer = engine.writer(route).expect("open");
    writer.reserve(pid, 1, false).expect("room")[0] = tag::NIL;
    let head = RecordHead {
        kind: EventKind::State as u8,
        terms: 1,
        told: Told::State,
        ..RecordHead::default()
    };
    writer.commit(head, 1);
}

#[test]
fn what_waits_in_the_rings_is_not_for_a_recording_that_opens_now() {
    let engine = engine();
    let (old, new) = (Arc::new(Log::default()), Arc::new(Log::default()));
    let one = open(&engine, RouteKind::Shared, &old, RingConfig::default());
    one.add_members(&[0x10]);
    for _ in 0..200 {
        assert!(put(&engine, one.route(), 0x10, EventKind::Send, &[tag::NIL]));
    }
    let two = open(&engine, RouteKind::Shared, &new, RingConfig::default());
    two.add_members(&[0x10]);
    assert!(put(&engine, two.route(), 0x10, EventKind::Send, &[tag::NIL]));
    assert!(two.flush(WAIT) && two.close(WAIT) && one.close(WAIT));
    assert_eq!((old.pids().len(), new.pids().len()), (201, 1));
}

/// What was told is left out of later records only while everybody who gets those got it.
#[test]
fn a_state_is_told_again_to_whoever_comes_later() {
    let engine = engine();
    let log = Arc::new(Log::default());
    let one = open(&engine, RouteKind::Shared, &log, RingConfig::default());
    let route = one.route();
    let told = || engine.writer(route).expect("open").is_told(0x10);
    one.add_members(&[0x10]);
    assert!(!told());
    tell(&engine, route, 0x10);
    assert!(told() && !engine.writer(route).expect("open").is_told(0x20));
    let two = open(&engine, RouteKind::Shared, &log, RingConfig::default());
    assert!(!told(), "another recording");
    tell(&engine, route, 0x10);
    two.add_members(&[0x10]);
    assert!(!told(), "another member");
    tell(&engine, route, 0x10);
    one.update(ALL_KINDS, true, Arc::new(()));
    assert!(!told(), "other wishes: something may have been left out meanwhile");
    assert!(one.close(WAIT) && two.close(WAIT));
}

#[test]
fn a_record_arrives_and_everything_is_freed() {
    let engine = engine();
    assert_eq!(engine.info().drainers, 0);
    let log = Arc::new(Log::default());
    let handle = open(&engine, RouteKind::Own, &log, RingConfig::default());
    assert_eq!(engine.kinds(handle.route()), ALL_KINDS & !1);
    assert!(put(&engine, handle.route(), 0x13, EventKind::Send, &[tag::NIL]));
    handle.inject(
        0x23,
        RecordHead {
            kind: EventKind::Note as u8,
            ..RecordHead::default()
        },
        &[tag::NIL],
    );
    assert!(handle.flush(WAIT));
    assert_eq!(log.pids(), [0x13, 0x23]);
    assert!(handle.close(WAIT));
    assert_eq!(engine.kinds(handle.route()), 0);
    assert!(engine.writer(handle.route()).is_none());
    let info = engine.info();
    assert_eq!(
        (info.drainers, info.rings, info.pool_bytes, info.recordings, info.panics),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(Arc::strong_count(&log), 1);
}

#[test]
fn an_engine_opens_again_after_it_was_closed() {
    let engine = engine();
    for round in 0..20 {
        let log = Arc::new(Log::default());
        let handle = open(&engine, RouteKind::Own, &log, small(2, 4096));
        assert!(put(&engine, handle.route(), round << 4, EventKind::Send, &[tag::NIL]));
        if round % 2 == 0 {
            assert!(handle.close(WAIT));
        } else {
            assert!(handle.flush(WAIT));
            drop(handle);
        }
        assert_eq!(log.stored(), 1);
    }
}

/// Threads that write as fast as they can into small rings with a drainer that may be slow.
fn flood(route: RouteKind, threads: u64, each: u64, rings: RingConfig, slow: u64) {
    let engine = engine();
    let log = Arc::new(Log {
        slow: slow.into(),
        ..Log::default()
    });
    let handle = open(&engine, route, &log, rings);
    handle.add_members(&(1..=threads).map(|pid| pid << 4).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for pid in 1..=threads {
            let (engine, route) = (&engine, handle.route());
            scope.spawn(move || {
                for number in 0..each {
                    put(engine, route, pid << 4, EventKind::Send, &number.to_le_bytes());
                }
            });
        }
    });
    assert!(handle.close(WAIT * 3));
    assert_eq!(
        log.stored() + log.dropped(),
        threads * each,
        "offered = stored + dropped"
    );
    let records = log.records.lock();
    let mut next: HashMap<u64, u64> = HashMap::new();
    let mut time = 0;
    for (header, payload) in records.iter() {
        assert!(header.time >= time, "merged by time");
        time = header.time;
        let number = u64::from_le_bytes(payload[..8].try_into().expect("8 bytes"));
        let next = next.entry(header.pid).or_default();
        assert_eq!(
            number,
            *next + u64::from(header.lost),
            "in order, and the hole is counted"
        );
        assert_eq!(u64::from(header.seq), number);
        *next = number + 1;
    }
}

#[test]
fn nothing_is_lost_in_large_rings() {
    let engine = engine();
    let log = Arc::new(Log::default());
    let handle = open(&engine, RouteKind::Own, &log, small(2, 1 << 20));
    for number in 0..10_000u64 {
        assert!(put(&engine, handle.route(), 16, EventKind::Send, &number.to_le_bytes()));
    }
    assert!(handle.close(WAIT));
    assert_eq!((log.stored(), log.dropped()), (10_000, 0));
}

#[test]
fn offered_is_stored_plus_dropped_on_a_route_of_its_own() {
    flood(RouteKind::Own, 3, 20_000, small(3, 4096), 1);
}

#[test]
fn offered_is_stored_plus_dropped_on_the_shared_route() {
    flood(RouteKind::Shared, 3, 20_000, small(3, 4096), 0);
}

#[test]
fn threads_without_a_ring_count_their_drops() {
    flood(RouteKind::Own, 3, 1_000, small(1, 1 << 20), 0);
}

#[test]
fn threads_without_a_gate_count_their_drops() {
    struct OneThread;
    impl Host for OneThread {
        fn max_threads(&self) -> usize {
            1
        }
    }
    let engine: Engine<()> = Engine::new(Arc::new(OneThread));
    let log = Arc::new(Log::default());
    let handle = open(&engine, RouteKind::Own, &log, small(1, 4096));
    assert!(put(&engine, handle.route(), 16, EventKind::Send, &[tag::NIL]));
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(!put(&engine, handle.route(), 32, EventKind::Send, &[tag::NIL])));
    });
    assert!(handle.close(WAIT));
    assert_eq!((log.stored(), &*log.lost.lock()), (1, &vec![(0, 1)]));
}

#[test]
fn losses_after_the_last_record_and_of_processes_replaced_are_named() {
    let engine = engine();
    let log = Arc::new(Log::default());
    let handle = open(&engine, RouteKind::Own, &log, small(1, 4096));
    // A reservation that is let go is a drop.
    let drop_one = |pid| {
        let mut writer = engine.writer(handle.route()).expect("open");
        assert!(writer.reserve(pid, 8, false).is_some());
    };
    drop_one(0x10);
    drop_one(0x10);
    // The slot's next process: same low bits.
    drop_one(0x10 + (256 << 4));
    // A cancelled one is not.
    let mut writer = engine.writer(handle.route()).expect("open");
    assert!(writer.reserve(0x20, 8, false).is_some());
    writer.cancel();
    drop(writer);
    assert!(handle.close(WAIT));
    let mut lost = log.lost.lock().clone();
    lost.sort_unstable();
    assert_eq!(lost, [(0x10, 2), (0x10 + (256 << 4), 1)]);
}

#[test]
fn lifecycle_events_have_the_last_tenth_to_themselves() {
    let engine = engine();
    let log = Arc::new(Log {
        slow: 200_000.into(),
        ..Log::default()
    });
    let handle = open(&engine, RouteKind::Own, &log, small(1, 8192));
    put(&engine, handle.route(), 16, EventKind::Send, &[0; 16]);
    std::thread::sleep(Duration::from_millis(50)); // the drainer is in its slow append now
    while put(&engine, handle.route(), 16, EventKind::Send, &[0; 16]) {}
    assert!(put(&engine, handle.route(), 16, EventKind::Spawn, &[0; 16]));
    log.slow.store(0, Ordering::Relaxed);
    assert!(handle.close(WAIT));
}

#[test]
fn the_shared_route_gives_each_recording_its_members_and_kinds() {
    let engine = engine();
    let (a, b) = (Arc::new(Log::default()), Arc::new(Log::default()));
    let one = open(&engine, RouteKind::Shared, &a, small(1, 1 << 16));
    let two = open(&engine, RouteKind::Shared, &b, small(1, 1 << 16));
    assert_eq!((one.route(), two.route()), (0, 0));
    one.add_members(&[0x10, 0x20]);
    two.add_members(&[0x20]);
    two.update(EventKind::Exit.bit() | EventKind::Spawned.bit(), false, Arc::new(()));
    put(&engine, 0, 0x10, EventKind::Send, &[tag::NIL]);
    put(&engine, 0, 0x20, EventKind::Send, &[tag::NIL]);
    put(&engine, 0, 0x20, EventKind::Exit, &[tag::NIL]);
    put(&engine, 0, 0x30, EventKind::Exit, &[tag::NIL]);
    // 0x40 is a child of 0x20: `one` follows, `two` does not.
    put(&engine, 0, 0x40, EventKind::Spawned, &[tag::PID, 0x20, tag::NIL]);
    put(&engine, 0, 0x40, EventKind::Exit, &[tag::NIL]);
    assert!(one.flush(WAIT));
    assert_eq!(a.pids(), [0x10, 0x20, 0x20, 0x40, 0x40]);
    assert_eq!(b.pids(), [0x20]);
    assert!(one.close(WAIT));
    assert_eq!(engine.kinds(0), EventKind::Exit.bit() | EventKind::Spawned.bit());
    put(&engine, 0, 0x20, EventKind::Exit, &[tag::NIL]);
    assert!(two.close(WAIT));
    assert_eq!((a.stored(), b.stored()), (5, 2));
}

#[test]
fn a_sink_that_panics_fails_alone() {
    let engine = engine();
    let (bad, good) = (
        Arc::new(Log {
            panic: true.into(),
            ..Log::default()
        }),
        Arc::new(Log::default()),
    );
    let one = open(&engine, RouteKind::Own, &bad, small(1, 1 << 16));
    let two = open(&engine, RouteKind::Own, &good, small(1, 1 << 16));
    for _ in 0..10 {
        put(&engine, one.route(), 0x10, EventKind::Send, &[tag::NIL]);
        put(&engine, two.route(), 0x20, EventKind::Send, &[tag::NIL]);
    }
    assert!(two.flush(WAIT));
    assert!(bad.failed.load(Ordering::Relaxed));
    assert_eq!((good.stored(), engine.info().panics), (10, 1));
    assert_eq!(engine.kinds(one.route()), 0, "nothing more is offered to it");
    assert!(one.close(WAIT) && two.close(WAIT));
}

#[test]
fn a_sink_that_refuses_is_offered_nothing_more() {
    let engine = engine();
    let log = Arc::new(Log::default());
    let handle = open(&engine, RouteKind::Own, &log, small(1, 1 << 16));
    log.refuse.store(true, Ordering::Relaxed);
    assert!(handle.flush(WAIT) && handle.flush(WAIT));
    assert_eq!(engine.kinds(handle.route()), 0);
    log.refuse.store(false, Ordering::Relaxed);
    assert!(handle.flush(WAIT) && handle.flush(WAIT));
    assert_ne!(engine.kinds(handle.route()), 0);
}

#[test]
fn recordings_take_turns_beside_one_that_wants_nothing() {
    let (engine, idle) = (engine(), Arc::new(Log::default()));
    let keeper = open(&engine, RouteKind::Own, &idle, small(1, 4096));
    keeper.update(0, true, Arc::new(()));
    let route = keeper.route();
    assert_eq!(engine.kinds(route), 0);
    for turn in 1..=3 {
        let log = Arc::new(Log::default());
        let handle = open(&engine, RouteKind::Beside(route), &log, small(1, 4096));
        assert_eq!(handle.route(), route);
        handle.add_members(&[0x10 * turn]);
        // The first still sends what it did in its own turn.
        assert!(put(&engine, route, 0x10, EventKind::Send, &[tag::NIL]));
        assert!(put(&engine, route, 0x10 * turn, EventKind::Send, &[tag::NIL]));
        assert!(handle.close(WAIT));
        assert_eq!(log.records.lock().len(), if turn == 1 { 2 } else { 1 });
    }
    assert!(idle.records.lock().is_empty());
    assert!(keeper.close(WAIT));
    let late = Open {
        route: RouteKind::Beside(route),
        kinds: 0,
        follow: false,
        max_record: 16,
        config: Arc::new(()),
        rings: small(1, 4096),
        slots: SlotConfig::default(),
        sink: Arc::new(Log::default()),
        hook: None,
    };
    assert_eq!(engine.open(late).err(), Some(OpenError::NoRoute));
    assert_eq!(engine.info().rings, 0);
}

#[test]
fn records_too_large_for_the_rings_are_refused_by_name() {
    let engine = engine();
    let open = Open {
        route: RouteKind::Own,
        kinds: 0,
        follow: false,
        max_record: 1024,
        config: Arc::new(()),
        rings: small(1, 4096),
        slots: SlotConfig::default(),
        sink: Arc::new(Log::default()),
        hook: None,
    };
    assert_eq!(
        engine.open(open).err(),
        Some(OpenError::RecordTooLarge { limit: 1024 - 48 })
    );
    assert_eq!(engine.info().drainers, 0);
}

#[test]
fn the_hook_hears_of_processes_even_if_the_recording_does_not_want_them() {
    struct Hook(Mutex<Vec<(u8, u64)>>);
    impl LifecycleHook for Hook {
        fn lifecycle(&self, records: &[(Header, Box<[u8]>)]) {
            // A flush waits for it.
            std::thread::sleep(Duration::from_millis(20));
            self.0
                .lock()
                .extend(records.iter().map(|(header, _)| (header.kind, header.pid)));
        }
    }
    let engine = engine();
    let hook = Arc::new(Hook(Mutex::default()));
    let handle = engine
        .open(Open {
            route: RouteKind::Own,
            kinds: EventKind::Send.bit(),
            follow: true,
            max_record: 16,
            config: Arc::new(()),
            rings: small(1, 4096),
            slots: SlotConfig::default(),
            sink: Arc::new(Log::default()),
            hook: Some(Arc::clone(&hook) as Arc<dyn LifecycleHook>),
        })
        .expect("opens");
    for kind in [
        EventKind::Spawned,
        EventKind::Send,
        EventKind::Register,
        EventKind::Exit,
    ] {
        put(&engine, handle.route(), 0x10, kind, &[tag::NIL]);
    }
    assert!(handle.flush(WAIT));
    assert_eq!(*hook.0.lock(), [(5, 0x10), (11, 0x10), (6, 0x10)]);
    assert!(handle.close(WAIT));
}

#[test]
fn what_was_dropped_is_owed_until_a_record_tells_it() {
    let engine = engine();
    let handle = engine
        .open(Open {
            kinds: EventKind::Send.bit(),
            follow: false,
            slots: SlotConfig::default(),
            ..wanted((), Arc::new(Log::default()), small(1, 4096))
        })
        .expect("opens");
    put(&engine, handle.route(), 0x10, EventKind::Send, &[tag::NIL]);
    assert_eq!(handle.owed(), []);
    for _ in 0..3 {
        let mut writer = engine.writer(handle.route()).expect("a route");
        // Neither committed nor cancelled: dropped.
        assert!(writer.reserve(0x20, 16, false).is_some());
    }
    assert_eq!(handle.owed(), [(0x20, 3)]);
    assert!(handle.flush(WAIT));
    assert_eq!(handle.owed(), [(0x20, 3)]);
    put(&engine, handle.route(), 0x20, EventKind::Send, &[tag::NIL]);
    assert_eq!(handle.owed(), []);
    assert!(handle.close(WAIT));
}

/// Says when it is freed; callbacks check that it is not.
struct Alive(AtomicBool);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl RouteConfig for Alive {
    fn union(parts: &[Arc<Self>]) -> Arc<Self> {
        Arc::clone(&parts[0])
    }
}

#[test]
fn configurations_live_as_long_as_a_callback_that_reads_them() {
    let engine: Engine<Alive> = Engine::new(Arc::new(PlainHost));
    let fresh = || Arc::new(Alive(AtomicBool::new(true)));
    let log = Arc::new(Log::default());
    let (route, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if let Some(mut writer) = engine.writer(route.load(Ordering::Relaxed) as u32) {
                        if writer.reserve(16, 8, false).is_some() {
                            writer.commit(
                                RecordHead {
                                    kind: 1,
                                    ..RecordHead::default()
                                },
                                8,
                            );
                        }
                        assert!(writer.config().0.load(Ordering::SeqCst));
                    }
                }
            });
        }
        for round in 0..100 {
            let handle = engine
                .open(Open {
                    route: if round % 3 == 0 {
                        RouteKind::Shared
                    } else {
                        RouteKind::Own
                    },
                    kinds: ALL_KINDS,
                    follow: true,
                    max_record: 16,
                    config: fresh(),
                    rings: small(2, 1 << 14),
                    slots: SlotConfig { bits: 8, shift: 4 },
                    sink: Arc::clone(&log) as Arc<dyn RecordSink>,
                    hook: None,
                })
                .expect("opens");
            route.store(u64::from(handle.route()), Ordering::Relaxed);
            for _ in 0..10 {
                handle.update(ALL_KINDS, true, fresh());
                std::thread::yield_now();
            }
            if round % 2 == 0 {
                assert!(handle.close(WAIT));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// A record of its own kind, each with the payload `number`.
fn put_number(engine: &Engine<()>, route: u32, pid: u64, number: u64) -> bool {
    put(engine, route, pid, EventKind::Send, &number.to_le_bytes())
}

#[test]
fn a_sink_that_panics_when_it_is_told_of_a_pass_fails_alone() {
    let engine = engine();
    let (bad, good) = (Arc::new(Log::default()), Arc::new(Log::default()));
    let one = open(&engine, RouteKind::Own, &bad, small(1, 1 << 16));
    let two = open(&engine, RouteKind::Own, &good, small(1, 1 << 16));
    bad.panic_drained.store(true, Ordering::Relaxed);
    for number in 0..10 {
        assert!(put_number(&engine, two.route(), 0x20, number));
    }
    assert!(two.flush(WAIT) && two.flush(WAIT));
    assert!(bad.failed.load(Ordering::Relaxed), "it was told why it gets no more");
    assert_eq!((good.stored(), engine.info().panics), (10, 1));
    assert_eq!(engine.kinds(one.route()), 0, "nothing more is offered to it");
    assert!(one.close(WAIT) && two.close(WAIT));
}

#[test]
fn a_hook_that_panics_takes_nothing_with_it() {
    struct Hook;
    impl LifecycleHook for Hook {
        fn lifecycle(&self, _records: &[(Header, Box<[u8]>)]) {
            panic!("told to");
        }
    }
    let (engine, log) = (engine(), Arc::new(Log::default()));
    let handle = engine
        .open(Open {
            hook: Some(Arc::new(Hook)),
            ..wanted((), Arc::clone(&log) as _, small(1, 1 << 16))
        })
        .expect("opens");
    for _ in 0..5 {
        assert!(put(&engine, handle.route(), 0x10, EventKind::Exit, &[tag::NIL]));
        assert!(handle.flush(WAIT));
    }
    assert_eq!(log.stored(), 5);
    assert!((1..=5).contains(&engine.info().panics));
    assert!(handle.close(WAIT));
}

/// A machine that starts no more threads.
struct NoThreads(AtomicBool);

impl Host for NoThreads {
    fn start_thread(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> std::io::Result<std::thread::JoinHandle<()>> {
        if self.0.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("no more threads"));
        }
        PlainHost.start_thread(name, body)
    }
}

#[test]
fn without_a_thread_nothing_opens_and_nothing_stays() {
    let host = Arc::new(NoThreads(AtomicBool::new(true)));
    let engine: Engine<()> = Engine::new(Arc::clone(&host) as Arc<dyn Host>);
    let log = Arc::new(Log::default());
    let opened = engine.open(wanted((), Arc::clone(&log) as _, small(1, 1 << 16)));
    let error = opened.err().expect("refused");
    assert_eq!(error, OpenError::Thread("no more threads".into()));
    assert!(error.to_string().contains("no more threads"));
    assert_eq!(engine.info(), EngineInfo::default());
    assert_eq!(Arc::strong_count(&log), 1);
    // And once there are threads again it works.
    host.0.store(false, Ordering::Relaxed);
    let handle = open(&engine, RouteKind::Own, &log, small(1, 1 << 16));
    assert!(put_number(&engine, handle.route(), 0x10, 1) && handle.close(WAIT));
    assert_eq!(log.stored(), 1);
}

/// A drainer that stands still for 5 seconds: whoever is traced goes on at full speed, and each event is stored or counted.
#[test]
fn a_stalled_drainer_delays_nobody_and_every_loss_is_counted() {
    const STALL: Duration = Duration::from_secs(5);
    struct Stalling(Log, AtomicBool);
    impl RecordSink for Stalling {
        fn append(&self, header: &Header, payload: &[u8]) {
            if !self.1.swap(true, Ordering::Relaxed) {
                std::thread::sleep(STALL);
            }
            self.0.append(header, payload);
        }
        fn lost(&self, pid: u64, count: u64, until_ns: u64) {
            self.0.lost(pid, count, until_ns);
        }
    }
    let engine = engine();
    let sink = Arc::new(Stalling(Log::default(), AtomicBool::new(false)));
    let handle = engine
        .open(wanted((), Arc::clone(&sink) as _, small(2, 1 << 16)))
        .expect("opens");
    let began = std::time::Instant::now();
    let (threads, each) = (2, 200_000);
    std::thread::scope(|scope| {
        for pid in 1..=threads {
            let (engine, route) = (&engine, handle.route());
            scope.spawn(move || (0..each).for_each(|number| _ = put_number(engine, route, pid << 4, number)));
        }
    });
    let took = began.elapsed();
    assert!(took < STALL / 2, "tracees took {took:?}: they waited for the drainer");
    assert!(handle.close(WAIT));
    let log = &sink.0;
    assert_eq!(
        log.stored() + log.dropped(),
        threads * each,
        "offered = stored + dropped"
    );
    assert!(log.dropped() > 0, "rings of 64 KB hold no 400,000 events");
}

/// States come from every process.
struct Ends;

impl RouteConfig for Ends {
    fn union(_: &[Arc<Self>]) -> Arc<Self> {
        Arc::new(Self)
    }
    fn is_anybodys(&self, header: &Header) -> bool {
        header.kind == EventKind::State as u8
    }
}

#[test]
fn what_comes_from_anybody_is_kept_of_members_and_their_children() {
    let engine: Engine<Ends> = Engine::new(Arc::new(PlainHost));
    let log = Arc::new(Log::default());
    let open = wanted(Ends, Arc::clone(&log) as _, small(1, 1 << 16));
    let handle = engine.open(open).expect("opens");
    handle.add_members(&[0x23]);
    let put = |pid: u64, kind: EventKind, payload: &[u8]| {
        let mut writer = engine.writer(handle.route()).expect("open");
        let room = writer.reserve(pid, payload.len(), kind.is_lifecycle()).expect("room");
        room[..payload.len()].copy_from_slice(payload);
        let head = RecordHead {
            kind: kind as u8,
            terms: 1,
            ..RecordHead::default()
        };
        writer.commit(head, payload.len());
    };
    put(0x33, EventKind::State, &[tag::NIL]);
    put(0x23, EventKind::Spawn, &[tag::PID, 0x43]);
    put(0x43, EventKind::State, &[tag::NIL]);
    put(0x23, EventKind::State, &[tag::NIL]);
    // Of what the VM tells apart nothing is left out.
    put(0x53, EventKind::Send, &[tag::NIL]);
    assert!(handle.flush(WAIT));
    assert_eq!(log.pids(), [0x23, 0x43, 0x23, 0x53]);
    handle.remove_members(&[0x23]);
    put(0x23, EventKind::State, &[tag::NIL]);
    assert!(handle.flush(WAIT));
    assert_eq!(log.pids().len(), 4);
    assert!(handle.close(WAIT));
}
