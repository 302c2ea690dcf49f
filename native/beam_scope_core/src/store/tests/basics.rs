use super::*;

#[test]
fn what_was_appended_can_be_read() {
    let rec = recording(StoreConfig::default());
    record(&rec, 5, 7, EventKind::Spawned, &[Value::Pid(1), Value::Int(2)]);
    record(&rec, 6, 7, EventKind::Receive, &[Value::Binary(b"hi".to_vec())]);
    record(&rec, 7, 7, EventKind::Exit, &[Value::Int(0)]);
    record(&rec, 8, 7, EventKind::Unregister, &[Value::Int(0)]);
    record(&rec, 9, 7, EventKind::Spawned, &[Value::Pid(1), Value::Int(2)]);
    let seen: Vec<(u64, u32)> = everything(&rec)
        .iter()
        .map(|(row, _)| (row.at_ns, row.track.0))
        .collect();
    assert_eq!(seen, [(5, 0), (6, 0), (7, 0), (8, 0), (9, 1)]);
    assert_eq!(everything(&rec)[1].1, [Value::Binary(b"hi".to_vec())]);
    assert_eq!(rec.tracks()[0].ended_ns, Some(7));
    assert_eq!(rec.tracks_of_pid(7), [TrackId(0), TrackId(1)]);
    assert_account(&rec);
}

#[test]
fn sealed_chunks_read_like_the_open_one() {
    let records = workload::gen_server(500, true, workload::counter);
    let whole = recording(StoreConfig::default());
    let cut = recording(StoreConfig {
        chunk_events: 64,
        ..StoreConfig::default()
    });
    for made in &records {
        whole.append(&made.header, &made.payload);
        cut.append(&made.header, &made.payload);
    }
    assert_eq!((whole.chunks().len(), cut.chunks().len()), (1, 2_000 / 64 + 1));
    assert_eq!(everything(&whole), everything(&cut));
    let states = cut.chunks_with(TrackId(0), EventKind::State.bit());
    assert_eq!(states.len(), cut.chunks().len());
    assert_eq!(cut.chunks_with(TrackId(0), EventKind::Exit.bit()), []);
    assert_eq!(cut.chunk_of(130).map(|chunk| chunk.first_seq), Some(128));
    assert_account(&cut);
}

#[test]
fn a_chunk_whose_cache_entry_went_is_decoded_again() {
    let records = workload::gen_server(3_000, true, workload::counter);
    let rec = recording(StoreConfig {
        chunk_events: 256,
        max_bytes: 4 << 20,
        ..StoreConfig::default()
    });
    records.iter().for_each(|made| rec.append(&made.header, &made.payload));
    assert_eq!(rec.status(), Status::Running);
    let first = everything(&rec);
    assert_eq!(first.len(), records.len());
    assert_eq!(first, everything(&rec));
}

#[test]
fn limits_stop_with_their_reason() {
    let config = StoreConfig::default;
    let limits = [
        (
            StoreConfig {
                max_events: Some(3),
                ..config()
            },
            StopReason::Events,
            3,
        ),
        (
            StoreConfig {
                max_ms: Some(5),
                ..config()
            },
            StopReason::Time,
            6,
        ),
        (
            StoreConfig {
                rate: Some((4, 100)),
                ..config()
            },
            StopReason::Rate,
            4,
        ),
    ];
    for (config, reason, stored) in limits {
        let rec = recording(config);
        for ms in 0..10 {
            record(&rec, ms * 1_000_000, 1, EventKind::Receive, &[Value::Int(1)]);
        }
        let counts = rec.counts();
        assert_eq!(rec.status(), Status::Stopped(reason));
        assert_eq!(
            (counts.offered, counts.stored, counts.dropped),
            (10, stored, 10 - stored)
        );
        assert_account(&rec);
    }
}

#[test]
fn the_memory_cap_stops_and_holds() {
    let cap = 2 << 20;
    let rec = recording(StoreConfig {
        max_bytes: cap,
        ..StoreConfig::default()
    });
    for (i, made) in workload::gen_server(30_000, true, workload::counter).iter().enumerate() {
        rec.append(&made.header, &made.payload);
        let bytes = rec.counts().bytes as usize;
        assert!(bytes <= cap + cap / 10, "{bytes} after {i}");
        if i % 1000 == 0 {
            rec.drained(0);
        }
    }
    assert_eq!(rec.status(), Status::Stopped(StopReason::Bytes));
    assert_account(&rec);
    assert!(
        rec.counts().bytes as usize <= cap + cap / 10,
        "{} bytes after reading",
        rec.counts().bytes
    );
}

#[test]
fn closing_frees_at_once() {
    let budget = Budget::new(1 << 30);
    let rec = recording(StoreConfig {
        budget: Some(Arc::clone(&budget)),
        ..StoreConfig::default()
    });
    workload::gen_server(1_000, true, workload::counter)
        .iter()
        .for_each(|made| rec.append(&made.header, &made.payload));
    let chunks = rec.chunks();
    assert!(budget.held() > 10_000);
    rec.close();
    assert_eq!(budget.held(), 0);
    assert_eq!(rec.view(&chunks[0]).unwrap_err(), StoreError::Closed);
    assert_eq!(rec.chunks(), []);
}

#[test]
fn all_recordings_together_have_a_cap() {
    let budget = Budget::new(1 << 20);
    let config = || StoreConfig {
        budget: Some(Arc::clone(&budget)),
        ..StoreConfig::default()
    };
    let (a, b) = (recording(config()), recording(config()));
    for made in workload::gen_server(30_000, true, workload::counter) {
        a.append(&made.header, &made.payload);
        b.append(&made.header, &made.payload);
    }
    assert!(budget.held() <= (1 << 20) + (1 << 18), "{}", budget.held());
    assert_eq!(b.status(), Status::Stopped(StopReason::Bytes));
    drop((a, b));
    assert_eq!(budget.held(), 0);
}

#[test]
fn losses_are_told_by_track_and_span() {
    let rec = recording(StoreConfig::default());
    record(&rec, 10, 1, EventKind::Receive, &[Value::Int(1)]);
    record(&rec, 15, 2, EventKind::Receive, &[Value::Int(1)]);
    let mut late = made(30, 1, EventKind::Receive, &[Value::Int(1)]);
    late.header.lost = 5;
    rec.append(&late.header, &late.payload);
    rec.lost(2, 3, 40);
    rec.lost(0, 2, 50);
    let losses: Vec<_> = rec
        .losses()
        .iter()
        .map(|l| (l.track, l.from_ns, l.to_ns, l.count))
        .collect();
    assert_eq!(
        losses,
        [
            (Some(TrackId(0)), 10, 30, 5),
            (Some(TrackId(1)), 15, 40, 3),
            (None, 0, 50, 2)
        ]
    );
    assert_eq!(everything(&rec)[2].0.lost_before, 5);
    assert_account(&rec);
}

#[test]
fn records_that_make_no_sense_are_counted_and_left_out() {
    let rec = recording(StoreConfig::default());
    let mut odd = made(1, 1, EventKind::Receive, &[Value::Int(1)]);
    odd.header.kind = 30;
    rec.append(&odd.header, &odd.payload);
    let mut short = made(2, 1, EventKind::Receive, &[Value::Int(1), Value::Int(2)]);
    short.payload.pop();
    rec.append(&short.header, &short.payload);
    let all = everything(&rec);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].1[0], Value::Int(1));
    assert!(!all[0].1[1].is_complete());
    assert_account(&rec);
}
