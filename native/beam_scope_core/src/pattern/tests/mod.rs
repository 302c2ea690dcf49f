//! What patterns mean, case by case; `sound` holds the property that hiding parts never makes an answer wrong.

mod guards;
mod heads;
mod several;
mod sound;

use std::sync::Arc;

use super::*;

/// Atoms by their place in a list.
#[derive(Clone, Default)]
pub(super) struct Names;

const NAMES: &[&str] = &[
    "pattern",
    "nil",
    "any",
    "atom",
    "lit",
    "var",
    "tuple",
    "list",
    "cons",
    "map",
    "as",
    "bin",
    "seg",
    "op",
    "true",
    "false",
    "integer",
    "float",
    "binary",
    "utf8",
    "utf16",
    "utf32",
    "signed",
    "unsigned",
    "big",
    "little",
    "x",
    "y",
    "_z",
    "a",
    "b",
    "c",
    "__struct__",
    "andalso",
    "orelse",
    "not",
    "and",
    "or",
    "xor",
    "when",
    "in",
    "==",
    "/=",
    "=:=",
    "=/=",
    "<",
    "=<",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "div",
    "rem",
    "length",
    "hd",
    "tl",
    "element",
    "tuple_size",
    "map_size",
    "byte_size",
    "bit_size",
    "map_get",
    "is_map_key",
    "is_atom",
    "is_binary",
    "is_boolean",
    "is_float",
    "is_function",
    "is_integer",
    "is_list",
    "is_map",
    "is_number",
    "is_pid",
    "is_tuple",
    "abs",
    "round",
    "trunc",
    "band",
    "bsl",
    "max",
    "min",
    "nope",
    "binary_part",
];

impl AtomSource for Names {
    fn text(&self, id: AtomId) -> Option<Box<str>> {
        NAMES.get(usize::try_from(id.0).ok()?).map(|text| (*text).into())
    }
}

pub(super) fn atom(text: &str) -> Value {
    let at = NAMES.iter().position(|name| *name == text);
    Value::Atom(AtomId(at.unwrap_or_else(|| panic!("add {text} to NAMES")) as u64))
}

pub(super) fn tuple(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Tuple(items.into_iter().collect())
}

pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

pub(super) fn int(n: i64) -> Value {
    Value::Int(n)
}

pub(super) fn float(f: f64) -> Value {
    Value::Float(f.to_bits())
}

pub(super) fn bin(bytes: impl AsRef<[u8]>) -> Value {
    Value::Binary(bytes.as_ref().to_vec())
}

pub(super) fn lit(term: Value) -> Value {
    tuple([atom("lit"), term])
}

pub(super) fn var(name: &str) -> Value {
    tuple([atom("var"), atom(name)])
}

pub(super) fn heads(tag: &str, items: impl IntoIterator<Item = Value>) -> Value {
    tuple([atom(tag), list(items)])
}

pub(super) fn cons(items: impl IntoIterator<Item = Value>, tail: Value) -> Value {
    tuple([atom("cons"), list(items), tail])
}

pub(super) fn map(pairs: impl IntoIterator<Item = (Value, Value)>) -> Value {
    heads("map", pairs.into_iter().map(|(k, v)| tuple([k, v])))
}

pub(super) fn op(name: &str, args: impl IntoIterator<Item = Value>) -> Value {
    tuple([atom("op"), atom(name), list(args)])
}

pub(super) fn seg(head: Value, kind: &str, size: Value, unit: i64) -> Value {
    let rest = [int(unit), atom("unsigned"), atom("big")];
    tuple([atom("seg"), head, atom(kind), size].into_iter().chain(rest))
}

pub(super) fn anything() -> Value {
    atom("any")
}

pub(super) fn data(head: Value, guard: Option<Value>) -> Value {
    tuple([atom("pattern"), head, guard.unwrap_or_else(|| atom("nil"))])
}

pub(super) fn parse(head: Value, guard: Option<Value>) -> Result<Pattern, PatternError> {
    Pattern::from_value(&data(head, guard), Arc::new(Names))
}

/// Asks a head and a guard of a term.
pub(super) fn ask(head: Value, guard: Option<Value>, term: &Value) -> Match {
    let mut arena = Arena::new();
    let id = arena.intern(term);
    parse(head, guard).expect("well-formed").matches(&arena, id)
}

/// Yes, no or why not known, without the bindings.
pub(super) fn answer(head: Value, guard: Option<Value>, term: &Value) -> Answer {
    match ask(head, guard, term) {
        Match::Yes(_) => Answer::Yes,
        Match::No => Answer::No,
        Match::Unknown(why) => Answer::Unknown(why),
    }
}

/// The bindings of a match, all as values.
pub(super) fn bindings(head: Value, term: &Value) -> Vec<(String, Value)> {
    let mut arena = Arena::new();
    let id = arena.intern(term);
    match parse(head, None).expect("well-formed").matches(&arena, id) {
        Match::Yes(Bindings(found)) => found
            .into_iter()
            .map(|(name, bound)| {
                let value = match bound {
                    Bound::Node(id) => arena.to_value(id),
                    Bound::Value(value) => value,
                    Bound::Hidden(kind, _, size) => Value::Truncated(kind.unwrap_or(Kind::Atom), size),
                };
                (Names.text(name).expect("named").into_string(), value)
            })
            .collect(),
        other => panic!("no match: {other:?}"),
    }
}

pub(super) const CUT: Answer = Answer::Unknown(Why::Truncated);
pub(super) const REDACTED: Answer = Answer::Unknown(Why::Redacted);
pub(super) const UNSUPPORTED: Answer = Answer::Unknown(Why::Unsupported);

#[test]
fn what_is_no_pattern_is_refused_by_name() {
    let bad = |value: Value| Pattern::from_value(&value, Arc::new(Names)).map(|_| ()).unwrap_err();
    assert_eq!(bad(int(1)), PatternError::NotAPattern);
    assert_eq!(bad(tuple([atom("pattern"), anything()])), PatternError::NotAPattern);
    assert!(matches!(bad(data(atom("nope"), None)), PatternError::Malformed(_)));
    assert!(matches!(bad(data(heads("cons", []), None)), PatternError::Malformed(_)));
    assert_eq!(
        bad(data(anything(), Some(op("nope", [lit(int(1))])))),
        PatternError::UnknownOperation("nope".into(), 1)
    );
    assert_eq!(bad(data(anything(), Some(var("x")))), PatternError::Unbound("x".into()));
    let deep = (0..200).fold(anything(), |head, _| heads("tuple", [head]));
    assert_eq!(bad(data(deep, None)), PatternError::TooDeep);
    let wide = heads("tuple", (0..=MAX_NODES).map(|_| anything()));
    assert_eq!(bad(data(wide, None)), PatternError::TooLarge);
}
