//! The first attempt at a term: write all of it, straight from memory, or give up.
//!
//! Most terms fit their budget, so this is where tracees spend their time. It runs only where the layouts of immediates,
//! cells and boxed terms were learned; what it does not know (a port, a fun, an unaligned binary) it hands to `scalar`.
//! Recursion is bounded by the budget's depth, at most `MAX_DEPTH`, and by [`LEVELS`] inside one large map.

use beam_scope_core::capture::engine::Seen;
use beam_scope_core::term::tag;

use super::recall::{Recall, Rest, EVERY, WORTH};
use super::walk::{Put, Walk};
use super::{Root, LOCAL, REDACTED};
use crate::vm::{raw, Class, Word};

/// Levels of a large map's tree: eight of four bits each hold 32 bits of hash; deeper ones hold what collides.
pub(super) const LEVELS: usize = 10;

impl<R: Recall> Walk<'_, R> {
    /// Writes the term whole. `false`: it does not fit, or not as deep; what was written is to be forgotten.
    pub(super) fn whole_root(&mut self, word: Word, depth: usize) -> bool {
        if self.root == Root::State && word & 3 == 2 && self.vm.layout.class(word) == Class::Tuple {
            return self.whole_tuple(word, depth, false);
        }
        if self.root == Root::Arguments && word & 3 == 1 && !self.is_hidden(word) {
            return self.whole_arguments(word, depth);
        }
        self.whole(word, depth)
    }

    /// The arguments of a call: what follows a key is its value. Streams have none.
    fn whole_arguments(&mut self, mut word: Word, depth: usize) -> bool {
        if R::ON || depth == 0 || !self.out.one(tag::LIST) {
            return false;
        }
        let mut hide = false;
        while word & 3 == 1 {
            // SAFETY: the tag of a live cons cell, whose layout was learned.
            let (head, tail) = unsafe { raw::cell(word) };
            let written = if hide {
                matches!(self.redact(head, self.out.len()), Put::Done)
            } else {
                self.whole(head, depth - 1)
            };
            if !written {
                return false;
            }
            // What was hidden may be a key itself, as where a table's name looks like one.
            hide = self.rules.matches(self.vm, head, 0);
            word = tail;
        }
        self.vm.class(word) == Class::Nil && self.out.one(tag::END)
    }

    #[inline]
    fn whole(&mut self, word: Word, depth: usize) -> bool {
        if self.is_hidden(word) {
            return matches!(self.redact(word, self.out.len()), Put::Done);
        }
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

    /// What a container that was opened at `start` with the flags `before` leaves to be remembered.
    #[inline]
    fn note_whole(&mut self, word: Word, kind: fn(u32) -> Seen, start: usize, before: u8) -> bool {
        if R::ON {
            if self.out.pos() - start > WORTH {
                self.recall.note(word, kind, start, self.flags);
            }
            self.flags |= before;
        }
        true
    }

    /// The flags so far, which are set aside while a container is written whose own flags matter.
    #[inline]
    fn set_aside(&mut self) -> u8 {
        if R::ON {
            std::mem::take(&mut self.flags)
        } else {
            0
        }
    }

    fn whole_list(&mut self, list: Word, depth: usize) -> bool {
        if let Some(put) = self.refer(list, self.out.len()) {
            return matches!(put, Put::Done);
        }
        let (start, mark, before) = (self.out.pos(), self.recall.mark(), self.set_aside());
        if depth == 0 || !self.out.one(tag::LIST) {
            return false;
        }
        self.whole_items(list, list, depth) && {
            if R::ON {
                self.recall.ended(mark, self.flags);
            }
            self.note_whole(list, Seen::Term, start, before)
        }
    }

    fn whole_items(&mut self, list: Word, mut word: Word, depth: usize) -> bool {
        let mut index = 0u32;
        while word & 3 == 1 {
            if R::ON {
                match self.refer_rest(word, self.out.len()) {
                    Some(Rest::Ends) => return true,
                    Some(Rest::Goes(rest, _)) => {
                        (word, index) = (rest, 0);
                        continue;
                    }
                    None if index.is_multiple_of(EVERY) && word != list => {
                        self.recall.cell(word, self.out.pos(), index)
                    }
                    None => {}
                }
                index += 1;
            }
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
        let class = self.vm.layout.class(word);
        if R::ON && matches!(class, Class::Tuple | Class::Map | Class::Bits) {
            if let Some(put) = self.refer(word, self.out.len()) {
                return matches!(put, Put::Done);
            }
        }
        match class {
            Class::Tuple => {
                let (start, before) = (self.out.pos(), self.set_aside());
                self.whole_tuple(word, depth, true) && self.note_whole(word, Seen::Term, start, before)
            }
            Class::Map => {
                let (start, before) = (self.out.pos(), self.set_aside());
                self.whole_map(word, depth) && self.note_whole(word, Seen::Term, start, before)
            }
            Class::Bits => {
                let start = self.out.pos();
                let written = match self.vm.layout.inline_bytes(word) {
                    Some(bytes) => self.out.sized(self.out.len(), tag::BINARY, bytes),
                    None => self.whole_scalar(word),
                };
                if written {
                    self.note_binary(word, class, start);
                }
                written
            }
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
            [key, value] if pair => self.whole(*key, depth - 1) && self.whole_value(*key, *value, depth - 1, 0),
            _ => items.iter().all(|item| self.whole(*item, depth - 1)),
        }
    }

    /// A value, or a marker in its place when its key says so.
    #[inline]
    fn whole_value(&mut self, key: Word, value: Word, depth: usize, owner: Word) -> bool {
        if self.rules.matches(self.vm, key, owner) {
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
        let owner = self.rules.owner(self.vm, word);
        if R::ON && !self.vm.is_flat(word) {
            let mut left = 0;
            return depth > 0
                && self.out.number(tag::TREE, size as u64)
                && self.whole_tree(word, depth - 1, LEVELS, &mut left, owner);
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
                    .all(|(key, value)| self.whole_pair(*key, *value, depth - 1, owner))
            }
            None if self.vm.layout.large_maps => {
                // Its size says how many pairs there must be: a tree that was not understood shows.
                let mut left = size;
                self.whole_tree(word, depth - 1, LEVELS, &mut left, owner) && left == 0
            }
            None => false,
        }
    }

    #[inline]
    fn whole_pair(&mut self, key: Word, value: Word, depth: usize, owner: Word) -> bool {
        // Keys with secrets in them could look the same: such maps are left to the walk that leaves pairs out.
        let before = self.flags;
        self.flags &= !REDACTED;
        if !self.whole(key, depth) || self.flags & REDACTED != 0 {
            return false;
        }
        self.flags |= before;
        self.whole_value(key, value, depth, owner)
    }

    /// A large map's tree, or a part of it: its pairs, of which so many are `left`; or, where nodes can be referred to, its places and
    /// what is at each.
    fn whole_tree(&mut self, node: Word, depth: usize, levels: usize, left: &mut usize, owner: Word) -> bool {
        if levels == 0 {
            return false;
        }
        // SAFETY: a live map or a node of one, whose layout was learned.
        let Some((bitmap, children)) = (unsafe { self.vm.layout.tree_node(node) }) else {
            return false;
        };
        if R::ON && !self.out.plain(u64::from(bitmap)) {
            return false;
        }
        children.iter().all(|child| match child & 3 {
            1 => {
                // SAFETY: a leaf is a live cons cell of key and value.
                let (key, value) = unsafe { raw::cell(*child) };
                *left = left.wrapping_sub(1);
                (!R::ON || self.out.one(tag::PAIR)) && self.whole_pair(key, value, depth, owner)
            }
            2 if R::ON => self.whole_node(*child, depth, levels - 1, left, owner),
            2 => self.whole_tree(*child, depth, levels - 1, left, owner),
            _ => false,
        })
    }

    /// A node inside such a tree, or a reference to it.
    fn whole_node(&mut self, node: Word, depth: usize, levels: usize, left: &mut usize, owner: Word) -> bool {
        // Where fields of a struct are hidden, its nodes are no other map's.
        if owner != 0 {
            return self.out.one(tag::NODE) && self.whole_tree(node, depth, levels, left, owner);
        }
        if let Some((Seen::Node(at), flags)) = self.recall.find(node) {
            return matches!(self.reference_to(tag::NREF, at, flags, self.out.len()), Put::Done);
        }
        let (start, before) = (self.out.pos(), self.set_aside());
        self.out.one(tag::NODE)
            && self.whole_tree(node, depth, levels, left, owner)
            && self.note_whole(node, Seen::Node, start, before)
    }
}
