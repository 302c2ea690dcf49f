//! What is known of the VM's terms: words, tags and layouts.
//!
//! The NIF interface alone is enough to read any term, but costs a call for each node. Tag bits and headers cost nothing,
//! and are not a promise of the VM: so [`learn`] checks every layout against real terms when the library is loaded, and
//! what does not fit is read through the interface ([`api`]).

pub(crate) mod api;
pub(crate) mod heap;
pub(crate) mod learn;
pub(crate) mod raw;
mod read;

use std::sync::OnceLock;

use rustler::codegen_runtime::ErlNifTerm;

pub(crate) use read::Vm;

/// A term as the VM passes it.
pub(crate) type Word = usize;

/// What a term is, as far as reading it needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// Not learned: ask the VM.
    Unknown,
    Atom,
    Small,
    Nil,
    Pid,
    Port,
    List,
    Tuple,
    Float,
    BigPositive,
    BigNegative,
    Bits,
    Map,
    Reference,
    Fun,
    ExternalPid,
    ExternalPort,
    ExternalReference,
    /// A kind of term that this library does not know.
    Other,
}

/// How a kind of binary tells its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeAt {
    /// Not learned.
    Nowhere,
    /// Bytes in the first word after the header.
    Bytes,
    /// Bits in the first word after the header.
    Bits,
    /// Bits between the second and the third word after the header.
    Span,
}

/// Where a local reference has its words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RefShape {
    /// The header's word, 0 when not learned.
    pub(crate) header: Word,
    /// How many 32-bit words.
    pub(crate) words: usize,
}

/// What was learned when the library was loaded; everything is off until then.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Tag bits of atoms, small integers, local pids, local ports and `[]`.
    pub(crate) immediates: bool,
    /// Cons cells are `[head, tail]`.
    pub(crate) lists: bool,
    /// What a header's four bits mean.
    pub(crate) classes: [Class; 16],
    /// The header of a map that is an array of keys and an array of values; 0 when not learned.
    pub(crate) flat_map: Word,
    /// Larger maps are trees of headers, children and leaves.
    pub(crate) large_maps: bool,
    /// Ordinary references and aliases.
    pub(crate) references: [RefShape; 2],
    /// Whether an alias' third word after its header is the pid of its process.
    pub(crate) aliases_tell: bool,
    /// By the header's four bits.
    pub(crate) sizes: [SizeAt; 16],
    /// Kinds of binaries whose bytes follow their size.
    pub(crate) inline: [bool; 16],
    /// Immediates, cells, tuples and small maps can be read from memory.
    pub(crate) complete: bool,
}

impl Layout {
    /// Nothing learned.
    pub(crate) const fn none() -> Self {
        Self {
            immediates: false,
            lists: false,
            classes: [Class::Unknown; 16],
            flat_map: 0,
            large_maps: false,
            references: [RefShape { header: 0, words: 0 }; 2],
            aliases_tell: false,
            sizes: [SizeAt::Nowhere; 16],
            inline: [false; 16],
            complete: false,
        }
    }
}

static LAYOUT: OnceLock<Layout> = OnceLock::new();
static NONE: Layout = Layout::none();

/// What was learned.
pub(crate) fn layout() -> &'static Layout {
    LAYOUT.get().unwrap_or(&NONE)
}

/// Keeps what was learned; a second load of the library in the same VM learns the same.
pub(crate) fn remember(layout: Layout) {
    let _ = LAYOUT.set(layout);
}

/// The word of a term.
pub(crate) fn word(term: ErlNifTerm) -> Word {
    // SAFETY: `ErlNifTerm` is a transparent struct around one word.
    unsafe { std::mem::transmute::<ErlNifTerm, Word>(term) }
}

/// The term of a word that the VM gave.
pub(crate) fn term(word: Word) -> ErlNifTerm {
    // SAFETY: as above. A wrong word is harmless until a function of the VM gets it; callers pass words that came from it.
    unsafe { std::mem::transmute::<Word, ErlNifTerm>(word) }
}

/// What each bit of a local pid's word adds to the number and to the serial that the VM prints, which differs by release. The VM is
/// asked what it prints for words with one bit set. Empty when it prints no such thing.
pub(crate) fn pid_shape() -> Vec<(u32, u32)> {
    static SHAPE: OnceLock<Vec<(u32, u32)>> = OnceLock::new();
    let shape = SHAPE.get_or_init(|| {
        let printed = |bit: u32| {
            let word = 1usize.checked_shl(bit)? | PID_TAG;
            let text = api::print(word, &mut [0; 64]).to_owned();
            let (_, numbers) = text.trim_end_matches('>').split_once("<0.")?;
            let (number, serial) = numbers.split_once('.')?;
            Some((number.parse().ok()?, serial.parse().ok()?))
        };
        // Below them is the tag.
        let tag = [(0, 0); 4];
        let bits: Option<Vec<_>> = (4..usize::BITS).map(printed).collect();
        let bits = bits.filter(|_| layout().immediates);
        bits.map_or_else(Vec::new, |bits| tag.into_iter().chain(bits).collect())
    });
    shape.clone()
}

/// The tag bits of a local pid.
const PID_TAG: Word = 0x3;
