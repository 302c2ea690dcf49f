//! Everybody at once on one recording: who appends, who asks, who writes it to a file, and who closes it.

use super::*;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Long enough for any machine; who waits for a lock that never comes waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A recording that is streamed and asked while it is recorded, closed in the middle of it.
fn closed_in_the_middle(round: u64) {
    let rec = recording(StoreConfig {
        chunk_events: 64,
        max_bytes: 4 << 20,
        mode: if round.is_multiple_of(2) {
            Mode::Stop
        } else {
            Mode::Ring
        },
        ..StoreConfig::default()
    });
    rec.stream_begin().unwrap();
    let records = workload::gen_server(300, true, workload::counter);
    thread::scope(|scope| {
        let rec = &*rec;
        scope.spawn(move || {
            records.iter().for_each(|made| rec.append(&made.header, &made.payload));
            rec.drained(u64::MAX / 2);
        });
        scope.spawn(move || while rec.stream_next(Duration::ZERO, Duration::ZERO).is_ok() {});
        scope.spawn(move || {
            while !rec.is_closed() {
                let _ = rec.counts();
                rec.chunks();
                rec.losses();
            }
        });
        thread::sleep(Duration::from_micros(round % 40 * 50));
        rec.close();
    });
    assert_eq!(rec.counts().offered, rec.counts().stored + rec.counts().dropped);
}

#[test]
fn nobody_waits_for_ever_when_a_recording_is_closed_while_it_is_written() {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        (0..100).for_each(closed_in_the_middle);
        done.send(()).unwrap();
    });
    assert!(
        finished.recv_timeout(PATIENCE).is_ok(),
        "two of them wait for each other"
    );
}
