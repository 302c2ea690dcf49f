//! Owned trees.

use super::{parse, Shape, Sink, Token, WireError};
use crate::term::{Kind, Opaque, Value};

/// Reads one term as an owned tree; how many bytes it took.
pub fn read(bytes: &[u8]) -> Result<(Value, usize), WireError> {
    parse(bytes, &mut Owned)
}

struct Owned;

impl Sink for Owned {
    type Item = Value;

    fn leaf(&mut self, _at: usize, token: Token<'_>) -> Value {
        leaf_value(token)
    }

    fn close(&mut self, _at: usize, shape: Shape, items: &mut Vec<Value>, start: usize) -> Value {
        let mut parts = items.split_off(start);
        match shape {
            Shape::List => Value::List(parts),
            Shape::Improper => match parts.pop() {
                Some(tail) => improper(parts, tail),
                None => Value::List(parts),
            },
            Shape::TruncatedList(full) => Value::TruncatedList(parts, full),
            Shape::Tuple => Value::Tuple(parts),
            Shape::TruncatedTuple(full) => Value::TruncatedTuple(parts, full),
            Shape::Map => Value::Map(pairs(parts)),
            Shape::TruncatedMap(full) => Value::TruncatedMap(pairs(parts), full),
            // Only of sinks that take streams.
            Shape::Tree(_) | Shape::Node | Shape::Pair => Value::Truncated(Kind::Map, 0),
        }
    }
}

/// A list of `items` that goes on with `tail`, which may itself be a list.
fn improper(mut items: Vec<Value>, tail: Value) -> Value {
    match tail {
        tail if items.is_empty() => tail,
        Value::List(more) => {
            items.extend(more);
            Value::List(items)
        }
        Value::Improper(more, tail) => {
            items.extend(more);
            Value::Improper(items, tail)
        }
        tail => Value::Improper(items, Box::new(tail)),
    }
}

fn pairs(parts: Vec<Value>) -> Vec<(Value, Value)> {
    let mut parts = parts.into_iter();
    std::iter::from_fn(|| Some((parts.next()?, parts.next()?))).collect()
}

fn leaf_value(token: Token<'_>) -> Value {
    match token {
        Token::Atom(id) => Value::Atom(id),
        Token::Int(n) => Value::Int(n),
        Token::Big(negative, magnitude) => Value::Big(negative, magnitude.to_vec()),
        Token::Float(bits) => Value::Float(bits),
        Token::Binary(bytes) => Value::Binary(bytes.to_vec()),
        Token::Bits(bytes, used) => Value::Bits(bytes.to_vec(), used),
        Token::TruncBinary(full, bytes) => Value::TruncatedBinary(bytes.to_vec(), full),
        Token::Trunc(kind, size) => Value::Truncated(kind, size),
        Token::Redacted(kind, size) => Value::Redacted(kind, size),
        Token::Pid(word) => Value::Pid(word),
        Token::Ref(bytes) => Value::Ref(words(bytes)),
        Token::External(kind, bytes) => Value::External(kind, bytes.to_vec()),
        Token::Export(module, function, arity) => Value::Export(module, function, arity),
        Token::Opaque(kind, text) => Value::Opaque(Opaque {
            kind,
            text: text.to_owned(),
        }),
        _ => Value::List(Vec::new()),
    }
}

/// A reference's words from their bytes.
#[must_use]
pub(crate) fn words(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
        .collect()
}
