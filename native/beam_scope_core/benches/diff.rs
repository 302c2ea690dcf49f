//! What comparing states costs.
//!
//! | bench | what it measures |
//! |---|---|
//! | `diff/map_100k` | two maps of 100,000 keys with one change: shared parts are skipped |
//! | `diff/list_10k` | two lists of 10,000 integers with one inserted near the middle |
//! | `diff/text_4k` | two texts of 4 KB with one word changed |
//! | `pattern/map_100k` | `%{77 => n} when n > 2` of a map of 100,000 keys, its key looked up once |

use std::hint::black_box;
use std::sync::Arc;

use beam_scope_core::diff::{diff, DiffOptions};
use beam_scope_core::pattern::Pattern;
use beam_scope_core::term::arena::{Arena, NodeId};
use beam_scope_core::term::{AtomId, AtomSource, Value};
use criterion::{criterion_group, criterion_main, Criterion};

const WORDS: [&str; 8] = ["pattern", "map", "var", "op", ">", "lit", "n", "nil"];

struct Words;

impl AtomSource for Words {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        WORDS.get(usize::try_from(id.0).ok()?).map(|word| (*word).into())
    }
}

fn word(text: &str) -> Value {
    Value::Atom(AtomId(WORDS.iter().position(|word| *word == text).unwrap_or(0) as u64))
}

fn tuple(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Tuple(items.into_iter().collect())
}

/// A map of so many keys, and the same with one value changed.
fn maps(arena: &mut Arena, size: i64) -> (NodeId, NodeId) {
    let ids: Vec<NodeId> = (0..size).map(|n| arena.intern(&Value::Int(n))).collect();
    let old = arena.make_map(ids.iter().map(|id| (*id, *id)));
    let new = arena.make_map(ids.iter().map(|id| (*id, *id)).chain([(ids[77], ids[0])]));
    (old, new)
}

fn comparing(c: &mut Criterion) {
    let mut arena = Arena::new();
    let (old_map, new_map) = maps(&mut arena, 100_000);
    let ints = |range: &mut dyn Iterator<Item = i64>| Value::List(range.map(Value::Int).collect());
    let old_list = arena.intern(&ints(&mut (0..10_000)));
    let new_list = arena.intern(&ints(&mut (0..5_000).chain([-1]).chain(5_000..10_000)));
    let text = |word: &str| Value::Binary(format!("{0}{word}{0}", "lorem ipsum ".repeat(170)).into_bytes());
    let (old_text, new_text) = (arena.intern(&text("dolor")), arena.intern(&text("amet")));
    let options = DiffOptions::new(|_| None);
    for (name, old, new) in [
        ("diff/map_100k", old_map, new_map),
        ("diff/list_10k", old_list, new_list),
        ("diff/text_4k", old_text, new_text),
    ] {
        c.bench_function(name, |b| b.iter(|| black_box(diff(&arena, old, new, &options))));
    }
}

fn matching(c: &mut Criterion) {
    let mut arena = Arena::new();
    let (map, _) = maps(&mut arena, 100_000);
    let var = || tuple([word("var"), word("n")]);
    let head = tuple([word("map"), Value::List(vec![tuple([Value::Int(77), var()])])]);
    let two = tuple([word("lit"), Value::Int(2)]);
    let guard = tuple([word("op"), word(">"), Value::List(vec![var(), two])]);
    let data = tuple([word("pattern"), head, guard]);
    let Ok(pattern) = Pattern::from_value(&data, Arc::new(Words)) else {
        return;
    };
    let prepared = pattern.prepare(&arena);
    c.bench_function("pattern/map_100k", |b| b.iter(|| black_box(prepared.matches(map))));
}

criterion_group!(benches, comparing, matching);
criterion_main!(benches);
