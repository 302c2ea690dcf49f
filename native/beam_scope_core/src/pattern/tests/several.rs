//! Patterns asked of several terms, beside what earlier patterns bound, and of many terms in a row.

use proptest::prelude::*;

use super::sound::{guard_of, head_of, hide, roll, term};
use super::*;

fn intern(value: &Value) -> (Arena, NodeId) {
    let mut arena = Arena::new();
    let id = arena.intern(value);
    (arena, id)
}

fn given(names: &[&str]) -> Vec<AtomId> {
    let id = |name: &&str| match atom(name) {
        Value::Atom(id) => id,
        _ => unreachable!(),
    };
    names.iter().map(id).collect()
}

fn parse_given(head: Value, guard: Option<Value>, names: &[&str]) -> Result<Pattern, PatternError> {
    Pattern::with_given(&data(head, guard), Arc::new(Names), &given(names))
}

#[test]
fn what_was_given_may_stand_in_a_guard_but_in_no_size() {
    let guard = || Some(op(">", [var("y"), var("x")]));
    let pattern = parse_given(var("y"), guard(), &["x"]).unwrap();
    let told: Vec<_> = pattern
        .variables()
        .map(|(name, told)| (Names.text(name).unwrap(), told))
        .collect();
    assert_eq!(told, [("y".into(), true)]);
    assert_eq!(pattern.given().collect::<Vec<_>>(), given(&["x"]));
    assert_eq!(
        parse_given(var("y"), guard(), &["a"]).unwrap_err(),
        PatternError::Unbound("x".into())
    );
    let sized = heads("bin", [seg(anything(), "integer", var("x"), 1)]);
    assert_eq!(
        parse_given(sized, None, &["x"]).unwrap_err(),
        PatternError::Unbound("x".into())
    );
    // Of what was not given nobody knows what it is.
    let (arena, id) = intern(&int(1));
    assert_eq!(pattern.matches(&arena, id), Match::Unknown(Why::Truncated));
}

#[test]
fn what_is_not_there_matches_only_what_does_not_look() {
    let (arena, id) = intern(&int(1));
    let ask = |head: Value, parts: &[Part<'_>]| {
        let pattern = parse(head, None).unwrap();
        let prepared = pattern.prepare(&arena);
        prepared.ask_parts(parts, &Given::default()).answer
    };
    let one = Part::Term(&arena, id);
    let both = |other: Value| heads("tuple", [lit(int(1)), other]);
    assert_eq!(ask(both(anything()), &[one, Part::Absent]), Answer::Yes);
    assert_eq!(ask(both(var("x")), &[one, Part::Absent]), Answer::No);
    assert_eq!(ask(both(anything()), &[one, Part::Unknown]), Answer::Yes);
    assert_eq!(ask(both(var("x")), &[one, Part::Unknown]), CUT);
    assert_eq!(
        ask(heads("tuple", [lit(int(2)), var("x")]), &[one, Part::Unknown]),
        Answer::No
    );
    assert_eq!(ask(both(anything()), &[one]), Answer::No);
    assert_eq!(ask(anything(), &[one, one]), Answer::Yes);
    assert_eq!(ask(lit(tuple([int(1), int(1)])), &[one, one]), Answer::Yes);
    assert_eq!(ask(lit(tuple([int(1), int(2)])), &[one, one]), Answer::No);
    assert_eq!(ask(var("x"), &[one]), Answer::No);
}

#[test]
fn a_pool_keeps_what_is_still_needed() {
    let mut pool = Pool::default();
    let pattern = parse(var("x"), None).unwrap();
    let x = given(&["x"])[0];
    let mut held: Vec<Held> = (0..100)
        .map(|n| {
            let (arena, id) = intern(&list([int(n), bin(vec![7; 100])]));
            let prepared = pattern.prepare(&arena);
            let asked = prepared.ask(id, &Given::default());
            pool.hold(&asked, x).unwrap()
        })
        .collect();
    let (full, key) = (pool.bytes(), pool.key(held[0]));
    held.truncate(2);
    pool.keep(held.iter_mut());
    assert!(pool.bytes() < full / 4);
    assert_eq!(pool.key(held[0]), key);
    assert_eq!(pool.same(held[0], held[1], &pattern), Answer::No);
    assert_eq!(pool.same(held[1], held[1], &pattern), Answer::Yes);
}

/// Yes, no, or not known.
fn class(answer: Answer) -> Option<bool> {
    match answer {
        Answer::Yes => Some(true),
        Answer::No => Some(false),
        Answer::Unknown(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 600 } else { 6_000 }))]

    #[test]
    fn a_sieve_answers_as_the_pattern_does(
        term in term(), other in term(), seed in prop::collection::vec(any::<u8>(), 16..64), with_guard in any::<bool>()
    ) {
        let mut dice = roll(seed);
        let head = heads("tuple", [head_of(&term, &mut dice), var("x"), var("y")]);
        let guard = with_guard.then(|| guard_of(&mut dice, 2));
        let pattern = parse(head, guard).unwrap();
        let mut arena = Arena::new();
        let terms = [
            tuple([term.clone(), term.clone(), term.clone()]),
            hide(&tuple([term.clone(), term.clone(), term]), &mut dice),
            tuple([other.clone(), other.clone(), other.clone()]),
            other,
        ];
        let ids: Vec<NodeId> = terms.iter().map(|term| arena.intern(term)).collect();
        let (plain, sieve) = (pattern.prepare(&arena), pattern.prepare_sieve(&arena));
        for id in ids.iter().chain(&ids) {
            let found = sieve.answer(Part::Term(&arena, *id));
            let truth = match plain.matches(*id) {
                Match::Yes(_) => Answer::Yes,
                Match::No => Answer::No,
                Match::Unknown(why) => Answer::Unknown(why),
            };
            prop_assert_eq!(found, truth, "{:?} of {:?}", pattern, arena.to_value(*id));
        }
    }

    #[test]
    fn terms_apart_match_as_the_elements_of_a_tuple(
        term in term(), seed in prop::collection::vec(any::<u8>(), 16..64), with_guard in any::<bool>()
    ) {
        let mut dice = roll(seed);
        let parts = [head_of(&term, &mut dice), head_of(&term, &mut dice), var("x")];
        let guard = with_guard.then(|| guard_of(&mut dice, 2));
        let guard = guard.filter(|guard| parse(heads("tuple", parts.clone()), Some(guard.clone())).is_ok());
        let terms: Vec<Value> = (0..3).map(|_| hide(&term, &mut dice)).collect();
        let truth = answer(heads("tuple", parts.clone()), guard.clone(), &tuple(terms.clone()));
        let pattern = parse(heads("tuple", parts), guard).unwrap();
        let apart: Vec<(Arena, NodeId)> = terms.iter().map(intern).collect();
        let of: Vec<Part<'_>> = apart.iter().map(|(arena, id)| Part::Term(arena, *id)).collect();
        let prepared = pattern.prepare_sieve(&apart[1].0);
        let asked = prepared.ask_parts(&of, &Given::default());
        prop_assert_eq!(class(asked.answer), class(truth), "{:?} of {:?}", pattern, terms);
    }

    #[test]
    fn two_patterns_with_shared_variables_match_as_one(
        term in term(), seed in prop::collection::vec(any::<u8>(), 16..64), with_guard in any::<bool>()
    ) {
        let mut dice = roll(seed);
        let first = heads("tuple", [head_of(&term, &mut dice), var("x")]);
        let second = heads("tuple", [head_of(&term, &mut dice), var("y")]);
        let guard = with_guard.then(|| guard_of(&mut dice, 2));
        let terms: Vec<Value> = (0..2)
            .map(|_| tuple([hide(&term, &mut dice), hide(&term, &mut dice)]))
            .collect();
        let whole = answer(heads("tuple", [first.clone(), second.clone()]), guard.clone(), &tuple(terms.clone()));
        let (one, other) = (parse(first, None).unwrap(), parse_given(second, guard, &["x", "y", "_z"]).unwrap());
        let ((a, i), (b, j)) = (intern(&terms[0]), intern(&terms[1]));
        let (one, other_ready) = (one.prepare(&a), other.prepare(&b));
        let asked = one.ask(i, &Given::default());
        // Kept in a pool, and asked of values alone.
        let mut pool = Pool::default();
        let loose = other_ready.ask(j, &Given::default());
        let mut apart = asked.answer.and(loose.answer);
        for name in given(&["x", "y", "_z"]) {
            if let (Some(a), Some(b)) = (pool.hold(&asked, name), pool.hold(&loose, name)) {
                apart = apart.and(pool.same(a, b, &other));
            }
        }
        if other.given().next().is_some() && apart != Answer::No {
            let held: Vec<(AtomId, Option<Held>)> = given(&["x", "y", "_z"])
                .into_iter()
                .map(|name| (name, pool.hold(&loose, name).or(pool.hold(&asked, name))))
                .collect();
            apart = apart.and(pool.guard(&other, |name| held.iter().find(|(one, _)| *one == name)?.1));
        }
        // Of two values that must be equal the one that shows more decides more.
        let seen = class(whole);
        let differ = class(apart).zip(seen).is_some_and(|(apart, seen)| apart != seen);
        prop_assert!(!differ, "{:?} but {:?} of {:?}", apart, whole, terms);
        // Given to the second as terms.
        if asked.answer != Answer::No {
            let before = asked.answer;
            let given = asked.given();
            let beside = before.and(other_ready.ask(j, &given).answer);
            prop_assert_eq!(class(beside), seen, "{:?} of {:?}", other, terms);
        } else {
            prop_assert_eq!(seen, Some(false));
        }
    }
}
