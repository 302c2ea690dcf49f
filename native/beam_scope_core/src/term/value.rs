//! An owned term: a plain tree.

/// An atom by its id. Inside a recording the id is the VM's atom word; the recording's atom table holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AtomId(pub u64);

/// What kind of term something is, where its content is not there to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An atom.
    Atom = 1,
    /// An integer of any size.
    Integer = 2,
    /// A float.
    Float = 3,
    /// A binary or bitstring.
    Binary = 4,
    /// A list; sizes are lengths.
    List = 5,
    /// A tuple; sizes are arities.
    Tuple = 6,
    /// A map or struct; sizes are numbers of pairs.
    Map = 7,
    /// A process identifier.
    Pid = 8,
    /// A port.
    Port = 9,
    /// A reference.
    Reference = 10,
    /// A fun.
    Fun = 11,
}

impl Kind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            1 => Self::Atom,
            2 => Self::Integer,
            3 => Self::Float,
            4 => Self::Binary,
            5 => Self::List,
            6 => Self::Tuple,
            7 => Self::Map,
            8 => Self::Pid,
            9 => Self::Port,
            10 => Self::Reference,
            11 => Self::Fun,
            _ => return None,
        })
    }
}

/// A thing that cannot live outside its VM, as it printed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opaque {
    /// What it was.
    pub kind: Kind,
    /// How the VM printed it, for example `#Fun<counter.0.1234>`.
    pub text: String,
}

/// An owned term. Floats are kept as bits, so that equality and hashing are exact.
///
/// Truncated and redacted nodes are values here, but never equal to anything when a *question* is asked of them:
/// [`Value::is_complete`] tells, and diff, pattern and query obey it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// An atom.
    Atom(AtomId),
    /// An integer that fits an `i64`.
    Int(i64),
    /// A larger integer: `negative`, magnitude little-endian without trailing zeros.
    Big(bool, Vec<u8>),
    /// A float by its bits.
    Float(u64),
    /// A binary.
    Binary(Vec<u8>),
    /// A bitstring whose last byte has this many used bits (1..=7).
    Bits(Vec<u8>, u8),
    /// A proper list, the empty one included.
    List(Vec<Value>),
    /// An improper list: at least one element, and a tail that is no list.
    Improper(Vec<Value>, Box<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A map; the pairs' order carries no meaning and is canonical only in the arena.
    Map(Vec<(Value, Value)>),
    /// A local pid by its word.
    Pid(u64),
    /// A local reference by its 32-bit words, least significant first.
    Ref(Vec<u32>),
    /// A remote pid, reference or port in external term format.
    External(Kind, Vec<u8>),
    /// `fun m:f/a`.
    Export(AtomId, AtomId, u32),
    /// A local fun, a port, a magic reference.
    Opaque(Opaque),
    /// A list cut after these elements; the full length, 0 when not known.
    TruncatedList(Vec<Value>, u64),
    /// A map of which these pairs are known; the full size.
    TruncatedMap(Vec<(Value, Value)>, u64),
    /// A tuple of which this prefix is known; the full arity.
    TruncatedTuple(Vec<Value>, u64),
    /// A binary of which this prefix is known; the full size in bytes.
    TruncatedBinary(Vec<u8>, u64),
    /// A term left out whole; its full size, 0 when not known.
    Truncated(Kind, u64),
    /// A redacted value and its size.
    Redacted(Kind, u64),
}

impl Value {
    /// Whether every part of the term was captured: nothing truncated, nothing redacted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let mut stack = vec![self];
        while let Some(value) = stack.pop() {
            match value {
                Self::TruncatedList(..)
                | Self::TruncatedMap(..)
                | Self::TruncatedTuple(..)
                | Self::TruncatedBinary(..)
                | Self::Truncated(..)
                | Self::Redacted(..) => return false,
                Self::List(items) | Self::Tuple(items) => stack.extend(items),
                Self::Improper(items, tail) => {
                    stack.extend(items);
                    stack.push(tail);
                }
                Self::Map(pairs) => stack.extend(pairs.iter().flat_map(|(k, v)| [k, v])),
                _ => {}
            }
        }
        true
    }
}
