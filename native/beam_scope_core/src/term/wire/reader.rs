//! Tokens from bytes, and numbers.

use super::WireError;
use crate::term::{tag, AtomId, Kind};

/// One step of the wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// An atom.
    Atom(AtomId),
    /// An integer that fits an `i64`.
    Int(i64),
    /// A larger one: negative, magnitude.
    Big(bool, &'a [u8]),
    /// A float's bits.
    Float(u64),
    /// A binary.
    Binary(&'a [u8]),
    /// A bitstring and the used bits of its last byte.
    Bits(&'a [u8], u8),
    /// The empty list, as a term.
    Nil,
    /// A list begins.
    List,
    /// A proper list ends.
    End,
    /// The tail of an improper list follows.
    Tail,
    /// A list ends that was cut; its full length.
    TruncTail(u64),
    /// So many elements follow.
    Tuple(u64),
    /// So many pairs follow.
    Map(u64),
    /// A cut map: its full size, and how many pairs follow.
    TruncMap(u64, u64),
    /// A cut tuple: its full arity, and how many elements follow.
    TruncTuple(u64, u64),
    /// A cut binary: its full size, and its prefix.
    TruncBinary(u64, &'a [u8]),
    /// A term left out whole, and its size.
    Trunc(Kind, u64),
    /// A redacted term, and its size.
    Redacted(Kind, u64),
    /// A local pid.
    Pid(u64),
    /// A local reference: its words as bytes, a multiple of 4.
    Ref(&'a [u8]),
    /// A remote pid, reference or port in external term format.
    External(Kind, &'a [u8]),
    /// `fun m:f/a`.
    Export(AtomId, AtomId, u32),
    /// What cannot live elsewhere, as it printed.
    Opaque(Kind, &'a str),
    /// A back reference to a whole term.
    BackRef(u64),
    /// A list ends in a back reference to a list cell.
    TailRef(u64),
    /// A large map's tree begins: so many pairs, children at these places.
    Tree(u64, u16),
    /// A node of such a tree begins: children at these places.
    Node(u16),
    /// A pair of such a tree begins.
    Pair,
    /// A back reference to a node of such a tree.
    NodeRef(u64),
    /// A child of such a tree that was left out.
    NodeCut,
    /// So many items of a list, from the cell at an offset on.
    Run(u64, u64),
}

/// Reads tokens from the front of bytes. Never panics, never allocates.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn pos(&self) -> usize {
        self.pos
    }

    /// The next token.
    #[allow(clippy::should_implement_trait)] // an iterator would have to yield errors for ever
    pub fn next(&mut self) -> Result<Token<'a>, WireError> {
        let tag = self.byte()?;
        Ok(match tag {
            tag::ATOM => Token::Atom(AtomId(self.varint()?)),
            tag::INT => Token::Int(unzigzag(self.varint()?)),
            tag::BIG => Token::Big(self.sign(tag)?, self.sized()?),
            tag::FLOAT => Token::Float(self.word()?),
            tag::BINARY => Token::Binary(self.sized()?),
            tag::BITS => self.bits(tag)?,
            tag::NIL => Token::Nil,
            tag::LIST => Token::List,
            tag::END => Token::End,
            tag::TAIL => Token::Tail,
            tag::TRUNC_TAIL => Token::TruncTail(self.varint()?),
            tag::TUPLE => Token::Tuple(self.varint()?),
            tag::MAP => Token::Map(self.varint()?),
            tag::TRUNC_MAP => Token::TruncMap(self.varint()?, self.varint()?),
            tag::TRUNC_TUPLE => Token::TruncTuple(self.varint()?, self.varint()?),
            tag::TRUNC_BINARY => Token::TruncBinary(self.varint()?, self.sized()?),
            tag::TRUNC => Token::Trunc(self.kind(tag)?, self.varint()?),
            tag::REDACTED => Token::Redacted(self.kind(tag)?, self.varint()?),
            tag::PID => Token::Pid(self.varint()?),
            tag::LREF => self.reference()?,
            tag::EXT_PID => Token::External(Kind::Pid, self.sized()?),
            tag::EXT_REF => Token::External(Kind::Reference, self.sized()?),
            tag::EXT_PORT => Token::External(Kind::Port, self.sized()?),
            tag::EXPORT => self.export(tag)?,
            tag::OPAQUE => self.opaque(tag)?,
            tag::REF => Token::BackRef(self.varint()?),
            tag::TREF => Token::TailRef(self.varint()?),
            tag::TREE => Token::Tree(self.varint()?, self.places(tag)?),
            tag::NODE => Token::Node(self.places(tag)?),
            tag::PAIR => Token::Pair,
            tag::NREF => Token::NodeRef(self.varint()?),
            tag::NCUT => Token::NodeCut,
            tag::LCHUNK => Token::Run(self.varint()?, self.varint()?),
            other => return Err(WireError::UnknownTag(other)),
        })
    }

    fn places(&mut self, tag: u8) -> Result<u16, WireError> {
        u16::try_from(self.varint()?).map_err(|_| WireError::BadField(tag))
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        let byte = *self.bytes.get(self.pos).ok_or(WireError::UnexpectedEnd)?;
        self.pos += 1;
        Ok(byte)
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], WireError> {
        let left = &self.bytes[self.pos..];
        let n = usize::try_from(n).map_err(|_| WireError::UnexpectedEnd)?;
        let taken = if cfg!(mutant = "wire_trusts_length") {
            &left[..n]
        } else {
            left.get(..n).ok_or(WireError::UnexpectedEnd)?
        };
        self.pos += n;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let (value, used) = read_varint(&self.bytes[self.pos..])?;
        self.pos += used;
        Ok(value)
    }

    fn sized(&mut self) -> Result<&'a [u8], WireError> {
        let n = self.varint()?;
        self.take(n)
    }

    fn word(&mut self) -> Result<u64, WireError> {
        let bytes = self.take(8)?;
        Ok(bytes.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)))
    }

    fn sign(&mut self, tag: u8) -> Result<bool, WireError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::BadField(tag)),
        }
    }

    fn kind(&mut self, tag: u8) -> Result<Kind, WireError> {
        Kind::from_u8(self.byte()?).ok_or(WireError::BadField(tag))
    }

    fn bits(&mut self, tag: u8) -> Result<Token<'a>, WireError> {
        let len = self.varint()?;
        let used = self.byte()?;
        if len == 0 || !(1..=7).contains(&used) {
            return Err(WireError::BadField(tag));
        }
        Ok(Token::Bits(self.take(len)?, used))
    }

    fn reference(&mut self) -> Result<Token<'a>, WireError> {
        let words = self.varint()?;
        Ok(Token::Ref(self.take(words.saturating_mul(4))?))
    }

    fn export(&mut self, tag: u8) -> Result<Token<'a>, WireError> {
        let module = AtomId(self.varint()?);
        let function = AtomId(self.varint()?);
        let arity = u32::try_from(self.varint()?).map_err(|_| WireError::BadField(tag))?;
        Ok(Token::Export(module, function, arity))
    }

    fn opaque(&mut self, tag: u8) -> Result<Token<'a>, WireError> {
        let kind = self.kind(tag)?;
        let text = std::str::from_utf8(self.sized()?).map_err(|_| WireError::BadField(tag))?;
        Ok(Token::Opaque(kind, text))
    }
}

/// Reads a LEB128 varint from the front of `bytes`: the number, and how many bytes it took.
pub fn read_varint(bytes: &[u8]) -> Result<(u64, usize), WireError> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(10).enumerate() {
        let low = u64::from(byte & 0x7F);
        if i == 9 && low > 1 {
            return Err(WireError::Overlong);
        }
        value |= low << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((value, i + 1));
        }
    }
    Err(if bytes.len() >= 10 {
        WireError::Overlong
    } else {
        WireError::UnexpectedEnd
    })
}

/// Writes a LEB128 varint.
pub fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Folds the sign into the lowest bit, so that small negative numbers are short varints.
#[must_use]
pub const fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[must_use]
pub const fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}
