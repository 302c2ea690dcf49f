//! What was written of a process's terms already, by their words.
//!
//! Terms never change, and until a process's next garbage collection one word is one term. So what a record of this *epoch* holds
//! need not be written again: a later record refers back to it by its offset in the track's stream. Whoever uses a memo has to
//! end the epoch when words may come to mean something else; `Slot` does, told by the guards of the NIF.
//!
//! The VM collects by generations: what has survived two collections lies in the *old* heap, which a minor collection adds to and
//! leaves as it is. So where it is known what is old, a minor collection makes only the young be forgotten.
//!
//! A record's own terms are noted in a journal and entered when the record is committed: a record that comes to nothing leaves
//! the memo as it was.

use std::collections::VecDeque;
use std::mem::size_of;

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A whole term: its tag is at this offset.
    Term(u32),
    /// A cell of a list that ended whole: its item is at this offset.
    Cell(u32),
    /// An inner node of a large map.
    Node(u32),
    /// A run of a list's items; see [`Memo::run`].
    Run(u32),
}

/// Items of a list that stand in the stream one after the other, of a list that may have been cut behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first item.
    pub at: u32,
    /// How many.
    pub count: u32,
    /// The word of the list's rest behind them.
    pub rest: u64,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    word: u64,
    at: u32,
    /// Generation (24 bits), then what it is (2 bits) and the flags of its term (6 bits).
    mark: u32,
}

#[derive(Clone, Copy)]
struct Note {
    /// 0: nothing, after all.
    word: u64,
    seen: Seen,
    flags: u8,
    /// Of a cell whose list has not ended: which one it is. Else [`SETTLED`].
    index: u32,
}

const SETTLED: u32 = u32::MAX;

/// Whoever reads a run takes its items one by one.
const LONGEST_RUN: u32 = 512;
const FIRST: usize = 16;
/// An epoch of no more records than one message makes was for nothing.
const HARDLY_ANY: u32 = 2;
/// After so many of those, nothing is remembered of an epoch's first records.
const PATIENCE: u32 = 8;
/// What lives long is old after so many collections.
const SETTLED_AFTER: u32 = 3;
/// What is never whole is not waited for longer.
const GROWS_FOR: u32 = 64;
/// A stream that is so many times as long as it was then begins anew: whoever reads it keeps all of it.
const LONGEST_GROWTH: u32 = 4;
/// One that is no longer than this does not.
const SHORT_STREAM: u32 = 16 << 10;
/// Entries of one process at most: 16 MB.
const MOST: usize = 1 << 20;
const GENERATIONS: u32 = 1 << 24;
const FLAGS: u32 = 0x3F;

/// Words and what stands for them.
#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    len: usize,
    generation: u32,
}

/// One process's memo.
#[derive(Default)]
pub struct Memo {
    young: Table,
    old: Table,
    /// From where to where the process's old heap reaches, if that is known.
    reach: Option<(u64, u64)>,
    /// Collections since the epoch began, and those of them since the stream held all that it was asked to.
    collections: u32,
    settled: u32,
    /// Something was cut since the last collection.
    cut: bool,
    /// How long the stream was when it had not settled yet.
    grown: u32,
    journal: Vec<Note>,
    runs: Vec<Run>,
    /// Of `runs`, those that are entered.
    entered: usize,
    /// No more room: it holds what it holds, and takes no more.
    full: bool,
    /// Records of this epoch, and how many epochs before it had hardly any.
    records: u32,
    barren: u32,
    /// The bytes that the route's account has of it.
    pub(crate) counted: usize,
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memo")
            .field("young", &self.young.len)
            .field("old", &self.old.len)
            .field("full", &self.full)
            .finish()
    }
}

impl Memo {
    pub(crate) fn new() -> Self {
        let table = || Table {
            generation: 1,
            ..Table::default()
        };
        Self {
            young: table(),
            old: table(),
            ..Self::default()
        }
    }

    /// Where the process's old heap is while the next record is written.
    pub(crate) fn begin(&mut self, reach: Option<(u64, u64)>) {
        self.reach = reach;
    }

    /// Forgets everything. Costs nothing: the tables' entries are of another generation.
    pub(crate) fn clear(&mut self) {
        self.discard();
        self.runs.clear();
        self.entered = 0;
        (self.collections, self.settled, self.grown, self.cut) = (0, 0, 0, false);
        self.old.clear();
        self.clear_young();
        self.barren = if self.records > HARDLY_ANY { 0 } else { self.barren + 1 };
        self.records = 0;
        // To remember costs as much as to write, and it is for nothing when all is forgotten at once.
        self.full = self.barren > PATIENCE;
    }

    fn clear_young(&mut self) {
        if !cfg!(mutant = "young_stay_known") {
            self.young.clear();
        }
        self.full = false;
    }

    /// A minor collection: forgets what is not old. `false`: nothing is worth keeping, or the stream, of which so many bytes have been
    /// written, has become long for what it holds, so that the epoch is to end.
    pub(crate) fn keep_old(&mut self, written: u32) -> bool {
        self.collections += 1;
        let is_growing = std::mem::take(&mut self.cut) && self.collections <= GROWS_FOR;
        self.settled = if is_growing { 0 } else { self.settled + 1 };
        if self.settled <= SETTLED_AFTER {
            self.grown = written;
        }
        let longest = self.grown.saturating_mul(LONGEST_GROWTH).max(SHORT_STREAM);
        if self.reach.is_none() || self.settled > SETTLED_AFTER && self.old.len == 0 || written > longest {
            return false;
        }
        self.clear_young();
        true
    }

    fn is_old(&self, word: u64) -> bool {
        self.reach.is_some_and(|(from, to)| word >= from && word < to)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.young.bytes()
            + self.old.bytes()
            + self.journal.capacity() * size_of::<Note>()
            + self.runs.capacity() * size_of::<Run>()
    }

    /// What stands for a word, and the flags of the term there.
    #[inline]
    #[must_use]
    pub fn find(&self, word: u64) -> Option<(Seen, u8)> {
        if self.is_old(word) {
            self.old.find(word)
        } else {
            self.young.find(word)
        }
    }

    /// The run of a [`Seen::Run`].
    #[must_use]
    pub fn run(&self, index: u32) -> Option<Run> {
        self.runs.get(index as usize).copied()
    }

    /// Notes what is being written.
    #[inline]
    pub fn note(&mut self, word: u64, seen: Seen, flags: u8) {
        self.jot(word, seen, flags, SETTLED);
    }

    #[inline]
    fn jot(&mut self, word: u64, seen: Seen, flags: u8, index: u32) {
        if !self.full {
            self.journal.push(Note {
                word,
                seen,
                flags,
                index,
            });
        }
    }

    /// Notes a list's cell, the so manieth of the items that are being written one after the other. What it stands for is known
    /// when the list has ended ([`cells_end`](Self::cells_end)) or was cut ([`cells_cut`](Self::cells_cut)).
    pub fn note_cell(&mut self, word: u64, at: u32, index: u32) {
        self.jot(word, Seen::Cell(at), 0, index);
    }

    /// The list of the cells that were noted since `mark` is whole.
    pub fn cells_end(&mut self, mark: usize, flags: u8) {
        for note in self.journal.iter_mut().skip(mark).filter(|note| note.index != SETTLED) {
            (note.index, note.flags) = (SETTLED, flags);
        }
    }

    /// Of the items whose cells were noted since `mark`, the first `whole` are whole; `rest` is the list behind them.
    pub fn cells_cut(&mut self, mark: usize, whole: u32, rest: u64, flags: u8) {
        // Backwards: a run ends at the whole's end, or at a later cell when that is far.
        let mut ends: VecDeque<(u32, u64)> = VecDeque::from([(whole, rest)]);
        let mut made = Vec::new();
        for i in (mark..self.journal.len()).rev() {
            let Note { word, seen, index, .. } = self.journal[i];
            let Seen::Cell(at) = seen else { continue };
            if index == SETTLED {
                continue;
            }
            self.journal[i].index = SETTLED;
            if index >= whole {
                self.journal[i].word = 0;
                continue;
            }
            while ends.len() > 1 && ends[0].0 - index > LONGEST_RUN {
                ends.pop_front();
            }
            let (end, rest) = ends[0];
            made.push((
                i,
                Run {
                    at,
                    count: end - index,
                    rest,
                },
            ));
            ends.push_back((index, word));
        }
        for (i, run) in made.into_iter().rev() {
            self.journal[i].seen = Seen::Run(self.runs.len() as u32);
            self.journal[i].flags = flags;
            self.runs.push(run);
        }
    }

    /// A mark to come back to with [`rewind`](Self::rewind).
    #[inline]
    #[must_use]
    pub fn mark(&self) -> usize {
        self.journal.len()
    }

    /// What was noted since the mark is not there any more.
    pub fn rewind(&mut self, mark: usize) {
        while self.journal.len() > mark {
            if let Some(Note { seen: Seen::Run(_), .. }) = self.journal.pop() {
                self.runs.pop();
            }
        }
    }

    /// What was noted since the mark has moved by so many bytes.
    pub fn shift(&mut self, mark: usize, by: u32) {
        for note in self.journal.iter_mut().skip(mark) {
            match &mut note.seen {
                Seen::Term(at) | Seen::Cell(at) | Seen::Node(at) => *at += by,
                Seen::Run(index) => self.runs[*index as usize].at += by,
            }
        }
    }

    /// The record is committed: what it holds can be referred to. `room` is how many bytes the memo may grow to, `cut` whether
    /// something had no room in the record.
    pub(crate) fn commit(&mut self, room: usize, cut: bool) {
        self.cut |= cut;
        self.records += 1;
        if self.records == HARDLY_ANY + 1 && self.barren > PATIENCE {
            self.full = false;
        }
        for i in 0..self.journal.len() {
            let note = self.journal[i];
            if note.word == 0 {
                continue;
            }
            let table = if self.is_old(note.word) {
                &mut self.old
            } else {
                &mut self.young
            };
            if !table.enter(note, room) {
                self.full = true;
                break;
            }
        }
        self.journal.clear();
        self.journal.shrink_to(MOST / 16);
        self.entered = self.runs.len();
    }

    /// The record came to nothing.
    pub(crate) fn discard(&mut self) {
        self.journal.clear();
        self.runs.truncate(self.entered);
    }
}

impl Table {
    fn clear(&mut self) {
        self.len = 0;
        self.generation += 1;
        if self.generation >= GENERATIONS {
            self.generation = 1;
            self.entries.iter_mut().for_each(|entry| *entry = Entry::default());
        }
    }

    const fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    #[inline]
    fn find(&self, word: u64) -> Option<(Seen, u8)> {
        if self.len == 0 {
            return None;
        }
        let mask = self.entries.len() - 1;
        let mut i = place(word) & mask;
        loop {
            let entry = self.entries[i];
            if entry.mark >> 8 != self.generation {
                return None;
            }
            if entry.word == word {
                return Some((seen(entry), (entry.mark & FLAGS) as u8));
            }
            i = (i + 1) & mask;
        }
    }

    /// `false`: there is no room, within so many bytes.
    fn enter(&mut self, note: Note, room: usize) -> bool {
        if (self.len + 1) * 2 > self.entries.len() && !self.grow(room) {
            return false;
        }
        let mask = self.entries.len() - 1;
        let mut i = place(note.word) & mask;
        let (kind, at) = match note.seen {
            Seen::Term(at) => (0, at),
            Seen::Cell(at) => (1, at),
            Seen::Node(at) => (2, at),
            Seen::Run(index) => (3, index),
        };
        loop {
            let entry = &mut self.entries[i];
            let vacant = entry.mark >> 8 != self.generation;
            if vacant || entry.word == note.word {
                // A whole term says more than a cell of the same word, and that more than a run.
                if vacant || kind == 0 || entry.mark >> 6 & 3 == 3 {
                    *entry = Entry {
                        word: note.word,
                        at,
                        mark: self.generation << 8 | kind << 6 | u32::from(note.flags) & FLAGS,
                    };
                }
                self.len += usize::from(vacant);
                return true;
            }
            i = (i + 1) & mask;
        }
    }

    fn grow(&mut self, room: usize) -> bool {
        let size = (self.entries.len() * 2).max(FIRST);
        if size > MOST || size * size_of::<Entry>() > room {
            return false;
        }
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); size]);
        let mask = size - 1;
        for entry in old.into_iter().filter(|entry| entry.mark >> 8 == self.generation) {
            let mut i = place(entry.word) & mask;
            while self.entries[i].mark >> 8 == self.generation {
                i = (i + 1) & mask;
            }
            self.entries[i] = entry;
        }
        true
    }
}

fn seen(entry: Entry) -> Seen {
    match entry.mark >> 6 & 3 {
        0 => Seen::Term(entry.at),
        1 => Seen::Cell(entry.at),
        2 => Seen::Node(entry.at),
        _ => Seen::Run(entry.at),
    }
}

#[inline(always)]
const fn place(word: u64) -> usize {
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}
