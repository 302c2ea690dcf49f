//! What checking expectations costs.
//!
//! * `thirty_checks_1m`: 30 checks of all kinds over a recording of a million events of GenServers at work, in one shared
//!   pass; the aim is under a second on one core. What the first question to a recording costs (reading it once into an
//!   index, pairing sends and receives) is printed apart: every later question shares it;
//! * `one_check_1m`: one check, for what the pass itself costs;
//! * `ten_leads_to_1m`: ten times what costs most an event, 100,000 causes and effects each;
//! * `flow_1m`: a flow of three steps with a variable;
//! * `monitor_100k`: 20 checks beside a recording that grows by 100,000 events, polled every 5,000 as a poller of 50 ms does
//!   at 100,000 events a second: what of a second that takes.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beam_scope_core::event::{EventKind, Fields, Point};
use beam_scope_core::expect::{run, Check, Monitor, Parties, Rule, Step, What};
use beam_scope_core::pattern::Pattern;
use beam_scope_core::store::TrackId;
use beam_scope_core::term::Value;
use beam_scope_core::timeline::{Moment, Selector, Timeline};
use criterion::{criterion_group, criterion_main, Criterion};

mod work;

use work::{a, l, t, Log, Names};

const SERVERS: u64 = 20;
const CLIENT: u64 = 0x2003;

/// Writes what `SERVERS` servers and a client do, call by call: ten events each.
struct Writer {
    log: Log,
    call: u64,
}

impl Writer {
    fn new() -> Self {
        Self {
            log: Log::new(),
            call: 0,
        }
    }

    fn push(&mut self, pid: u64, kind: EventKind, point: u8, fields: u16, terms: &[Value]) {
        self.log.push(200 + self.call % 700, pid, kind, (point, fields), terms);
    }

    /// One call of a server that inserts something and counts it.
    fn call(&mut self) {
        let n = self.call;
        self.call += 1;
        let server = 0x1003 + (n % SERVERS) * 0x100;
        let state = |n: u64| {
            Value::Map(vec![
                (a("count"), Value::Int((n / SERVERS) as i64)),
                (a("name"), Value::Binary(b"a name that stays".to_vec())),
            ])
        };
        let tag = Value::Improper(
            vec![a("alias")],
            Box::new(Value::Ref(vec![n as u32 * 7, 0x1234_0001, 0xABCD])),
        );
        let request = t(&[a("add"), Value::Int((n % 1000) as i64)]);
        let message = t(&[a("$gen_call"), t(&[Value::Pid(CLIENT), tag.clone()]), request]);
        let reply = t(&[tag.clone(), Value::Int(n as i64)]);
        let args = l(&[Value::Int((n % 1000) as i64)]);
        self.push(CLIENT, EventKind::Send, 0, 0, &[Value::Pid(server), message.clone()]);
        self.push(server, EventKind::Receive, 0, 0, &[message.clone(), Value::Pid(CLIENT)]);
        let handled = Fields::MESSAGE | Fields::BEFORE;
        self.push(
            server,
            EventKind::State,
            Point::Handled as u8,
            handled,
            &[message, state(n)],
        );
        self.push(server, EventKind::Call, 0, 0, &[a("Repo"), a("insert"), args]);
        let returned = [
            a("Repo"),
            a("insert"),
            Value::Int(1),
            t(&[a("ok"), Value::Int(n as i64)]),
        ];
        self.push(server, EventKind::Return, 0, 0, &returned);
        self.push(server, EventKind::Send, 0, 0, &[tag, reply.clone()]);
        self.push(CLIENT, EventKind::Receive, 0, 0, &[reply, Value::Pid(server)]);
        self.push(
            server,
            EventKind::State,
            Point::Loop as u8,
            Fields::AFTER,
            &[state(n + SERVERS)],
        );
        self.push(server, EventKind::Link, 0, 0, &[Value::Pid(9)]);
        self.push(server, EventKind::Unlink, 0, 0, &[Value::Pid(9)]);
    }
}

// ---- patterns ----

fn lit(value: Value) -> Value {
    t(&[a("lit"), value])
}

fn var(name: &str) -> Value {
    t(&[a("var"), a(name)])
}

fn tup(heads: &[Value]) -> Value {
    t(&[a("tuple"), l(heads)])
}

fn counted(head: Value) -> Value {
    t(&[a("map"), l(&[t(&[a("count"), head])])])
}

fn op(name: &str, args: &[Value]) -> Value {
    t(&[a("op"), a(name), l(args)])
}

fn number(n: i64) -> Value {
    lit(Value::Int(n))
}

fn when(head: Value, guard: Value) -> Value {
    t(&[a("pattern"), head, guard])
}

fn just(head: Value) -> Value {
    when(head, a("nil"))
}

fn add(head: Value) -> Value {
    tup(&[lit(a("add")), head])
}

fn check(rule: Rule, steps: &[(What, Option<u32>, Value)]) -> Check {
    let mut names = Vec::new();
    let steps = steps.iter().map(|(what, track, data)| {
        let pattern = Pattern::with_given(data, Arc::new(Names), &names).expect("well-formed");
        names.extend(pattern.variables().map(|(name, _)| name));
        Step {
            what: *what,
            process: track.map(|track| Selector::Track(TrackId(track))),
            from: None,
            to: None,
            mfa: None,
            parties: Parties::default(),
            pattern,
        }
    });
    Check {
        rule,
        steps: steps.collect(),
        scope: None,
        since: None,
        until: None,
        lenient: false,
    }
}

/// Thirty checks as a test module has them: some of all processes, some of one, most of them true.
fn checks() -> Vec<Check> {
    let always = Rule::Every { negate: false };
    let never = Rule::Every { negate: true };
    let once = Rule::Count {
        min: Some(1),
        max: None,
    };
    let grown = op("=:=", &[var("m"), op("+", &[var("n"), number(1)])]);
    let (request, returned) = (add(var("n")), tup(&[lit(a("ok")), var("k")]));
    let mut all = Vec::new();
    for track in [None, Some(1), Some(2), Some(3)] {
        let positive = op(">=", &[var("n"), number(0)]);
        all.push(check(
            always,
            &[(What::State, track, when(counted(var("n")), positive))],
        ));
        all.push(check(never, &[(What::State, track, just(counted(number(-1))))]));
        all.push(check(once, &[(What::State, track, just(counted(number(400))))]));
        let step = tup(&[counted(var("n")), counted(var("m")), add(a("any"))]);
        all.push(check(always, &[(What::Transition, track, when(step, grown.clone()))]));
        all.push(check(never, &[(What::Crashed, track, just(a("any")))]));
    }
    all.push(check(once, &[(What::Sent, None, just(request.clone()))]));
    all.push(check(never, &[(What::Sent, None, just(lit(a("never"))))]));
    all.push(check(
        never,
        &[(What::Received, None, just(tup(&[lit(a("never")), a("any")])))],
    ));
    all.push(check(once, &[(What::Received, Some(1), just(add(number(80))))]));
    all.push(check(always, &[(What::Called, None, just(tup(&[a("any"), returned])))]));
    all.push(check(
        once,
        &[(
            What::Called,
            Some(2),
            just(tup(&[t(&[a("list"), l(&[number(41)])]), a("any")])),
        )],
    ));
    let within = Rule::LeadsTo {
        within_ns: Some(10_000_000),
    };
    all.push(check(
        within,
        &[
            (What::Sent, None, just(request.clone())),
            (What::Received, None, just(request.clone())),
        ],
    ));
    let cause = Rule::Causality {
        within_ns: None,
        strict: false,
    };
    all.push(check(
        cause,
        &[
            (What::Sent, None, just(request.clone())),
            (What::Received, None, just(request)),
        ],
    ));
    all.push(check(
        Rule::Flow,
        &[
            (What::Sent, None, just(add(number(5)))),
            (What::Received, None, just(add(number(5)))),
        ],
    ));
    all.push(check(never, &[(What::Sent, Some(0), just(add(number(1_001))))]));
    assert_eq!(all.len(), 30);
    all
}

fn recording(calls: u64) -> Timeline {
    let mut writer = Writer::new();
    (0..calls).for_each(|_| writer.call());
    Timeline::new(writer.log.rec)
}

/// How long the first question takes, and the same question again.
fn first_question(timeline: &Timeline) {
    let began = Instant::now();
    black_box(timeline.recording().chunks());
    let indexed = began.elapsed();
    let began = Instant::now();
    black_box(timeline.processes(Moment::End).is_ok());
    let read = began.elapsed();
    let began = Instant::now();
    black_box(timeline.partner(0).is_ok());
    println!(
        "first question: {indexed:?} to index, {read:?} to read, {:?} to pair",
        began.elapsed()
    );
}

fn thirty(c: &mut Criterion) {
    let timeline = recording(100_000);
    first_question(&timeline);
    let found = run(&timeline, checks(), 0).expect("an answer");
    for one in &found {
        println!("{:?} {} of {}", one.verdict, one.count, one.seen);
    }
    let mut group = c.benchmark_group("expect");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("thirty_checks_1m", |b| {
        b.iter(|| black_box(run(&timeline, checks(), 0).is_ok()))
    });
    let one = || {
        let never = Rule::Every { negate: true };
        vec![check(never, &[(What::Sent, None, just(lit(a("never"))))])]
    };
    group.bench_function("one_check_1m", |b| {
        b.iter(|| black_box(run(&timeline, one(), 0).is_ok()))
    });
    let flow = || {
        let step = |what| (what, None, just(add(var("n"))));
        vec![check(
            Rule::Flow,
            &[
                step(What::Sent),
                step(What::Received),
                (What::State, Some(5), just(counted(number(900)))),
            ],
        )]
    };
    let pairs = || {
        let rule = Rule::LeadsTo {
            within_ns: Some(10_000_000),
        };
        let step = |what| (what, None, just(add(var("n"))));
        (0..10)
            .map(|_| check(rule, &[step(What::Sent), step(What::Received)]))
            .collect()
    };
    group.bench_function("ten_leads_to_1m", |b| {
        b.iter(|| black_box(run(&timeline, pairs(), 0).is_ok()))
    });
    group.bench_function("flow_1m", |b| b.iter(|| black_box(run(&timeline, flow(), 0).is_ok())));
    group.finish();
}

fn monitor(c: &mut Criterion) {
    let mut group = c.benchmark_group("expect");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("monitor_100k", |b| {
        b.iter_custom(|rounds| (0..rounds).map(|_| watched(100_000, 5_000)).sum());
    });
    group.finish();
    per_poll();
}

/// What a poll costs, by how many events are new and how many there were before: it is to depend on the new ones only.
fn per_poll() {
    for (before, step) in [
        (0, 500),
        (0, 2_000),
        (0, 8_000),
        (1_000_000, 500),
        (1_000_000, 2_000),
        (1_000_000, 8_000),
    ] {
        let mut polls = polls(before, 64, step);
        polls.sort_unstable();
        let (median, worst) = (polls[polls.len() / 2], polls[polls.len() - 1]);
        let each = median.as_nanos() / u128::from(step);
        println!(
            "poll of {step:>5} new events after {before:>7}: {median:>8.1?} ({each} ns an event), at most {worst:.1?}"
        );
    }
}

/// What the polls of a monitor take while a recording grows by so many events.
fn watched(events: u64, step: u64) -> Duration {
    polls(0, events / step, step).into_iter().sum()
}

/// How long each of some polls takes, `step` new events apart, in a recording that had some before.
fn polls(before: u64, polls: u64, step: u64) -> Vec<Duration> {
    let mut writer = Writer::new();
    (0..20 + before / 10).for_each(|_| writer.call());
    let timeline = Timeline::new(Arc::clone(&writer.log.rec));
    let mut monitor = Monitor::new(&timeline, checks().into_iter().take(20).collect()).expect("a monitor");
    black_box(monitor.poll(&timeline, 0).is_ok());
    let poll = |_| {
        (0..step / 10).for_each(|_| writer.call());
        let began = Instant::now();
        black_box(monitor.poll(&timeline, 0).is_ok());
        began.elapsed()
    };
    (0..polls).map(poll).collect()
}

criterion_group!(benches, thirty, monitor);
criterion_main!(benches);
