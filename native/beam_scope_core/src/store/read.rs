//! What readers ask of a recording.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::config::Mode;
use super::error::StoreError;
use super::index::Index;
use super::kinds::Kinds;
use super::recording::Recording;
use super::row::{Counts, Loss, LossCause, TrackId, TrackInfo};
use super::sealed::{Body, ChunkRef, Found};
use super::view::ChunkView;
use super::AtomSource;
use crate::reserve;
use crate::term::AtomId;

impl Recording {
    /// The account, as of now. Indexes nothing.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let index = self.index.lock();
        let mut counts = self.intake.lock().counts.clone();
        let gone = &index.evicted;
        counts.truncated += index.found_cut;
        counts.remove_rows(gone);
        counts.dropped += gone.stored;
        counts.evicted = index.evicted_rows();
        counts.bytes = self.held.all() as u64;
        counts
    }

    /// The chunks, oldest first, with everything appended before the call, as far as there is memory for it.
    pub fn chunks(&self) -> Vec<ChunkRef> {
        self.up_to_date().chunks()
    }

    /// The chunks, oldest first, with everything appended before the call: what an answer is made of.
    pub fn all_chunks(&self) -> Result<Vec<ChunkRef>, StoreError> {
        let index = self.up_to_date();
        self.fed()?;
        Ok(index.chunks())
    }

    /// Fails where there was no memory to index all that is here: whoever brought the index up to date, and still has its lock, would tell of a
    /// part.
    pub(super) fn fed(&self) -> Result<(), StoreError> {
        if self.starved.load(Ordering::Relaxed) {
            return Err(StoreError::Memory);
        }
        Ok(())
    }

    /// A chunk, decoded. The view of the open chunk may have more rows than the reference says, when events came since.
    pub fn view(&self, chunk: &ChunkRef) -> Result<Arc<ChunkView>, StoreError> {
        let found = self.index.lock().lookup(chunk.index)?;
        match found {
            Found::View(view) => Ok(view),
            Found::Body(body) => {
                let view = self.decoded(chunk, &body)?;
                let mut index = self.index.lock();
                if !index.closed {
                    index.keep(&self.context(), chunk.index, &view);
                    self.account(&index);
                }
                Ok(view)
            }
        }
    }

    /// A chunk on disk that is damaged is as if it had been dropped, once that is counted. One for which there was no memory is not.
    fn decoded(&self, chunk: &ChunkRef, body: &Body) -> Result<Arc<ChunkView>, StoreError> {
        let fits = |view: &Arc<ChunkView>| ChunkRef::of(chunk.index, chunk.carried, view).as_ref() == Some(chunk);
        // About a tenth is what most chunks are packed to.
        let need = body.len().saturating_mul(16);
        if !reserve::is_there(need) {
            return Err(StoreError::Memory);
        }
        match body.decode() {
            Ok(view) if matches!(body, Body::Held(_)) || fits(&view) => Ok(view),
            Err(StoreError::Memory) => Err(StoreError::Memory),
            Err(_) if !reserve::is_there(need) => Err(StoreError::Memory),
            Err(error) if matches!(body, Body::Held(_)) => Err(error),
            _ => {
                let mut index = self.index.lock();
                index.damaged(chunk.index);
                self.account(&index);
                Err(StoreError::Evicted)
            }
        }
    }

    /// What makes processes what they are, in a recording that was read from a file which has that apart.
    pub(crate) fn summary(&self) -> Option<Arc<[ChunkView]>> {
        self.index.lock().summary.clone()
    }

    /// Which tracks have rows in a chunk at rest, and of which kinds.
    pub(crate) fn kinds_in(&self, chunk: &ChunkRef) -> Option<Kinds> {
        self.index.lock().kinds_in(chunk.index)
    }

    /// The chunk that has the row at this position, or would have it if it had not been evicted.
    pub fn chunk_of(&self, seq: u64) -> Option<ChunkRef> {
        let chunks = self.chunks();
        let after = chunks.partition_point(|chunk| chunk.first_seq <= seq);
        chunks.get(after.checked_sub(1)?).copied()
    }

    /// The chunks in which a track has rows, oldest first. Decodes nothing.
    pub fn chunks_of(&self, track: TrackId) -> Vec<ChunkRef> {
        self.chunks_with(track, u32::MAX)
    }

    /// The chunks in which a track has rows of some of these kinds (a set of [`crate::event::EventKind::bit`]), oldest
    /// first. Decodes nothing: the way to a track's last state before a moment.
    pub fn chunks_with(&self, track: TrackId, kinds: u32) -> Vec<ChunkRef> {
        self.up_to_date().chunks_of(track, kinds)
    }

    /// Events that are not in the recording, by track and span of time. Their counts sum up to [`Counts::dropped`]. Indexes nothing
    /// when there are none, or when all are known already. A ring that turns in a flood never is up to date: there those that are not
    /// known yet are one entry, of nobody.
    pub fn losses(&self) -> Vec<Loss> {
        let mut index = self.index.lock();
        let turns = self.config.mode == Mode::Ring && self.is_running();
        if self.unknown_losses(&index) > 0 && !turns {
            drop(index);
            index = self.up_to_date();
        }
        let mut losses = index.losses.all().to_vec();
        losses.extend(index.evicted_loss());
        let unknown = self.unknown_losses(&index);
        let intake = self.intake.lock();
        losses.extend(intake.untold(index.last_ns));
        losses.extend((unknown > 0).then_some(Loss {
            track: None,
            pid: 0,
            from_ns: index.last_ns,
            to_ns: intake.last_ns,
            count: unknown,
            cause: LossCause::Ring,
        }));
        losses
    }

    /// Losses that only records tell which are not indexed yet.
    fn unknown_losses(&self, index: &Index) -> u64 {
        let intake = self.intake.lock();
        let untold: u64 = intake.untold(0).map(|loss| loss.count).sum();
        intake.counts.dropped.saturating_sub(index.losses.count() + untold)
    }

    /// Every track, by id.
    pub fn tracks(&self) -> Vec<TrackInfo> {
        self.up_to_date().tracks.all()
    }

    /// How many tracks there are, of those that were indexed. Indexes nothing.
    pub fn track_count(&self) -> usize {
        self.index.lock().tracks.count()
    }

    /// One track.
    pub fn track(&self, id: TrackId) -> Option<TrackInfo> {
        self.up_to_date().tracks.get(id).cloned()
    }

    /// The tracks of a pid, oldest first: more than one when the pid was used again.
    pub fn tracks_of_pid(&self, pid: u64) -> Vec<TrackId> {
        self.up_to_date().tracks.of_pid(pid)
    }

    /// How many rows the recording ever had: the position after the last one. Indexes nothing.
    pub fn end_seq(&self) -> u64 {
        self.intake.lock().counts.stored
    }

    /// The time of the last event. Indexes nothing.
    pub fn end_ns(&self) -> u64 {
        self.intake.lock().last_ns
    }

    /// What an atom is called.
    #[must_use]
    pub fn atom_text(&self, id: AtomId) -> Option<Box<str>> {
        self.atoms.text(id)
    }

    /// Who knows what atoms are called.
    #[must_use]
    pub fn atoms(&self) -> &Arc<dyn AtomSource> {
        &self.atoms
    }
}
