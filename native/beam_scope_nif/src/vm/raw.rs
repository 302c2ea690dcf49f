//! Reading memory behind tagged words. Every function here assumes what `learn` has checked.

use super::{Class, Layout, SizeAt, Word};

const POINTER: Word = !7;
const ORDINARY_REFERENCE: u32 = u32::MAX;

/// The memory of a boxed term or cons cell.
pub(crate) const fn pointer(word: Word) -> *const Word {
    (word & POINTER) as *const Word
}

/// Word `i` behind a boxed term or cons cell.
///
/// # Safety
/// `word` is a live boxed term or cons cell of at least `i + 1` words.
pub(crate) unsafe fn at(word: Word, i: usize) -> Word {
    // SAFETY: the caller's.
    unsafe { *pointer(word).add(i) }
}

/// A cons cell's head and tail.
///
/// # Safety
/// `word` is a live cons cell.
pub(crate) unsafe fn cell(word: Word) -> (Word, Word) {
    // SAFETY: the caller's; a cons cell is two words.
    unsafe { (at(word, 0), at(word, 1)) }
}

/// A header's four bits.
pub(crate) const fn subtag(header: Word) -> usize {
    header >> 2 & 0xF
}

impl Layout {
    /// What a term is by its tag bits, [`Class::Unknown`] where those were not learned.
    #[inline]
    pub(crate) fn class(&self, word: Word) -> Class {
        match word & 3 {
            3 if self.immediates => immediate(word),
            1 if self.lists => Class::List,
            2 if self.immediates => {
                // SAFETY: the word is a boxed term from the VM, and those have a header.
                let header = unsafe { at(word, 0) };
                if header & 3 == 0 {
                    self.classes[subtag(header)]
                } else {
                    Class::Unknown
                }
            }
            _ => Class::Unknown,
        }
    }

    /// The size of a binary or bitstring in whole bytes, where that was learned.
    pub(crate) fn byte_size(&self, word: Word) -> Option<usize> {
        if word & 3 != 2 {
            return None;
        }
        // SAFETY: only called with live binaries and bitstrings, which have a header and at least one more word; a span has three.
        unsafe {
            match self.sizes[subtag(at(word, 0))] {
                SizeAt::Nowhere => None,
                SizeAt::Bytes => Some(at(word, 1)),
                SizeAt::Bits => Some(at(word, 1) / 8),
                SizeAt::Span => Some(at(word, 3).wrapping_sub(at(word, 2)) / 8),
            }
        }
    }

    /// The 32-bit words of a local reference that is not magic; `None` where this is not such a one, or nothing is known.
    pub(crate) fn reference(&self, word: Word) -> Option<&[u32]> {
        // SAFETY: only called with live references, which have a header; the shape of those with this header was learned, and
        // the memory lives as long as the term, which outlives the callback that reads it.
        unsafe {
            let header = at(word, 0);
            let shape = self
                .references
                .iter()
                .find(|shape| shape.header != 0 && shape.header == header)?;
            let first = pointer(word).add(1).cast::<u32>();
            (*first == ORDINARY_REFERENCE).then(|| std::slice::from_raw_parts(first.add(1), shape.words))
        }
    }

    /// The process that an alias belongs to, by its word.
    pub(crate) fn alias_of(&self, word: Word) -> Option<Word> {
        if self.class(word) != Class::Reference {
            return None;
        }
        // SAFETY: a reference, whose header was read; one with an alias' header has its pid after the reference's words.
        unsafe {
            let is_alias = self.aliases_tell && at(word, 0) == self.references[1].header;
            is_alias.then(|| at(word, 3))
        }
    }

    /// Whether a reference is one that holds something of the VM (an ETS table, a file, atomics).
    pub(crate) fn is_magic(&self, word: Word) -> bool {
        // SAFETY: as above.
        unsafe {
            let header = at(word, 0);
            self.references[0].header != 0
                && self.references[0].header == header
                && *pointer(word).add(1).cast::<u32>() != ORDINARY_REFERENCE
        }
    }
}

#[inline]
const fn immediate(word: Word) -> Class {
    match word & 0xF {
        0xF => Class::Small,
        0x3 => Class::Pid,
        0x7 => Class::Port,
        _ => match word & 0x3F {
            0x0B => Class::Atom,
            0x3B => Class::Nil,
            _ => Class::Unknown,
        },
    }
}
