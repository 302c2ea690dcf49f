//! A chunk, decoded for reading.

use super::kinds::LOST;
use super::row::{EventRow, TrackId};
use crate::mixed::MixedMap;
use crate::term::arena::Arena;

/// A chunk's rows, their terms, and an index by track.
#[derive(Clone, Debug, Default)]
pub struct ChunkView {
    /// Where the rows' terms live.
    pub arena: Arena,
    /// The first row's position in the recording.
    pub first_seq: u64,
    rows: Vec<EventRow>,
    by_track: MixedMap<TrackId, Vec<u32>>,
}

impl ChunkView {
    /// An empty chunk whose first row will have this position.
    #[must_use]
    pub fn new(first_seq: u64) -> Self {
        Self {
            first_seq,
            ..Self::default()
        }
    }

    /// The rows, in order.
    #[must_use]
    pub fn rows(&self) -> &[EventRow] {
        &self.rows
    }

    /// The row at a position of the recording.
    #[must_use]
    pub fn row(&self, seq: u64) -> Option<&EventRow> {
        self.rows
            .binary_search_by_key(&seq, |row| row.seq)
            .ok()
            .map(|i| &self.rows[i])
    }

    /// The rows of one track, in order.
    pub fn track_rows(&self, track: TrackId) -> impl DoubleEndedIterator<Item = &EventRow> + ExactSizeIterator + '_ {
        self.by_track
            .get(&track)
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|i| &self.rows[*i as usize])
    }

    /// The tracks that have rows here, in no order.
    pub fn tracks(&self) -> impl Iterator<Item = TrackId> + '_ {
        self.by_track.keys().copied()
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arena.bytes()
            + self.rows.capacity() * size_of::<EventRow>()
            + self.rows.len() * 4
            + self.by_track.len() * 48
    }

    pub(crate) fn from_parts(arena: Arena, first_seq: u64, rows: Vec<EventRow>) -> Self {
        let mut by_track: MixedMap<TrackId, Vec<u32>> = MixedMap::default();
        for (row, i) in rows.iter().zip(0..) {
            by_track.entry(row.track).or_default().push(i);
        }
        Self {
            arena,
            first_seq,
            rows,
            by_track,
        }
    }

    /// The kinds of events that each track has here, as sets of [`crate::event::EventKind::bit`] and [`LOST`], by track.
    pub(crate) fn kinds_by_track(&self) -> Vec<(TrackId, u32)> {
        let of = |row: &EventRow| row.kind.bit() | if row.lost_before > 0 { LOST } else { 0 };
        let kinds = |rows: &Vec<u32>| rows.iter().fold(0, |kinds, i| kinds | of(&self.rows[*i as usize]));
        let mut all: Vec<(TrackId, u32)> = self
            .by_track
            .iter()
            .map(|(track, rows)| (*track, kinds(rows)))
            .collect();
        all.sort_unstable();
        all
    }

    pub(crate) fn push(&mut self, row: EventRow) {
        self.by_track.entry(row.track).or_default().push(self.rows.len() as u32);
        self.rows.push(row);
    }
}
