//! Every interleaving, and every value that the memory model lets a load return, of the parts that threads share.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release capture::loom_tests`. The clock is a counter that is read and moved
//! without any ordering: all threads see it move forward, and it makes nothing else visible. That is what a real monotonic
//! clock promises.

use super::gate::{Gates, Horizon};
use super::merge::{merge, Item};
use super::record::Header;
use super::ring::{ring, Consumer, Producer, Reader, MIN_RING_BYTES};
use super::sync::{AtomicU64, AtomicUsize, Ordering};
use super::words::Words;
use crate::event::EventKind;
use loom::sync::Arc;
use loom::thread;
use std::collections::VecDeque;

/// Terms as large as a smallest ring takes: four records fill it.
const PAYLOAD: usize = 16;

/// Explores with up to this many preemptions, all of them if `None`. Says how many executions there were: a model in which
/// threads hide their accesses from loom (by loading what they are about to store) has but one, and proves nothing.
fn model(preemptions: Option<usize>, at_least: usize, test: impl Fn() + Sync + Send + 'static) {
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    // The environment may ask for more (`LOOM_MAX_PREEMPTIONS`); the nightly run does.
    builder.preemption_bound = preemptions.map(|least| builder.preemption_bound.unwrap_or(least).max(least));
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        test();
    });
    let executions = executions.load(std::sync::atomic::Ordering::Relaxed);
    assert!(executions >= at_least, "only {executions} executions");
}

fn header(time: u64, seq: u32) -> Header {
    Header {
        kind: EventKind::Send as u8,
        time,
        seq,
        pid: 1,
        ..Header::default()
    }
}

fn push(producer: &mut Producer, time: u64, seq: u32) -> bool {
    producer.push(header(time, seq), PAYLOAD, |room| {
        room.fill(seq as u8);
        PAYLOAD
    })
}

fn pop(consumer: &mut Consumer) -> Option<u32> {
    consumer.pop(|header, payload| {
        assert_eq!(payload, [header.seq as u8; PAYLOAD], "record {} is torn", header.seq);
        header.seq
    })
}

#[test]
fn no_record_is_torn_lost_or_doubled() {
    model(None, 10_000, || {
        let (mut producer, mut consumer) = ring(MIN_RING_BYTES);
        // Three fill a ring as far as such records may; the next ones need what the reader gives back, and go around.
        let writer = thread::spawn(move || (0..5).filter(|&seq| push(&mut producer, 0, seq)).collect::<Vec<_>>());
        let mut popped: Vec<u32> = (0..3).filter_map(|_| pop(&mut consumer)).collect();
        let pushed = writer.join().unwrap();
        popped.extend(std::iter::from_fn(|| pop(&mut consumer)));
        assert_eq!(popped, pushed);
    });
}

struct Model {
    gates: Gates,
    clock: AtomicU64,
}

impl Model {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// A callback, as the writer goes through it.
    fn callback(&self, gate: usize, producer: &mut Producer, seq: u32) {
        let gate = self.gates.get(gate);
        gate.enter();
        let time = self.now();
        gate.begin(time);
        assert!(push(producer, time, seq));
        gate.leave();
    }
}

fn drain(model: &Model, horizon: &mut Horizon, readers: &mut [Reader<'_>], out: &mut Vec<(u64, u32)>) {
    let below = horizon.look(&model.gates, || model.now());
    merge(readers, &mut VecDeque::new(), below, usize::MAX, |item| {
        if let Item::Record(header, payload) = item {
            assert_eq!(payload, [header.seq as u8; PAYLOAD]);
            out.push((header.time, header.seq));
        }
    });
}

/// Writers on threads of their own, a drainer that looks `looks` times meanwhile and once at the end.
fn emission_is_in_order(writers: &'static [&'static [u32]], looks: usize, preemptions: usize) {
    model(Some(preemptions), 1_000, move || {
        let model = Arc::new(Model {
            gates: Gates::new(writers.len()),
            clock: AtomicU64::new(1),
        });
        let (producers, mut consumers): (Vec<_>, Vec<_>) = writers.iter().map(|_| ring(MIN_RING_BYTES)).unzip();
        let start = |(&seqs, mut producer): (&&'static [u32], Producer)| {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                let gate = model.gates.claim().expect("one for each");
                seqs.iter().for_each(|&seq| model.callback(gate, &mut producer, seq));
            })
        };
        let threads: Vec<_> = writers.iter().zip(producers).map(start).collect();
        let mut out = Vec::new();
        let mut horizon = Horizon::default();
        let mut readers: Vec<Reader<'_>> = consumers.iter_mut().map(Consumer::reader).collect();
        for _ in 0..looks {
            drain(&model, &mut horizon, &mut readers, &mut out);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drain(&model, &mut horizon, &mut readers, &mut out);
        assert!(out.is_sorted(), "a later record came first: {out:?}");
        assert_eq!(out.len(), writers.iter().map(|seqs| seqs.len()).sum::<usize>());
    });
}

#[test]
fn nothing_is_emitted_before_an_older_record_that_is_not_committed_yet() {
    emission_is_in_order(&[&[1], &[2]], 2, 3);
}

#[test]
fn nor_before_the_second_record_of_a_thread() {
    emission_is_in_order(&[&[1, 2], &[3]], 1, 2);
}

#[test]
fn nothing_is_freed_under_a_callback() {
    model(None, 100, || {
        let gates = Arc::new(Gates::new(1));
        let route = Arc::new((AtomicUsize::new(1), Words::zeroed(1).expect("memory")));
        let callbacks = {
            let (gates, route) = (Arc::clone(&gates), Arc::clone(&route));
            thread::spawn(move || {
                let gate = gates.get(gates.claim().expect("one"));
                for _ in 0..2 {
                    gate.enter();
                    if route.0.load(Ordering::SeqCst) == 1 {
                        route.1.note_read(0, 8);
                    }
                    gate.leave();
                }
            })
        };
        route.0.store(0, Ordering::SeqCst);
        let mut inside = gates.snapshot();
        while !gates.passed(&mut inside) {
            thread::yield_now();
        }
        // Freeing is a write that no read may meet.
        route.1.note_write(0, 8);
        callbacks.join().unwrap();
    });
}
