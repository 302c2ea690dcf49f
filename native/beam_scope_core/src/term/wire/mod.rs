//! Reading and writing the wire form (tags in [`tag`](super::tag)).
//!
//! The reader has two layers. [`Reader`] is lexical: it hands out one [`Token`] after the other, borrows all bytes from
//! its input and allocates nothing. [`parse`] knows the grammar: it drives a [`Sink`] bottom-up with an explicit stack,
//! so that neither depth nor any announced size can overflow or allocate more than a constant times the bytes given.
//!
//! Back references (`REF`, `TREF`) are handed to the sink, together with the offset at which every node began: a sink
//! that remembers offsets can resolve them. The default answer is [`WireError::Reference`].

mod owned;
mod parse;
mod reader;
mod write;

pub use owned::read;
pub(crate) use owned::words;
pub use parse::{parse, skip, Shape, Sink, CELL_EVERY};
pub(crate) use parse::{parse_with, Frame};
pub use reader::{read_varint, unzigzag, write_varint, zigzag, Reader, Token};
pub use write::write;

/// Why bytes are no term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The bytes end inside a term.
    UnexpectedEnd,
    /// A byte that is no tag, where a tag must be.
    UnknownTag(u8),
    /// A tag that cannot stand here (a list's terminator outside of a list).
    Misplaced(u8),
    /// A varint longer than 64 bits.
    Overlong,
    /// A field with a value that it cannot have (a kind, a number of bits, text that is no UTF-8).
    BadField(u8),
    /// A back reference that nobody could resolve.
    Reference(u64),
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnexpectedEnd => write!(f, "the bytes end inside a term"),
            Self::UnknownTag(tag) => write!(f, "no tag has the number {tag:#04x}"),
            Self::Misplaced(tag) => write!(f, "the tag {tag:#04x} cannot stand here"),
            Self::Overlong => write!(f, "a varint is longer than 64 bits"),
            Self::BadField(tag) => write!(f, "a field of the tag {tag:#04x} has an impossible value"),
            Self::Reference(offset) => write!(f, "the back reference to {offset} cannot be resolved"),
        }
    }
}

impl std::error::Error for WireError {}
