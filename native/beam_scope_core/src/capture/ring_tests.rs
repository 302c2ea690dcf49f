use super::*;
use crate::event::EventKind;
use proptest::prelude::*;
use std::collections::VecDeque;

fn send(seq: u32) -> Header {
    Header {
        kind: EventKind::Send as u8,
        seq,
        ..Header::default()
    }
}

fn fill(bytes: &mut [u8], seq: u32) -> usize {
    bytes
        .iter_mut()
        .enumerate()
        .for_each(|(index, byte)| *byte = (index as u32 ^ seq) as u8);
    bytes.len()
}

#[derive(Clone, Debug)]
enum Step {
    Push { max: usize, used: usize, lifecycle: bool },
    Pop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..300, 0usize..300, any::<bool>()).prop_map(|(max, used, lifecycle)| Step::Push {
            max,
            used,
            lifecycle
        }),
        Just(Step::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Against a queue: what went in comes out, whole and in order; only a ring with too little room refuses.
    #[test]
    fn behaves_like_a_queue(steps in proptest::collection::vec(step(), 1..400), bits in 8u32..12) {
        let size = 1usize << bits;
        let (mut producer, mut consumer) = ring(size);
        let mut model: VecDeque<(u32, usize)> = VecDeque::new();
        for (seq, step) in steps.into_iter().enumerate() {
            let seq = seq as u32;
            match step {
                Step::Pop => {
                    let got = consumer.pop(|header, payload| (header.seq, payload.to_vec()));
                    let want = model.pop_front();
                    prop_assert_eq!(got.as_ref().map(|(seq, payload)| (*seq, payload.len())), want);
                    if let Some((seq, payload)) = got {
                        let mut expected = vec![0; payload.len()];
                        fill(&mut expected, seq);
                        prop_assert_eq!(payload, expected);
                    }
                }
                Step::Push { max, used, lifecycle } => {
                    let max = max.min(producer.max_payload());
                    let used = used.min(max);
                    let kind = if lifecycle { EventKind::Spawn } else { EventKind::Send } as u8;
                    let pushed = producer.push(Header { kind, ..send(seq) }, max, |room| fill(&mut room[..used], seq));
                    let held: usize = model.iter().map(|(_, used)| round_up(HEADER_LEN + used)).sum();
                    let limit = if lifecycle { size } else { size - size / 10 };
                    if pushed {
                        model.push_back((seq, used));
                        prop_assert!(held + round_up(HEADER_LEN + max) <= limit);
                    } else {
                        // Up to two skipped ends (one waiting to be read, one in front of this record) may be empty.
                        prop_assert!(held + 3 * (size / 4) > limit);
                    }
                }
            }
        }
    }
}

#[test]
fn the_last_tenth_is_for_lifecycle_events() {
    let (mut producer, _consumer) = ring(4096);
    let spawn = Header {
        kind: EventKind::Spawn as u8,
        ..Header::default()
    };
    while producer.push(send(0), 0, |_| 0) {}
    let kept = (0..).take_while(|_| producer.push(spawn, 0, |_| 0)).count();
    assert!(
        (8..=9).contains(&kept),
        "a tenth of 4096 bytes holds eight heads, not {kept}"
    );
}

#[test]
fn a_record_is_a_quarter_of_its_ring_at_most() {
    let (mut producer, mut consumer) = ring(1024);
    assert_eq!(producer.max_payload(), 256 - HEADER_LEN);
    assert!(producer.push(send(1), 10_000, |room| fill(room, 1)));
    assert_eq!(
        consumer.pop(|header, payload| (header.len as usize, payload.len())),
        Some((256, 256 - HEADER_LEN))
    );
}

#[test]
fn two_threads_pass_everything_on() {
    let all = if cfg!(miri) { 300 } else { 100_000u32 };
    let (mut producer, mut consumer) = ring(2048);
    let writer = std::thread::spawn(move || {
        for seq in 0..all {
            while !producer.push(send(seq), (seq % 97) as usize, |room| {
                fill(&mut room[..(seq % 97) as usize], seq)
            }) {
                std::thread::yield_now();
            }
        }
    });
    let mut next = 0u32;
    while next < all {
        let popped = consumer.pop(|header, payload| {
            assert_eq!((header.seq, payload.len()), (next, (next % 97) as usize));
            let ok = payload
                .iter()
                .enumerate()
                .all(|(index, &byte)| byte == (index as u32 ^ next) as u8);
            assert!(ok, "record {next} is torn");
        });
        if popped.is_some() {
            next += 1;
        } else {
            std::thread::yield_now();
        }
    }
    writer.join().expect("the writer ends");
}
