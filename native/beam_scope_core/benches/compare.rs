//! What comparing two recordings costs.
//!
//! * `compare_1m`: two of a million events of GenServers at work, 167,000 states of twelve fields; the same but for references and
//!   times. The aim is 10 s on one core, the first question to each recording (reading it into an index, pairing sends and
//!   receives) included: `first question` says what that takes, `compare_1m` what comes on top;
//! * `compare_100k`: a tenth of that: it should take a tenth of the time;
//! * `compare_swapped_100k`: every tenth call of one server came before the call of another: nothing is different, and each place has to be
//!   looked at.

use std::hint::black_box;
use std::time::{Duration, Instant};

use beam_scope_core::compare::{compare, Comparison, Evidence, Given, Options, Verdict};
use beam_scope_core::timeline::{Selector, Timeline};
use criterion::{criterion_group, criterion_main, Criterion};

#[path = "work/servers.rs"]
mod servers;
mod work;

use servers::{recording, state, CLIENT};

fn found(pair: &[Timeline; 2]) -> Comparison {
    let [one, other] = pair.each_ref().map(|timeline| Evidence {
        timeline,
        cut: false,
        ignore: Vec::new(),
    });
    let client = Given {
        text: "client".into(),
        who: [Some(Selector::Pid(CLIENT)), Some(Selector::Pid(CLIENT))],
        unless_named: false,
    };
    let options = Options {
        given: vec![client],
        ..Options::default()
    };
    compare([&one, &other], &options).expect("an answer")
}

/// Two calls of different servers in another order, now and then.
fn swapped(nth: u64) -> u64 {
    match nth % 10 {
        3 => nth + 1,
        4 => nth - 1,
        _ => nth,
    }
}

fn benches_of(c: &mut Criterion) {
    let mut group = c.benchmark_group("compare");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    type Case = (&'static str, u64, fn(u64) -> u64);
    let cases: [Case; 3] = [
        ("compare_1m", 1_000_000, |nth| nth),
        ("compare_100k", 100_000, |nth| nth),
        ("compare_swapped_100k", 100_000, swapped),
    ];
    for (name, events, order) in cases {
        let pair = [
            recording(events, 0, |nth| nth, state),
            recording(events, 1, order, state),
        ];
        let began = Instant::now();
        pair.iter().for_each(|timeline| {
            black_box(timeline.partner(0).is_ok());
        });
        let first = began.elapsed();
        let began = Instant::now();
        let comparison = found(&pair);
        println!(
            "{name}: first question {first:?}, then {:?}: {} roles, {} of them the same",
            began.elapsed(),
            comparison.roles.len(),
            comparison.count(Verdict::Same)
        );
        group.bench_function(name, |b| b.iter(|| black_box(found(&pair))));
    }
    group.finish();
}

criterion_group!(benches, benches_of);
criterion_main!(benches);
