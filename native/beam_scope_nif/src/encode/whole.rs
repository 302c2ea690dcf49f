//! The first attempt at a term: write all of it, straight from memory, or give up.
//!
//! Most terms fit their budget, so this is where tracees spend their time. It runs only where the layouts of immediates,
//! cells and boxed terms were learned; what it does not know (a port, a fun, an unaligned binary) it hands to `scalar`.
//! Recursion is bounded by the budget's depth, at most `MAX_DEPTH`, and by [`LEVELS`] inside one large map.

use beam_scope_core::term::tag;

use super::walk::{Put, Walk};
use super::{Root, LOCAL};
use crate::vm::{raw, Class, Word};

/// Levels of a large map's tree: eight of four bits each hold 32 bits of hash; deeper ones hold what collides.
const LEVELS: usize = 10;

impl Walk<'_> {
    /// Writes the term whole. `false`: it does not fit, or not as deep; what was written is to be forgotten.
    pub(super) fn whole_root(&mut self, word: Word, depth: usize) -> bool {
        if self.root == Root::State && word & 3 == 2 && self.vm.layout.class(word) == Class::Tuple {
            return self.whole_tuple(word, depth, false);
        }
        self.whole(word, depth)
    }

    #[inline]
    fn whole(&mut self, word: Word, depth: usize) -> bool {
        match word & 3 {
            1 => self.whole_list(word, depth),
            2 => self.whole_boxed(word, depth),
            _ => self.whole_immediate(word),
        }
    }

    #[inline]
    fn whole_immediate(&mut self, word: Word) -> bool {
        match word & 0x3F {
            0x0B => self.out.number(tag::ATOM, word as u64),
            0x3B => self.out.one(tag::NIL),
            _ if word & 0xF == 0xF => self.out.number(tag::INT, super::scalar::zigzag((word as i64) >> 4)),
            _ if word & 0xF == 0x3 => {
                self.flags |= LOCAL;
                self.out.number(tag::PID, word as u64)
            }
            _ => self.whole_scalar(word),
        }
    }

    fn whole_scalar(&mut self, word: Word) -> bool {
        let class = self.vm.class(word);
        !matches!(class, Class::List | Class::Tuple | Class::Map)
            && matches!(self.scalar(word, class, self.out.len()), Put::Done)
    }

    fn whole_list(&mut self, mut word: Word, depth: usize) -> bool {
        if depth == 0 || !self.out.one(tag::LIST) {
            return false;
        }
        while word & 3 == 1 {
            // SAFETY: the tag of a live cons cell, whose layout was learned.
            let (head, tail) = unsafe { raw::cell(word) };
            if !self.whole(head, depth - 1) {
                return false;
            }
            word = tail;
        }
        if self.vm.class(word) == Class::Nil {
            return self.out.one(tag::END);
        }
        self.out.one(tag::TAIL) && self.whole(word, depth - 1)
    }

    fn whole_boxed(&mut self, word: Word, depth: usize) -> bool {
        match self.vm.layout.class(word) {
            Class::Tuple => self.whole_tuple(word, depth, true),
            Class::Map => self.whole_map(word, depth),
            Class::Bits => match self.vm.layout.inline_bytes(word) {
                Some(bytes) => self.out.sized(self.out.len(), tag::BINARY, bytes),
                None => self.whole_scalar(word),
            },
            _ => self.whole_scalar(word),
        }
    }

    /// `pair`: whether the first of two elements can be a key.
    fn whole_tuple(&mut self, word: Word, depth: usize, pair: bool) -> bool {
        let Some((items, arity)) = self.vm.tuple(word) else {
            return false;
        };
        if arity == 0 {
            return depth > 0 && self.out.number(tag::TUPLE, 0);
        }
        if depth == 0 || arity > self.out.left() || !self.out.number(tag::TUPLE, arity as u64) {
            return false;
        }
        // SAFETY: a live tuple has `arity` elements from here on.
        let items = unsafe { std::slice::from_raw_parts(items, arity) };
        match items {
            [key, value] if pair => self.whole(*key, depth - 1) && self.whole_value(*key, *value, depth - 1),
            _ => items.iter().all(|item| self.whole(*item, depth - 1)),
        }
    }

    /// A value, or a marker in its place when its key says so.
    #[inline]
    fn whole_value(&mut self, key: Word, value: Word, depth: usize) -> bool {
        if self.rules.matches(self.vm, key) {
            return matches!(self.redact(value, self.out.len()), Put::Done);
        }
        self.whole(value, depth)
    }

    fn whole_map(&mut self, word: Word, depth: usize) -> bool {
        let Some(size) = self.vm.map_size(word) else {
            return false;
        };
        if size == 0 {
            return depth > 0 && self.out.number(tag::MAP, 0);
        }
        if depth == 0 || size.saturating_mul(2) > self.out.left() || !self.out.number(tag::MAP, size as u64) {
            return false;
        }
        match self.vm.flat(word) {
            Some((keys, values, size)) => {
                // SAFETY: a live flat map has `size` keys and values, which nobody writes.
                let (keys, values) = unsafe {
                    let keys = std::slice::from_raw_parts(keys, size);
                    (keys, std::slice::from_raw_parts(values, size))
                };
                keys.iter()
                    .zip(values)
                    .all(|(key, value)| self.whole_pair(*key, *value, depth - 1))
            }
            None if self.vm.layout.large_maps => {
                // Its size says how many pairs there must be: a tree that was not understood shows.
                let mut left = size;
                self.whole_tree(word, depth - 1, LEVELS, &mut left) && left == 0
            }
            None => false,
        }
    }

    #[inline]
    fn whole_pair(&mut self, key: Word, value: Word, depth: usize) -> bool {
        self.whole(key, depth) && self.whole_value(key, value, depth)
    }

    /// The pairs of a large map's tree, or of a part of it.
    fn whole_tree(&mut self, node: Word, depth: usize, levels: usize, left: &mut usize) -> bool {
        if levels == 0 {
            return false;
        }
        // SAFETY: a live map or a node of one, whose layout was learned.
        let Some(children) = (unsafe { self.vm.layout.tree_children(node) }) else {
            return false;
        };
        children.iter().all(|child| match child & 3 {
            1 => {
                // SAFETY: a leaf is a live cons cell of key and value.
                let (key, value) = unsafe { raw::cell(*child) };
                *left = left.wrapping_sub(1);
                self.whole_pair(key, value, depth)
            }
            2 => self.whole_tree(*child, depth, levels - 1, left),
            _ => false,
        })
    }
}
