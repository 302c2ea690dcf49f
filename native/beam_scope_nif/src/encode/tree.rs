//! A large map as the tree that it is: nodes that did not change are referred to, what has no room is left out child by child.

use beam_scope_core::capture::engine::Seen;
use beam_scope_core::term::tag;

use super::frame::{Branch, Parts, Stack, Step};
use super::out::varint_len;
use super::recall::Recall;
use super::walk::{Next, Put, Walk};
use super::whole::LEVELS;
use super::{REDACTED, TRUNCATED};
use crate::vm::{raw, Class, Word};

/// Least room for a pair: its tag, a key and a marker for its value.
const LEAST_PAIR: usize = 8;

impl<R: Recall> Walk<'_, R> {
    /// The root of a map that is a tree.
    pub(super) fn open_tree(&mut self, map: Word, size: usize, limit: usize, stack: &mut Stack) -> Put {
        let start = self.out.pos();
        if !self.out.tagged(limit, tag::TREE, size as u64) {
            return self.no_room(map, Class::Map, limit);
        }
        let owner = self.rules.owner(self.vm, map);
        match self.open_node(map, start, Some(owner), LEVELS, limit, stack) {
            Put::NoRoom => {
                self.out.rewind(start);
                self.no_room(map, Class::Map, limit)
            }
            put => put,
        }
    }

    /// A node inside such a map, or a reference to it.
    pub(super) fn open_branch(&mut self, node: Word, limit: usize, levels: usize, stack: &mut Stack) -> Put {
        let owner = stack.owner();
        if let Some((Seen::Node(at), flags)) = self.recall.find(node).filter(|_| owner == 0) {
            return self.reference_to(tag::NREF, at, flags, limit);
        }
        let start = self.out.pos();
        if !self.out.fits(limit, 1) {
            return Put::NoRoom;
        }
        self.out.byte(tag::NODE);
        match self.open_node(node, start, None, levels, limit, stack) {
            Put::NoRoom => {
                self.out.rewind(start);
                Put::NoRoom
            }
            put => put,
        }
    }

    /// A node; `map`: the owner, where it is the root.
    fn open_node(
        &mut self,
        node: Word,
        start: usize,
        map: Option<Word>,
        levels: usize,
        limit: usize,
        stack: &mut Stack,
    ) -> Put {
        // SAFETY: a live map that is a tree, or a boxed child of one; the layout was learned.
        let Some((bitmap, children)) = (unsafe { self.vm.layout.tree_node(node) }) else {
            return Put::NoRoom;
        };
        // Each child can at least be left out.
        let least = varint_len(u64::from(bitmap)) + children.len();
        if levels == 0 || stack.is_full() || !self.out.fits(limit, least) {
            return Put::NoRoom;
        }
        self.out.varint(u64::from(bitmap));
        let branch = Branch {
            next: children.as_ptr(),
            left: children.len(),
            root: map.is_some(),
            owner: map.unwrap_or_else(|| stack.owner()),
            levels: levels - 1,
            step: Step::Key,
            start: 0,
            mark: 0,
            flags: 0,
        };
        let frame = self.frame(node, start, limit, Parts::Tree(branch));
        stack.push(frame);
        Put::Open
    }

    pub(super) fn advance_tree(&mut self, branch: &mut Branch, limit: usize) -> Next {
        if let Step::Value(key, value) = branch.step {
            return self.tree_value(branch, key, value, limit);
        }
        if branch.left == 0 {
            return Next::End;
        }
        // SAFETY: `left` children begin at `next`.
        let child = unsafe { *branch.next };
        // SAFETY: at most one past the last child.
        branch.next = unsafe { branch.next.add(1) };
        branch.left -= 1;
        (branch.start, branch.mark) = (self.out.pos(), self.recall.mark());
        let limit = self.share(limit.saturating_sub(branch.left), 0, branch.left);
        match child & 3 {
            1 if self.out.fits(limit, LEAST_PAIR) => {
                // SAFETY: a leaf is a live cons cell of key and value.
                let (key, value) = unsafe { raw::cell(child) };
                self.out.byte(tag::PAIR);
                branch.flags = self.flags;
                branch.step = Step::Value(key, value);
                self.flags &= !(TRUNCATED | REDACTED);
                Next::Put(key, limit - 3)
            }
            2 => {
                branch.flags = self.flags;
                Next::Branch(child, limit, branch.levels)
            }
            _ => {
                branch.flags = self.flags;
                self.leave_out(branch);
                Next::Again
            }
        }
    }

    fn tree_value(&mut self, branch: &mut Branch, key: Word, value: Word, limit: usize) -> Next {
        // Two keys cut short, or with secrets in them, could look the same: a pair is kept only with its whole key.
        if self.flags & (TRUNCATED | REDACTED) != 0 {
            branch.flags |= self.flags & REDACTED;
            self.leave_out(branch);
            return Next::Again;
        }
        self.flags |= branch.flags;
        branch.step = Step::Key;
        let limit = self.share(limit.saturating_sub(branch.left), 0, branch.left);
        if self.rules.matches(self.vm, key, branch.owner) {
            Next::Redact(value, limit)
        } else {
            Next::Put(value, limit)
        }
    }

    /// A mark in place of the child that was begun last.
    pub(super) fn leave_out(&mut self, branch: &mut Branch) {
        self.out.rewind(branch.start);
        self.recall.rewind(branch.mark);
        self.out.byte(tag::NCUT);
        self.flags = branch.flags | TRUNCATED;
        branch.step = Step::Key;
    }
}
