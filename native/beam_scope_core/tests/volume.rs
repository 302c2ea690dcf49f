//! A flood into a flight recorder: memory stays where it is after the first few million events, however many come.
//!
//! `BEAM_SCOPE_VOLUME` is how many: three million in every run, 10^8 nightly, an hour of a flood. Alone in its process: what is measured is
//! the memory of the process.

use std::sync::Arc;

use beam_scope_core::capture::record::{Header, HEADER_LEN};
use beam_scope_core::event::{EventKind, Fields};
use beam_scope_core::store::{AtomSource, Budget, Mode, Recording, StoreConfig};
use beam_scope_core::term::{wire, AtomId, Value};

/// Full within the first million events.
const CAP: usize = 16 << 20;
const EVERY: u64 = 50_000;
const SERVERS: u64 = 500;

struct NoTexts;

impl AtomSource for NoTexts {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        Some(format!("a{}", id.0).into())
    }
}

/// Resident memory, where the system tells it.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

fn atom(id: u64) -> Value {
    Value::Atom(AtomId(id << 6 | 0xB))
}

/// What a handled call looks like from its server, one record after the other; states that change a little each time.
struct Flood {
    payload: Vec<u8>,
    time: u64,
}

impl Flood {
    fn next(&mut self, n: u64) -> (Header, &[u8]) {
        let (call, server) = (n / 4, n / 4 % SERVERS);
        // Processes come and go: after so many calls another one has the server's place.
        let pid_of = |life: u64| 0x13 + ((life * SERVERS + server) << 4);
        let life = call / 200_000;
        let mut pid = pid_of(life);
        let tag = Value::Ref(vec![call as u32, 0x1234_0001, 0xABCD]);
        let state = |count: u64| {
            Value::Map(vec![
                (atom(1), Value::Int(count as i64)),
                (atom(2), Value::Binary(format!("what {server} knows").into_bytes())),
            ])
        };
        let message = Value::Tuple(vec![atom(3), Value::Pid(0x2003), tag.clone(), Value::Int(call as i64)]);
        let (kind, point, fields, terms) = match n % 4 {
            0 => (EventKind::Receive, 0, 0, vec![message, Value::Pid(0x2003)]),
            1 => (
                EventKind::State,
                1,
                Fields::MESSAGE | Fields::BEFORE,
                vec![message, state(call)],
            ),
            // The first thing that is heard of a new one is that the one before has ended.
            2 if life > 0 && call % 200_000 < SERVERS => {
                pid = pid_of(life - 1);
                (EventKind::Exit, 0, 0, vec![atom(4)])
            }
            2 => (EventKind::Send, 0, 0, vec![tag, Value::Int(call as i64)]),
            _ => (EventKind::State, 2, Fields::AFTER, vec![state(call + 1)]),
        };
        self.payload.clear();
        terms.iter().for_each(|term| wire::write(term, &mut self.payload));
        self.time += 250 + n % 500;
        let header = Header {
            len: (HEADER_LEN + self.payload.len()) as u32,
            kind: kind as u8,
            point,
            fields,
            time: self.time,
            pid,
            terms: terms.len() as u8,
            ..Header::default()
        };
        (header, &self.payload)
    }
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes minutes without optimization: .ci/run runs it with"
)]
fn memory_stays_flat_however_many_events_come() {
    let volume = std::env::var("BEAM_SCOPE_VOLUME").map_or(3_000_000, |n| n.parse().expect("a number"));
    let budget = Budget::new(1 << 30);
    let config = StoreConfig {
        mode: Mode::Ring,
        max_bytes: CAP,
        budget: Some(Arc::clone(&budget)),
        ..StoreConfig::default()
    };
    let rec = Recording::new(config, Arc::new(NoTexts));
    let mut flood = Flood {
        payload: Vec::new(),
        time: 0,
    };
    // An allocator takes a few million events until its blocks have found their places.
    let minute = (volume / 10).max(2_000_000);
    let (mut first, mut most, mut window) = (0, 0, 0);
    for n in 0..volume {
        let (header, payload) = flood.next(n);
        rec.append(&header, payload);
        if n % 4096 == 4095 {
            rec.drained(header.time);
        }
        if (n + 1) % EVERY == 0 {
            let (counts, now) = (rec.counts(), resident().unwrap_or(0));
            assert!(counts.bytes as usize <= CAP + CAP / 10, "{} bytes held", counts.bytes);
            assert_eq!(counts.offered, n + 1);
            assert_eq!(counts.offered, counts.stored + counts.dropped);
            // It goes up and down with each chunk: the highest of the first minute is what counts.
            if n < minute {
                first = first.max(now);
            }
            most = most.max(now);
            window = window.max(now);
            if (n + 1) % 2_500_000 == 0 {
                println!(
                    "{} events: {} KB resident at most, {} KB held",
                    n + 1,
                    window / 1024,
                    counts.bytes / 1024
                );
                window = 0;
            }
        }
    }
    rec.close();
    assert_eq!((budget.held(), rec.counts().bytes), (0, 0));
    println!(
        "{volume} events: {} KB resident at most, {} KB at the beginning",
        most / 1024,
        first / 1024
    );
    assert!(
        most <= first + first / 20,
        "memory grew after the first {minute} events: {} KB resident, {} KB before",
        most / 1024,
        first / 1024
    );
}
