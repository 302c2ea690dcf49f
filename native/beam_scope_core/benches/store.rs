//! What the store costs: taking a record, indexing it, sealing, comparing large states, finding a state.
//!
//! * `append`: the drainer's share; the aim is well under 250 ns, since floods bring 4 million events a second;
//! * `index`: what a reader waits for after a flood, and what spare time is for;
//! * `intern_*`: a state into the arena, new and known;
//! * `map_changes_100k`: two maps of 100,000 keys with one change; the aim is under 100 µs;
//! * `unpack`: what the first look into a sealed chunk costs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beam_scope_core::capture::record::{Header, HEADER_LEN};
use beam_scope_core::event::{EventKind, Fields};
use beam_scope_core::store::{AtomSource, Budget, Recording, StoreConfig, TrackId};
use beam_scope_core::term::arena::Arena;
use beam_scope_core::term::{wire, AtomId, Value};
use criterion::{criterion_group, criterion_main, BatchSize, Criterion, Throughput};

struct NoTexts;

impl AtomSource for NoTexts {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        Some(format!("a{}", id.0).into())
    }
}

fn atom(id: u64) -> Value {
    Value::Atom(AtomId(id << 6 | 0xB))
}

/// One GenServer call, seen from its server: receive, handled, send, loop.
fn records(calls: u64) -> Vec<(Header, Vec<u8>)> {
    let mut out = Vec::new();
    let mut time = 0;
    for n in 0..calls {
        let state = |n: u64| {
            Value::Map(vec![
                (atom(1), Value::Int(n as i64)),
                (atom(2), Value::Binary(vec![7; 64])),
            ])
        };
        let alias = Value::Ref(vec![n as u32 * 7, 0x1234_0001, 0xABCD]);
        let tag = Value::Improper(vec![atom(3)], Box::new(alias));
        let message = Value::Tuple(vec![
            atom(4),
            Value::Tuple(vec![Value::Pid(0x2003), tag.clone()]),
            atom(5),
        ]);
        let reply = Value::Tuple(vec![tag.clone(), Value::Int(n as i64)]);
        let mut push = |kind: EventKind, point: u8, fields: u16, terms: &[Value]| {
            time += 250 + n % 500;
            let mut payload = Vec::new();
            terms.iter().for_each(|term| wire::write(term, &mut payload));
            let len = (HEADER_LEN + payload.len()) as u32;
            let terms = terms.len() as u8;
            out.push((
                Header {
                    len,
                    kind: kind as u8,
                    point,
                    fields,
                    time,
                    pid: 0x1003,
                    terms,
                    ..Header::default()
                },
                payload,
            ));
        };
        push(EventKind::Receive, 0, 0, &[message.clone(), Value::Pid(0x2003)]);
        push(
            EventKind::State,
            1,
            Fields::MESSAGE | Fields::BEFORE,
            &[message, state(n)],
        );
        push(EventKind::Send, 0, 0, &[tag, reply]);
        push(EventKind::State, 2, Fields::AFTER, &[state(n + 1)]);
    }
    out
}

fn recording() -> Arc<Recording> {
    let budget = Some(Budget::new(usize::MAX));
    Recording::new(
        StoreConfig {
            max_bytes: 1 << 34,
            budget,
            ..StoreConfig::default()
        },
        Arc::new(NoTexts),
    )
}

fn filled(records: &[(Header, Vec<u8>)]) -> Arc<Recording> {
    let rec = recording();
    records.iter().for_each(|(header, payload)| rec.append(header, payload));
    rec
}

fn ingest(c: &mut Criterion) {
    let records = records(50_000);
    let mut group = c.benchmark_group("store");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("append", |b| {
        b.iter_batched(|| (), |()| filled(&records), BatchSize::PerIteration)
    });
    group.bench_function("index", |b| {
        b.iter_custom(|rounds| {
            (0..rounds).fold(Duration::ZERO, |total, _| {
                let rec = filled(&records);
                let start = Instant::now();
                black_box(rec.chunks());
                total + start.elapsed()
            })
        });
    });
    let rec = filled(&records);
    println!(
        "bytes an event, sealed: {:.1}",
        sealed_bytes(&rec) as f64 / records.len() as f64
    );
    group.finish();
    let mut group = c.benchmark_group("lookup");
    group.bench_function("chunks_with_track", |b| {
        b.iter(|| black_box(rec.chunks_with(TrackId(0), EventKind::State.bit())));
    });
    group.finish();
}

/// What a file of the recording has: the chunks and little else.
fn sealed_bytes(rec: &Recording) -> u64 {
    let path = std::env::temp_dir().join(format!("beam_scope-bench-{}", std::process::id()));
    let saved = rec.save(&path);
    let _ = std::fs::remove_file(&path);
    saved.unwrap_or(0)
}

fn large_map(change: Option<i64>) -> Vec<u8> {
    let value = |i| {
        if change == Some(i) {
            Value::Int(-1)
        } else {
            Value::Int(i * 7)
        }
    };
    let mut bytes = Vec::new();
    wire::write(
        &Value::Map((0..100_000).map(|i| (Value::Int(i), value(i))).collect()),
        &mut bytes,
    );
    bytes
}

fn terms(c: &mut Criterion) {
    let mut group = c.benchmark_group("arena");
    group.sample_size(20);
    let (one, two) = (large_map(None), large_map(Some(50_000)));
    group.bench_function("intern_100k_map_new", |b| {
        b.iter_batched(
            Arena::new,
            |mut arena| arena.intern_wire(&one).map(|_| arena),
            BatchSize::LargeInput,
        );
    });
    let mut arena = Arena::new();
    let a = arena.intern_wire(&one).map(|(id, _)| id);
    group.bench_function("intern_100k_map_known", |b| {
        b.iter(|| black_box(arena.intern_wire(&one).is_ok()))
    });
    let b_ = arena.intern_wire(&two).map(|(id, _)| id);
    if let (Ok(old), Ok(new)) = (a, b_) {
        group.bench_function("map_changes_100k", |b| {
            b.iter(|| black_box(arena.map_changes(old, new)))
        });
    }
    group.bench_function("pack", |b| b.iter(|| black_box(arena.pack())));
    let packed = arena.pack();
    group.bench_function("unpack", |b| {
        b.iter(|| black_box(Arena::unpack(packed.streams.each_ref().map(Vec::as_slice)).is_ok()));
    });
    group.finish();
}

criterion_group!(benches, ingest, terms);
criterion_main!(benches);
