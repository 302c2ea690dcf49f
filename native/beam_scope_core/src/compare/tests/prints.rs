//! Fingerprints: what is the same has the same, however it was read.

use std::sync::Arc;

use proptest::prelude::*;

use crate::compare::clock::Clock;
use crate::compare::print::Printer;
use crate::term::arena::Arena;
use crate::term::{Kind, Opaque, Value};
use crate::timeline::tests::kit::{a, i, l, t};
use crate::timeline::Words;

fn words() -> Arc<Words> {
    Arc::new(Words::new(Box::new(|id| Some(format!("atom{}", id.0).into()))))
}

fn print(value: &Value) -> u64 {
    let mut arena = Arena::new();
    let node = arena.intern(value);
    Printer::new(words(), None, &Clock::default()).alone(&arena, node)
}

fn fun(text: &str) -> Value {
    Value::Opaque(Opaque {
        kind: Kind::Fun,
        text: text.into(),
    })
}

#[test]
fn what_is_another_in_every_run_is_the_same() {
    assert_eq!(print(&Value::Pid(0x13)), print(&Value::Pid(0x23)));
    assert_eq!(print(&Value::Ref(vec![1, 2, 3])), print(&Value::Ref(vec![4, 5, 6])));
    assert_eq!(print(&fun("#Fun<Elixir.A.3.1234>")), print(&fun("#Fun<Elixir.A.4.99>")));
    let trace = |line| l(&[t(&[a("m"), a("f"), i(1), l(&[t(&[a("line"), i(line)])])])]);
    assert_eq!(print(&t(&[a("boom"), trace(1)])), print(&t(&[a("boom"), trace(2)])));
}

#[test]
fn what_is_not_is_not() {
    let all = [
        Value::Pid(1),
        Value::Ref(vec![1]),
        i(1),
        Value::Float(1.0f64.to_bits()),
        Value::Binary(vec![1]),
        Value::Bits(vec![1], 3),
        l(&[]),
        l(&[i(1)]),
        t(&[]),
        t(&[i(1)]),
        Value::Map(vec![]),
        Value::Map(vec![(i(1), i(1))]),
        Value::Improper(vec![i(1)], Box::new(i(2))),
        fun("#Fun<Elixir.A.3.1>"),
        fun("#Fun<Elixir.B.3.1>"),
        Value::Truncated(Kind::List, 3),
        Value::Redacted(Kind::List, 3),
        Value::Big(true, vec![1; 9]),
        Value::Big(false, vec![1; 9]),
    ];
    for (at, one) in all.iter().enumerate() {
        for other in &all[at + 1..] {
            assert_ne!(print(one), print(other), "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_term_may_be_nested_as_deep_as_it_likes() {
    let deep = || {
        (0..100_000).fold(Arena::new(), |mut arena, n| {
            let node = if n == 0 {
                arena.intern(&i(0))
            } else {
                crate::term::arena::NodeId(arena.len() as u32 - 1)
            };
            arena.make_tuple(&[node]);
            arena
        })
    };
    let arena = deep();
    let node = crate::term::arena::NodeId(arena.len() as u32 - 1);
    assert_ne!(Printer::new(words(), None, &Clock::default()).alone(&arena, node), 0);
}

/// A large container that goes through changes: read one after the other, and each for itself.
fn through(steps: &[Value]) {
    let mut arena = Arena::new();
    let nodes: Vec<_> = steps.iter().map(|step| arena.intern(step)).collect();
    let clock = Clock::default();
    let mut printer = Printer::new(words(), None, &clock);
    printer.enter(&arena);
    for (step, node) in steps.iter().zip(nodes) {
        assert_eq!(printer.of(&arena, node, 0), print(step), "{step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_large_map_costs_what_changed_and_is_the_same(
        changes in prop::collection::vec((0i64..80, prop::option::of(0i64..5)), 1..20)
    ) {
        let mut pairs: std::collections::BTreeMap<i64, i64> = (0..70).map(|n| (n, n)).collect();
        let map = |pairs: &std::collections::BTreeMap<i64, i64>| {
            Value::Map(pairs.iter().map(|(key, value)| (i(*key), t(&[i(*value)]))).collect())
        };
        let mut steps = vec![map(&pairs)];
        for (key, value) in changes {
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
            steps.push(map(&pairs));
        }
        through(&steps);
    }

    #[test]
    fn so_does_a_long_list(edits in prop::collection::vec((0usize..4, 0i64..9), 1..20)) {
        let mut items: std::collections::VecDeque<i64> = (0..120).map(|n| n % 7).collect();
        let list = |items: &std::collections::VecDeque<i64>| Value::List(items.iter().map(|n| t(&[i(*n)])).collect());
        let mut steps = vec![list(&items)];
        for (edit, n) in edits {
            match edit {
                0 => items.push_front(n),
                1 => items.push_back(n),
                2 => { items.pop_front(); }
                _ => {
                    let at = n as usize * 9 % items.len();
                    items[at] = n;
                    if n == 8 { items.remove(at); }
                }
            }
            steps.push(list(&items));
        }
        through(&steps);
    }
}
