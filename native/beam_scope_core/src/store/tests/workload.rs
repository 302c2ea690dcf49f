//! Records like those of real processes.

use super::*;

/// What one GenServer call looks like from its server, at level `:full`: receive, handled, loop, send.
/// `state` makes the state after the `n`th call.
pub(crate) fn gen_server(calls: u64, varying: bool, state: impl Fn(u64) -> Value) -> Vec<Made> {
    let atom = |id: u64| Value::Atom(AtomId(id << 6 | 0xB));
    let (server, client) = (0x1003, 0x2003);
    let mut out = Vec::new();
    let mut time = 1_000_000u64;
    let mut noise = 0x1234_5678_9ABC_DEF0u64;
    for n in 0..calls {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        // An alias reference: its low word counts, the others stay for a while.
        let alias = Value::Ref(vec![(n * 7 + noise % 3) as u32, 0x1234_0001, 0xABCD]);
        let tag = Value::Improper(vec![atom(1)], Box::new(alias));
        let request = if varying {
            Value::Tuple(vec![
                atom(2),
                Value::Int((noise % 100_000) as i64),
                Value::Binary(format!("k{n}").into_bytes()),
            ])
        } else {
            atom(2)
        };
        let from = Value::Tuple(vec![Value::Pid(client), tag.clone()]);
        let message = Value::Tuple(vec![atom(3), from, request]);
        let reply = if varying { Value::Int(n as i64) } else { atom(4) };
        let reply = Value::Tuple(vec![tag.clone(), reply]);
        let mut push = |kind, point, fields, terms: &[Value]| {
            time += 200 + noise % 700;
            let mut made = made(time, server, kind, terms);
            (made.header.point, made.header.fields) = (point, fields);
            out.push(made);
        };
        push(EventKind::Receive, 0, 0, &[message.clone(), Value::Pid(client)]);
        push(
            EventKind::State,
            1,
            Fields::MESSAGE | Fields::BEFORE,
            &[message, state(n)],
        );
        push(EventKind::Send, 0, 0, &[tag, reply]);
        push(EventKind::State, 2, Fields::AFTER, &[state(n + 1)]);
    }
    out
}

/// A small state that changes at each call.
pub(crate) fn counter(n: u64) -> Value {
    let atom = |id: u64| Value::Atom(AtomId(id << 6 | 0xB));
    Value::Map(vec![
        (atom(10), Value::Int(n as i64)),
        (atom(11), Value::Binary(b"a name that stays".to_vec())),
        (atom(12), Value::List((0..5).map(Value::Int).collect())),
        (atom(13), Value::Tuple(vec![atom(14), Value::Float(1.5f64.to_bits())])),
    ])
}

#[test]
fn bytes_of_an_event() {
    for (name, varying, most) in [("constant", false, 16.0), ("varying", true, 32.0)] {
        let records = gen_server(20_000, varying, if varying { counter } else { |_| counter(0) });
        let rec = recording(StoreConfig::default());
        records.iter().for_each(|made| rec.append(&made.header, &made.payload));
        let backlog = rec.counts().bytes as f64 / records.len() as f64;
        let chunks = rec.chunks();
        let index = rec.index.lock();
        let sealed: usize = index.sealed.iter().map(sealed::Sealed::bytes).sum();
        let rows: usize = chunks.iter().take(index.sealed.len()).map(|chunk| chunk.len).sum();
        let each = sealed as f64 / rows as f64;
        println!(
            "{name} payloads: {each:.1} bytes an event sealed, {backlog:.1} as backlog, {} events",
            records.len()
        );
        assert!(each <= most, "{name}: {each:.1} bytes an event");
    }
}
