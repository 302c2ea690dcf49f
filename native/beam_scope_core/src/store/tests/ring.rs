use super::*;

fn ring(max_bytes: usize) -> Arc<Recording> {
    recording(StoreConfig {
        mode: Mode::Ring,
        max_bytes,
        chunk_events: 512,
        ..StoreConfig::default()
    })
}

#[test]
fn the_oldest_go_and_the_cap_holds() {
    let cap = 1 << 20;
    let rec = ring(cap);
    let records = workload::gen_server(20_000, true, workload::counter);
    for made in &records {
        rec.append(&made.header, &made.payload);
        assert!(rec.counts().bytes as usize <= cap + cap / 10, "{}", rec.counts().bytes);
    }
    assert_eq!(rec.status(), Status::Running);
    let counts = rec.counts();
    assert!(counts.evicted > 0 && counts.stored > 0);
    assert_account(&rec);
    let last = everything(&rec).pop().unwrap();
    assert_eq!(last.1, [canonical(&workload::counter(20_000))]);
    assert_eq!(last.0.seq, 79_999);
}

/// Whatever grows beside the chunks (rings of new threads, a chunk that was indexed just now) takes the place of old ones;
/// it must never keep new events out.
#[test]
fn what_grows_beside_the_chunks_makes_the_oldest_go() {
    let cap = 1 << 20;
    let rec = ring(cap);
    let records = workload::gen_server(20_000, true, workload::counter);
    let (before, after) = records.split_at(records.len() / 2);
    before.iter().for_each(|made| rec.append(&made.header, &made.payload));
    rec.set_ring_bytes(cap / 4);
    after.iter().for_each(|made| rec.append(&made.header, &made.payload));
    let counts = rec.counts();
    assert_eq!(counts.dropped, counts.evicted, "{counts:?}");
    assert!(counts.bytes as usize <= cap + cap / 10, "{}", counts.bytes);
}

#[test]
fn what_idle_tracks_last_were_is_carried_forward() {
    let rec = ring(600 << 10);
    let name = Value::Atom(AtomId(77));
    let gone = Value::Atom(AtomId(78));
    record(&rec, 1, 5, EventKind::Spawned, &[Value::Pid(1), Value::Int(1)]);
    record(&rec, 2, 5, EventKind::Register, std::slice::from_ref(&gone));
    record(&rec, 3, 5, EventKind::Unregister, &[gone]);
    record(&rec, 4, 5, EventKind::Register, std::slice::from_ref(&name));
    for n in 0..10 {
        state(&rec, 5 + n, 5, workload::counter(n));
    }
    record(&rec, 50, 6, EventKind::Spawned, &[Value::Pid(1), Value::Int(2)]);
    record(&rec, 51, 6, EventKind::Exit, &[Value::Int(3)]);
    workload::gen_server(12_000, true, workload::counter)
        .iter()
        .for_each(|made| rec.append(&made.header, &made.payload));
    let chunks = rec.chunks();
    assert!(chunks[0].carried && !chunks[1].carried);
    let all = everything(&rec);
    let idle: Vec<_> = all.iter().filter(|(row, _)| row.track == TrackId(0)).collect();
    let kinds: Vec<EventKind> = idle.iter().map(|(row, _)| row.kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::Spawned,
            EventKind::Register,
            EventKind::State,
            EventKind::State
        ]
    );
    assert_eq!(idle[1].1, [name]);
    assert_eq!(idle[3].1, [canonical(&workload::counter(9))]);
    assert!(
        all.iter().all(|(row, _)| row.track != TrackId(1)),
        "ended tracks are forgotten"
    );
    let positions: Vec<u64> = all.iter().map(|(row, _)| row.seq).collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
    assert_account(&rec);
}

#[test]
fn after_a_gap_no_stale_state_is_carried() {
    let rec = ring(600 << 10);
    record(&rec, 1, 5, EventKind::Spawned, &[Value::Pid(1), Value::Int(1)]);
    state(&rec, 2, 5, workload::counter(1));
    let mut late = made(3, 5, EventKind::Receive, &[Value::Int(1)]);
    late.header.lost = 9;
    rec.append(&late.header, &late.payload);
    workload::gen_server(12_000, true, workload::counter)
        .iter()
        .for_each(|made| rec.append(&made.header, &made.payload));
    assert!(rec.chunks()[0].carried);
    let states = everything(&rec)
        .into_iter()
        .filter(|(row, _)| row.track == TrackId(0) && row.kind == EventKind::State);
    assert_eq!(states.count(), 0);
}

/// What living processes need of what went may not take the place of everything else.
#[test]
fn what_is_carried_forward_is_bounded() {
    let cap = 1 << 20;
    let rec = ring(cap);
    for n in 0..4_000u64 {
        let text = Value::Binary(n.to_le_bytes().repeat(32));
        record(&rec, n + 1, n, EventKind::Spawned, &[Value::Pid(1), text]);
    }
    workload::gen_server(12_000, true, workload::counter)
        .iter()
        .for_each(|made| rec.append(&made.header, &made.payload));
    let counts = rec.counts();
    assert_eq!(counts.dropped, counts.evicted, "{counts:?}");
    let chunks = rec.chunks();
    let carried = rec.view(&chunks[0]).unwrap();
    assert!(chunks[0].carried && carried.bytes() <= cap / 4, "{}", carried.bytes());
    // The ones heard of last.
    assert!(carried.rows().iter().any(|row| row.track.0 > 3_990));
}

/// Whoever asks for the account of a ring in a flood must not have to index the flood.
#[test]
fn losses_of_a_turning_ring_are_told_without_indexing() {
    let rec = ring(4 << 20);
    for n in 0..1_000u64 {
        let mut one = made(n + 1, 5, EventKind::Receive, &[Value::Int(1)]);
        one.header.lost = u32::from(n % 10 == 9);
        rec.append(&one.header, &one.payload);
    }
    let told: u64 = rec.losses().iter().map(|loss| loss.count).sum();
    assert_eq!((told, rec.track_count()), (100, 0));
    assert_account(&rec);
    rec.stop(StopReason::Requested);
    assert!(rec.losses().iter().all(|loss| loss.pid == 5));
    assert_account(&rec);
}
