//! What a walk may refer back to, instead of writing it again.

use beam_scope_core::capture::engine::{Memo, Run, Seen};
use beam_scope_core::term::tag;
use beam_scope_core::term::wire::CELL_EVERY;

use super::out::varint_len;
use super::walk::{Put, Walk};
use crate::vm::{Class, Word};

/// A list's cells that can be referred to: see [`CELL_EVERY`].
pub(super) const EVERY: u32 = CELL_EVERY as u32;
/// The number of a cell that a reference stands at: it can be referred to when its list is whole, not before.
const BY_REFERENCE: u32 = u32::MAX - 1;
/// What takes no more bytes than this is written again.
pub(super) const WORTH: usize = 4;
/// Binaries up to this size are written again: a reference would save little.
pub(super) const SMALL_BINARY: usize = 32;

/// The memory of a walk: none, or a stream's.
pub(crate) trait Recall {
    /// Whether there is any.
    const ON: bool;

    /// What stands for a word, and the flags of that term.
    fn find(&self, _word: Word) -> Option<(Seen, u8)> {
        None
    }

    fn run(&self, _index: u32) -> Option<Run> {
        None
    }

    /// A node that was written, by its position in this term.
    fn note(&mut self, _word: Word, _kind: fn(u32) -> Seen, _at: usize, _flags: u8) {}

    /// A list's cell that was reached, the so manieth: what it can stand for is said by `ended` or `cut`.
    fn cell(&mut self, _word: Word, _at: usize, _index: u32) {}

    /// The list whose cells were noted since `mark` is whole.
    fn ended(&mut self, _mark: usize, _flags: u8) {}

    /// Of the list whose cells were noted since `mark`, so many items are whole; `rest` is the cell behind them.
    fn cut(&mut self, _mark: usize, _whole: u32, _rest: Word, _flags: u8) {}

    fn mark(&self) -> usize {
        0
    }

    fn rewind(&mut self, _mark: usize) {}

    /// What was noted since `mark` moved by so many bytes.
    fn shift(&mut self, _mark: usize, _by: usize) {}
}

/// No memory: every term is written.
pub(crate) struct Forgetful;

impl Recall for Forgetful {
    const ON: bool = false;
}

/// The memory of a process's stream.
pub(crate) struct Stream<'m> {
    memo: &'m mut Memo,
    /// Where in the stream the term begins.
    base: u32,
}

impl<'m> Stream<'m> {
    pub(crate) fn new(memo: &'m mut Memo, base: u32) -> Self {
        Self { memo, base }
    }

    const fn at(&self, position: usize) -> u32 {
        self.base + position as u32
    }
}

impl Recall for Stream<'_> {
    const ON: bool = true;

    #[inline]
    fn find(&self, word: Word) -> Option<(Seen, u8)> {
        self.memo.find(word as u64)
    }

    fn run(&self, index: u32) -> Option<Run> {
        self.memo.run(index)
    }

    #[inline]
    fn note(&mut self, word: Word, kind: fn(u32) -> Seen, at: usize, flags: u8) {
        self.memo.note(word as u64, kind(self.at(at)), flags);
    }

    #[inline]
    fn cell(&mut self, word: Word, at: usize, index: u32) {
        self.memo.note_cell(word as u64, self.at(at), index);
    }

    fn ended(&mut self, mark: usize, flags: u8) {
        self.memo.cells_end(mark, flags);
    }

    fn cut(&mut self, mark: usize, whole: u32, rest: Word, flags: u8) {
        self.memo.cells_cut(mark, whole, rest as u64, flags);
    }

    fn mark(&self) -> usize {
        self.memo.mark()
    }

    fn rewind(&mut self, mark: usize) {
        self.memo.rewind(mark);
    }

    fn shift(&mut self, mark: usize, by: usize) {
        self.memo.shift(mark, by as u32);
    }
}

impl<R: Recall> Walk<'_, R> {
    /// A reference in place of a term, if the term was written before.
    #[inline]
    pub(super) fn refer(&mut self, word: Word, limit: usize) -> Option<Put> {
        if !R::ON {
            return None;
        }
        match self.recall.find(word)? {
            (Seen::Term(at), flags) => Some(self.reference_to(tag::REF, at, flags, limit)),
            _ => None,
        }
    }

    pub(super) fn reference_to(&mut self, tag: u8, at: u32, flags: u8, limit: usize) -> Put {
        if !self.out.tagged(limit, tag, u64::from(at)) {
            return Put::NoRoom;
        }
        self.flags |= flags;
        Put::Done
    }

    /// The rest of a list, or the next of its items, by reference: where the walk goes on, or `None` when the list has ended.
    pub(super) fn refer_rest(&mut self, cell: Word, limit: usize) -> Option<Rest> {
        let (seen, flags) = self.recall.find(cell)?;
        match seen {
            Seen::Term(at) => self.end_by(at + 1, flags, limit),
            Seen::Cell(at) => self.end_by(at, flags, limit),
            Seen::Node(_) => None,
            Seen::Run(index) => {
                let run = self.recall.run(index)?;
                let (at, count) = (u64::from(run.at), u64::from(run.count));
                if !self.out.fits(limit, 1 + varint_len(at) + varint_len(count)) {
                    return None;
                }
                self.recall.cell(cell, self.out.pos(), BY_REFERENCE);
                self.out.byte(tag::LCHUNK);
                self.out.varint(at);
                self.out.varint(count);
                self.flags |= flags;
                Some(Rest::Goes(run.rest as Word, count))
            }
        }
    }

    fn end_by(&mut self, at: u32, flags: u8, limit: usize) -> Option<Rest> {
        let fits = self.out.tagged(limit, tag::TREF, u64::from(at));
        self.flags |= if fits { flags } else { 0 };
        fits.then_some(Rest::Ends)
    }

    /// Notes a binary that was written whole, if it is worth a reference.
    pub(super) fn note_binary(&mut self, word: Word, class: Class, start: usize) {
        if R::ON && class == Class::Bits && self.out.pos() - start > SMALL_BINARY {
            self.recall.note(word, Seen::Term, start, 0);
        }
    }
}

/// How a list goes on after a reference.
pub(super) enum Rest {
    /// It does not.
    Ends,
    /// At this cell, so many items later.
    Goes(Word, u64),
}
