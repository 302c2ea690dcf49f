//! Hiding parts of a term may make an answer unknown, never wrong.

use proptest::prelude::*;

use super::*;

pub(super) type Dice<'d> = &'d mut dyn FnMut() -> u8;

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2i64..3).prop_map(int),
        prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(1.5)].prop_map(float),
        prop_oneof![Just("a"), Just("b"), Just("true"), Just("false")].prop_map(atom),
        "[ab]{0,3}".prop_map(bin),
        Just(Value::Bits(vec![0b1010_0000], 3)),
    ]
}

pub(super) fn term() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Tuple),
            prop::collection::vec((leaf(), inner.clone()), 0..4).prop_map(Value::Map),
            (prop::collection::vec(inner, 1..3), leaf())
                .prop_map(|(items, tail)| Value::Improper(items, Box::new(tail))),
        ]
    })
}

/// A head made from a term, so that it often matches: parts become variables or wildcards.
pub(super) fn head_of(value: &Value, dice: Dice<'_>) -> Value {
    match (dice() % 8, value) {
        (0, _) => anything(),
        (1, _) => var("x"),
        (2, _) => var("y"),
        (3, _) => lit(value.clone()),
        (4, _) => lit(int(i64::from(dice() % 3))),
        (_, Value::List(items)) if dice().is_multiple_of(2) && !items.is_empty() => {
            let keep = 1 + usize::from(dice()) % items.len();
            cons(
                items[..keep].iter().map(|item| head_of(item, dice)).collect::<Vec<_>>(),
                var("_z"),
            )
        }
        (_, Value::List(items)) => heads("list", items.iter().map(|item| head_of(item, dice)).collect::<Vec<_>>()),
        (_, Value::Tuple(items)) => heads(
            "tuple",
            items.iter().map(|item| head_of(item, dice)).collect::<Vec<_>>(),
        ),
        (_, Value::Map(pairs)) => map(pairs
            .iter()
            .map(|(k, v)| (k.clone(), head_of(v, dice)))
            .collect::<Vec<_>>()),
        (_, Value::Improper(items, tail)) => cons(
            items.iter().map(|item| head_of(item, dice)).collect::<Vec<_>>(),
            head_of(tail, dice),
        ),
        (_, Value::Binary(bytes)) if !bytes.is_empty() => heads(
            "bin",
            [
                seg(var("x"), "integer", lit(int(i64::from(dice() % 12))), 1),
                seg(
                    anything(),
                    "binary",
                    atom("nil"),
                    if dice().is_multiple_of(2) { 1 } else { 8 },
                ),
            ],
        ),
        _ => lit(value.clone()),
    }
}

pub(super) fn guard_of(dice: Dice<'_>, depth: usize) -> Value {
    let operand = |dice: Dice<'_>| match dice() % 8 {
        0 | 1 => var("x"),
        2 => var("y"),
        3 => lit(int(i64::from(dice() % 3))),
        4 => op("hd", [var("x")]),
        5 => op("map_get", [lit(atom("a")), var("x")]),
        6 => op(
            ["length", "map_size", "byte_size", "tuple_size"][usize::from(dice() % 4)],
            [var("x")],
        ),
        _ => op("+", [var("x"), lit(int(1))]),
    };
    match dice() % 9 {
        0 if depth > 0 => op("andalso", [guard_of(dice, depth - 1), guard_of(dice, depth - 1)]),
        1 if depth > 0 => op("orelse", [guard_of(dice, depth - 1), guard_of(dice, depth - 1)]),
        2 if depth > 0 => op("not", [guard_of(dice, depth - 1)]),
        3 => op("<", [operand(dice), operand(dice)]),
        4 => op("==", [operand(dice), operand(dice)]),
        5 => op("=:=", [operand(dice), operand(dice)]),
        6 => op("in", [operand(dice), lit(int(1)), operand(dice)]),
        7 => op(
            ["is_map", "is_list", "is_binary", "is_boolean"][usize::from(dice() % 4)],
            [operand(dice)],
        ),
        _ => op(
            "when",
            [op(">", [operand(dice), operand(dice)]), op("is_atom", [operand(dice)])],
        ),
    }
}

/// The term with some parts cut off or redacted.
pub(super) fn hide(value: &Value, dice: Dice<'_>) -> Value {
    let each = |items: &[Value], dice: Dice<'_>| -> Vec<Value> { items.iter().map(|item| hide(item, dice)).collect() };
    let full = |len: usize, dice: Dice<'_>| if dice().is_multiple_of(3) { 0 } else { len as u64 };
    match (dice() % 8, value) {
        (0, Value::Map(pairs)) if !pairs.is_empty() => {
            let keep = usize::from(dice()) % pairs.len();
            let unique = pairs
                .iter()
                .enumerate()
                .filter(|(i, (k, _))| !pairs[i + 1..].iter().any(|(other, _)| other == k));
            let unique: Vec<_> = unique.map(|(_, pair)| pair.clone()).collect();
            let size = unique.len() as u64;
            Value::TruncatedMap(unique.into_iter().take(keep.min(size as usize - 1)).collect(), size)
        }
        (0, Value::List(items)) if !items.is_empty() => {
            let keep = usize::from(dice()) % items.len();
            Value::TruncatedList(items[..keep].to_vec(), full(items.len(), dice))
        }
        (0, Value::Improper(items, _)) => Value::TruncatedList(items.clone(), 0),
        (0, Value::Tuple(items)) if !items.is_empty() => {
            let keep = usize::from(dice()) % items.len();
            Value::TruncatedTuple(items[..keep].to_vec(), items.len() as u64)
        }
        (0, Value::Binary(bytes)) if !bytes.is_empty() => {
            let keep = usize::from(dice()) % bytes.len();
            Value::TruncatedBinary(bytes[..keep].to_vec(), bytes.len() as u64)
        }
        (1, value) => {
            let (kind, size) = match value {
                Value::Int(_) => (Kind::Integer, 0),
                Value::Float(_) => (Kind::Float, 0),
                Value::Atom(_) => (Kind::Atom, 0),
                Value::Binary(bytes) | Value::Bits(bytes, _) => (Kind::Binary, full(bytes.len(), dice)),
                Value::List(items) => (Kind::List, full(items.len(), dice)),
                Value::Improper(..) => (Kind::List, 0),
                Value::Tuple(items) => (Kind::Tuple, full(items.len(), dice)),
                _ => return value.clone(),
            };
            if dice().is_multiple_of(2) {
                Value::Truncated(kind, size)
            } else {
                Value::Redacted(kind, size)
            }
        }
        (_, Value::List(items)) => Value::List(each(items, dice)),
        (_, Value::Tuple(items)) => Value::Tuple(each(items, dice)),
        (_, Value::Improper(items, tail)) => Value::Improper(each(items, dice), tail.clone()),
        (_, Value::Map(pairs)) => {
            let pairs = pairs.iter().map(|(k, v)| (k.clone(), hide(v, dice)));
            Value::Map(pairs.collect())
        }
        (_, value) => value.clone(),
    }
}

pub(super) fn roll(bytes: Vec<u8>) -> impl FnMut() -> u8 {
    let mut at = 0usize;
    move || {
        at += 1;
        bytes[at % bytes.len()].wrapping_add((at / bytes.len()) as u8)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 600 } else { 6_000 }))]

    #[test]
    fn hiding_never_makes_an_answer_wrong(
        term in term(), seed in prop::collection::vec(any::<u8>(), 16..64), with_guard in any::<bool>()
    ) {
        let mut dice = roll(seed);
        let head = heads("tuple", [head_of(&term, &mut dice), var("x"), var("y")]);
        let guard = with_guard.then(|| guard_of(&mut dice, 2));
        let whole = tuple([term.clone(), term.clone(), term]);
        // The same term three times, each hidden in its own way.
        let hidden = hide(&whole, &mut dice);
        let truth = answer(head.clone(), guard.clone(), &whole);
        prop_assert!(matches!(truth, Answer::Yes | Answer::No), "complete terms have answers: {:?}", truth);
        let found = answer(head.clone(), guard.clone(), &hidden);
        prop_assert!(
            found == truth || matches!(found, Answer::Unknown(_)),
            "{:?} of {:?}, but {:?} of the hidden {:?}\nhead {:?}\nguard {:?}", truth, whole, found, hidden, head, guard
        );
    }

    #[test]
    fn a_pattern_of_a_term_itself_matches_it(term in term()) {
        prop_assert_eq!(answer(lit(term.clone()), None, &term), Answer::Yes);
        prop_assert_eq!(answer(heads("tuple", [var("x"), var("x")]), None, &tuple([term.clone(), term])), Answer::Yes);
    }

    #[test]
    fn order_is_total_and_agrees_with_equality(a in term(), b in term(), c in term()) {
        let lt = |a: &Value, b: &Value| answer(anything(), Some(op("<", [lit(a.clone()), lit(b.clone())])), &int(0));
        let eq = |a: &Value, b: &Value| answer(anything(), Some(op("==", [lit(a.clone()), lit(b.clone())])), &int(0));
        let truths = [lt(&a, &b), lt(&b, &a), eq(&a, &b)];
        prop_assert_eq!(truths.iter().filter(|t| **t == Answer::Yes).count(), 1, "{:?}", truths);
        if lt(&a, &b) == Answer::Yes && lt(&b, &c) == Answer::Yes {
            prop_assert_eq!(lt(&a, &c), Answer::Yes);
        }
    }
}
