//! Arbitrary bytes never panic a decoder, hang it, or make it take memory without bound.
//!
//! A fuzzer of our own, since the usual ones need a nightly compiler: bytes that a real encoder wrote are mutated, bytes that
//! were interesting before are kept and mutated further. In the normal run each target gets a fraction of a second; with
//! `BEAM_SCOPE_FUZZ_SECONDS=60` a minute.

use std::time::{Duration, Instant};

use crate::term::arena::Arena;
use crate::term::{wire, AtomId, Kind, Value};

/// A small generator of random numbers (xorshift): the same seed gives the same bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            0
        } else {
            (self.next() % n as u64) as usize
        }
    }

    fn byte(&mut self) -> u8 {
        // Small numbers and the edges are what lengths and tags are made of.
        match self.below(4) {
            0 => self.below(40) as u8,
            1 => [0, 1, 0x7f, 0x80, 0xfe, 0xff][self.below(6)],
            _ => self.next() as u8,
        }
    }
}

/// How long each target runs.
fn time() -> Duration {
    let seconds = std::env::var("BEAM_SCOPE_FUZZ_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    seconds.map_or(Duration::from_millis(200), Duration::from_secs)
}

/// Feeds `target` mutations of `seeds` until the time is over. `target` answers how far it came with the bytes: what comes
/// further than anything before is kept to be mutated again.
pub(crate) fn fuzz(name: &str, seeds: Vec<Vec<u8>>, mut target: impl FnMut(&[u8]) -> usize) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut corpus = seeds;
    let mut best = 0;
    let (began, time) = (Instant::now(), time());
    let mut runs = 0u64;
    while began.elapsed() < time {
        let bytes = mutate(&corpus, &mut random);
        let before = Instant::now();
        let depth = target(&bytes);
        assert!(
            before.elapsed() < Duration::from_secs(10),
            "{name}: {} bytes took {:?}",
            bytes.len(),
            before.elapsed()
        );
        if depth > best || (depth > 0 && random.below(500) == 0) {
            best = best.max(depth);
            keep(&mut corpus, bytes, &mut random);
        }
        runs += 1;
    }
    println!("{name}: {runs} inputs in {:?}, the furthest {best}", began.elapsed());
}

fn keep(corpus: &mut Vec<Vec<u8>>, bytes: Vec<u8>, random: &mut Random) {
    if corpus.len() < 512 {
        corpus.push(bytes);
    } else {
        let at = random.below(512);
        corpus[at] = bytes;
    }
}

fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus.get(random.below(corpus.len())).cloned().unwrap_or_default();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(8) {
            0 if !bytes.is_empty() => bytes[at] = random.byte(),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, random.byte()),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 => bytes.extend((0..random.below(16)).map(|_| random.byte())),
            6 => copy_within(&mut bytes, random),
            _ => splice(&mut bytes, corpus, random),
        }
    }
    bytes.truncate(1 << 16);
    bytes
}

fn copy_within(bytes: &mut Vec<u8>, random: &mut Random) {
    let (from, to) = (random.below(bytes.len()), random.below(bytes.len()));
    let len = random.below(bytes.len() - from.min(bytes.len()));
    let part = bytes[from..from + len].to_vec();
    let tail = bytes.split_off(to);
    bytes.extend(part);
    bytes.extend(tail);
}

fn splice(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let Some(other) = corpus.get(random.below(corpus.len())) else {
        return;
    };
    bytes.truncate(random.below(bytes.len() + 1));
    bytes.extend_from_slice(&other[random.below(other.len())..]);
}

/// Terms of every kind.
fn terms() -> Vec<Value> {
    let small = vec![
        Value::Atom(AtomId(11)),
        Value::Int(-1),
        Value::Int(i64::MAX),
        Value::Big(true, vec![1; 12]),
        Value::Float(0x8000_0000_0000_0000),
        Value::Binary(b"text".to_vec()),
        Value::Bits(vec![0xa0], 3),
        Value::Improper(vec![Value::Int(1)], Box::new(Value::Int(2))),
        Value::Pid(77),
        Value::Ref(vec![1, 2, 3]),
        Value::External(Kind::Pid, vec![88, 1, 2]),
        Value::Export(AtomId(1), AtomId(2), 3),
        Value::TruncatedList(vec![Value::Int(1)], 12_000),
        Value::TruncatedMap(vec![(Value::Int(1), Value::Int(2))], 12_000),
        Value::TruncatedTuple(vec![Value::Int(1)], 40),
        Value::TruncatedBinary(b"text".to_vec(), 1_000_000),
        Value::Truncated(Kind::List, 12_000),
        Value::Redacted(Kind::Binary, 8),
    ];
    let pairs = (0..40)
        .map(|n| {
            (
                Value::Int(n),
                Value::Tuple(vec![Value::Int(n), Value::List(Vec::new())]),
            )
        })
        .collect();
    let mut all = vec![
        Value::List(Vec::new()),
        Value::List(small.clone()),
        Value::Tuple(small.clone()),
        Value::Map(pairs),
        Value::List((0..300).map(Value::Int).collect()),
    ];
    all.extend(small);
    all
}

fn wires() -> Vec<Vec<u8>> {
    let one = |value: &Value| {
        let mut out = Vec::new();
        wire::write(value, &mut out);
        out
    };
    terms().iter().map(one).collect()
}

#[test]
fn fuzz_wire_terms() {
    fuzz("wire terms", wires(), |bytes| {
        // Skipping looks at structure alone; whatever can be read can be skipped, and ends in the same place.
        let skipped = wire::skip(bytes);
        let Ok((_, used)) = wire::read(bytes) else { return 0 };
        assert_eq!(skipped, Ok(used));
        used
    });
}

#[test]
fn fuzz_interning() {
    fuzz("interning", wires(), |bytes| {
        let mut arena = Arena::new();
        let Ok((id, used)) = arena.intern_wire(bytes) else {
            return 0;
        };
        // What was interned can be walked, and is itself again.
        let value = arena.to_value(id);
        assert_eq!(arena.intern(&value), id);
        used
    });
}
