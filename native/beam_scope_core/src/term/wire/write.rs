//! Writing.

use super::{write_varint, zigzag};
use crate::term::{tag, Kind, Value};

/// Writes a term. Deep terms are no danger: the way through the tree is kept on the heap.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    enum Step<'a> {
        Term(&'a Value),
        Tag(u8),
        TruncTail(u64),
    }
    let mut steps = vec![Step::Term(value)];
    while let Some(step) = steps.pop() {
        let value = match step {
            Step::Tag(tag) => {
                out.push(tag);
                continue;
            }
            Step::TruncTail(full) => {
                write_tagged(tag::TRUNC_TAIL, &[full], out);
                continue;
            }
            Step::Term(value) => value,
        };
        match value {
            Value::List(items) if !items.is_empty() => {
                out.push(tag::LIST);
                steps.push(Step::Tag(tag::END));
                steps.extend(items.iter().rev().map(Step::Term));
            }
            Value::Improper(items, tail) => {
                out.push(tag::LIST);
                steps.push(Step::Term(tail));
                steps.push(Step::Tag(tag::TAIL));
                steps.extend(items.iter().rev().map(Step::Term));
            }
            Value::TruncatedList(items, full) => {
                out.push(tag::LIST);
                steps.push(Step::TruncTail(*full));
                steps.extend(items.iter().rev().map(Step::Term));
            }
            Value::Tuple(items) => {
                write_tagged(tag::TUPLE, &[items.len() as u64], out);
                steps.extend(items.iter().rev().map(Step::Term));
            }
            Value::TruncatedTuple(items, full) => {
                write_tagged(tag::TRUNC_TUPLE, &[*full, items.len() as u64], out);
                steps.extend(items.iter().rev().map(Step::Term));
            }
            Value::Map(pairs) => {
                write_tagged(tag::MAP, &[pairs.len() as u64], out);
                steps.extend(pairs.iter().rev().flat_map(|(k, v)| [Step::Term(v), Step::Term(k)]));
            }
            Value::TruncatedMap(pairs, full) => {
                write_tagged(tag::TRUNC_MAP, &[*full, pairs.len() as u64], out);
                steps.extend(pairs.iter().rev().flat_map(|(k, v)| [Step::Term(v), Step::Term(k)]));
            }
            leaf => write_leaf(leaf, out),
        }
    }
}

fn write_tagged(tag: u8, numbers: &[u64], out: &mut Vec<u8>) {
    out.push(tag);
    for n in numbers {
        write_varint(*n, out);
    }
}

fn write_sized(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn write_leaf(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Atom(id) => write_tagged(tag::ATOM, &[id.0], out),
        Value::Int(n) => write_tagged(tag::INT, &[zigzag(*n)], out),
        Value::Big(negative, magnitude) => {
            out.extend_from_slice(&[tag::BIG, u8::from(*negative)]);
            write_sized(magnitude, out);
        }
        Value::Float(bits) => {
            out.push(tag::FLOAT);
            out.extend_from_slice(&bits.to_le_bytes());
        }
        Value::Binary(bytes) => {
            out.push(tag::BINARY);
            write_sized(bytes, out);
        }
        Value::Bits(bytes, used) => {
            write_tagged(tag::BITS, &[bytes.len() as u64], out);
            out.push(*used);
            out.extend_from_slice(bytes);
        }
        Value::TruncatedBinary(bytes, full) => {
            write_tagged(tag::TRUNC_BINARY, &[*full], out);
            write_sized(bytes, out);
        }
        Value::Truncated(kind, size) => {
            out.extend_from_slice(&[tag::TRUNC, *kind as u8]);
            write_varint(*size, out);
        }
        Value::Redacted(kind, size) => {
            out.extend_from_slice(&[tag::REDACTED, *kind as u8]);
            write_varint(*size, out);
        }
        Value::Pid(word) => write_tagged(tag::PID, &[*word], out),
        Value::Ref(words) => {
            write_tagged(tag::LREF, &[words.len() as u64], out);
            out.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        }
        Value::External(kind, bytes) => {
            out.push(match kind {
                Kind::Pid => tag::EXT_PID,
                Kind::Port => tag::EXT_PORT,
                _ => tag::EXT_REF,
            });
            write_sized(bytes, out);
        }
        Value::Export(module, function, arity) => {
            write_tagged(tag::EXPORT, &[module.0, function.0, u64::from(*arity)], out);
        }
        Value::Opaque(opaque) => {
            out.extend_from_slice(&[tag::OPAQUE, opaque.kind as u8]);
            write_sized(opaque.text.as_bytes(), out);
        }
        _ => out.push(tag::NIL),
    }
}
