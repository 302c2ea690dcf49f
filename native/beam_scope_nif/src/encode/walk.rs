//! The walk itself: containers, limits, cuts. Single terms are in `scalar`.

use beam_scope_core::term::tag;

use super::frame::{Branch, Frame, Pairs, Parts, Run, Source, Stack, Step};
use super::out::{varint_len, Out};
use super::recall::{Recall, Rest, EVERY};
use super::{Encoded, Root, Rules, REDACTED, SIBLING, TRUNCATED};
use crate::vm::{Class, Vm, Word};

/// Bytes that a container's own end can need: a list's marker of truncation, or a second number in a head.
pub(super) const CLOSING: usize = 6;
/// Cells that are visited to tell the full lengths of lists that were cut, for each byte of the budget: counting stays a small
/// part of what the budget allows the walk itself.
const COUNTED: usize = 8;

pub(super) struct Walk<'a, R> {
    pub(super) vm: Vm,
    pub(super) out: Out<'a>,
    pub(super) flags: u8,
    /// Whether siblings keep room for each other; the first attempt does not bother.
    pub(super) fair: bool,
    pub(super) rules: &'a Rules,
    /// Whether values are looked at themselves, and the steps that this may still take.
    looks: bool,
    steps: usize,
    pub(super) recall: R,
    depth: usize,
    pub(super) root: Root,
    /// What had been noted before this term.
    mark: usize,
    /// Cells that may still be counted.
    pub(super) cells: usize,
}

/// What came of a term.
pub(super) enum Put {
    /// It was written, or a marker in its place.
    Done,
    /// Its head was written; its parts come next.
    Open,
    /// Nothing was written.
    NoRoom,
}

/// What an open container wants next.
pub(super) enum Next {
    Put(Word, usize),
    Redact(Word, usize),
    /// A node inside a large map, and how many levels may be below it.
    Branch(Word, usize, usize),
    /// Something was written that has no parts.
    Again,
    Cut,
    End,
}

impl<'a, R: Recall> Walk<'a, R> {
    #[inline]
    pub(super) fn new(vm: Vm, out: Out<'a>, rules: &'a Rules, recall: R, depth: usize, root: Root) -> Self {
        Self {
            vm,
            flags: 0,
            fair: false,
            cells: out.len().max(1024) * COUNTED,
            mark: recall.mark(),
            looks: rules.look_at_values(),
            steps: Rules::steps(&out),
            out,
            rules,
            recall,
            depth,
            root,
        }
    }

    /// Writes the term greedily, and if that does not fit, fairly.
    #[inline]
    pub(super) fn run(&mut self, root: Word) -> Option<Encoded> {
        if !self.greedily(root) && !self.fairly(root) {
            return None;
        }
        Some(Encoded {
            len: self.out.pos(),
            flags: self.flags,
        })
    }

    #[cold]
    fn fairly(&mut self, root: Word) -> bool {
        self.recall.rewind(self.mark);
        self.out.rewind(0);
        self.flags = 0;
        self.steps = Rules::steps(&self.out);
        self.fair = true;
        self.attempt(root)
    }

    /// From memory where its layout is known. A term with a part that cannot be written whole is left to `attempt`.
    fn greedily(&mut self, root: Word) -> bool {
        if !self.vm.layout.complete {
            return self.attempt(root);
        }
        self.whole_root(root, self.depth) && self.flags & TRUNCATED == 0
    }

    /// `false`: it did not fit whole (greedily), or not even its marker did (fairly).
    fn attempt(&mut self, root: Word) -> bool {
        let mut stack = Stack::new(self.vm.env);
        match self.put(root, self.out.len(), &mut stack) {
            Put::Done => return true,
            Put::NoRoom => return false,
            Put::Open => {}
        }
        loop {
            let depth = stack.len();
            let Some(frame) = stack.top() else { return true };
            let put = match self.advance(frame, depth) {
                Next::Put(child, limit) => self.put(child, limit, &mut stack),
                Next::Redact(value, limit) => self.redact(value, limit),
                Next::Branch(node, limit, levels) => self.open_branch(node, limit, levels, &mut stack),
                Next::Again => continue,
                Next::Cut => Put::NoRoom,
                Next::End => {
                    let depth = stack.len() - 1;
                    if let (true, Some(frame)) = (R::ON, stack.top()) {
                        self.note_end(frame, depth);
                    }
                    stack.pop();
                    continue;
                }
            };
            match put {
                Put::Done | Put::Open => {}
                Put::NoRoom if !self.fair => return false,
                Put::NoRoom => match stack.top() {
                    Some(Frame {
                        parts: Parts::Tree(branch),
                        ..
                    }) => self.leave_out(branch),
                    Some(frame) => {
                        self.cut(frame);
                        stack.pop();
                    }
                    None => {}
                },
            }
        }
    }

    /// Whether a value is a secret for what it is.
    #[inline]
    pub(super) fn is_hidden(&mut self, word: Word) -> bool {
        self.looks && self.rules.hides(self.vm, word, self.vm.class(word), &mut self.steps)
    }

    #[inline]
    fn put(&mut self, word: Word, limit: usize, stack: &mut Stack) -> Put {
        let class = self.vm.class(word);
        if !self.is_made(stack.len()) && self.is_hidden(word) {
            return self.redact(word, limit);
        }
        if R::ON && matches!(class, Class::List | Class::Tuple | Class::Map | Class::Bits) && !self.is_made(stack.len())
        {
            match self.refer(word, limit) {
                Some(Put::NoRoom) => return self.no_room(word, class, limit),
                Some(put) => return put,
                None => {}
            }
        }
        match class {
            Class::Atom if self.out.tagged(limit, tag::ATOM, word as u64) => Put::Done,
            Class::List | Class::Tuple | Class::Map if stack.depth() >= self.depth || stack.is_full() => {
                self.marker(word, class, limit)
            }
            Class::Bits if R::ON => self.put_binary(word, limit),
            Class::List => self.open_list(word, limit, stack),
            Class::Tuple => self.open_tuple(word, limit, stack),
            Class::Map => self.open_map(word, limit, stack),
            _ => self.scalar(word, class, limit),
        }
    }

    fn open_list(&mut self, word: Word, limit: usize, stack: &mut Stack) -> Put {
        let start = self.out.pos();
        if !self.out.fits(limit, 1 + self.closing(1)) {
            return self.no_room(word, Class::List, limit);
        }
        self.out.byte(tag::LIST);
        let run = Run::default();
        stack.push(self.frame(
            word,
            start,
            limit,
            Parts::List {
                rest: word,
                written: 0,
                run,
                hide: false,
            },
        ));
        Put::Open
    }

    fn open_tuple(&mut self, word: Word, limit: usize, stack: &mut Stack) -> Put {
        let Some((items, arity)) = self.vm.tuple(word) else {
            return self.marker(word, Class::Other, limit);
        };
        let start = self.out.pos();
        let head = 1 + varint_len(arity as u64);
        // Greedily, each element takes a byte at least: there is no point in beginning.
        let least = if self.fair { head + CLOSING } else { head + arity };
        if arity == 0 && self.out.tagged(limit, tag::TUPLE, 0) {
            return Put::Done;
        }
        if !self.out.fits(limit, least) {
            return self.no_room(word, Class::Tuple, limit);
        }
        self.out.tagged(limit, tag::TUPLE, arity as u64);
        // SAFETY: a tuple of two has a first element.
        let redact = arity == 2
            && (stack.len() > 0 || self.root == Root::Pair)
            && self.rules.matches(self.vm, unsafe { *items }, 0);
        let parts = Parts::Tuple {
            next: items,
            left: arity,
            arity,
            redact,
        };
        stack.push(self.frame(word, start, limit, parts));
        Put::Open
    }

    fn open_map(&mut self, word: Word, limit: usize, stack: &mut Stack) -> Put {
        let Some(size) = self.vm.map_size(word) else {
            return self.marker(word, Class::Other, limit);
        };
        let start = self.out.pos();
        let head = 1 + varint_len(size as u64);
        let least = if self.fair { head + CLOSING } else { head + 2 * size };
        if size == 0 && self.out.tagged(limit, tag::MAP, 0) {
            return Put::Done;
        }
        if R::ON && !self.vm.is_flat(word) {
            return self.open_tree(word, size, limit, stack);
        }
        if !self.out.fits(limit, least) {
            return self.no_room(word, Class::Map, limit);
        }
        let Some(source) = self.pairs(word) else {
            return self.marker(word, Class::Map, limit);
        };
        self.out.tagged(limit, tag::MAP, size as u64);
        let pairs = Pairs {
            source,
            owner: self.rules.owner(self.vm, word),
            size,
            taken: 0,
            written: 0,
            step: Step::Key,
            start: 0,
            mark: self.recall.mark(),
            flags: 0,
        };
        stack.push(self.frame(word, start, limit, Parts::Map(pairs)));
        Put::Open
    }

    #[inline]
    pub(super) fn frame(&mut self, word: Word, start: usize, limit: usize, parts: Parts) -> Frame {
        Frame {
            start,
            limit,
            word,
            mark: self.recall.mark(),
            flags: if R::ON { std::mem::take(&mut self.flags) } else { 0 },
            parts,
        }
    }

    /// Moves on to the next part of a container.
    #[inline]
    fn advance(&mut self, frame: &mut Frame, depth: usize) -> Next {
        match &mut frame.parts {
            Parts::Tail => Next::End,
            Parts::List {
                rest,
                written,
                run,
                hide,
            } => match self.vm.class(*rest) {
                Class::Nil => {
                    self.out.byte(tag::END);
                    Next::End
                }
                Class::List => {
                    if R::ON {
                        if let Some(next) = self.remember(rest, written, run, frame.mark, frame.limit) {
                            return next;
                        }
                    }
                    let Some((head, tail)) = self.vm.cell(*rest) else {
                        return Next::Cut;
                    };
                    *rest = tail;
                    *written += 1;
                    let last = self.vm.class(tail) == Class::Nil;
                    let limit = self.share(frame.limit, CLOSING, if last { 0 } else { usize::MAX });
                    // Only the list of a call's arguments is written with such a root.
                    if self.root == Root::Arguments && depth == 1 {
                        // What was hidden may be a key itself, as where a table's name looks like one.
                        if std::mem::replace(hide, self.rules.matches(self.vm, head, 0)) {
                            return Next::Redact(head, limit);
                        }
                    }
                    Next::Put(head, limit)
                }
                _ => {
                    let tail = *rest;
                    frame.parts = Parts::Tail;
                    let limit = self.share(frame.limit, CLOSING, 0);
                    if !self.out.fits(limit, 4) {
                        return Next::Cut;
                    }
                    self.out.byte(tag::TAIL);
                    Next::Put(tail, limit)
                }
            },
            Parts::Tuple { left: 0, .. } => Next::End,
            Parts::Tuple { next, left, redact, .. } => {
                // SAFETY: `left` elements begin at `next`.
                let child = unsafe { **next };
                // SAFETY: at most one past the last element.
                *next = unsafe { next.add(1) };
                *left -= 1;
                let limit = self.share(frame.limit, CLOSING, *left);
                if *redact && *left == 0 {
                    Next::Redact(child, limit)
                } else {
                    Next::Put(child, limit)
                }
            }
            Parts::Map(pairs) => self.advance_map(pairs, frame.limit),
            Parts::Tree(branch) => self.advance_tree(branch, frame.limit),
        }
    }

    /// Whether the term at hand is one that its behaviour makes up for us: what it is made of can be referred to, it itself not.
    fn is_made(&self, depth: usize) -> bool {
        depth == 0 && self.root == Root::State
    }

    /// Takes note of a list's next cell, or goes on by reference from there.
    fn remember(
        &mut self,
        rest: &mut Word,
        written: &mut u64,
        run: &mut Run,
        mark: usize,
        limit: usize,
    ) -> Option<Next> {
        self.settle(run);
        // Room for a reference, and for the end of a list that is cut behind it.
        match self.refer_rest(*rest, limit.saturating_sub(CLOSING)) {
            Some(Rest::Ends) => return Some(Next::End),
            Some(Rest::Goes(cell, count)) => {
                self.recall
                    .cut(mark, run.whole, run.behind(*rest), self.flags & !TRUNCATED);
                *run = Run::default();
                *rest = cell;
                *written += count;
                return Some(Next::Again);
            }
            None => {}
        }
        if run.rest == 0 {
            if run.begun.is_multiple_of(EVERY) {
                self.recall.cell(*rest, self.out.pos(), run.begun);
            }
            run.cell = *rest;
            run.begun += 1;
        }
        None
    }

    /// Whether the element that was begun last is whole.
    fn settle(&self, run: &mut Run) {
        if run.rest != 0 || run.begun == run.whole {
            return;
        }
        if self.flags & TRUNCATED == 0 {
            run.whole = run.begun;
        } else {
            run.rest = run.cell;
        }
    }

    /// A container has ended: whole, it can be referred to.
    fn note_end(&mut self, frame: &mut Frame, depth: usize) {
        let whole = self.flags & TRUNCATED == 0;
        match &mut frame.parts {
            Parts::List { .. } | Parts::Tail if whole => self.recall.ended(frame.mark, self.flags),
            Parts::List { rest, run, .. } => {
                self.settle(run);
                self.recall
                    .cut(frame.mark, run.whole, run.behind(*rest), self.flags & !TRUNCATED);
            }
            Parts::Tail => self.recall.cut(frame.mark, 0, 0, 0),
            _ => {}
        }
        let foreign = matches!(frame.parts, Parts::Tree(Branch { root: false, owner, .. }) if owner != 0);
        if whole && !foreign && !self.is_made(depth) && self.out.pos() - frame.start > super::recall::WORTH {
            self.recall.note(frame.word, frame.kind(), frame.start, self.flags);
        }
        self.flags |= frame.flags;
    }

    fn put_binary(&mut self, word: Word, limit: usize) -> Put {
        let (start, before) = (self.out.pos(), std::mem::take(&mut self.flags));
        let put = self.scalar(word, Class::Bits, limit);
        if self.flags & TRUNCATED == 0 && matches!(put, Put::Done) {
            self.note_binary(word, Class::Bits, start);
        }
        self.flags |= before;
        put
    }

    fn advance_map(&mut self, pairs: &mut Pairs, limit: usize) -> Next {
        let begun = pairs.taken + usize::from(matches!(pairs.step, Step::Key));
        let later = pairs.size.saturating_sub(begun).saturating_mul(2);
        match pairs.step {
            Step::Key => {
                let Some((key, value)) = pairs.next(self.vm.env) else {
                    return self.end_map(pairs);
                };
                pairs.start = self.out.pos();
                pairs.mark = self.recall.mark();
                pairs.flags = self.flags;
                pairs.step = Step::Value(key, value);
                self.flags &= !(TRUNCATED | REDACTED);
                Next::Put(key, self.share(limit, CLOSING, later + 1))
            }
            Step::Value(key, value) => {
                // Two keys cut short, or with secrets in them, could look the same: a pair is kept only with its whole key.
                if self.flags & TRUNCATED != 0 {
                    return Next::Cut;
                }
                if self.flags & REDACTED != 0 {
                    return self.leave_pair_out(pairs);
                }
                self.flags |= pairs.flags;
                pairs.step = Step::Key;
                pairs.written += 1;
                let limit = self.share(limit, CLOSING, later);
                if self.rules.matches(self.vm, key, pairs.owner) {
                    Next::Redact(value, limit)
                } else {
                    Next::Put(value, limit)
                }
            }
        }
    }

    /// A key with a secret in it: greedily, the map is left to the other walk.
    fn leave_pair_out(&mut self, pairs: &mut Pairs) -> Next {
        if !self.fair {
            return Next::Cut;
        }
        self.out.rewind(pairs.start);
        self.recall.rewind(pairs.mark);
        self.flags = pairs.flags | REDACTED;
        pairs.step = Step::Key;
        Next::Again
    }

    /// The end of a map, which is cut where pairs were left out.
    fn end_map(&mut self, pairs: &mut Pairs) -> Next {
        if pairs.written == pairs.size {
            return Next::End;
        }
        // As if another pair had been begun, of which nothing was written.
        (pairs.start, pairs.mark, pairs.flags) = (self.out.pos(), self.recall.mark(), self.flags);
        pairs.step = Step::Value(0, 0);
        Next::Cut
    }

    /// Ends a container before its end.
    fn cut(&mut self, frame: &mut Frame) {
        match &mut frame.parts {
            Parts::List { rest, written, run, .. } => {
                if R::ON {
                    // The element that had no room is in none.
                    self.recall
                        .cut(frame.mark, run.whole, run.behind(run.cell), self.flags & !TRUNCATED);
                }
                let full = self.count(*rest).map_or(0, |more| *written + more);
                self.out.byte(tag::TRUNC_TAIL);
                self.out.varint(full);
            }
            Parts::Tail => {
                self.recall.cut(frame.mark, 0, 0, 0);
                // A tail is announced only with room for its marker: none was.
                self.out.byte(tag::TRUNC_TAIL);
                self.out.varint(0);
            }
            Parts::Tuple { left, arity, .. } => {
                let kept = *arity - *left - 1;
                let end = self.out.pos();
                self.out
                    .retag(frame.start, *arity as u64, tag::TRUNC_TUPLE, *arity as u64, kept as u64);
                self.recall.shift(frame.mark, self.out.pos() - end);
            }
            Parts::Map(pairs) => {
                if matches!(pairs.step, Step::Key) {
                    pairs.written -= 1;
                }
                self.out.rewind(pairs.start);
                self.recall.rewind(pairs.mark);
                self.flags = pairs.flags;
                let (size, end) = (pairs.size as u64, self.out.pos());
                self.out
                    .retag(frame.start, size, tag::TRUNC_MAP, size, pairs.written as u64);
                self.recall.shift(frame.mark, self.out.pos() - end);
            }
            // Such a frame is never cut: its children are left out one by one.
            Parts::Tree(_) => {}
        }
        self.flags |= TRUNCATED | frame.flags;
    }

    /// The limit of a part that `later` others follow (`usize::MAX`: some, nobody counted).
    pub(super) fn share(&self, limit: usize, closing: usize, later: usize) -> usize {
        if !self.fair {
            return limit.saturating_sub(1);
        }
        let limit = limit.saturating_sub(closing);
        let room = self.out.room(limit);
        match later {
            0 => limit,
            usize::MAX => limit - room / 4,
            _ => limit - later.saturating_mul(SIBLING).min(room / 2),
        }
    }

    const fn closing(&self, least: usize) -> usize {
        if self.fair {
            CLOSING
        } else {
            least
        }
    }

    fn pairs(&self, word: Word) -> Option<Source> {
        match self.vm.flat(word) {
            Some((keys, values, _)) => Some(Source::Flat { keys, values }),
            None => Source::iterator(self.vm.env, word),
        }
    }
}
