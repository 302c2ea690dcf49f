use super::*;

const SECOND: u64 = 1_000_000_000;

fn ring(max_bytes: usize, keep_ms: Option<u64>) -> Arc<Recording> {
    recording(StoreConfig {
        mode: Mode::Ring,
        max_bytes,
        keep_ms,
        chunk_events: 512,
        ..StoreConfig::default()
    })
}

fn append(rec: &Recording, records: &[Made]) {
    records.iter().for_each(|made| rec.append(&made.header, &made.payload));
}

#[test]
fn what_was_frozen_is_what_was_there_and_the_other_goes_on() {
    let records = workload::gen_server(6_000, true, workload::counter);
    // Some of it indexed, some not; with and without chunks that went.
    for (cap, looked) in [(64 << 20, 0), (64 << 20, 9_000), (1 << 20, 0), (1 << 20, 9_000)] {
        let rec = ring(cap, None);
        append(&rec, &records[..9_000]);
        if looked > 0 {
            assert!(!everything(&rec).is_empty());
        }
        append(&rec, &records[9_000..12_000]);
        let frozen = rec.freeze().unwrap();
        append(&rec, &records[12_000..]);
        assert_eq!(frozen.status(), Status::Stopped(StopReason::Frozen));
        assert_eq!(rec.status(), Status::Running);

        let whole = everything(&frozen);
        assert_eq!(whole.last().unwrap().0.seq, 11_999);
        assert_account(&frozen);
        // The same as a recording that ended there.
        let other = ring(cap, None);
        append(&other, &records[..12_000]);
        let terms = |all: &[(EventRow, Vec<Value>)]| -> Vec<(u64, Vec<Value>)> {
            all.iter().map(|(row, terms)| (row.seq, terms.clone())).collect()
        };
        let (mut frozen_terms, mut other_terms) = (terms(&whole), terms(&everything(&other)));
        let from = frozen_terms[0]
            .0
            .max(other_terms[0].0)
            .max(if cap > 1 << 20 { 0 } else { 9_000 });
        frozen_terms.retain(|(seq, _)| *seq >= from);
        other_terms.retain(|(seq, _)| *seq >= from);
        assert!(!other_terms.is_empty());
        assert_eq!(frozen_terms, other_terms);

        assert_eq!(everything(&rec).last().unwrap().0.seq, records.len() as u64 - 1);
        assert_account(&rec);
    }
}

#[test]
fn a_closed_one_cannot_be_frozen_and_what_was_frozen_outlives_the_other() {
    let rec = ring(1 << 20, None);
    append(&rec, &workload::gen_server(100, true, workload::counter));
    let frozen = rec.freeze().unwrap();
    rec.close();
    assert_eq!(everything(&frozen).len(), 400);
    assert_eq!(rec.freeze().unwrap_err(), StoreError::Closed);
}

#[test]
fn what_all_may_hold_together_is_kept_to() {
    let budget = Budget::new(2 << 20);
    let rec = recording(StoreConfig {
        mode: Mode::Ring,
        max_bytes: 64 << 20,
        budget: Some(Arc::clone(&budget)),
        ..StoreConfig::default()
    });
    append(&rec, &workload::gen_server(5_000, true, workload::counter));
    let first = rec.freeze().unwrap();
    let both = budget.held();
    drop(first);
    assert!(budget.held() < both);
    budget.set_limit(budget.held() + 1);
    assert!(matches!(rec.freeze(), Err(StoreError::TooLarge(_))));
}

#[test]
fn what_is_older_than_is_kept_goes() {
    let rec = ring(64 << 20, Some(10_000));
    for second in 0..100 {
        for n in 0..100 {
            let at = second * SECOND + n * 1_000_000;
            let made = made(at, 5, EventKind::Send, &[Value::Pid(6), Value::Int(n as i64)]);
            rec.append(&made.header, &made.payload);
        }
        rec.drained(second * SECOND + SECOND / 2);
        // An idle pass: what waits is indexed.
        rec.drained(second * SECOND + SECOND / 2);
    }
    let all = everything(&rec);
    let oldest = all.iter().map(|(row, _)| row.at_ns).min().unwrap();
    assert!(oldest > 85 * SECOND && oldest < 91 * SECOND, "{oldest}");
    assert_account(&rec);
    rec.drained(200 * SECOND);
    rec.drained(300 * SECOND);
    assert!(everything(&rec).is_empty());
    assert_account(&rec);
}

/// A recording that goes on for ever sees more processes than it can remember.
#[test]
fn processes_that_are_over_and_gone_are_forgotten() {
    let rec = ring(2 << 20, None);
    for n in 0..100_000u64 {
        let pid = 1_000 + n % 2_000;
        record(
            &rec,
            4 * n + 1,
            pid,
            EventKind::Spawned,
            &[Value::Pid(1), Value::Int(1)],
        );
        record(&rec, 4 * n + 2, pid, EventKind::Send, &[Value::Pid(1), Value::Int(2)]);
        // The end of every other one was lost: another process has its pid later.
        if n % 2 == 0 {
            record(&rec, 4 * n + 3, pid, EventKind::Exit, &[Value::Int(3)]);
        }
    }
    let counts = rec.counts();
    assert_eq!(counts.dropped, counts.evicted, "{counts:?}");
    let tracks = rec.tracks();
    assert!(tracks.len() < 20_000, "{}", tracks.len());
    let ids: Vec<u32> = tracks.iter().map(|info| info.id.0).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(ids.last(), Some(&99_999));
    let rows = everything(&rec);
    assert!(rows.iter().all(|(row, _)| rec.track(row.track).is_some()));
    assert_account(&rec);
    // And a file of it opens, with numbers missing.
    let path = std::env::temp_dir().join(format!("beam_scope_freeze_{}", std::process::id()));
    rec.freeze().unwrap().save(&path).unwrap();
    let loaded = Recording::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.tracks().len(), rec.tracks().len());
}
