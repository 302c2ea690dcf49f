use super::*;
use proptest::prelude::*;

fn saved(rec: &Recording) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("beam_scope-{}-{:p}", std::process::id(), rec));
    rec.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

fn load(bytes: &[u8]) -> Result<Arc<Recording>, StoreError> {
    Recording::read(&mut &bytes[..], bytes.len() as u64)
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
    assert_eq!(load(&other).unwrap_err(), StoreError::Version { found: 77, known: 1 });
    let mut swapped = bytes.clone();
    swapped[12..16].reverse();
    assert!(matches!(load(&swapped), Err(StoreError::Corrupt(_))));
    for cut in [20, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(load(&bytes[..cut]), Err(StoreError::Corrupt(_))));
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(load(&longer), Err(StoreError::Corrupt(_))));
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
    let bytes = rec.index.lock().sealed[0].bytes.to_vec();
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
        prop_assert!(load(&damaged).is_err());
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
            index.sealed[0].bytes.to_vec()
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
