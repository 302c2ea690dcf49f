//! A recording of ten million events of 200 processes, on disk: how long it takes to write and to open, and what questions cost
//! then. `cargo bench -p beam_scope_core --bench files -- [EVENTS [BYTES]]` prints figures of one run; nothing is averaged away. With
//! BYTES, files of many chunks and of so many bytes are written and opened, too.

// It makes recordings of its own.
#[allow(dead_code)]
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beam_scope_core::event::{EventKind, Fields, Point};
use beam_scope_core::pattern::Pattern;
use beam_scope_core::query::{run, Query};
use beam_scope_core::store::{Budget, Recording, StopReason, StoreConfig, TrackId};
use beam_scope_core::term::Value;
use beam_scope_core::timeline::{Moment, Selector, Timeline, Transition, Verdict, Wanted, Way};

use work::{a, l, t, Log, Names};

const PROCESSES: u64 = 200;

fn main() {
    if let Ok(path) = std::env::var("BEAM_SCOPE_READ") {
        return match std::env::var("BEAM_SCOPE_OPEN_ONLY") {
            Ok(_) => drop(open(path.as_ref())),
            Err(_) => read(path.as_ref()),
        };
    }
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let path = std::env::temp_dir().join(format!("beam_scope-files-{}", std::process::id()));
    let events = numbers.first().copied().unwrap_or(10_000_000);
    write(&path, events, StoreConfig::CHUNK_EVENTS, 0);
    elsewhere(&path, false);
    if let Some(bytes) = numbers.get(1) {
        println!(
            "in chunks of 256 events, as many as a file of about {:.0} GB has:",
            events as f64 / 256.0 / 3.0e3
        );
        write(&path, events, 128, 0);
        elsewhere(&path, true);
        println!("with 4 KB of noise in each call:");
        write(&path, bytes / 4_096 * 6, StoreConfig::CHUNK_EVENTS, 4_096);
        elsewhere(&path, true);
    }
    let _ = std::fs::remove_file(&path);
}

/// In a process of its own, whose memory is that of reading alone.
fn elsewhere(path: &Path, open_only: bool) {
    let program = std::env::current_exe().expect("this program");
    let mut command = std::process::Command::new(program);
    command.env("BEAM_SCOPE_READ", path);
    if open_only {
        command.env("BEAM_SCOPE_OPEN_ONLY", "1");
    }
    let done = command.status().expect("it runs");
    assert!(done.success());
}

/// 199 servers with a small state of their own, and who calls them: six events a call.
struct Servers {
    log: Log,
    counts: Vec<i64>,
    noise: u64,
    /// So many bytes that nothing compresses go with each reply.
    noise_bytes: usize,
}

impl Servers {
    fn new(chunk_events: usize, noise_bytes: usize) -> Self {
        let config = StoreConfig {
            max_bytes: 1 << 32,
            budget: Some(Budget::new(usize::MAX)),
            chunk_events,
            ..StoreConfig::default()
        };
        let rec = Recording::new(config, Arc::new(Names));
        let (mut log, call) = (Log { rec, time: 0 }, t(&[a("proc_lib"), a("init_p"), l(&[])]));
        for server in 0..PROCESSES {
            log.push(
                500,
                pid(server),
                EventKind::Spawned,
                (0, 0),
                &[Value::Pid(pid(0)), call.clone()],
            );
        }
        Self {
            log,
            counts: vec![0; PROCESSES as usize],
            noise: 0x1234_5678_9ABC_DEF0,
            noise_bytes,
        }
    }

    fn call(&mut self, n: u64) {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let (noise, add) = (self.noise, (self.noise >> 20 & 0xFF) as i64);
        let server = 1 + noise % (PROCESSES - 1);
        let (client, to) = (pid(0), pid(server));
        let tag = Value::Improper(
            vec![a("alias")],
            Box::new(Value::Ref(vec![n as u32, 0x1234_0001, 0xABCD])),
        );
        let from = t(&[Value::Pid(client), tag.clone()]);
        let message = t(&[a("$gen_call"), from, t(&[a("add"), Value::Int(add)])]);
        let before = state(self.counts[server as usize]);
        self.counts[server as usize] += add;
        let after = state(self.counts[server as usize]);
        let reply = t(&[
            tag.clone(),
            Value::Int(self.counts[server as usize]),
            self.noise_binary(),
        ]);
        let fields = Fields::MESSAGE | Fields::BEFORE;
        let mut push = |who, kind, shape, terms: &[Value]| self.log.push(150 + noise % 700, who, kind, shape, terms);
        push(client, EventKind::Send, (0, 0), &[Value::Pid(to), message.clone()]);
        push(to, EventKind::Receive, (0, 0), &[message.clone(), Value::Pid(client)]);
        push(to, EventKind::State, (Point::Handled as u8, fields), &[message, before]);
        push(to, EventKind::Send, (0, 0), &[tag, reply.clone()]);
        push(client, EventKind::Receive, (0, 0), &[reply, Value::Pid(to)]);
        push(to, EventKind::State, (Point::Loop as u8, Fields::AFTER), &[after]);
    }
}

impl Servers {
    fn noise_binary(&self) -> Value {
        let mut x = self.noise | 1;
        let words = (0..self.noise_bytes / 8).flat_map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x.to_le_bytes()
        });
        Value::Binary(words.collect())
    }
}

const fn pid(n: u64) -> u64 {
    n << 4 | 3
}

fn state(count: i64) -> Value {
    Value::Map(vec![
        (a("count"), Value::Int(count)),
        (a("name"), Value::Binary(b"a name that stays".to_vec())),
        (a("items"), l(&[Value::Int(1), Value::Int(2), Value::Int(3)])),
        (a("status"), a("idle")),
    ])
}

fn write(path: &Path, events: u64, chunk_events: usize, noise_bytes: usize) {
    use std::io::Write;
    let mut made = Servers::new(chunk_events, noise_bytes);
    let rec = Arc::clone(&made.log.rec);
    let rec = &*rec;
    let mut file = std::fs::File::create(path).expect("a file");
    file.write_all(&rec.stream_begin().expect("a beginning")).expect("room");
    let began = Instant::now();
    let mut drain = |rec: &Recording| {
        while let Some(piece) = rec
            .stream_next(Duration::from_millis(100), Duration::from_secs(3600))
            .expect("a piece")
        {
            file.write_all(&piece.bytes).expect("room");
            rec.stream_written(path).expect("written");
        }
    };
    let mut held = 0;
    for call in 0..events / 6 {
        made.call(call);
        if call % 10_000 == 0 {
            held = held.max(rec.counts().bytes);
            drain(rec);
        }
    }
    rec.stop(StopReason::Requested);
    drain(rec);
    file.write_all(&rec.stream_end().expect("an end")).expect("room");
    let took = began.elapsed();
    let size = std::fs::metadata(path).map_or(0, |about| about.len());
    println!(
        "written: {events} events in {took:.2?}, {:.2} us each; {:.1} MB, {:.2} B each; at most {:.0} MB held",
        took.as_secs_f64() * 1e6 / events as f64,
        size as f64 / 1e6,
        size as f64 / events as f64,
        held as f64 / 1e6
    );
}

fn open(path: &Path) -> Arc<Recording> {
    let before = resident();
    let began = Instant::now();
    let rec = Recording::load(path).expect("a recording");
    println!(
        "opened: {:.2?}, {:.1} MB more resident",
        began.elapsed(),
        resident() - before
    );
    rec
}

fn read(path: &Path) {
    let before = resident();
    let rec = open(path);
    let events = rec.end_seq();
    let timeline = Timeline::new(Arc::clone(&rec));
    let began = Instant::now();
    let known = timeline.processes(Moment::End).expect("processes").list.len();
    println!("the first question ({known} processes): {:.2?}", began.elapsed());

    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut times: Vec<Duration> = (0..1_000)
        .map(|_| {
            let (who, at) = (
                TrackId(1 + next(PROCESSES - 1) as u32),
                events / 100 + next(events - events / 100),
            );
            let began = Instant::now();
            timeline
                .state_at(&Selector::Track(who), Moment::Seq(at))
                .unwrap_or_else(|error| panic!("{who:?} at {at}: {error:?}"));
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "state_at at a random moment: {:.2?} median, {:.2?} p99, {:.2?} at most",
        times[500], times[990], times[999]
    );
    let began = Instant::now();
    timeline.world(Moment::End, Wanted::default()).expect("a world");
    println!("the first world: {:.2?}", began.elapsed());
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            timeline
                .world(Moment::Seq(next(events)), Wanted::default())
                .expect("a world");
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "world at a random moment: {:.2?} median, {:.2?} p99, {:.2?} at most",
        times[100], times[198], times[199]
    );
    let began = Instant::now();
    let never = |_: &Transition| Verdict::No;
    let found = timeline
        .next_transition(None, None, Way::Forward, never)
        .expect("a search");
    println!(
        "a search through all transitions: {:.2?}, found {}",
        began.elapsed(),
        found.transition.is_some()
    );
    let began = Instant::now();
    // `%{count: n} when n < 0`: nothing that the chunk lacks decides, so every event is looked at.
    let negative = t(&[
        a("op"),
        a(">"),
        l(&[t(&[a("lit"), Value::Int(0)]), t(&[a("var"), a("n")])]),
    ]);
    let count = t(&[a("map"), l(&[t(&[a("count"), t(&[a("var"), a("n")])])])]);
    let data = t(&[a("pattern"), count, negative]);
    let pattern = Pattern::from_value(&data, Arc::new(Names)).expect("a pattern");
    let asked = Query {
        matches: Some(Arc::new(pattern)),
        limit: Some(1),
        ..Query::default()
    };
    let found = run(&timeline, &asked).expect("an answer");
    println!(
        "a search through all events: {:.2?}, found {}",
        began.elapsed(),
        found.hits.len()
    );
    println!("{:.0} MB more resident than before opening", resident() - before);
}

/// Resident memory in MB, where the system tells.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4096.0 / 1e6
}
