//! What finding invariants costs.
//!
//! * `infer_1m`: a million events of GenServers at work, 167,000 states of twelve fields, four kinds of messages, every call
//!   answered and every fourth leading to another message; the aim is a few seconds. The first question to the recording
//!   (reading it into an index, pairing sends and receives) is not in it: all questions share that;
//! * `infer_100k`: a tenth of that: it should take a tenth of the time;
//! * `infer_wide_100k`: states of 60 numbers that all change, so that 1,770 pairs are looked at.

use std::hint::black_box;
use std::time::{Duration, Instant};

use beam_scope_core::infer::{infer, Evidence, Options};
use beam_scope_core::term::Value;
use beam_scope_core::timeline::Timeline;
use criterion::{criterion_group, criterion_main, Criterion};

#[path = "work/servers.rs"]
mod servers;
mod work;

use servers::{recording, state};

fn wide(step: u64) -> Value {
    let field = |at: u64| Value::Int((step * (at + 3) % 97) as i64);
    Value::Tuple((0..60).map(field).collect())
}

fn found(timeline: &Timeline) -> usize {
    let evidence = Evidence {
        timeline,
        now_ns: timeline.recording().end_ns(),
    };
    let inference = infer(&[evidence], &Options::default()).expect("an answer");
    inference.candidates.len()
}

fn benches_of(c: &mut Criterion) {
    let mut group = c.benchmark_group("infer");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    type Case = (&'static str, u64, fn(u64) -> Value);
    let cases: [Case; 3] = [
        ("infer_1m", 1_000_000, state),
        ("infer_100k", 100_000, state),
        ("infer_wide_100k", 100_000, wide),
    ];
    for (name, events, state) in cases {
        let timeline = recording(events, 0, |nth| nth, state);
        let began = Instant::now();
        black_box(timeline.partner(0).is_ok());
        println!(
            "{name}: first question {:?}, then {} candidates",
            began.elapsed(),
            found(&timeline)
        );
        group.bench_function(name, |b| b.iter(|| black_box(found(&timeline))));
    }
    group.finish();
}

criterion_group!(benches, benches_of);
criterion_main!(benches);
