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

    /// The children of a large map, or of a node inside one; `None` where the header is not that of either.
    ///
    /// Which it is, and which of 16 children are there, stands in the header (`erl_map.h` in the sources of OTP).
    ///
    /// # Safety
    /// `node` is a live map that is a tree, or a child of one that is boxed.
    pub(crate) unsafe fn tree_children<'a>(&self, node: Word) -> Option<&'a [Word]> {
        // SAFETY: the caller's.
        unsafe { self.tree_node(node) }.map(|(_, children)| children)
    }

    /// The same, and which of 16 places the children have.
    ///
    /// # Safety
    /// As above.
    pub(crate) unsafe fn tree_node<'a>(&self, node: Word) -> Option<(u16, &'a [Word])> {
        // SAFETY: the caller's: a boxed term has a header.
        let header = unsafe { at(node, 0) };
        if header & 3 != 0 || self.classes[subtag(header)] != Class::Map {
            return None;
        }
        let present = (header >> 16 & 0xFFFF) as u16;
        let (first, bitmap) = match header >> 6 & 3 {
            1 => (1, present),
            2 => (2, 0xFFFF),
            3 => (2, present),
            _ => return None,
        };
        // SAFETY: the header says how many children there are; a map itself has its size before them.
        let children = unsafe { std::slice::from_raw_parts(pointer(node).add(first), bitmap.count_ones() as usize) };
        Some((bitmap, children))
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

    /// The bytes of a binary that has them behind its size.
    pub(crate) fn inline_bytes(&self, word: Word) -> Option<&[u8]> {
        // SAFETY: only called with live binaries and bitstrings, which have a header and at least one more word; for a kind
        // with the mark the bytes come next, and they live as long as the term, which outlives the callback.
        unsafe {
            let subtag = subtag(at(word, 0));
            if !self.inline[subtag] {
                return None;
            }
            let size = at(word, 1);
            let size = match self.sizes[subtag] {
                SizeAt::Bytes => size,
                SizeAt::Bits if size.is_multiple_of(8) => size / 8,
                _ => return None,
            };
            Some(std::slice::from_raw_parts(pointer(word).add(2).cast::<u8>(), size))
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
