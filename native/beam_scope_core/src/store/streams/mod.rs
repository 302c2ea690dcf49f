//! Streams: what records refer back to.
//!
//! A track's *stream* is the terms of those of its records that have the flag [`flags::STREAM`], one after the other within an
//! *epoch*; terms refer to earlier ones by their offset in it. So the bytes of each track's current epoch are kept, as they came.
//!
//! Terms are interned in the arena of the chunk that is open, and with them what is known of their offsets: within a chunk a
//! record costs what is new in it. When the chunk is sealed that knowledge goes; what is referred to next is read again from the
//! bytes, whatever it refers to first, without recursion. So chunks stay self-contained.
//!
//! A reference that leads nowhere (to bytes that were lost, to itself, into the middle of something) becomes a truncated term.

mod cells;
mod reading;
mod tree;

#[cfg(test)]
mod tests;

use super::row::{Terms, TrackId};
use crate::capture::record::Header;
use crate::mixed::MixedMap;
use crate::term::arena::Arena;
use cells::Cells;
use reading::Reading;
use tree::Known;

#[cfg(doc)]
use crate::capture::record::flags;

/// No stream is longer; see `capture::slots`.
const MOST: usize = 64 << 20;

/// What each chunk repeats is to be a small part of it.
const PART: usize = 4;

/// The streams of a recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    tracks: MixedMap<TrackId, Stream>,
    bytes: usize,
    /// Bytes that came in the open chunk, and those that were read again for it.
    fresh: usize,
    again: usize,
    chunk: u64,
}

/// The stream of one track.
#[derive(Clone, Debug, Default)]
struct Stream {
    epoch: u32,
    bytes: Vec<u8>,
    cells: Cells,
    /// What is known in the arena of the open chunk, and which chunk that is.
    known: Known,
    chunk: u64,
}

impl Stream {
    fn held(&self) -> usize {
        self.bytes.capacity() + self.cells.bytes() + self.known.bytes()
    }

    /// Takes a record's bytes in; `false` where they cannot belong here.
    fn take(&mut self, header: &Header, payload: &[u8], chunk: u64) -> bool {
        let at = header.offset as usize;
        if self.epoch != header.epoch || at < self.bytes.len() {
            *self = Self {
                epoch: header.epoch,
                ..Self::default()
            };
        }
        if self.chunk != chunk {
            self.chunk = chunk;
            self.known = Known::default();
        }
        if at + payload.len() > MOST {
            return false;
        }
        // What is missing in between reads as nothing that could be a term.
        if !cfg!(mutant = "stream_ignores_gaps") {
            self.bytes.resize(at, 0);
        }
        self.bytes.extend_from_slice(payload);
        true
    }
}

impl Streams {
    /// The terms of a record, interned; the second answer is `false` where some could not be read whole.
    pub(super) fn read(
        &mut self,
        track: TrackId,
        header: &Header,
        payload: &[u8],
        arena: &mut Arena,
        chunk: u64,
    ) -> (Terms, bool) {
        if self.chunk != chunk {
            (self.chunk, self.fresh, self.again) = (chunk, 0, 0);
        }
        let stream = self.tracks.entry(track).or_default();
        let before = stream.held();
        let taken = stream.take(header, payload, chunk);
        let mut reading = Reading::new(stream, arena);
        let (mut terms, mut at) = (Terms::NONE, header.offset);
        for _ in 0..header.terms {
            let read = if taken { reading.read(at) } else { None };
            // What follows a term that cannot be read is not to be found.
            let (id, end) = read.unwrap_or_else(|| (reading.nothing(), u32::MAX));
            at = end;
            terms.push(id);
        }
        let whole = taken && !reading.cut;
        self.fresh += payload.len();
        self.again += reading.again;
        self.bytes = (self.bytes + stream.held()).saturating_sub(before);
        (terms, whole)
    }

    /// Whether what the open chunk had to read again is more than a part of what came in it: the next one would have to, too.
    pub(super) fn repeats_itself(&self) -> bool {
        self.again > self.fresh / PART
    }

    /// The track has ended.
    pub(super) fn end(&mut self, track: TrackId) {
        if let Some(gone) = self.tracks.remove(&track) {
            self.bytes = self.bytes.saturating_sub(gone.held());
        }
    }

    /// Nothing comes any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets go of the largest stream: what later records refer to in it is lost until they begin anew.
    pub(super) fn drop_largest(&mut self) -> bool {
        let largest = self
            .tracks
            .iter()
            .max_by_key(|(_, stream)| stream.held())
            .map(|(track, _)| *track);
        largest.map(|track| self.end(track)).is_some()
    }
}
