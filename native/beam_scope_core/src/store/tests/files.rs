use super::*;
use proptest::prelude::*;

pub(crate) fn saved(rec: &Recording) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("beam_scope-{}-{:p}", std::process::id(), rec));
    rec.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

pub(crate) fn load(bytes: &[u8]) -> Result<Arc<Recording>, StoreError> {
    Recording::from_bytes(bytes.to_vec())
}

fn sample(mode: Mode) -> Arc<Recording> {
    let max_bytes = if mode == Mode::Ring { 600 << 10 } else { 256 << 20 };
    let rec = recording(StoreConfig {
        chunk_events: 512,
        mode,
        max_bytes,
        start_unix_ns: 99,
        ..StoreConfig::default()
    });
    record(&rec, 1, 5, EventKind::Spawned, &[Value::Pid(1), Value::Int(1)]);
    let calls = if mode == Mode::Ring { 10_000 } else { 700 };
    workload::gen_server(calls, true, workload::counter)
        .iter()
        .for_each(|made| rec.append(&made.header, &made.payload));
    rec.lost(5, 3, 1 << 40);
    rec.set_meta(b"meta".to_vec());
    rec
}

#[test]
fn a_loaded_recording_answers_like_the_live_one() {
    for mode in [Mode::Stop, Mode::Ring] {
        let rec = sample(mode);
        rec.stop(StopReason::Requested);
        let again = load(&saved(&rec)).unwrap();
        assert_eq!(again.chunks(), rec.chunks());
        assert_eq!(everything(&again), everything(&rec));
        assert_eq!(again.tracks(), rec.tracks());
        assert_eq!(again.losses(), rec.losses());
        assert_eq!(again.status(), rec.status());
        assert_eq!(again.meta(), b"meta");
        assert_eq!(again.config().start_unix_ns, 99);
        assert_eq!((again.end_seq(), again.end_ns()), (rec.end_seq(), rec.end_ns()));
        let bytes = |rec: &Recording| Counts {
            bytes: 0,
            ..rec.counts()
        };
        assert_eq!(bytes(&again), bytes(&rec));
        let atom = AtomId(10 << 6 | 0xB);
        assert_eq!(again.atom_text(atom), rec.atom_text(atom));
        assert_account(&again);
        // And it can be saved again.
        assert_eq!(everything(&load(&saved(&again)).unwrap()), everything(&rec));
    }
}

#[test]
fn questions_about_a_loaded_recording_are_put_in_its_own_numbers() {
    struct Other;
    impl AtomSource for Other {
        fn text(&self, id: AtomId) -> Option<Box<str>> {
            Some(if id.0 == 1 {
                "a651".into()
            } else {
                format!("new{}", id.0).into()
            })
        }
    }
    let again = load(&saved(&sample(Mode::Stop))).unwrap();
    let table = again.table().unwrap();
    let mut value = Value::Map(vec![(Value::Atom(AtomId(1)), Value::Atom(AtomId(2)))]);
    table.localize(&mut value, &Other);
    let Value::Map(pairs) = value else { unreachable!() };
    assert_eq!(pairs[0].0, Value::Atom(AtomId(10 << 6 | 0xB)));
    let Value::Atom(fresh) = pairs[0].1 else { unreachable!() };
    assert_eq!(table.text(fresh).as_deref(), Some("new2"));
}

#[test]
fn files_of_other_kinds_are_refused_by_name() {
    let bytes = saved(&sample(Mode::Stop));
    assert_eq!(
        load(b"hello, this is no recording").unwrap_err(),
        StoreError::NotARecording
    );
    assert_eq!(load(b"").unwrap_err(), StoreError::NotARecording);
    let mut other = bytes.clone();
    other[8] = 77;
    assert_eq!(load(&other).unwrap_err(), StoreError::Version { found: 77, known: 2 });
    let mut swapped = bytes;
    swapped[12..16].reverse();
    assert!(matches!(load(&swapped), Err(StoreError::Corrupt(_))));
}

/// What a file that was cut off or damaged has left, against all that there was.
fn is_part_of(part: &Recording, whole: &Recording) -> u64 {
    let (mut rows, mut next) = (0, 0);
    for chunk in part.chunks().iter().filter(|chunk| !chunk.carried) {
        let Ok(view) = part.view(chunk) else { continue };
        let own = whole.view(&whole.chunk_of(chunk.first_seq).unwrap()).unwrap();
        for row in view.rows() {
            assert!(row.seq >= next);
            next = row.seq + 1;
            let same = own.row(row.seq).unwrap();
            assert_eq!((row.at_ns, row.kind, row.track), (same.at_ns, same.kind, same.track));
            assert_eq!(
                row.terms.iter().map(|id| view.arena.to_value(*id)).collect::<Vec<_>>(),
                same.terms.iter().map(|id| own.arena.to_value(*id)).collect::<Vec<_>>()
            );
            rows += 1;
        }
    }
    assert_account(part);
    assert_eq!(part.counts().stored, rows);
    rows
}

#[test]
fn a_file_cut_off_anywhere_has_all_up_to_its_last_whole_chunk() {
    let rec = sample(Mode::Stop);
    let bytes = saved(&rec);
    let whole = load(&bytes).unwrap();
    let ends: Vec<u64> = whole
        .index
        .lock()
        .sealed
        .iter()
        .map(|one| match &one.body {
            sealed::Body::Filed(filed) => filed.at + filed.len,
            sealed::Body::Held(_) => unreachable!(),
        })
        .collect();
    for cut in (0..bytes.len()).step_by(bytes.len() / 300) {
        let chunks = ends.iter().filter(|end| **end <= cut as u64).count();
        match load(&bytes[..cut]) {
            Ok(part) => {
                let expected: u64 = whole.chunks().iter().take(chunks).map(|chunk| chunk.len as u64).sum();
                assert_eq!(is_part_of(&part, &rec), expected, "cut at {cut}");
                let damage = part.damage().unwrap();
                assert_eq!((damage.cut_off, damage.chunks), (true, 0));
                assert!(part.meta() == b"meta" || chunks > 0);
            }
            Err(StoreError::NotARecording) => assert!(cut < 16),
            Err(error) => assert!(
                matches!(error, StoreError::Corrupt(_)) && chunks == 0,
                "cut at {cut}: {error}"
            ),
        }
    }
    assert_eq!(whole.damage(), None);
}

#[test]
fn a_flipped_bit_costs_one_chunk_at_most_and_is_counted() {
    let rec = sample(Mode::Stop);
    let bytes = saved(&rec);
    let all = rec.counts().stored;
    let (mut whole, mut less) = (0, 0);
    for n in 0..400usize {
        let mut damaged = bytes.clone();
        damaged[16 + n * (bytes.len() - 16) / 400] ^= 1 << (n % 8);
        let Ok(part) = load(&damaged) else { continue };
        let rows = is_part_of(&part, &rec);
        assert!(part.damage().is_some() || rows == all, "byte {n}");
        if rows == all {
            whole += 1;
        } else {
            less += 1;
            let lost: u64 = part.losses().iter().map(|loss| loss.count).sum();
            assert_eq!(lost, part.counts().dropped);
        }
    }
    assert!(whole > 0 && less > 100, "{whole} whole, {less} in part");
}

#[test]
fn a_stream_of_pieces_is_the_file() {
    for mode in [Mode::Stop, Mode::Ring] {
        let path = std::env::temp_dir().join(format!("beam_scope-stream-{}-{mode:?}", std::process::id()));
        let rec = recording(StoreConfig {
            chunk_events: 512,
            mode,
            max_bytes: 4 << 20,
            ..StoreConfig::default()
        });
        let first = rec.stream_begin().unwrap();
        std::fs::write(&path, &first).unwrap();
        let (mut file, mut streamed) = (first, 0);
        let write = |file: &mut Vec<u8>, streamed: &mut u64| {
            let most = std::time::Duration::from_millis(50);
            while let Some(piece) = rec.stream_next(most, std::time::Duration::from_secs(3600)).unwrap() {
                file.extend_from_slice(&piece.bytes);
                *streamed += piece.events;
                std::fs::write(&path, &*file).unwrap();
                rec.stream_written(&path).unwrap();
                // Killed here, it is a recording all the same.
                let part = load(file).unwrap();
                assert_eq!(part.counts().stored, *streamed);
                assert_account(&part);
            }
        };
        for made in workload::gen_server(3_000, true, workload::counter) {
            rec.append(&made.header, &made.payload);
            if made.header.time % 997 == 0 {
                write(&mut file, &mut streamed);
            }
        }
        rec.stop(StopReason::Requested);
        write(&mut file, &mut streamed);
        file.extend_from_slice(&rec.stream_end().unwrap());
        assert_eq!(streamed, rec.counts().stored);
        // Memory has let go of what is in the file, and reads it from there.
        rec.index.lock().shrink();
        let held = rec.index.lock().bytes();
        assert!(held < file.len() / 2, "{held} of {}", file.len());
        let again = load(&file).unwrap();
        assert_eq!(again.damage(), None);
        assert_eq!(everything(&again), everything(&rec));
        assert_eq!(again.tracks(), rec.tracks());
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_claims_too_much_is_refused_without_asking_for_it() {
    // A stream of zeros: 250 times smaller on disk.
    let mut bomb = Vec::new();
    codec::write_stream(&vec![0; 300 << 20], &mut bomb);
    assert!(matches!(
        codec::read_stream(&mut &bomb[..], &mut codec::MAX_STREAMS.clone()),
        Err(StoreError::TooLarge(_))
    ));
    let mut claimed = Vec::new();
    crate::term::wire::write_varint(u64::MAX, &mut claimed);
    assert!(codec::read_stream(&mut &claimed[..], &mut codec::MAX_STREAMS.clone()).is_err());
}

#[test]
fn saving_where_one_cannot_is_an_error_and_leaves_nothing() {
    let rec = sample(Mode::Stop);
    assert!(matches!(rec.save("/nonexistent/dir/file"), Err(StoreError::Io(_))));
    rec.close();
    let path = std::env::temp_dir().join("beam_scope-closed");
    assert_eq!(rec.save(&path), Err(StoreError::Closed));
    assert!(!path.exists());
}

#[test]
fn a_damaged_chunk_is_refused() {
    let rec = sample(Mode::Stop);
    let _ = rec.chunks();
    let bytes = rec.index.lock().sealed[0].body.bytes().unwrap().to_vec();
    for i in 0..100 {
        let mut damaged = bytes.clone();
        let at = bytes.len() * i / 100;
        damaged[at] ^= 0x10;
        assert!(chunk::decode(&damaged).is_err(), "byte {at}");
    }
}

/// Reads everything there is to read.
fn exercise(bytes: &[u8]) {
    if let Ok(rec) = load(bytes) {
        for chunk in rec.chunks() {
            if let Ok(view) = rec.view(&chunk) {
                view.rows().iter().flat_map(|row| row.terms.iter()).for_each(|id| {
                    let _ = (view.arena.size_hint(*id), view.arena.is_complete(*id));
                });
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::term::arena::tests::cases(64))]

    /// Law 7, files.
    #[test]
    fn damaged_files_never_panic(at in 0usize..60_000, bit in 0u8..8, cut in 0usize..60_000) {
        static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let bytes = BYTES.get_or_init(|| saved(&sample(Mode::Stop)));
        let mut damaged = bytes.clone();
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        exercise(&damaged);
        exercise(&bytes[..cut % bytes.len()]);
    }

    /// The same behind the checksums: a chunk's content is read without trust.
    #[test]
    fn damaged_chunks_never_panic(at in 0usize..60_000, bits in any::<u8>()) {
        static CHUNK: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let bytes = CHUNK.get_or_init(|| {
            let rec = sample(Mode::Stop);
            let _ = rec.chunks();
            let index = rec.index.lock();
            index.sealed[0].body.bytes().unwrap().to_vec()
        });
        let mut damaged = bytes.clone();
        let at = 12 + at % (damaged.len() - 12);
        damaged[at] ^= bits;
        let sum = crc::crc32c(&damaged[12..]).to_le_bytes();
        damaged[8..12].copy_from_slice(&sum);
        if let Ok((_, view)) = chunk::decode(&damaged) {
            view.rows().iter().flat_map(|row| row.terms.iter()).for_each(|id| {
                let _ = (view.arena.size_hint(*id), view.arena.list_len(*id));
            });
        }
    }
}
