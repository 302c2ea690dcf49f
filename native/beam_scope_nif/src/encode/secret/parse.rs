//! Rules about values from the data of patterns (the grammar is the core's, `beam_scope_core::pattern`).

use beam_scope_core::pattern::Type;
use rustler::codegen_runtime::ErlNifTerm;

use super::value::{Bytes, Guard, Head, Kept, Op, ValueRule, MAX_VARS};
use crate::vm::{self, api, Class, Vm, Word};

/// Most parts of a pattern, and how deep it may nest.
const MOST_PARTS: usize = 500;
const MOST_DEPTH: usize = 24;

impl ValueRule {
    /// A rule from `{:pattern, head, guard | nil}`. Says what of it cannot be asked in a tracer.
    pub(crate) fn new(data: ErlNifTerm) -> Result<Self, String> {
        let (kept, data) = Kept::copy(data).ok_or("there is no memory for it")?;
        let truths = |yes: rustler::Atom| vm::word(yes.as_c_arg());
        let mut parser = Parser {
            vm: kept.vm(),
            vars: Vec::new(),
            parts: 0,
        };
        let [tag, head, guard] = parser.vm.tuple_of::<3>(data).ok_or("it is no pattern")?;
        if !parser.is(tag, "pattern") {
            return Err("it is no pattern".to_owned());
        }
        let head = parser.head(head, 0)?;
        let guard = if parser.is(guard, "nil") {
            None
        } else {
            Some(parser.guard(guard, 0)?)
        };
        Ok(Self {
            head,
            guard,
            truths: (truths(crate::atoms::true_()), truths(crate::atoms::false_())),
            _kept: kept,
        })
    }
}

struct Parser {
    vm: Vm,
    vars: Vec<String>,
    parts: usize,
}

type Parsed<T> = Result<T, String>;

impl Parser {
    fn part(&mut self, depth: usize) -> Parsed<()> {
        self.parts += 1;
        if self.parts > MOST_PARTS || depth > MOST_DEPTH {
            return Err("it is too large".to_owned());
        }
        Ok(())
    }

    fn head(&mut self, head: Word, depth: usize) -> Parsed<Head> {
        self.part(depth)?;
        match self.name(head).as_deref() {
            Some("any") => return Ok(Head::Any),
            Some("atom") => return Ok(Head::AnyAtom),
            _ => {}
        }
        if let Some([kind, items, rest]) = self.vm.tuple_of::<3>(head) {
            return match self.name(kind).as_deref() {
                Some("cons") => {
                    let heads = self.heads(items, depth)?;
                    Ok(Head::List(heads, Some(Box::new(self.head(rest, depth + 1)?))))
                }
                Some("as") => Ok(Head::Both(Box::new((
                    self.head(items, depth + 1)?,
                    self.head(rest, depth + 1)?,
                )))),
                _ => Err("malformed".to_owned()),
            };
        }
        let [kind, what] = self.vm.tuple_of::<2>(head).ok_or("malformed")?;
        match self.name(kind).as_deref() {
            Some("lit") => Ok(Head::Lit(what)),
            Some("var") => self.var(what).map(Head::Var),
            Some("tuple") => self.heads(what, depth).map(Head::Tuple),
            Some("list") => Ok(Head::List(self.heads(what, depth)?, None)),
            Some("map") => self.pairs(what, depth).map(Head::Map),
            Some("bin") => self.segments(what).map(Head::Bytes),
            _ => Err("malformed".to_owned()),
        }
    }

    fn heads(&mut self, list: Word, depth: usize) -> Parsed<Vec<Head>> {
        let items = self.items(list)?;
        items.into_iter().map(|item| self.head(item, depth + 1)).collect()
    }

    fn pairs(&mut self, list: Word, depth: usize) -> Parsed<Vec<(Word, Head)>> {
        let items = self.items(list)?;
        let mut pairs = Vec::new();
        for item in items {
            let [key, head] = self.vm.tuple_of::<2>(item).ok_or("malformed")?;
            pairs.push((key, self.head(head, depth + 1)?));
        }
        Ok(pairs)
    }

    /// The number of a variable. Those of binaries' parts are none: they would be terms that nobody made.
    fn var(&mut self, name: Word) -> Parsed<usize> {
        let name = self.name(name).ok_or("malformed")?;
        if let Some(at) = self.vars.iter().position(|known| *known == name) {
            return Ok(at);
        }
        if self.vars.len() == MAX_VARS {
            return Err(format!("more than {MAX_VARS} variables"));
        }
        self.vars.push(name);
        Ok(self.vars.len() - 1)
    }

    fn segments(&mut self, list: Word) -> Parsed<Vec<Bytes>> {
        let items = self.items(list)?;
        items.into_iter().map(|item| self.segment(item)).collect()
    }

    fn segment(&mut self, segment: Word) -> Parsed<Bytes> {
        self.part(0)?;
        let [_, head, kind, size, unit, _, order] = self.vm.tuple_of::<7>(segment).ok_or("malformed")?;
        let unit = api::int64(self.vm.env, unit).ok_or("malformed")?;
        let kind = self.name(kind).unwrap_or_default();
        let literal = self
            .vm
            .tuple_of::<2>(head)
            .filter(|[tag, _]| self.is(*tag, "lit"))
            .map(|[_, literal]| literal);
        if kind == "binary" && self.is(size, "nil") && literal.is_none() {
            return Ok(Bytes::Rest);
        }
        let bits = self.size(size).and_then(|size| size.checked_mul(unit));
        let bytes = bits
            .filter(|bits| bits % 8 == 0)
            .and_then(|bits| usize::try_from(bits / 8).ok());
        let bytes = bytes.ok_or("a part of a binary whose size is not so many whole bytes")?;
        match literal {
            None => Ok(Bytes::Skip(bytes)),
            Some(literal) if kind == "binary" => api::with_binary(self.vm.env, literal, <[u8]>::to_vec)
                .filter(|these| these.len() == bytes)
                .map(Bytes::These)
                .ok_or_else(|| "a part of a binary that is no whole binary".to_owned()),
            Some(literal) if kind == "integer" && bytes <= 8 && (self.is(order, "big") || bytes == 1) => {
                let number = api::int64(self.vm.env, literal).ok_or("an integer of more than 64 bits in a binary")?;
                Ok(Bytes::These(number.to_be_bytes()[8 - bytes..].to_vec()))
            }
            Some(_) => Err(format!("{kind} as part of a binary")),
        }
    }

    /// A size that is written out.
    fn size(&self, size: Word) -> Option<i64> {
        let [tag, number] = self.vm.tuple_of::<2>(size)?;
        self.is(tag, "lit").then(|| api::int64(self.vm.env, number)).flatten()
    }

    fn guard(&mut self, guard: Word, depth: usize) -> Parsed<Guard> {
        self.part(depth)?;
        if let Some([tag, op, arguments]) = self.vm.tuple_of::<3>(guard) {
            if !self.is(tag, "op") {
                return Err("malformed".to_owned());
            }
            let name = self.name(op).ok_or("malformed")?;
            let items = self.items(arguments)?;
            let op = operation(&name, items.len()).ok_or_else(|| format!("{name}/{} in a guard", items.len()))?;
            let arguments: Parsed<Vec<Guard>> = items.into_iter().map(|item| self.guard(item, depth + 1)).collect();
            return Ok(Guard::Op(op, arguments?));
        }
        let [tag, what] = self.vm.tuple_of::<2>(guard).ok_or("malformed")?;
        if self.is(tag, "lit") {
            return Ok(Guard::Lit(what));
        }
        let name = self.name(what).ok_or("malformed")?;
        let known = self.vars.iter().position(|known| *known == name);
        known
            .map(Guard::Var)
            .ok_or_else(|| format!("{name}, which is part of a binary, in a guard"))
    }

    fn items(&self, mut list: Word) -> Parsed<Vec<Word>> {
        let mut items = Vec::new();
        while self.vm.class(list) == Class::List {
            let (head, tail) = self.vm.cell(list).ok_or("malformed")?;
            items.push(head);
            list = tail;
            if items.len() > MOST_PARTS {
                return Err("it is too large".to_owned());
            }
        }
        Ok(items)
    }

    fn name(&self, atom: Word) -> Option<String> {
        (self.vm.class(atom) == Class::Atom)
            .then(|| api::atom_text(self.vm.env, atom, str::to_owned))
            .flatten()
    }

    fn is(&self, atom: Word, name: &str) -> bool {
        self.name(atom).as_deref() == Some(name)
    }
}

fn operation(name: &str, arity: usize) -> Option<Op> {
    match (name, arity) {
        ("and" | "andalso", 2) => Some(Op::And),
        ("or" | "orelse", 2) => Some(Op::Or),
        ("not", 1) => Some(Op::Not),
        ("when", _) => Some(Op::Any),
        ("in", 1..) => Some(Op::In),
        ("==", 2) => Some(Op::Equal),
        ("/=", 2) => Some(Op::NotEqual),
        ("=:=", 2) => Some(Op::Same),
        ("=/=", 2) => Some(Op::NotSame),
        ("<", 2) => Some(Op::Less),
        ("=<", 2) => Some(Op::AtMost),
        (">", 2) => Some(Op::Greater),
        (">=", 2) => Some(Op::AtLeast),
        ("byte_size", 1) => Some(Op::ByteSize),
        ("tuple_size", 1) => Some(Op::TupleSize),
        ("map_size", 1) => Some(Op::MapSize),
        ("length", 1) => Some(Op::Length),
        ("hd", 1) => Some(Op::Head),
        ("tl", 1) => Some(Op::Tail),
        ("element", 2) => Some(Op::Element),
        ("map_get", 2) => Some(Op::MapGet),
        ("is_map_key", 2) => Some(Op::IsKey),
        ("+", 2 | 1) => Some(Op::Plus),
        ("-", 2) => Some(Op::Minus),
        ("-", 1) => Some(Op::Negative),
        ("*", 2) => Some(Op::Times),
        ("div", 2) => Some(Op::Div),
        ("rem", 2) => Some(Op::Rem),
        ("abs", 1) => Some(Op::Abs),
        (name, 1) => Type::of_test(name).map(Op::Is),
        _ => None,
    }
}
