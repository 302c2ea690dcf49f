//! Reading a term's parts: raw where that was learned, through the interface where not.

use super::{api, raw, Class, Layout, SizeAt, Word};

/// An environment and what is known of its VM.
#[derive(Clone, Copy)]
pub(crate) struct Vm {
    pub(crate) env: api::Env,
    pub(crate) layout: &'static Layout,
}

impl Vm {
    pub(crate) fn new(env: api::Env) -> Self {
        Self {
            env,
            layout: super::layout(),
        }
    }

    /// What a term is.
    #[inline]
    pub(crate) fn class(self, word: Word) -> Class {
        match self.layout.class(word) {
            Class::Unknown => api::class(self.env, word),
            class => class,
        }
    }

    /// The head and tail of a non-empty list.
    #[inline]
    pub(crate) fn cell(self, word: Word) -> Option<(Word, Word)> {
        if self.layout.lists {
            // SAFETY: the caller found the class of a non-empty list, whose layout was learned.
            return (word & 3 == 1).then(|| unsafe { raw::cell(word) });
        }
        api::cell(self.env, word)
    }

    /// The elements of a tuple.
    #[inline]
    pub(crate) fn tuple(self, word: Word) -> Option<(*const Word, usize)> {
        if self.layout.class(word) == Class::Tuple {
            // SAFETY: the class was read from its header, which holds the arity.
            let arity = unsafe { raw::at(word, 0) } >> 6;
            return Some((raw::pointer(word).wrapping_add(1), arity));
        }
        api::tuple(self.env, word)
    }

    /// The elements of a tuple with this arity.
    #[inline]
    pub(crate) fn tuple_of<const N: usize>(self, word: Word) -> Option<[Word; N]> {
        let (items, arity) = self.tuple(word)?;
        // SAFETY: there are `arity` elements, and the tuple is alive.
        (arity == N).then(|| std::array::from_fn(|i| unsafe { *items.add(i) }))
    }

    /// Whether a map is two arrays whose layout was learned.
    #[inline]
    pub(crate) fn is_flat(self, word: Word) -> bool {
        // SAFETY: only asked of maps, which are boxed; `flat_map` is 0 where that was not learned.
        self.layout.flat_map != 0 && word & 3 == 2 && unsafe { raw::at(word, 0) } == self.layout.flat_map
    }

    /// The keys, values and size of a flat map.
    #[inline]
    pub(crate) fn flat(self, word: Word) -> Option<(*const Word, *const Word, usize)> {
        if !self.is_flat(word) {
            return None;
        }
        // SAFETY: the layout of such maps was learned: header, size, a tuple of keys, values.
        unsafe {
            let keys = raw::pointer(raw::at(word, 2)).wrapping_add(1);
            Some((keys, raw::pointer(word).wrapping_add(3), raw::at(word, 1)))
        }
    }

    /// A map's number of pairs.
    pub(crate) fn map_size(self, word: Word) -> Option<usize> {
        self.flat(word)
            .map_or_else(|| api::map_size(self.env, word), |(_, _, size)| Some(size))
    }

    /// The value of an atom key in a small map.
    #[inline]
    pub(crate) fn map_get(self, map: Word, key: Word) -> Option<Word> {
        let Some((keys, values, size)) = self.flat(map) else {
            return api::map_get(self.env, map, key);
        };
        // SAFETY: both arrays have `size` elements. Equal atoms are equal words.
        (0..size)
            .find(|i| unsafe { *keys.add(*i) } == key)
            .map(|i| unsafe { *values.add(i) })
    }

    /// Whether a binary is part of another and does not begin on a byte.
    pub(crate) fn is_unaligned(self, word: Word) -> bool {
        // What is no box has no size that was learned.
        if word & 3 != 2 {
            return false;
        }
        // SAFETY: a boxed term whose size place was learned; parts of binaries have at least three words after the header.
        unsafe {
            let subtag = raw::subtag(raw::at(word, 0));
            match self.layout.sizes[subtag] {
                SizeAt::Span => raw::at(word, 2) & 7 != 0,
                // Until OTP 26: size, offset, then three bytes: bits of the last byte, bit offset, whether it is writable.
                SizeAt::Bytes => subtag == 10 && (raw::at(word, 3) >> 8) & 0xFF != 0,
                SizeAt::Bits | SizeAt::Nowhere => false,
            }
        }
    }

    /// A process of this node.
    #[inline]
    pub(crate) fn is_pid(self, word: Word) -> bool {
        self.class(word) == Class::Pid
    }
}
