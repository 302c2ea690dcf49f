//! Where in a recording things are: built in one pass over its rows, extended as it grows.
//!
//! For each chunk and track the events that say something about its state (*marks*), and for each track the chunks it
//! occurs in. A state at a moment is then two binary searches and one row.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::event::{EventKind, Fields, Point};
use crate::store::{ChunkRef, ChunkView, EventRow, Kinds, Loss, LossCause, Recording, StoreError, TrackId, LOST};

use super::facts::{Facts, Stamp};
use super::returned::{returned, NewState};
use super::rows::{field, point};
use super::shape::{word, Behaviour};
use super::words::{Word, Words};

/// What the index knows of one chunk.
#[derive(Debug)]
pub(crate) struct ChunkIndex {
    pub(crate) chunk: ChunkRef,
    /// How many of its rows were read.
    pub(crate) read: usize,
    /// The event after the last one read of it.
    pub(crate) next_seq: u64,
    /// Which kinds of events it has, as a set of [`EventKind::bit`]s.
    pub(crate) kinds: u32,
    marks: Marks,
}

/// The events of a chunk that tell a track's state, lose it, or end it.
#[derive(Debug)]
enum Marks {
    Known(HashMap<TrackId, Vec<u64>>),
    /// They are looked up in its rows: nobody has read it yet.
    InRows(Kinds),
}

/// Kinds of rows that may be marks.
const MARKS: u32 = EventKind::State.bit() | EventKind::Exit.bit() | LOST;

impl Marks {
    fn count(&self) -> usize {
        match self {
            Self::Known(marks) => marks.values().map(Vec::len).sum(),
            Self::InRows(_) => 0,
        }
    }
}

impl ChunkIndex {
    /// Its place among the others: what was carried forward comes first.
    const fn key(chunk: &ChunkRef) -> u64 {
        if chunk.carried {
            0
        } else {
            chunk.index + 1
        }
    }

    pub(crate) const fn first_seq(&self) -> u64 {
        self.chunk.first_seq
    }

    /// The last mark of a track at or before an event, or its first where none is given. Where the chunk cannot be read, its first
    /// event stands for it: whoever looks there finds out. Not where there is no memory to read it: the next look may find some.
    fn mark(&self, reading: Reading<'_>, track: TrackId, upto: Option<u64>) -> Result<Option<u64>, StoreError> {
        let kinds = match &self.marks {
            Marks::Known(marks) => {
                let marks = marks.get(&track).map_or(&[][..], Vec::as_slice);
                let Some(upto) = upto else {
                    return Ok(marks.first().copied());
                };
                let count = marks.partition_point(|mark| *mark <= upto);
                return Ok(count.checked_sub(1).map(|last| marks[last]));
            }
            Marks::InRows(kinds) => kinds,
        };
        if kinds.of(track) & MARKS == 0 {
            return Ok(None);
        }
        let view = match reading.rec.view(&self.chunk) {
            Ok(view) => view,
            Err(StoreError::Memory) => return Err(StoreError::Memory),
            Err(_) => return Ok(Some(self.first_seq()).filter(|_| !cfg!(mutant = "timeline_damage_is_stale"))),
        };
        let mut rows = view.track_rows(track);
        let is = |row: &&EventRow| is_mark(reading.words, &view, row);
        let row = match upto {
            Some(upto) => rows.rev().skip_while(|row| row.seq > upto).find(is),
            None => rows.find(is),
        };
        Ok(row.map(|row| row.seq))
    }

    /// The tracks whose state it may tell.
    pub(crate) fn tracks_with_marks(&self) -> Vec<TrackId> {
        match &self.marks {
            Marks::Known(marks) => marks.keys().copied().collect(),
            Marks::InRows(kinds) => {
                let marked = kinds.iter().filter(|(_, kinds)| kinds & MARKS != 0);
                marked.map(|(track, _)| track).collect()
            }
        }
    }

    /// The rows from an event on, as far as they were read.
    pub(crate) fn rows_from<'v>(&self, view: &'v ChunkView, seq: u64) -> &'v [EventRow] {
        let rows = view.rows();
        let start = rows.partition_point(|row| row.seq < seq);
        let end = rows.partition_point(|row| row.seq < self.next_seq);
        &rows[start.min(end)..end]
    }
}

/// What it takes to read rows that were not read before.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) rec: &'a Recording,
    pub(crate) words: &'a Words,
}

/// Everything that is looked up instead of searched.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) facts: Facts,
    pub(crate) chunks: VecDeque<ChunkIndex>,
    /// The chunks in which a track occurs, by their keys.
    places: HashMap<TrackId, VecDeque<u64>>,
    /// The last event of each track.
    tails: HashMap<TrackId, Stamp>,
    /// How many marks there are.
    marked: usize,
    /// The event after the last one read.
    pub(crate) next_seq: u64,
    pub(crate) last_ns: u64,
}

/// Events of a track that were lost after its last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailLoss {
    pub(crate) after: Stamp,
    pub(crate) count: u64,
}

impl Index {
    /// Bytes held for marks, about.
    pub(crate) fn bytes(&self) -> usize {
        self.marked * size_of::<u64>()
    }

    /// Reads what came since the last time.
    pub(crate) fn refresh(&mut self, rec: &Recording, words: &Words) -> Result<(), StoreError> {
        if rec.is_loaded() && !self.chunks.is_empty() && self.next_seq == rec.end_seq() {
            return Ok(());
        }
        if let Some(summary) = rec.summary().filter(|_| self.chunks.is_empty()) {
            self.take_summary(rec, words, &summary);
            return Ok(());
        }
        let chunks = rec.all_chunks()?;
        self.forget_dropped(&chunks);
        for chunk in chunks {
            match self.refresh_chunk(rec, words, chunk) {
                // Dropped while we were reading: what was carried forward of it comes with the next refresh.
                Err(StoreError::Evicted) => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// What a file says of its processes, and of who has rows in which chunk: the chunks are not read.
    fn take_summary(&mut self, rec: &Recording, words: &Words, summary: &[ChunkView]) {
        for part in summary {
            for row in part.rows() {
                self.facts.feed(words, part, row, |track| Some(rec.track(track)?.pid));
            }
        }
        for chunk in rec.chunks() {
            let kinds = rec.kinds_in(&chunk).unwrap_or_default();
            for (track, _) in kinds.iter() {
                enter(self.places.entry(track).or_default(), ChunkIndex::key(&chunk));
            }
            if !chunk.carried {
                self.next_seq = chunk.first_seq + chunk.len as u64;
                self.last_ns = chunk.last_ns;
            }
            self.chunks.push_back(ChunkIndex {
                chunk,
                read: chunk.len,
                next_seq: chunk.first_seq + chunk.len as u64,
                kinds: kinds.all() & !LOST,
                marks: Marks::InRows(kinds),
            });
        }
    }

    /// Chunks that the store dropped to stay within its cap, and what was carried of them if more is carried now.
    fn forget_dropped(&mut self, chunks: &[ChunkRef]) {
        let stays = |old: &ChunkRef| match chunks.iter().find(|new| ChunkIndex::key(new) == ChunkIndex::key(old)) {
            Some(new) => !old.carried || new == old,
            None => false,
        };
        while let Some(front) = self.chunks.front() {
            if stays(&front.chunk) {
                return;
            }
            let key = ChunkIndex::key(&front.chunk);
            self.marked -= front.marks.count();
            self.chunks.pop_front();
            self.places.retain(|_, keys| {
                if keys.front() == Some(&key) {
                    keys.pop_front();
                }
                !keys.is_empty()
            });
        }
    }

    fn refresh_chunk(&mut self, rec: &Recording, words: &Words, chunk: ChunkRef) -> Result<(), StoreError> {
        let key = ChunkIndex::key(&chunk);
        let place = self.chunks.partition_point(|one| ChunkIndex::key(&one.chunk) < key);
        let known = self
            .chunks
            .get_mut(place)
            .filter(|one| ChunkIndex::key(&one.chunk) == key);
        if let Some(known) = known {
            if known.read >= chunk.len {
                return Ok(());
            }
            known.chunk = chunk;
        } else {
            let marks = Marks::Known(HashMap::new());
            self.chunks.insert(
                place,
                ChunkIndex {
                    chunk,
                    read: 0,
                    next_seq: chunk.first_seq,
                    kinds: 0,
                    marks,
                },
            );
        }
        let view = rec.view(&chunk)?;
        self.read_rows(rec, words, &view, place);
        Ok(())
    }

    fn read_rows(&mut self, rec: &Recording, words: &Words, view: &Arc<ChunkView>, place: usize) {
        let Self {
            facts,
            chunks,
            places,
            tails,
            marked,
            next_seq,
            last_ns,
        } = self;
        let index = &mut chunks[place];
        let key = ChunkIndex::key(&index.chunk);
        for row in &view.rows()[index.read.min(view.rows().len())..] {
            index.kinds |= row.kind.bit();
            index.next_seq = row.seq + 1;
            enter(places.entry(row.track).or_default(), key);
            if let Marks::Known(marks) = &mut index.marks {
                if is_mark(words, view, row) {
                    marks.entry(row.track).or_default().push(row.seq);
                    *marked += 1;
                }
            }
            if row.seq < *next_seq {
                // Read once, before it was carried forward.
                continue;
            }
            facts.feed(words, view, row, |track| Some(rec.track(track)?.pid));
            tails.insert(row.track, Stamp::of(row));
            *next_seq = row.seq + 1;
            *last_ns = row.at_ns;
        }
        index.read = view.rows().len();
    }

    fn chunk(&self, key: u64) -> Option<&ChunkIndex> {
        let at = self.chunks.partition_point(|chunk| ChunkIndex::key(&chunk.chunk) < key);
        self.chunks.get(at).filter(|chunk| ChunkIndex::key(&chunk.chunk) == key)
    }

    /// The chunks in which a track occurs and that have events of this span, oldest first.
    pub(crate) fn chunks_of(&self, track: TrackId, from: u64, to: u64) -> impl Iterator<Item = &ChunkIndex> {
        let keys = self.places.get(&track).into_iter().flatten();
        keys.filter_map(|key| self.chunk(*key))
            .filter(move |chunk| chunk.next_seq > from && chunk.first_seq() <= to)
    }

    /// Whether earlier events of a track were dropped, and what it still needs carried forward.
    pub(crate) fn is_carried(&self, track: TrackId) -> bool {
        self.places.get(&track).and_then(VecDeque::front) == Some(&0)
    }

    /// The last mark of a track at or before an event, and its chunk.
    pub(crate) fn mark_at(
        &self,
        reading: Reading<'_>,
        track: TrackId,
        seq: u64,
    ) -> Result<Option<(&ChunkIndex, u64)>, StoreError> {
        let begun = |key: &u64| self.chunk(*key).is_some_and(|chunk| chunk.first_seq() <= seq);
        let Some(keys) = self.places.get(&track) else {
            return Ok(None);
        };
        let last = if cfg!(mutant = "timeline_mark_late") {
            seq + 1
        } else {
            seq
        };
        for chunk in keys.iter().take(keys.partition_point(begun)).rev() {
            let Some(chunk) = self.chunk(*chunk) else { continue };
            if let Some(mark) = chunk.mark(reading, track, Some(last))? {
                return Ok(Some((chunk, mark)));
            }
        }
        Ok(None)
    }

    /// The first mark of a track.
    pub(crate) fn first_mark(&self, reading: Reading<'_>, track: TrackId) -> Result<Option<u64>, StoreError> {
        let keys = self.places.get(&track).into_iter().flatten();
        for chunk in keys.filter_map(|key| self.chunk(*key)) {
            if let Some(mark) = chunk.mark(reading, track, None)? {
                return Ok(Some(mark));
            }
        }
        Ok(None)
    }

    /// The last event of a track.
    fn tail(&self, rec: &Recording, track: TrackId) -> Result<Option<Stamp>, StoreError> {
        if let Some(tail) = self.tails.get(&track) {
            return Ok(Some(*tail));
        }
        let last = self.places.get(&track).and_then(VecDeque::back);
        let Some(last) = last.and_then(|key| self.chunk(*key)) else {
            return Ok(None);
        };
        match rec.view(&last.chunk) {
            Ok(view) => Ok(view.track_rows(track).next_back().map(Stamp::of)),
            Err(StoreError::Memory) => Err(StoreError::Memory),
            Err(_) => Ok(None),
        }
    }

    /// Losses of a track after its last event, by an event that comes after it: no event of its own tells of them.
    pub(crate) fn tail_loss(&self, rec: &Recording, track: TrackId, by: u64) -> Result<Option<TailLoss>, StoreError> {
        let (Some(after), Some(facts)) = (self.tail(rec, track)?, self.facts.track(track)) else {
            return Ok(None);
        };
        if by <= after.seq || facts.ended.is_some() {
            return Ok(None);
        }
        let is_last_of_pid = self.facts.of_pid(facts.pid).last() == Some(&track);
        let owed = if is_last_of_pid && !cfg!(mutant = "timeline_ignores_debts") {
            rec.owed(facts.pid, after.at_ns)
        } else {
            0
        };
        let count = owed.max(told_loss(rec, track, facts.pid, is_last_of_pid, after));
        Ok((count > 0).then_some(TailLoss { after, count }))
    }

    /// The event just before which the time `at_ns` lies, exclusive bound by number.
    pub(crate) fn seq_after(&self, rec: &Recording, at_ns: u64) -> Result<u64, StoreError> {
        let after = self.chunks.partition_point(|chunk| chunk.chunk.first_ns <= at_ns);
        let Some(chunk) = after.checked_sub(1).and_then(|at| self.chunks.get(at)) else {
            return Ok(self.chunks.front().map_or(0, ChunkIndex::first_seq));
        };
        let view = match rec.view(&chunk.chunk) {
            Err(StoreError::Evicted) => return Ok(chunk.first_seq()),
            found => found?,
        };
        let count = view.rows().partition_point(|row| row.at_ns <= at_ns);
        Ok(count
            .checked_sub(1)
            .map_or(chunk.first_seq(), |last| view.rows()[last].seq + 1))
    }
}

/// Losses that are known to have been after a track's last event.
fn told_loss(rec: &Recording, track: TrackId, pid: u64, is_last_of_pid: bool, after: Stamp) -> u64 {
    let is_its = |loss: &Loss| match loss.track {
        Some(id) => id == track && loss.to_ns > after.at_ns,
        // Not told yet: its next event will.
        None => loss.pid == pid && is_last_of_pid,
    };
    let is_tail = |loss: &&Loss| is_its(loss) && !matches!(loss.cause, LossCause::Evicted | LossCause::Stopped);
    rec.losses().iter().filter(is_tail).map(|loss| loss.count).sum()
}

/// Adds a key where it belongs: at the end, or, for what was carried forward, in front.
fn enter(keys: &mut VecDeque<u64>, key: u64) {
    if keys.back() == Some(&key) || keys.front() == Some(&key) {
        return;
    }
    match keys.back() {
        Some(last) if *last > key => keys.push_front(key),
        _ => keys.push_back(key),
    }
}

/// Whether a row says something about its track's state.
fn is_mark(words: &Words, view: &ChunkView, row: &EventRow) -> bool {
    row.lost_before > 0 || row.kind == EventKind::Exit || row.kind == EventKind::State && tells_state(words, view, row)
}

fn tells_state(words: &Words, view: &ChunkView, row: &EventRow) -> bool {
    let has = |bit| field(row, bit).is_some();
    match point(row) {
        Some(Point::Loop | Point::Read) => has(Fields::AFTER),
        Some(Point::Step) => true,
        Some(Point::Handled | Point::End) => has(Fields::BEFORE),
        Some(Point::Callback) => has(Fields::BEFORE) && callback(words, view, row) != Word::Init,
        Some(Point::Returned) => returned_state(words, view, row) != NewState::Same,
        None => false,
    }
}

pub(crate) fn callback(words: &Words, view: &ChunkView, row: &EventRow) -> Word {
    field(row, Fields::CALLBACK)
        .and_then(|node| word(words, &view.arena, node))
        .unwrap_or(Word::Other)
}

/// What a `Returned` row says of the state.
pub(super) fn returned_state(words: &Words, view: &ChunkView, row: &EventRow) -> NewState {
    let Some(value) = field(row, Fields::RETURNED) else {
        return NewState::Same;
    };
    let tag = field(row, Fields::BEHAVIOUR).and_then(|node| word(words, &view.arena, node));
    let behaviour = tag.map_or_else(|| Behaviour::assumed(point(row)), Behaviour::from_word);
    returned(words, &view.arena, behaviour, callback(words, view, row), value).state
}
