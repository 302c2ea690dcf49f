//! What a record costs: encoding its terms, writing it on a tracee's thread, draining it.
//!
//! | bench | what it measures |
//! |---|---|
//! | `clock/now` | one reading of the engine's clock |
//! | `encode/call` | a term like `{'$gen_call', {pid, [alias \| ref]}, request}` into wire form |
//! | `ring/push_pop` | a record of 64 bytes through a ring, one thread |
//! | `writer/skip` | entering and leaving a callback that writes nothing |
//! | `writer/record` | a record of 64 bytes from `Engine::writer` to `commit`; the drainer idles meanwhile |
//! | `writer/drop` | an event that is counted as dropped |
//! | `drain/record` | from `flush` until all is appended, per record, into a sink that only counts |

use beam_scope_core::capture::clock::Clock;
use beam_scope_core::capture::engine::*;
use beam_scope_core::capture::record::Header;
use beam_scope_core::capture::ring::ring;
use beam_scope_core::event::EventKind;
use beam_scope_core::term::{wire, AtomId, Value};
use criterion::{criterion_group, criterion_main, Criterion};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAYLOAD: [u8; 64] = [7; 64];
const WAIT: Duration = Duration::from_secs(10);
const HEAD: RecordHead = RecordHead {
    kind: EventKind::Send as u8,
    point: 0,
    fields: 0,
    terms: 2,
    flags: 0,
    told: Told::Nothing,
};

#[derive(Default)]
struct Count(AtomicU64);

impl RecordSink for Count {
    fn append(&self, _: &Header, payload: &[u8]) {
        self.0.fetch_add(payload.len() as u64, Ordering::Relaxed);
    }
    fn lost(&self, _: u64, _: u64, _: u64) {}
}

fn open(engine: &Engine<()>, scheduler_bytes: usize) -> RouteHandle<()> {
    let open = Open {
        route: RouteKind::Own,
        kinds: u32::MAX,
        follow: true,
        max_record: 16,
        config: Arc::new(()),
        rings: RingConfig {
            scheduler_rings: 1,
            scheduler_bytes,
            dirty_rings: 0,
            dirty_bytes: 0,
        },
        slots: SlotConfig::default(),
        sink: Arc::new(Count::default()),
        hook: None,
    };
    engine.open(open).expect("the engine opens")
}

fn write(engine: &Engine<()>, route: u32, pid: u64) -> bool {
    let Some(mut writer) = engine.writer(route) else {
        return false;
    };
    let Some(room) = writer.reserve(pid, 4096, false) else {
        return false;
    };
    room[..PAYLOAD.len()].copy_from_slice(&PAYLOAD);
    writer.commit(HEAD, PAYLOAD.len());
    true
}

/// Runs `part` until `count` records went through it, in portions that fit the ring, and adds up what it says it took.
fn portions(count: u64, mut part: impl FnMut(u64) -> Duration) -> Duration {
    const PORTION: u64 = 16_384;
    let mut left = count;
    let mut took = Duration::ZERO;
    while left > 0 {
        let portion = left.min(PORTION);
        took += part(portion);
        left -= portion;
    }
    took
}

fn time(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

fn parts(criterion: &mut Criterion) {
    let clock = Clock::new();
    criterion.bench_function("clock/now", |bench| bench.iter(|| black_box(clock.now())));

    let atom = |id| Value::Atom(AtomId(id));
    let from = Value::Tuple(vec![
        Value::Pid(0x1234),
        Value::List(vec![atom(77), Value::Ref(vec![1, 2, 3])]),
    ]);
    let call = Value::Tuple(vec![atom(99), from, Value::Tuple(vec![atom(5), Value::Int(42)])]);
    let mut out = Vec::with_capacity(256);
    criterion.bench_function("encode/call", |bench| {
        bench.iter(|| {
            out.clear();
            wire::write(black_box(&call), &mut out);
        });
    });

    let (mut producer, mut consumer) = ring(1 << 20);
    let header = Header {
        kind: EventKind::Send as u8,
        ..Header::default()
    };
    criterion.bench_function("ring/push_pop", |bench| {
        bench.iter(|| {
            producer.push(header, PAYLOAD.len(), |room| {
                room[..PAYLOAD.len()].copy_from_slice(&PAYLOAD);
                PAYLOAD.len()
            });
            consumer.pop(|_, payload| payload.len())
        });
    });
}

fn engine(criterion: &mut Criterion) {
    let engine: Engine<()> = Engine::new(Arc::new(PlainHost));
    let handle = open(&engine, 4 << 20);
    let route = handle.route();

    criterion.bench_function("writer/skip", |bench| {
        bench.iter(|| black_box(engine.writer(route)).is_some())
    });

    criterion.bench_function("writer/record", |bench| {
        bench.iter_custom(|count| {
            portions(count, |portion| {
                handle.flush(WAIT);
                time(|| (0..portion).for_each(|pid| assert!(write(&engine, route, (pid % 64) << 4))))
            })
        });
    });

    criterion.bench_function("drain/record", |bench| {
        bench.iter_custom(|count| {
            portions(count, |portion| {
                (0..portion).for_each(|pid| assert!(write(&engine, route, (pid % 64) << 4)));
                time(|| assert!(handle.flush(WAIT)))
            })
        });
    });
    assert!(handle.close(WAIT));
}

fn dropped(criterion: &mut Criterion) {
    let engine: Engine<()> = Engine::new(Arc::new(PlainHost));
    let handle = open(&engine, 4096);
    let mut writer = engine.writer(handle.route()).expect("the route is open");
    criterion.bench_function("writer/drop", |bench| {
        bench.iter(|| {
            // The next reservation lets this one go uncommitted, which counts as a drop.
            black_box(writer.reserve(16, 64, false)).is_some()
        });
    });
    drop(writer);
    assert!(handle.close(WAIT));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = parts, engine, dropped
}
criterion_main!(benches);
