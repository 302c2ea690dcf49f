//! When memory runs short: an allocator that has so much and no more, and a reserve behind it, as in the library.
//!
//! Where a recording asks for much at once, or again and again while it goes on, it asks in a way that can be refused; what cannot be refused is taken
//! from the reserve. One test a process: the allocator is everybody's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use beam_scope_core::capture::engine::{
    Engine, EngineInfo, Open, OpenError, PlainHost, RecordSink, RingConfig, RouteKind, SlotConfig,
};
use beam_scope_core::capture::record::{Header, HEADER_LEN};
use beam_scope_core::event::EventKind;
use beam_scope_core::reserve::{self, Frugal};
use beam_scope_core::store::{AtomSource, Budget, Recording, Status, StopReason, StoreConfig, StoreError};
use beam_scope_core::term::arena::Arena;
use beam_scope_core::term::{wire, AtomId, Value};

/// What may be held.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Scarce;

impl Scarce {
    fn take(bytes: usize) -> bool {
        let held = HELD.fetch_add(bytes, Relaxed) + bytes;
        if held > LIMIT.load(Relaxed) {
            HELD.fetch_sub(bytes, Relaxed);
            return false;
        }
        true
    }
}

// SAFETY: hands on to the system's allocator, or refuses by a null pointer, as allocators may.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !Self::take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: by the caller's promise; all of this allocator's blocks are the system's.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static SCARCE: Frugal<Scarce> = Frugal(Scarce);

struct NoTexts;

impl AtomSource for NoTexts {
    fn text(&self, _id: AtomId) -> Option<Box<str>> {
        None
    }
}

fn recording() -> Arc<Recording> {
    let config = StoreConfig {
        budget: Some(Budget::new(1 << 30)),
        ..StoreConfig::default()
    };
    Recording::new(config, Arc::new(NoTexts))
}

fn open(sink: &Arc<Recording>) -> Open<()> {
    Open {
        route: RouteKind::Own,
        kinds: u32::MAX,
        follow: true,
        max_record: 1024,
        config: Arc::new(()),
        rings: RingConfig {
            scheduler_rings: 2,
            scheduler_bytes: 1 << 20,
            dirty_rings: 2,
            dirty_bytes: 1 << 18,
        },
        slots: SlotConfig::default(),
        sink: Arc::clone(sink) as Arc<dyn RecordSink>,
        hook: None,
    }
}

/// Lets so much more be held than is held now.
fn leave(bytes: usize) {
    LIMIT.store(HELD.load(Relaxed) + bytes, Relaxed);
}

#[test]
fn a_recording_for_which_there_is_no_memory_is_refused_or_stops_and_says_so() {
    assert!(reserve::fill() && reserve::fill());
    let engine: Engine<()> = Engine::new(Arc::new(PlainHost));

    // Not even the rings.
    leave(64 << 10);
    assert_eq!(engine.open(open(&recording())).err(), Some(OpenError::Memory));
    assert_eq!(engine.info(), EngineInfo::default());

    // The rings, but not the table of processes: they are given back.
    leave(4 << 20);
    assert_eq!(engine.open(open(&recording())).err(), Some(OpenError::Memory));
    for _ in 0..500 {
        if engine.info().drainers == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(engine.info().pool_bytes, 0);

    // Both, and then no more for what is recorded: it stops, and what it has can be read.
    LIMIT.store(usize::MAX, Relaxed);
    let rec = recording();
    let mut payload = Vec::new();
    // Nothing that could be packed.
    let mut noise = 1u32;
    let mut binary = || {
        let bytes = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
        Value::Binary(bytes.take(4000).collect())
    };
    wire::write(&binary(), &mut payload);
    let len = (HEADER_LEN + payload.len()) as u32;
    let header = |n: u64| Header {
        len,
        kind: EventKind::Send as u8,
        time: n + 1,
        pid: 0x13,
        terms: 1,
        ..Header::default()
    };
    leave(3 << 20);
    for n in 0..2_000 {
        payload.clear();
        wire::write(&binary(), &mut payload);
        rec.append(&header(n), &payload);
    }
    let (status, counts) = (rec.status(), rec.counts());
    LIMIT.store(usize::MAX, Relaxed);
    assert!(
        matches!(&status, Status::Stopped(StopReason::Error(why)) if why.contains("memory")),
        "{status:?}"
    );
    assert_eq!(counts.offered, 2_000);
    assert_eq!(counts.offered, counts.stored + counts.dropped);
    assert!(counts.stored > 100 && counts.dropped > 100, "{counts:?}");
    assert_eq!(
        rec.chunks().iter().map(|chunk| chunk.len as u64).sum::<u64>(),
        counts.stored
    );

    rec.close();
    drop((rec, status));
    what_is_recorded_can_be_read_once_there_is_memory(&engine);
    terms_for_which_there_is_no_memory_are_truncated();
}

// In the same test: the limit is everybody's.
fn terms_for_which_there_is_no_memory_are_truncated() {
    let mut arena = Arena::new();
    let mut ids = Vec::with_capacity(400_000);
    leave(12 << 20);
    for n in 0..400_000u32 {
        ids.push(arena.make_binary(&n.to_le_bytes()));
    }
    let held = arena.bytes();
    LIMIT.store(usize::MAX, Relaxed);
    assert!(held <= 12 << 20, "{held}");
    let whole = ids.iter().take_while(|id| arena.is_complete(**id)).count();
    assert!(whole > 50_000 && whole < ids.len(), "{whole}");
    // What was kept is what it was, and none stands for another.
    for (n, id) in ids.iter().enumerate().take(whole) {
        assert_eq!(arena.to_value(*id), Value::Binary((n as u32).to_le_bytes().to_vec()));
    }
    assert!(!arena.is_complete(*ids.last().expect("an id")));
    // With memory there is room again, and equal terms are one.
    let (one, two) = (arena.make_binary(b"again"), arena.make_binary(b"again"));
    assert!(one == two && arena.is_complete(one));
}

fn what_is_recorded_can_be_read_once_there_is_memory(engine: &Engine<()>) {
    let rec = recording();
    let mut payload = Vec::new();
    wire::write(&Value::Binary(vec![7; 8]), &mut payload);
    let append = |n: u64| {
        let header = Header {
            len: (HEADER_LEN + payload.len()) as u32,
            kind: EventKind::Send as u8,
            time: n + 1,
            pid: 0x13,
            terms: 1,
            ..Header::default()
        };
        rec.append(&header, &payload);
    };
    (0..100).for_each(append);
    let before = rec.chunks();
    assert_eq!(rec.view(&before[0]).map(|view| view.rows().len()), Ok(100));
    (100..5_000).for_each(append);

    // Nothing is begun for which there is no memory: neither rows, nor an answer, nor another recording.
    leave(0);
    rec.drained(10_000);
    assert_eq!(rec.chunks(), before);
    assert_eq!(rec.all_chunks().err(), Some(StoreError::Memory));
    assert_eq!(engine.open(open(&rec)).err(), Some(OpenError::Memory));
    assert_eq!(rec.freeze().err(), Some(StoreError::Memory));
    // No file either, for it would have a part.
    let path = std::env::temp_dir().join(format!("beam_scope_memory_{}", std::process::id()));
    assert_eq!(rec.save(&path).err(), Some(StoreError::Memory));
    assert!(!path.exists());
    // What is small and cannot be refused is there.
    let small: Vec<Box<u64>> = (0..10_000).map(Box::new).collect();
    assert_eq!(small.iter().map(|n| **n).sum::<u64>(), 49_995_000);
    assert!(reserve::is_short() && !reserve::is_low());
    append(9_000);
    let (status, counts) = (rec.status(), rec.counts());
    drop(small);

    LIMIT.store(usize::MAX, Relaxed);
    assert!(matches!(&status, Status::Stopped(StopReason::Error(_))), "{status:?}");
    assert_eq!((counts.offered, counts.stored, counts.dropped), (5_001, 5_000, 1));
    let chunks = rec.chunks();
    assert_eq!(chunks.iter().map(|chunk| chunk.len as u64).sum::<u64>(), 5_000);
    assert!(rec.view(&chunks[0]).is_ok());
    rec.close();
    drop((rec, before, chunks, status, path));
    // All of it came back: there is as much as in the beginning.
    leave(0);
    let most = vec![1u8; reserve::BYTES - (64 << 10)];
    assert!(reserve::is_low());
    drop(most);
    LIMIT.store(usize::MAX, Relaxed);
}
