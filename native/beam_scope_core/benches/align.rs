//! What aligning expected with actual costs.
//!
//! | bench | what it measures |
//! |---|---|
//! | `align/differ_20` | 10,000 events against 10,000 that differ in 20 places: replaced, missing, unexpected and moved ones |
//! | `align/equal` | 10,000 against the same 10,000 |
//! | `align/nothing` | 10,000 against 10,000 of other kinds: nothing matches, nothing is near |
//! | `align/near` | 10,000 against 10,000 that are all nearly equal: each pairs with its own |
//! | `align/shuffled` | 10,000 against the same in another order: the hardest case, ended by the deadline of 500 ms |

use std::hint::black_box;

use beam_scope_core::align::{align, AlignOptions, Entry};
use beam_scope_core::diff::DiffOptions;
use beam_scope_core::term::arena::Arena;
use beam_scope_core::term::{AtomId, Value};
use criterion::{criterion_group, criterion_main, Criterion};

const EVENTS: i64 = 10_000;

/// A handled message with the state after it, as in a history.
fn event(kind: u64, n: i64) -> Value {
    let atom = |id| Value::Atom(AtomId(id));
    let message = Value::Tuple(vec![atom(kind), Value::Int(n % 17)]);
    let state = Value::Map(vec![
        (atom(1), Value::Int(n)),
        (atom(2), Value::List(vec![message.clone()])),
    ]);
    Value::Tuple(vec![atom(kind), message, state])
}

fn entries(arena: &mut Arena, events: impl IntoIterator<Item = Value>) -> Vec<Entry> {
    let entry = |event: Value| Entry {
        term: arena.intern(&event),
        group: None,
    };
    events.into_iter().map(entry).collect()
}

/// Five of each: replaced, missing, unexpected, moved.
fn in_20_places(events: &[Value]) -> Vec<Value> {
    let mut events = events.to_vec();
    for n in (0..20).rev() {
        let at = 250 + n * 480;
        match n % 4 {
            0 => events[at] = event(3, -1),
            1 => drop(events.remove(at)),
            2 => events.insert(at, event(4, n as i64)),
            _ => events.swap(at, at + 90),
        }
    }
    events
}

fn aligning(c: &mut Criterion) {
    let base: Vec<Value> = (0..EVENTS).map(|n| event(3, n)).collect();
    let mut arena = Arena::new();
    let expected = entries(&mut arena, base.iter().cloned());
    let cases = [
        ("align/differ_20", entries(&mut arena, in_20_places(&base))),
        ("align/equal", expected.clone()),
        ("align/nothing", entries(&mut arena, (0..EVENTS).map(|n| event(5, -n)))),
        (
            "align/near",
            entries(&mut arena, (0..EVENTS).map(|n| event(3, n + EVENTS))),
        ),
        (
            "align/shuffled",
            (0..expected.len())
                .map(|n| expected[n * 7_919 % expected.len()])
                .collect(),
        ),
    ];
    let options = AlignOptions::new(DiffOptions::new(|_| None));
    let mut group = c.benchmark_group("events");
    group.sample_size(10);
    for (name, actual) in &cases {
        group.bench_function(*name, |b| {
            b.iter(|| black_box(align(&arena, &expected, actual, &options)))
        });
    }
    group.finish();
}

criterion_group!(benches, aligning);
criterion_main!(benches);
