//! GenServers at work, that call and are called.

use beam_scope_core::event::{EventKind, Fields, Point};
use beam_scope_core::term::Value;
use beam_scope_core::timeline::Timeline;

use crate::work::{a, l, t, Log};

const SERVERS: u64 = 20;
const NAMED: u64 = 4;
pub(crate) const CLIENT: u64 = 0x2003;
const STORE: u64 = 0x3003;

fn server(at: u64) -> u64 {
    0x1_0003 + at * 0x100
}

/// As `proc_lib` starts a gen_server.
fn start(log: &mut Log, at: u64) {
    let mut inner = vec![a("gen_server"), Value::Pid(CLIENT), Value::Pid(CLIENT)];
    let name = (at < NAMED).then(|| a(&format!("server{at}")));
    inner.extend(name.clone().map(|name| t(&[a("local"), name])));
    inner.extend([a("Server"), l(&[]), l(&[])]);
    let all = [Value::Pid(CLIENT), l(&[a("top")]), a("gen"), a("init_it"), l(&inner)];
    let mfa = t(&[a("proc_lib"), a("init_p"), l(&all)]);
    log.push(
        100,
        CLIENT,
        EventKind::Spawn,
        (0, 0),
        &[Value::Pid(server(at)), mfa.clone()],
    );
    log.push(100, server(at), EventKind::Spawned, (0, 0), &[Value::Pid(CLIENT), mfa]);
    if let Some(name) = name {
        log.push(100, server(at), EventKind::Register, (0, 0), &[name]);
    }
}

/// A state after so many steps: some of it keeps to rules, some of it moves.
pub(crate) fn state(step: u64) -> Value {
    let n = |n: u64| Value::Int(n as i64);
    let filled = step % 16;
    let used = step * 7 % 11;
    let jobs = (0..filled).map(|key| (n(key), a("job"))).collect();
    Value::Map(vec![
        (a("count"), n(step)),
        (a("total"), n(step * step % 1_000_003)),
        (a("items"), Value::List((0..filled).rev().map(n).collect())),
        (a("size"), n(filled)),
        (a("last"), if filled == 0 { a("nil") } else { n(filled - 1) }),
        (a("limit"), n(16)),
        (a("name"), Value::Binary(b"a name that stays".to_vec())),
        (a("status"), a(if step.is_multiple_of(3) { "idle" } else { "busy" })),
        (a("jobs"), Value::Map(jobs)),
        (a("current"), if filled == 0 { a("nil") } else { n(step % filled) }),
        (a("free"), n(10 - used)),
        (a("used"), n(used)),
    ])
}

/// One call: six events, or seven.
fn call(log: &mut Log, run: u64, nth: u64, state: fn(u64) -> Value) {
    let (server, step) = (server(nth % SERVERS), nth / SERVERS);
    let tag = Value::Improper(
        vec![a("alias")],
        Box::new(Value::Ref(vec![nth as u32, 0x1234_0001 + run as u32, 0xABCD])),
    );
    let number = Value::Int(nth as i64);
    let request = match nth % 4 {
        0 => a("inc"),
        1 => t(&[a("put"), number.clone()]),
        2 => t(&[a("set"), number.clone(), a("job")]),
        _ => a("get"),
    };
    let message = t(&[a("$gen_call"), t(&[Value::Pid(CLIENT), tag.clone()]), request]);
    let reply = t(&[tag.clone(), t(&[a("ok"), number.clone()])]);
    let handled = (Point::Handled as u8, Fields::MESSAGE | Fields::BEFORE);
    let after = 200 + nth % 700 + run * 30;
    log.push(
        after,
        CLIENT,
        EventKind::Send,
        (0, 0),
        &[Value::Pid(server), message.clone()],
    );
    log.push(
        after,
        server,
        EventKind::Receive,
        (0, 0),
        &[message.clone(), Value::Pid(CLIENT)],
    );
    log.push(after, server, EventKind::State, handled, &[message, state(step)]);
    if nth % 4 == 1 {
        log.push(
            after,
            server,
            EventKind::Send,
            (0, 0),
            &[Value::Pid(STORE), t(&[a("ship"), number])],
        );
    }
    log.push(after, server, EventKind::Send, (0, 0), &[tag, reply.clone()]);
    log.push(after, CLIENT, EventKind::Receive, (0, 0), &[reply, Value::Pid(server)]);
    let looped = (Point::Loop as u8, Fields::AFTER);
    log.push(after, server, EventKind::State, looped, &[state(step + 1)]);
}

/// So many events. In each `run` the references are others, and the messages come at other times; `order` makes one call take
/// another's place.
pub(crate) fn recording(events: u64, run: u64, order: impl Fn(u64) -> u64, state: fn(u64) -> Value) -> Timeline {
    let mut log = Log::new();
    (0..SERVERS).for_each(|at| start(&mut log, at));
    (0..events * 4 / 25).for_each(|nth| call(&mut log, run, order(nth), state));
    Timeline::new(log.rec)
}
