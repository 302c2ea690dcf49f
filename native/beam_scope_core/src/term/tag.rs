//! Tags of the wire form. A term is a tag byte and what follows it; all integers are LEB128 varints unless said otherwise.
//!
//! The form is prefix order, self-delimiting, and written in one pass without knowing sizes ahead: a list is closed by its
//! terminator instead of announced by its length. [`REF`], [`TREF`], [`NREF`] and [`LCHUNK`] point backward into the bytes of the same
//! track's current epoch; only records that are part of a stream hold them, and every reader must accept or refuse them by name. A
//! *cell* is a list from one of its items on, and known by the offset of that item.

/// Atom: varint id. In a ring the id is the VM's atom word; the store's table maps it to text.
pub const ATOM: u8 = 0x01;
/// Integer that fits an `i64`: zigzag varint.
pub const INT: u8 = 0x02;
/// Larger integer: sign byte (0 or 1), varint length, magnitude little-endian.
pub const BIG: u8 = 0x03;
/// Float: 8 bytes, IEEE 754 bits little-endian (so that `-0.0` survives).
pub const FLOAT: u8 = 0x04;
/// Binary: varint length, bytes.
pub const BINARY: u8 = 0x05;
/// Bitstring: varint byte length, bits used of the last byte (1..=7), bytes.
pub const BITS: u8 = 0x06;
/// The empty list; also the terminator of a proper list.
pub const NIL: u8 = 0x07;
/// A list: elements follow, one term each, up to a terminator: [`NIL`] as [`END`], [`TAIL`], [`TREF`] or [`TRUNC_TAIL`].
pub const LIST: u8 = 0x08;
/// Terminator of a proper list. (`[]` itself is [`NIL`]; inside a list `NIL` is an element.)
pub const END: u8 = 0x09;
/// Terminator of an improper list: one term, the tail, follows.
pub const TAIL: u8 = 0x0A;
/// Terminator of a list cut by its budget: varint full length (0 when not known).
pub const TRUNC_TAIL: u8 = 0x0B;
/// Tuple: varint arity, elements.
pub const TUPLE: u8 = 0x0C;
/// Map: varint number of pairs, then key, value, key, value ...
pub const MAP: u8 = 0x0D;
/// Map cut by its budget: varint full size, varint number of pairs that follow, pairs.
pub const TRUNC_MAP: u8 = 0x0E;
/// Tuple cut by its budget: varint full arity, varint number of elements that follow (a prefix), elements.
pub const TRUNC_TUPLE: u8 = 0x0F;
/// Binary or bitstring cut by its budget: varint full size in bytes, varint number of bytes that follow (a prefix), bytes.
pub const TRUNC_BINARY: u8 = 0x10;
/// Any term left out whole: kind byte ([`super::Kind`]), varint full size (elements, pairs or bytes; 0 when not known).
pub const TRUNC: u8 = 0x11;
/// A redacted value: kind byte, varint size.
pub const REDACTED: u8 = 0x12;
/// Local pid: varint, the VM's pid word.
pub const PID: u8 = 0x13;
/// Local reference: varint count of 32-bit words, the words, 4 bytes each, little-endian, least significant first.
pub const LREF: u8 = 0x14;
/// Remote pid: varint length, external term format without its version byte.
pub const EXT_PID: u8 = 0x15;
/// Remote reference: as [`EXT_PID`].
pub const EXT_REF: u8 = 0x16;
/// Remote port: as [`EXT_PID`].
pub const EXT_PORT: u8 = 0x17;
/// `fun m:f/a`: two atom ids and an arity, each a varint.
pub const EXPORT: u8 = 0x18;
/// What cannot live outside its VM, by its printed name: kind byte, varint length, UTF-8. Local funs, ports, magic references.
pub const OPAQUE: u8 = 0x19;
/// Back reference: varint byte offset into this epoch's stream of the track; the whole term there.
pub const REF: u8 = 0x1A;
/// Back reference to a list cell as the rest of a list: varint byte offset.
pub const TREF: u8 = 0x1B;
/// The root of a large map as the VM has it: varint number of pairs, varint bitmap of 16 places, and a child for each bit that is
/// set, lowest first: [`PAIR`], [`NODE`], [`NREF`] or [`NCUT`].
pub const TREE: u8 = 0x1C;
/// A node inside such a map: varint bitmap, children.
pub const NODE: u8 = 0x1D;
/// A pair of such a map: key, value.
pub const PAIR: u8 = 0x1E;
/// Back reference to a [`NODE`]: varint byte offset.
pub const NREF: u8 = 0x1F;
/// A child that was left out by its budget.
pub const NCUT: u8 = 0x20;
/// Inside a list, in place of items: varint byte offset of the cell they begin at, varint how many.
pub const LCHUNK: u8 = 0x21;
