//! Guards.

use super::*;

fn holds(guard: Value, x: &Value) -> Answer {
    answer(var("x"), Some(guard), x)
}

fn compare(name: &str, a: Value, b: Value) -> Answer {
    answer(anything(), Some(op(name, [lit(a), lit(b)])), &int(0))
}

#[test]
fn the_order_of_all_terms() {
    let rising = [
        Value::Big(true, vec![0; 20].into_iter().chain([1]).collect()),
        int(-1),
        int(0),
        float(0.5),
        int(1),
        Value::Big(false, vec![0; 20].into_iter().chain([1]).collect()),
        float(1e300),
        atom("a"),
        atom("b"),
        Value::Ref(vec![1, 2]),
        Value::Export(AtomId(0), AtomId(1), 2),
        Value::Pid(5),
        tuple([]),
        tuple([int(9)]),
        tuple([int(1), int(2)]),
        tuple([int(1), float(2.5)]),
        Value::Map(vec![]),
        Value::Map(vec![(int(1), int(5))]),
        Value::Map(vec![(int(2), int(1))]),
        Value::Map(vec![(float(1.0), int(1))]),
        Value::Map(vec![(int(1), int(1)), (int(2), int(1))]),
        list([]),
        list([int(1)]),
        list([int(1), int(1)]),
        list([int(2)]),
        bin(""),
        bin("a"),
        Value::Bits(b"b\x80".to_vec(), 1),
        bin("b\u{1}\u{1}\u{7f}"),
    ];
    for (i, a) in rising.iter().enumerate() {
        for (j, b) in rising.iter().enumerate() {
            if i.abs_diff(j) == 1 && matches!(b, Value::Bits(..)) || matches!(a, Value::Bits(..)) {
                continue;
            }
            assert_eq!(
                compare("<", a.clone(), b.clone()) == Answer::Yes,
                i < j,
                "{a:?} < {b:?}"
            );
            assert_eq!(
                compare("=<", a.clone(), b.clone()) == Answer::Yes,
                i <= j,
                "{a:?} =< {b:?}"
            );
        }
    }
    // <<"b", 1::1>> has a first bit of 1 after the "b", so it comes after <<"b", 1>>.
    assert_eq!(
        compare(">", Value::Bits(b"b\x80".to_vec(), 1), bin("b\u{1}")),
        Answer::Yes
    );
}

#[test]
fn an_improper_tail_is_ordered_as_a_term() {
    let improper = |tail| Value::Improper(vec![int(1)], Box::new(tail));
    assert_eq!(compare("<", improper(int(5)), list([int(1)])), Answer::Yes);
    assert_eq!(compare(">", improper(bin("")), list([int(1), int(1)])), Answer::Yes);
}

#[test]
fn equality_loose_and_exact() {
    assert_eq!(compare("==", int(1), float(1.0)), Answer::Yes);
    assert_eq!(compare("=:=", int(1), float(1.0)), Answer::No);
    assert_eq!(compare("==", float(0.0), float(-0.0)), Answer::Yes);
    assert_eq!(compare("=:=", float(0.0), float(-0.0)), Answer::No);
    assert_eq!(compare("==", tuple([int(1)]), tuple([float(1.0)])), Answer::Yes);
    let map = |key, value| Value::Map(vec![(key, value)]);
    assert_eq!(compare("==", map(int(1), int(1)), map(int(1), float(1.0))), Answer::Yes);
    assert_eq!(compare("==", map(int(1), int(1)), map(float(1.0), int(1))), Answer::No);
    assert_eq!(compare("/=", map(int(1), int(1)), map(float(1.0), int(1))), Answer::Yes);
    assert_eq!(
        compare("==", int((1 << 53) + 1), float((1i64 << 53) as f64)),
        Answer::No
    );
}

#[test]
fn what_the_vm_alone_can_order_is_unsupported() {
    assert_eq!(compare("<", Value::Pid(1), Value::Pid(2)), UNSUPPORTED);
    assert_eq!(compare("==", Value::Pid(1), Value::Pid(2)), Answer::No);
    assert_eq!(compare("<", Value::Pid(1), int(2)), Answer::No);
    let huge = Value::Big(false, vec![1; 40]);
    let sum = op("+", [lit(huge), lit(int(1))]);
    assert_eq!(
        answer(anything(), Some(op("==", [sum, lit(int(1))])), &int(0)),
        UNSUPPORTED
    );
}

#[test]
fn a_guard_that_fails_does_not_match() {
    let fails = || op("==", [op("hd", [lit(list([]))]), lit(int(1))]);
    assert_eq!(holds(fails(), &int(1)), Answer::No);
    assert_eq!(holds(op("not", [fails()]), &int(1)), Answer::No);
    assert_eq!(holds(op("orelse", [fails(), lit(atom("true"))]), &int(1)), Answer::No);
    assert_eq!(holds(op("orelse", [lit(atom("true")), fails()]), &int(1)), Answer::Yes);
    assert_eq!(holds(op("or", [lit(atom("true")), fails()]), &int(1)), Answer::No);
    assert_eq!(holds(op("when", [fails(), lit(atom("true"))]), &int(1)), Answer::Yes);
    assert_eq!(
        holds(op("andalso", [lit(int(1)), lit(atom("true"))]), &int(1)),
        Answer::No
    );
    assert_eq!(holds(var("x"), &atom("true")), Answer::Yes);
    assert_eq!(holds(var("x"), &int(1)), Answer::No);
    assert_eq!(
        holds(op("==", [op(">", [var("x"), lit(int(1))]), lit(atom("true"))]), &int(2)),
        Answer::Yes
    );
}

#[test]
fn kleene_logic_over_what_is_hidden() {
    let hidden = Value::Truncated(Kind::Integer, 0);
    let open = || op(">", [var("x"), lit(int(3))]);
    assert_eq!(holds(open(), &hidden), CUT);
    assert_eq!(holds(op("andalso", [open(), lit(atom("false"))]), &hidden), Answer::No);
    assert_eq!(holds(op("orelse", [open(), lit(atom("true"))]), &hidden), Answer::Yes);
    assert_eq!(
        holds(op("not", [op("andalso", [open(), lit(atom("false"))])]), &hidden),
        Answer::Yes
    );
    assert_eq!(holds(op("<", [var("x"), lit(atom("a"))]), &hidden), Answer::Yes);
    assert_eq!(holds(op("is_integer", [var("x")]), &hidden), Answer::Yes);
    assert_eq!(holds(op("is_atom", [var("x")]), &hidden), Answer::No);
    assert_eq!(
        holds(op("==", [op("hd", [var("x")]), lit(int(1))]), &hidden),
        Answer::No
    );
    assert_eq!(
        holds(op("is_binary", [var("x")]), &Value::TruncatedBinary(vec![1], 9)),
        Answer::Yes
    );
    assert_eq!(
        holds(op("is_binary", [var("x")]), &Value::Redacted(Kind::Binary, 9)),
        REDACTED
    );
    // The left side might fail, and then the right side would not save it.
    let may_fail = op(">", [op("map_get", [lit(atom("b")), var("x")]), lit(int(1))]);
    let cut = Value::TruncatedMap(vec![], 5);
    assert_eq!(holds(op("orelse", [may_fail, lit(atom("true"))]), &cut), CUT);
}

#[test]
fn a_no_elsewhere_wins_over_what_is_hidden() {
    let head = heads("tuple", [var("x"), lit(int(1))]);
    let term = |n| tuple([Value::Redacted(Kind::Binary, 8), int(n)]);
    let guard = || Some(op("==", [var("x"), lit(bin("secret!!"))]));
    assert_eq!(answer(head.clone(), guard(), &term(1)), REDACTED);
    assert_eq!(answer(head, guard(), &term(2)), Answer::No);
}

#[test]
fn sizes_and_parts() {
    let is = |guard: Value, x: &Value| holds(op("=:=", [guard, lit(int(2))]), x);
    assert_eq!(is(op("length", [var("x")]), &list([int(1), int(1)])), Answer::Yes);
    assert_eq!(
        is(
            op("length", [var("x")]),
            &Value::Improper(vec![int(1), int(1)], Box::new(int(1)))
        ),
        Answer::No
    );
    assert_eq!(
        is(op("length", [var("x")]), &Value::TruncatedList(vec![], 2)),
        Answer::Yes
    );
    assert_eq!(
        is(op("length", [var("x")]), &Value::TruncatedList(vec![int(1)], 0)),
        CUT
    );
    assert_eq!(
        is(op("tuple_size", [var("x")]), &Value::Truncated(Kind::Tuple, 2)),
        Answer::Yes
    );
    assert_eq!(
        is(op("map_size", [var("x")]), &Value::TruncatedMap(vec![], 2)),
        Answer::Yes
    );
    assert_eq!(
        is(op("byte_size", [var("x")]), &Value::Bits(vec![0, 0], 3)),
        Answer::Yes
    );
    assert_eq!(is(op("bit_size", [var("x")]), &Value::Bits(vec![0], 2)), Answer::Yes);
    assert_eq!(
        is(op("element", [lit(int(1)), var("x")]), &tuple([int(2)])),
        Answer::Yes
    );
    assert_eq!(is(op("element", [lit(int(2)), var("x")]), &tuple([int(2)])), Answer::No);
    assert_eq!(
        is(
            op("element", [lit(int(2)), var("x")]),
            &Value::TruncatedTuple(vec![int(2)], 2)
        ),
        CUT
    );
    assert_eq!(
        is(op("hd", [op("tl", [var("x")])]), &list([int(1), int(2)])),
        Answer::Yes
    );
    assert_eq!(
        is(
            op("map_get", [lit(int(1)), var("x")]),
            &Value::Map(vec![(int(1), int(2))])
        ),
        Answer::Yes
    );
    assert_eq!(is(op("rem", [var("x"), lit(int(5))]), &int(7)), Answer::Yes);
    assert_eq!(is(op("max", [var("x"), lit(int(1))]), &int(2)), Answer::Yes);
    assert_eq!(
        holds(
            op("is_map_key", [lit(int(9)), var("x")]),
            &Value::Map(vec![(int(1), int(2))])
        ),
        Answer::No
    );
    let part = op("binary_part", [var("x"), lit(int(1)), lit(int(2))]);
    assert_eq!(holds(op("=:=", [part, lit(bin("bc"))]), &bin("abcd")), Answer::Yes);
}

#[test]
fn members() {
    let guard = |x: Value| op("in", [x, lit(int(1)), lit(atom("a"))]);
    assert_eq!(holds(guard(var("x")), &atom("a")), Answer::Yes);
    assert_eq!(holds(guard(var("x")), &float(1.0)), Answer::No);
    assert_eq!(holds(guard(var("x")), &Value::Truncated(Kind::Atom, 0)), CUT);
    assert_eq!(holds(op("in", [var("x")]), &int(1)), Answer::No);
}

#[test]
fn arity_of_funs() {
    let guard = |n| op("is_function", [var("x"), lit(int(n))]);
    assert_eq!(holds(guard(2), &Value::Export(AtomId(1), AtomId(2), 2)), Answer::Yes);
    let local = Value::Opaque(crate::term::Opaque {
        kind: Kind::Fun,
        text: "#Fun<a.1>".into(),
    });
    assert_eq!(holds(guard(2), &local), UNSUPPORTED);
    assert_eq!(holds(op("is_function", [var("x")]), &local), Answer::Yes);
    assert_eq!(holds(guard(2), &int(1)), Answer::No);
}
