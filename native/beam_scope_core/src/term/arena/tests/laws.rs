//! Law 1, the core's half: a term that was written is the same term when read. Law 7: arbitrary bytes never panic.

use proptest::prelude::*;

use super::{cases, int};
use crate::term::arena::{Arena, NodeId};
use crate::term::{wire, AtomId, Kind, Opaque, Value};

const KINDS: [Kind; 11] = [
    Kind::Atom,
    Kind::Integer,
    Kind::Float,
    Kind::Binary,
    Kind::List,
    Kind::Tuple,
    Kind::Map,
    Kind::Pid,
    Kind::Port,
    Kind::Reference,
    Kind::Fun,
];

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(&KINDS[..])
}

fn bytes(from: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), from..20)
}

fn leaf() -> impl Strategy<Value = Value> {
    let atom = || (0u64..9).prop_map(AtomId);
    prop_oneof![
        3 => atom().prop_map(Value::Atom),
        3 => prop_oneof![(-3i64..3).boxed(), any::<i64>().boxed()].prop_map(Value::Int),
        1 => (any::<bool>(), bytes(9)).prop_map(|(negative, magnitude)| Value::Big(negative, magnitude)),
        2 => prop_oneof![Just(0u64), Just(1 << 63), any::<u64>()].prop_map(Value::Float),
        2 => bytes(0).prop_map(Value::Binary),
        1 => (bytes(1), 1u8..8).prop_map(|(bytes, used)| Value::Bits(bytes, used)),
        1 => any::<u64>().prop_map(Value::Pid),
        1 => prop::collection::vec(any::<u32>(), 0..6).prop_map(Value::Ref),
        1 => (prop::sample::select(vec![Kind::Pid, Kind::Port, Kind::Reference]), bytes(0))
            .prop_map(|(kind, bytes)| Value::External(kind, bytes)),
        1 => (atom(), atom(), any::<u32>()).prop_map(|(module, function, arity)| Value::Export(module, function, arity)),
        1 => (kind(), "\\PC{0,12}").prop_map(|(kind, text)| Value::Opaque(Opaque { kind, text })),
        1 => (bytes(0), any::<u64>()).prop_map(|(bytes, full)| Value::TruncatedBinary(bytes, full)),
        1 => (kind(), any::<u64>()).prop_map(|(kind, size)| Value::Truncated(kind, size)),
        1 => (kind(), any::<u64>()).prop_map(|(kind, size)| Value::Redacted(kind, size)),
    ]
}

/// Pairs with keys that are all different.
fn pairs(term: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = Vec<(Value, Value)>> {
    prop::collection::vec((term.clone(), term), 0..24).prop_map(|mut pairs| {
        let mut seen = std::collections::HashSet::new();
        pairs.retain(|(key, _)| seen.insert(canonical(key)));
        pairs
    })
}

fn term() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 64, 24, |term| {
        let terms = || prop::collection::vec(term.clone(), 0..24);
        prop_oneof![
            terms().prop_map(Value::List),
            (
                prop::collection::vec(term.clone(), 1..24),
                leaf().prop_filter("a tail is no list", |tail| { !matches!(tail, Value::List(_)) })
            )
                .prop_map(|(items, tail)| Value::Improper(items, Box::new(tail))),
            terms().prop_map(Value::Tuple),
            pairs(term.clone()).prop_map(Value::Map),
            (terms(), any::<u64>()).prop_map(|(items, full)| Value::TruncatedList(items, full)),
            (terms(), any::<u64>()).prop_map(|(items, full)| Value::TruncatedTuple(items, full)),
            (pairs(term.clone()), any::<u64>()).prop_map(|(pairs, full)| Value::TruncatedMap(pairs, full)),
        ]
    })
}

/// The term with every map's pairs in one order, decided without an arena.
pub(crate) fn canonical(value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(canonical).collect::<Vec<_>>();
    let sorted = |pairs: &[(Value, Value)]| {
        let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (canonical(k), canonical(v))).collect();
        pairs.sort_by_key(|(key, _)| written(key));
        pairs
    };
    match value {
        Value::List(items) => Value::List(all(items)),
        Value::Improper(items, tail) => Value::Improper(all(items), Box::new(canonical(tail))),
        Value::Tuple(items) => Value::Tuple(all(items)),
        Value::TruncatedList(items, full) => Value::TruncatedList(all(items), *full),
        Value::TruncatedTuple(items, full) => Value::TruncatedTuple(all(items), *full),
        Value::Map(pairs) => Value::Map(sorted(pairs)),
        Value::TruncatedMap(pairs, full) => Value::TruncatedMap(sorted(pairs), *full),
        other => other.clone(),
    }
}

/// The same term with the pairs of its outermost maps the other way round.
fn turned(value: &Value) -> Value {
    match value {
        Value::Map(pairs) => Value::Map(pairs.iter().rev().map(|(k, v)| (turned(k), turned(v))).collect()),
        Value::List(items) => Value::List(items.iter().map(turned).collect()),
        Value::Tuple(items) => Value::Tuple(items.iter().map(turned).collect()),
        other => other.clone(),
    }
}

fn written(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    wire::write(value, &mut out);
    out
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn law_1_what_was_written_is_read(value in term()) {
        let bytes = written(&value);
        prop_assert_eq!(wire::skip(&bytes), Ok(bytes.len()));
        prop_assert_eq!(wire::read(&bytes), Ok((value.clone(), bytes.len())));
        let mut arena = Arena::new();
        prop_assert_eq!(arena.find(&value), None);
        let (id, read) = arena.intern_wire(&bytes).unwrap();
        prop_assert_eq!(read, bytes.len());
        prop_assert_eq!(canonical(&arena.to_value(id)), canonical(&value));
        prop_assert_eq!(arena.is_complete(id), value.is_complete());
        prop_assert_eq!(arena.find(&value), Some(id));
    }

    #[test]
    fn equal_terms_are_one_node_and_others_are_not(a in term(), b in term()) {
        let mut arena = Arena::new();
        let (x, y) = (arena.intern(&a), arena.intern(&b));
        prop_assert_eq!(x == y, canonical(&a) == canonical(&b));
        prop_assert_eq!(arena.intern(&turned(&a)), x);
    }

    #[test]
    fn a_term_is_the_same_in_every_arena(a in term(), b in term()) {
        let mut one = Arena::new();
        let (x, y) = (one.intern(&a), one.intern(&b));
        let mut two = Arena::new();
        let there = (two.import(&one, y), two.import(&one, x));
        prop_assert_eq!((two.intern(&b), two.intern(&a)), there);
        prop_assert_eq!(two.content_hash(there.1), one.content_hash(x));
        let packed = one.pack();
        let again = Arena::unpack(packed.streams.each_ref().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(again.len(), one.len());
        prop_assert_eq!(again.find(&a), Some(x));
        prop_assert_eq!(again.find(&b), Some(y));
        prop_assert_eq!(again.is_complete(x), a.is_complete());
    }

    #[test]
    fn lists_are_what_they_seem(items in prop::collection::vec(0i64..9, 0..200), edit in 0usize..200, cut in 0usize..20) {
        let mut arena = Arena::new();
        let list = |arena: &mut Arena, items: &[i64]| arena.intern(&Value::List(items.iter().copied().map(int).collect()));
        let mut edited = items.clone();
        let at = edit.min(edited.len());
        edited.splice(at..(at + cut).min(items.len()), [77, 78].into_iter().take(cut % 3));
        let (a, b) = (list(&mut arena, &items), list(&mut arena, &edited));
        prop_assert_eq!(arena.list_len(a), items.len());
        let all: Vec<NodeId> = arena.list_iter(a).collect();
        let each: Vec<Option<NodeId>> = (0..items.len()).map(|i| arena.list_get(a, i)).collect();
        prop_assert_eq!(each, all.into_iter().map(Some).collect::<Vec<_>>());
        prop_assert_eq!(arena.list_get(a, items.len()), None);
        let prefix = items.iter().zip(&edited).take_while(|(x, y)| x == y).count();
        let shorter = items.len().min(edited.len());
        let suffix = items.iter().rev().zip(edited.iter().rev()).take_while(|(x, y)| x == y).count();
        prop_assert_eq!(arena.list_common(a, b), (prefix, suffix.min(shorter - prefix)));
    }

    #[test]
    fn changes_of_maps_are_all_and_only_those(
        a in prop::collection::btree_map(0i64..300, 0i64..3, 0..200),
        edits in prop::collection::btree_map(0i64..300, prop::option::of(0i64..3), 0..20),
    ) {
        let mut b = a.clone();
        for (key, edit) in edits {
            match edit {
                Some(value) => b.insert(key, value),
                None => b.remove(&key),
            };
        }
        let mut arena = Arena::new();
        let map = |arena: &mut Arena, pairs: &std::collections::BTreeMap<i64, i64>| {
            arena.intern(&Value::Map(pairs.iter().map(|(k, v)| (int(*k), int(*v))).collect()))
        };
        let (x, y) = (map(&mut arena, &a), map(&mut arena, &b));
        let number = |id: NodeId| match arena.to_value(id) {
            Value::Int(n) => n,
            _ => unreachable!("only numbers here"),
        };
        let mut found: Vec<_> =
            arena.map_changes(x, y).into_iter().map(|(k, old, new)| (number(k), old.map(number), new.map(number))).collect();
        found.sort_unstable();
        let mut expected: Vec<_> = a.keys().chain(b.keys()).map(|k| (*k, a.get(k).copied(), b.get(k).copied())).collect();
        expected.retain(|(_, old, new)| old != new);
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(found, expected);
        for (key, value) in &a {
            let key = arena.find(&int(*key)).unwrap();
            prop_assert_eq!(arena.map_get(x, key).map(number), Some(*value));
        }
        prop_assert_eq!((arena.map_len(x), arena.map_iter(x).count()), (a.len(), a.len()));
    }

    #[test]
    fn law_7_arbitrary_bytes_never_panic(bytes in prop::collection::vec(prop_oneof![0u8..32, any::<u8>()], 0..200)) {
        read_all_ways(&bytes);
    }

    #[test]
    fn law_7_damaged_terms_never_panic(value in term(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = written(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_all_ways(&bytes);
        read_all_ways(&bytes[..cut.index(bytes.len())]);
    }
}

fn read_all_ways(bytes: &[u8]) {
    let skipped = wire::skip(bytes);
    let mut arena = Arena::new();
    let interned = arena.intern_wire(bytes);
    // What is announced costs nothing; only what is there does.
    assert!(
        arena.bytes() <= 16_384 + bytes.len() * 512,
        "{} bytes for {}",
        arena.bytes(),
        bytes.len()
    );
    match interned {
        Ok((id, read)) => {
            assert_eq!(skipped, Ok(read));
            let value = arena.to_value(id);
            assert_eq!(arena.intern(&value), id);
        }
        Err(error) => assert!(matches!(error, wire::WireError::Reference(_)) || skipped == Err(error)),
    }
}

#[test]
fn announced_sizes_cost_nothing() {
    for tag in [
        crate::term::tag::TUPLE,
        crate::term::tag::MAP,
        crate::term::tag::BINARY,
        crate::term::tag::LREF,
    ] {
        let mut bytes = vec![tag];
        wire::write_varint(u64::MAX, &mut bytes);
        read_all_ways(&bytes);
    }
}

#[test]
fn a_tail_that_is_a_list_is_the_same_list() {
    use crate::term::tag::{END, INT, LIST, NIL, TAIL};
    let mut arena = Arena::new();
    let plain = arena.intern(&Value::List(vec![int(1), int(2)]));
    let nested = arena
        .intern_wire(&[LIST, INT, 2, TAIL, LIST, INT, 4, END])
        .map(|(id, _)| id);
    let with_nil = arena.intern_wire(&[LIST, INT, 2, INT, 4, TAIL, NIL]).map(|(id, _)| id);
    assert_eq!((nested, with_nil), (Ok(plain), Ok(plain)));
}
