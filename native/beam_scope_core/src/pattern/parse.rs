//! From data to a pattern.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::guard::Op;
use super::number::{Arith, Unary};
use super::types::Type;
use super::{Guard, Head, Pattern, PatternError, Segment, SegmentKind, Truths, Var, MAX_DEPTH, MAX_NODES};
use crate::term::arena::{Arena, NodeId};
use crate::term::{AtomId, AtomSource, Value};

type Parsed<T> = Result<T, PatternError>;

pub(super) fn pattern(data: &Value, atoms: Arc<dyn AtomSource>, given: &[AtomId]) -> Parsed<Pattern> {
    let mut parser = Parser {
        atoms: atoms.as_ref(),
        given,
        literals: Arena::new(),
        head_literals: Vec::new(),
        keys: Vec::new(),
        vars: Vec::new(),
        slots: HashMap::new(),
        nodes: 0,
        in_guard: false,
    };
    let (head, guard) = match data {
        Value::Tuple(parts) => match parts.as_slice() {
            [tag, head, guard] if parser.is(tag, "pattern") => (head, guard),
            _ => return Err(PatternError::NotAPattern),
        },
        _ => return Err(PatternError::NotAPattern),
    };
    let head = parser.head(head, 0)?;
    parser.in_guard = true;
    let guard = parser.optional_guard(guard)?;
    let Parser {
        literals,
        head_literals,
        keys,
        vars,
        ..
    } = parser;
    Ok(Pattern {
        head,
        guard,
        literals,
        head_literals,
        keys,
        vars,
        truths: Truths {
            atoms,
            yes: OnceLock::new(),
            no: OnceLock::new(),
        },
    })
}

struct Parser<'p> {
    atoms: &'p dyn AtomSource,
    given: &'p [AtomId],
    literals: Arena,
    head_literals: Vec<NodeId>,
    keys: Vec<Value>,
    vars: Vec<Var>,
    slots: HashMap<AtomId, usize>,
    nodes: usize,
    /// The head has been read.
    in_guard: bool,
}

const fn malformed<T>(part: &'static str) -> Parsed<T> {
    Err(PatternError::Malformed(part))
}

impl Parser<'_> {
    fn text(&self, value: &Value) -> Option<Box<str>> {
        match value {
            Value::Atom(id) => self.atoms.text(*id),
            _ => None,
        }
    }

    fn is(&self, value: &Value, text: &str) -> bool {
        self.text(value).as_deref() == Some(text)
    }

    fn enter(&mut self, depth: usize) -> Parsed<()> {
        self.nodes += 1;
        match () {
            () if depth > MAX_DEPTH => Err(PatternError::TooDeep),
            () if self.nodes > MAX_NODES => Err(PatternError::TooLarge),
            () => Ok(()),
        }
    }

    /// A tagged tuple: its tag's text and the rest.
    fn tagged<'v>(&self, value: &'v Value) -> Option<(Box<str>, &'v [Value])> {
        match value {
            Value::Tuple(parts) => {
                let (tag, rest) = parts.split_first()?;
                Some((self.text(tag)?, rest))
            }
            _ => None,
        }
    }

    fn head(&mut self, value: &Value, depth: usize) -> Parsed<Head> {
        self.enter(depth)?;
        if let Some(text) = self.text(value) {
            return match &*text {
                "any" => Ok(Head::Any),
                "atom" => Ok(Head::AnyAtom),
                _ => malformed("a head is no such atom"),
            };
        }
        let Some((tag, parts)) = self.tagged(value) else {
            return malformed("a head is a tagged tuple");
        };
        match (&*tag, parts) {
            ("lit", [term]) => {
                self.head_literals.push(self.literals.intern(term));
                let place = self.head_literals.len() - 1;
                Ok(Head::Lit(self.head_literals[place], place))
            }
            ("var", [name]) => Ok(Head::Var(self.bind(name)?)),
            ("tuple", [Value::List(heads)]) => Ok(Head::Tuple(self.heads(heads, depth)?)),
            ("list", [Value::List(heads)]) => Ok(Head::List(self.heads(heads, depth)?)),
            ("cons", [Value::List(heads), tail]) if !heads.is_empty() => {
                let heads = self.heads(heads, depth)?;
                Ok(Head::Cons(heads, Box::new(self.head(tail, depth + 1)?)))
            }
            ("map", [Value::List(pairs)]) => self.map(pairs, depth),
            ("as", [left, right]) => Ok(Head::As(Box::new((
                self.head(left, depth + 1)?,
                self.head(right, depth + 1)?,
            )))),
            ("bin", [Value::List(segments)]) => {
                let segments: Parsed<Vec<_>> = segments.iter().map(|s| self.segment(s, depth)).collect();
                Ok(Head::Bin(segments?))
            }
            _ => malformed("an unknown head"),
        }
    }

    fn heads(&mut self, values: &[Value], depth: usize) -> Parsed<Vec<Head>> {
        values.iter().map(|value| self.head(value, depth + 1)).collect()
    }

    fn map(&mut self, pairs: &[Value], depth: usize) -> Parsed<Head> {
        let mut heads = Vec::with_capacity(pairs.len());
        for pair in pairs {
            match pair {
                Value::Tuple(pair) => match pair.as_slice() {
                    [key, head] => {
                        self.keys.push(key.clone());
                        let index = self.keys.len() - 1;
                        heads.push((index, self.head(head, depth + 1)?));
                    }
                    _ => return malformed("a pair of a map pattern"),
                },
                _ => return malformed("a pair of a map pattern"),
            }
        }
        Ok(Head::Map(heads))
    }

    fn bind(&mut self, name: &Value) -> Parsed<usize> {
        let Value::Atom(id) = name else {
            return malformed("a variable's name is an atom");
        };
        if let Some(slot) = self.slots.get(id) {
            return Ok(*slot);
        }
        Ok(self.enter_variable(*id, false))
    }

    fn enter_variable(&mut self, name: AtomId, given: bool) -> usize {
        let silent = self.atoms.text(name).is_none_or(|text| text.starts_with('_'));
        self.vars.push(Var { name, silent, given });
        self.slots.insert(name, self.vars.len() - 1);
        self.vars.len() - 1
    }

    fn segment(&mut self, value: &Value, depth: usize) -> Parsed<Segment> {
        let Some((tag, [head, kind, size, Value::Int(unit), sign, endian])) = self.tagged(value) else {
            return malformed("a segment is {:seg, head, type, size, unit, sign, endian}");
        };
        if &*tag != "seg" {
            return malformed("a segment is {:seg, head, type, size, unit, sign, endian}");
        }
        // The size is read first: it may use what stands before, not what this segment binds.
        let size = self.optional_guard(size)?;
        let head = self.head(head, depth + 1)?;
        if !matches!(head, Head::Any | Head::Lit(..) | Head::Var(_)) {
            return malformed("a segment's head is :any, a literal or a variable");
        }
        let unit = match u16::try_from(*unit) {
            Ok(unit @ 1..=256) => unit,
            _ => return malformed("a segment's unit is 1 to 256"),
        };
        let kind = self.kind(kind)?;
        if size.is_none() && matches!(kind, SegmentKind::Integer | SegmentKind::Float) {
            return malformed("an integer or float segment has a size");
        }
        Ok(Segment {
            head,
            kind,
            size,
            unit,
            signed: self.is(sign, "signed"),
            little: self.is(endian, "little") || cfg!(target_endian = "little") && self.is(endian, "native"),
        })
    }

    fn kind(&self, value: &Value) -> Parsed<SegmentKind> {
        match self.text(value).as_deref() {
            Some("integer") => Ok(SegmentKind::Integer),
            Some("float") => Ok(SegmentKind::Float),
            Some("binary") => Ok(SegmentKind::Binary),
            Some("utf8") => Ok(SegmentKind::Utf8),
            Some("utf16") => Ok(SegmentKind::Utf16),
            Some("utf32") => Ok(SegmentKind::Utf32),
            _ => malformed("a segment of unknown type"),
        }
    }

    fn optional_guard(&mut self, value: &Value) -> Parsed<Option<Guard>> {
        if self.is(value, "nil") {
            return Ok(None);
        }
        self.guard(value, 0).map(Some)
    }

    fn guard(&mut self, value: &Value, depth: usize) -> Parsed<Guard> {
        self.enter(depth)?;
        let Some((tag, parts)) = self.tagged(value) else {
            return malformed("a guard is a tagged tuple");
        };
        match (&*tag, parts) {
            ("lit", [term]) => Ok(Guard::Lit(self.literals.intern(term))),
            ("var", [name]) => self.bound(name),
            ("op", [name, Value::List(args)]) => {
                let Some(name) = self.text(name) else {
                    return malformed("an operation's name is an atom");
                };
                let Some(op) = operation(&name, args.len()) else {
                    return Err(PatternError::UnknownOperation(name, args.len()));
                };
                let args: Parsed<Vec<_>> = args.iter().map(|arg| self.guard(arg, depth + 1)).collect();
                Ok(Guard::Op(op, args?))
            }
            _ => malformed("an unknown guard"),
        }
    }

    fn bound(&mut self, name: &Value) -> Parsed<Guard> {
        let slot = match name {
            Value::Atom(id) => match self.slots.get(id).copied() {
                // What was given may stand in the guard; in a size only what the head binds.
                None if self.in_guard && self.given.contains(id) => Some(self.enter_variable(*id, true)),
                slot => slot,
            },
            _ => None,
        };
        slot.map(Guard::Var)
            .ok_or_else(|| PatternError::Unbound(self.text(name).unwrap_or_default()))
    }
}

fn operation(name: &str, arity: usize) -> Option<Op> {
    use std::cmp::Ordering::{Greater, Less};
    Some(match (name, arity) {
        ("when", _) => Op::When,
        ("in", 1..) => Op::In,
        ("andalso", 2) => Op::AndAlso,
        ("orelse", 2) => Op::OrElse,
        ("and", 2) => Op::And,
        ("or", 2) => Op::Or,
        ("xor", 2) => Op::Xor,
        ("not", 1) => Op::Not,
        ("==", 2) => Op::Equal(false, false),
        ("/=", 2) => Op::Equal(false, true),
        ("=:=", 2) => Op::Equal(true, false),
        ("=/=", 2) => Op::Equal(true, true),
        ("<", 2) => Op::Order(Less, false),
        ("=<", 2) => Op::Order(Less, true),
        (">", 2) => Op::Order(Greater, false),
        (">=", 2) => Op::Order(Greater, true),
        ("max", 2) => Op::Max,
        ("min", 2) => Op::Min,
        ("is_function", 2) => Op::IsFunctionOf,
        ("length", 1) => Op::Length,
        ("hd", 1) => Op::Hd,
        ("tl", 1) => Op::Tl,
        ("element", 2) => Op::Element,
        ("tuple_size", 1) => Op::TupleSize,
        ("map_size", 1) => Op::MapSize,
        ("byte_size", 1) => Op::ByteSize,
        ("bit_size", 1) => Op::BitSize,
        ("size", 1) => Op::Size,
        ("map_get", 2) => Op::MapGet,
        ("is_map_key", 2) => Op::IsMapKey,
        ("binary_part", 3) => Op::BinaryPart,
        (name, 2) => Op::Arith(arith(name)?),
        (name, 1) => match unary(name) {
            Some(op) => Op::Unary(op),
            None => Op::Is(Type::of_test(name)?),
        },
        _ => return None,
    })
}

fn arith(name: &str) -> Option<Arith> {
    Some(match name {
        "+" => Arith::Add,
        "-" => Arith::Sub,
        "*" => Arith::Mul,
        "/" => Arith::Divide,
        "div" => Arith::Div,
        "rem" => Arith::Rem,
        "band" => Arith::Band,
        "bor" => Arith::Bor,
        "bxor" => Arith::Bxor,
        "bsl" => Arith::Bsl,
        "bsr" => Arith::Bsr,
        _ => return None,
    })
}

fn unary(name: &str) -> Option<Unary> {
    Some(match name {
        "-" => Unary::Minus,
        "+" => Unary::Plus,
        "abs" => Unary::Abs,
        "bnot" => Unary::Bnot,
        "ceil" => Unary::Ceil,
        "floor" => Unary::Floor,
        "round" => Unary::Round,
        "trunc" => Unary::Trunc,
        "float" => Unary::Float,
        _ => return None,
    })
}
