//! Law 4: offered == stored + dropped, whatever happens in whatever order.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Append {
        pid: u64,
        kind: u8,
        lost: u32,
        flags: u8,
        size: usize,
    },
    Lost {
        pid: u64,
        count: u64,
    },
    Drained,
    Read,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (1u64..6, 0u8..20, prop_oneof![9 => Just(0u32), 1 => 1u32..50], 0u8..4, 0usize..2_000)
            .prop_map(|(pid, kind, lost, flags, size)| Step::Append { pid, kind, lost, flags, size }),
        3 => (0u64..6, 1u64..10).prop_map(|(pid, count)| Step::Lost { pid, count }),
        3 => Just(Step::Drained),
        2 => Just(Step::Read),
        1 => Just(Step::Stop),
    ]
}

fn config() -> impl Strategy<Value = StoreConfig> {
    let mode = prop_oneof![Just(Mode::Stop), Just(Mode::Ring)];
    let events = prop_oneof![3 => Just(None), 1 => (1u64..200).prop_map(Some)];
    (mode, events, 1usize..64, 16usize..200).prop_map(|(mode, max_events, chunk_events, kb)| StoreConfig {
        mode,
        max_events,
        chunk_events,
        max_bytes: kb << 10,
        ..StoreConfig::default()
    })
}

proptest! {
    #![proptest_config(crate::term::arena::tests::cases(96))]

    #[test]
    fn offered_is_stored_and_dropped(config in config(), steps in prop::collection::vec(step(), 1..400)) {
        let rec = recording(config);
        let mut offered = 0;
        for (time, step) in steps.into_iter().enumerate() {
            match step {
                Step::Append { pid, kind, lost, flags, size } => {
                    let text = vec![time as u8; size];
                    let mut made = made(time as u64, pid, EventKind::Receive, &[Value::Binary(text)]);
                    (made.header.kind, made.header.lost, made.header.flags) = (kind, lost, flags);
                    rec.append(&made.header, &made.payload);
                    offered += 1 + u64::from(lost);
                }
                Step::Lost { pid, count } => {
                    rec.lost(pid, count, time as u64);
                    offered += count;
                }
                Step::Drained => rec.drained(0),
                Step::Read => { let _ = rec.chunks(); }
                Step::Stop if time % 3 == 0 => rec.stop(StopReason::Requested),
                Step::Stop => {}
            }
            let counts = rec.counts();
            prop_assert_eq!(counts.offered, offered);
            prop_assert_eq!(counts.offered, counts.stored + counts.dropped);
        }
        assert_account(&rec);
    }
}

#[test]
fn an_account_without_losses_reads_no_record() {
    let rec = recording(StoreConfig::default());
    let append = |time: u64, lost: u32| {
        let mut made = made(time, 1, EventKind::Receive, &[Value::Int(1)]);
        made.header.lost = lost;
        rec.append(&made.header, &made.payload);
    };
    append(1, 0);
    assert!(rec.losses().is_empty());
    assert_eq!(rec.index.lock().next_seq, 0);
    append(2, 3);
    assert_eq!(rec.losses().iter().map(|loss| loss.count).sum::<u64>(), 3);
    append(3, 0);
    assert_eq!(rec.losses().len(), 1);
    assert_eq!(rec.index.lock().next_seq, 2, "where they were is known already");
}
