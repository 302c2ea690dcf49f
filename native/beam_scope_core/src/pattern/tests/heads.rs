//! Heads.

use super::*;

#[test]
fn literals_are_exact() {
    let is = |literal: Value, term: &Value| answer(lit(literal), None, term);
    assert_eq!(is(int(1), &int(1)), Answer::Yes);
    assert_eq!(is(int(1), &float(1.0)), Answer::No);
    assert_eq!(is(float(0.0), &float(-0.0)), Answer::No);
    assert_eq!(is(bin("a"), &bin("a")), Answer::Yes);
    assert_eq!(is(list([int(1), int(2)]), &list([int(1), int(2)])), Answer::Yes);
    assert_eq!(
        is(list([int(1)]), &Value::Improper(vec![int(1)], Box::new(int(2)))),
        Answer::No
    );
    let map = |n| Value::Map(vec![(atom("a"), int(n)), (int(1), list([int(n)]))]);
    assert_eq!(is(map(1), &map(1)), Answer::Yes);
    assert_eq!(is(map(1), &map(2)), Answer::No);
    assert_eq!(
        is(
            Value::Map(vec![(int(1), int(1))]),
            &Value::Map(vec![(float(1.0), int(1))])
        ),
        Answer::No
    );
}

#[test]
fn a_repeated_variable_asks_for_equality() {
    let twice = || heads("tuple", [var("x"), var("x")]);
    assert_eq!(answer(twice(), None, &tuple([int(1), int(1)])), Answer::Yes);
    assert_eq!(answer(twice(), None, &tuple([int(1), float(1.0)])), Answer::No);
    assert_eq!(
        answer(twice(), None, &tuple([Value::Truncated(Kind::List, 9), list([])])),
        Answer::No
    );
    let both = tuple([Value::Truncated(Kind::List, 9), Value::Truncated(Kind::List, 9)]);
    assert_eq!(answer(twice(), None, &both), CUT);
    let silent = heads("tuple", [var("_z"), var("_z")]);
    assert_eq!(answer(silent, None, &tuple([int(1), int(2)])), Answer::No);
}

#[test]
fn variables_are_told_in_order_and_silent_ones_not() {
    let head = heads("tuple", [var("y"), var("_z"), cons([anything()], var("x"))]);
    let term = tuple([int(1), int(2), list([int(3), int(4), int(5)])]);
    let expected = vec![("y".into(), int(1)), ("x".into(), list([int(4), int(5)]))];
    assert_eq!(bindings(head, &term), expected);
}

#[test]
fn maps_match_by_subset() {
    let term = Value::Map((0..40).map(|n| (int(n), int(n * n))).collect());
    assert_eq!(bindings(map([(int(7), var("x"))]), &term), [("x".into(), int(49))]);
    assert_eq!(answer(map([]), None, &term), Answer::Yes);
    assert_eq!(answer(map([(int(40), anything())]), None, &term), Answer::No);
    assert_eq!(answer(map([]), None, &list([])), Answer::No);
    let struct_head = map([(atom("__struct__"), tuple([atom("as"), var("x"), atom("atom")]))]);
    let point = Value::Map(vec![(atom("__struct__"), atom("a"))]);
    assert_eq!(bindings(struct_head.clone(), &point), [("x".into(), atom("a"))]);
    let fake = Value::Map(vec![(atom("__struct__"), int(1))]);
    assert_eq!(answer(struct_head, None, &fake), Answer::No);
}

#[test]
fn a_cut_map_is_decided_by_what_is_there() {
    let term = Value::TruncatedMap(vec![(atom("a"), int(1))], 10);
    assert_eq!(answer(map([(atom("a"), lit(int(1)))]), None, &term), Answer::Yes);
    assert_eq!(answer(map([(atom("a"), lit(int(2)))]), None, &term), Answer::No);
    assert_eq!(answer(map([(atom("b"), anything())]), None, &term), CUT);
    assert_eq!(
        answer(map([(atom("b"), anything()), (atom("a"), lit(int(2)))]), None, &term),
        Answer::No
    );
    assert_eq!(answer(map([]), None, &Value::Redacted(Kind::Map, 3)), Answer::Yes);
    assert_eq!(
        answer(map([(atom("b"), anything())]), None, &Value::Redacted(Kind::Map, 3)),
        REDACTED
    );
    assert_eq!(answer(map([]), None, &Value::Truncated(Kind::List, 3)), Answer::No);
}

#[test]
fn a_key_that_is_cut_may_be_the_one_asked_for() {
    let cut = Value::TruncatedBinary(b"ab".to_vec(), 4);
    let term = Value::Map(vec![(cut, int(1))]);
    assert_eq!(answer(map([(bin("abcd"), anything())]), None, &term), CUT);
    assert_eq!(answer(map([(bin("xbcd"), anything())]), None, &term), Answer::No);
}

#[test]
fn cut_tuples_and_lists() {
    let three = || Value::TruncatedTuple(vec![int(1)], 3);
    assert_eq!(
        answer(heads("tuple", [lit(int(1)), anything(), var("x")]), None, &three()),
        Answer::Yes
    );
    assert_eq!(
        answer(heads("tuple", [lit(int(2)), anything(), lit(int(1))]), None, &three()),
        Answer::No
    );
    assert_eq!(
        answer(heads("tuple", [anything(), anything(), lit(int(1))]), None, &three()),
        CUT
    );
    assert_eq!(
        answer(heads("tuple", [anything(), anything()]), None, &three()),
        Answer::No
    );
    assert_eq!(
        answer(
            heads("tuple", [anything(), anything()]),
            None,
            &Value::Truncated(Kind::Tuple, 2)
        ),
        Answer::Yes
    );

    let cut = |full| Value::TruncatedList(vec![int(1), int(2)], full);
    assert_eq!(answer(cons([lit(int(1))], var("x")), None, &cut(0)), Answer::Yes);
    assert_eq!(
        answer(heads("list", [anything(), anything(), anything()]), None, &cut(3)),
        Answer::Yes
    );
    assert_eq!(
        answer(heads("list", [anything(), anything()]), None, &cut(3)),
        Answer::No
    );
    assert_eq!(
        answer(heads("list", [anything(), anything(), anything()]), None, &cut(0)),
        CUT
    );
    assert_eq!(answer(heads("list", [anything()]), None, &cut(0)), Answer::No);
    assert_eq!(
        answer(cons([anything(), anything(), anything()], anything()), None, &cut(0)),
        CUT
    );
    assert_eq!(answer(lit(list([int(1), int(2)])), None, &cut(3)), Answer::No);
    assert_eq!(answer(lit(list([int(1), int(9), int(3)])), None, &cut(3)), Answer::No);
    assert_eq!(answer(lit(list([int(1), int(2), int(3)])), None, &cut(3)), CUT);
}

#[test]
fn lists_and_tails() {
    let improper = Value::Improper(vec![int(1), int(2)], Box::new(int(3)));
    assert_eq!(
        bindings(cons([anything(), anything()], var("x")), &improper),
        [("x".into(), int(3))]
    );
    assert_eq!(
        bindings(cons([anything()], var("x")), &list([int(1)])),
        [("x".into(), list([]))]
    );
    assert_eq!(
        answer(cons([anything(), anything()], anything()), None, &list([int(1)])),
        Answer::No
    );
    assert_eq!(
        answer(heads("list", [anything(), anything()]), None, &improper),
        Answer::No
    );
    let long = list((0..100).map(int));
    let same = heads("tuple", [cons([anything()], var("x")), var("x")]);
    assert_eq!(answer(same, None, &tuple([long, list((1..100).map(int))])), Answer::Yes);
}

#[test]
fn binaries_with_sizes_from_earlier_segments() {
    let segments = [
        seg(var("x"), "integer", lit(int(8)), 1),
        seg(var("y"), "binary", var("x"), 8),
        seg(anything(), "binary", atom("nil"), 1),
    ];
    let head = heads("bin", segments);
    let expected = vec![("x".into(), int(2)), ("y".into(), bin("ab"))];
    assert_eq!(bindings(head.clone(), &bin(b"\x02abc")), expected);
    assert_eq!(answer(head.clone(), None, &bin(b"\x04abc")), Answer::No);
    let cut = Value::TruncatedBinary(b"\x05ab".to_vec(), 20);
    assert_eq!(answer(head.clone(), None, &cut), Answer::Yes);
    let short = Value::TruncatedBinary(b"\x05ab".to_vec(), 5);
    assert_eq!(answer(head, None, &short), Answer::No);
}

#[test]
fn binary_prefixes_whole_and_cut() {
    let prefix = |text: &str| {
        let size = lit(int(text.len() as i64));
        heads(
            "bin",
            [
                seg(lit(bin(text)), "binary", size, 8),
                seg(var("x"), "binary", atom("nil"), 8),
            ],
        )
    };
    assert_eq!(bindings(prefix("id:"), &bin("id:42")), [("x".into(), bin("42"))]);
    assert_eq!(answer(prefix("id:"), None, &bin("no:42")), Answer::No);
    let cut = Value::TruncatedBinary(b"id:4".to_vec(), 100);
    let rest = Value::TruncatedBinary(b"4".to_vec(), 97);
    assert_eq!(bindings(prefix("id:"), &cut), [("x".into(), rest)]);
    assert_eq!(answer(prefix("id:42"), None, &cut), CUT);
    assert_eq!(answer(prefix("ix:42"), None, &cut), Answer::No);
    assert_eq!(
        answer(prefix("id:"), None, &Value::Redacted(Kind::Binary, 2)),
        Answer::No
    );
    assert_eq!(
        answer(prefix("id:"), None, &Value::Bits(b"id:\x80".to_vec(), 1)),
        Answer::No
    );
}

#[test]
fn characters_and_floats() {
    let head = heads(
        "bin",
        [
            seg(var("x"), "utf8", atom("nil"), 1),
            seg(var("y"), "float", lit(int(64)), 1),
        ],
    );
    let mut bytes = "é".as_bytes().to_vec();
    bytes.extend(2.5f64.to_be_bytes());
    assert_eq!(
        bindings(head.clone(), &bin(bytes)),
        [("x".into(), int(0xE9)), ("y".into(), float(2.5))]
    );
    assert_eq!(answer(head, None, &bin(b"\xFF01234567")), Answer::No);
    let whole = heads("bin", [seg(lit(int(1)), "float", lit(int(64)), 1)]);
    assert_eq!(answer(whole, None, &bin(1f64.to_be_bytes())), Answer::Yes);
}

#[test]
fn a_deep_term_is_compared_without_recursion() {
    let deep = |end: i64| {
        let mut arena = Arena::new();
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            bytes.extend([crate::term::tag::TUPLE, 1]);
        }
        crate::term::wire::write(&int(end), &mut bytes);
        let id = arena.intern_wire(&bytes).expect("well-formed").0;
        (arena, id)
    };
    let ((a, one), (b, two)) = (deep(1), deep(2));
    let truths = Truths {
        atoms: Arc::new(Names),
        yes: OnceLock::new(),
        no: OnceLock::new(),
    };
    let fuel = std::cell::Cell::new(1_000_000);
    let compare = compare::Compare {
        truths: &truths,
        fuel: &fuel,
    };
    let (one, two) = (term::Term::Node(&a, one), term::Term::Node(&b, two));
    assert_eq!(compare.equal(&one, &two, true), Answer::No);
    assert_eq!(compare.order(&one, &two), Ok(std::cmp::Ordering::Less));
    fuel.set(10);
    assert_eq!(compare.equal(&one, &two, true), UNSUPPORTED);
}
