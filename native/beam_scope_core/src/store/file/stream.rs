//! A file that grows as it is recorded.
//!
//! Whoever keeps it asks for the next piece again and again: [`Recording::stream_begin`], then [`Recording::stream_next`] until
//! the recording has stopped and nothing is left, then [`Recording::stream_end`]. The pieces in order are the file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use super::super::error::StoreError;
use super::super::recording::Recording;
use super::super::sealed::Sealed;
use super::compose::Composer;
use super::section;
use super::source::{Filed, Source};
use super::summary::Summary;
use crate::reserve;

/// So many records are indexed between two looks at the clock.
const STEP: usize = 512;

/// How far a file has come.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    composer: Composer,
    /// The chunk that comes next.
    next: u64,
    /// The checksum of the chunk given out last.
    sum: u32,
    summary: Summary,
    /// The file that the pieces are in, once somebody has said so.
    source: Option<Arc<Source>>,
    /// When the open chunk was last closed.
    sealed: Option<Instant>,
}

/// A piece of a file.
#[derive(Debug)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many events are in it.
    pub events: u64,
}

impl Recording {
    /// The first piece of a file.
    pub fn stream_begin(&self) -> Result<Vec<u8>, StoreError> {
        let mut stream = Stream::default();
        let bytes = stream.composer.begin(&self.begin())?;
        *self.stream.lock() = Some(stream);
        Ok(bytes)
    }

    /// The next piece, if there is one: indexes what waits for at most `most`, and closes a chunk that has been open for longer
    /// than `age`.
    pub fn stream_next(&self, most: Duration, age: Duration) -> Result<Option<Piece>, StoreError> {
        let mut guard = self.stream.lock();
        let stream = guard.as_mut().ok_or(StoreError::Closed)?;
        // What is to be written can wait as long as more is recorded.
        if !reserve::is_there(2 * self.index.lock().open_bytes()) {
            return if self.is_running() {
                Ok(None)
            } else {
                Err(StoreError::Memory)
            };
        }
        let Some(sealed) = self.next_sealed(stream, most, age)? else {
            return Ok(None);
        };
        let bytes = sealed.body.bytes()?;
        let piece = stream.composer.chunk(&sealed, &bytes)?;
        (stream.next, stream.sum) = (sealed.chunk.index + 1, section::sum(&bytes));
        stream.summary.take(&sealed, &bytes);
        let events = sealed.chunk.len as u64;
        Ok(Some(Piece { bytes: piece, events }))
    }

    fn next_sealed(&self, stream: &mut Stream, most: Duration, age: Duration) -> Result<Option<Sealed>, StoreError> {
        let began = Instant::now();
        let running = self.is_running();
        let mut index = if running { self.index.lock() } else { self.up_to_date() };
        loop {
            if index.closed {
                return Err(StoreError::Closed);
            }
            if let Some(found) = index.sealed_from(stream.next) {
                return Ok(Some(found.clone()));
            }
            if !self.step(&mut index, STEP) || began.elapsed() >= most {
                break;
            }
            self.account(&index);
            self.settle(&mut index);
            MutexGuard::bump(&mut index);
        }
        if !running {
            self.fed()?;
        }
        let opened = *stream.sealed.get_or_insert(began);
        if began.duration_since(opened) >= age {
            stream.sealed = Some(began);
            index.seal(&self.context());
            self.account(&index);
            self.settle(&mut index);
        }
        Ok(index.sealed_from(stream.next).cloned())
    }

    /// The piece that was given out last is in this file: its chunk needs no memory any more.
    pub fn stream_written(&self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let mut guard = self.stream.lock();
        let stream = guard.as_mut().ok_or(StoreError::Closed)?;
        let Some((chunk, at, len)) = stream.composer.last_place() else {
            return Ok(());
        };
        let source = match &stream.source {
            Some(source) => Arc::clone(source),
            None => Arc::new(Source::file(File::open(path)?)?),
        };
        source.look()?;
        stream.source = Some(Arc::clone(&source));
        let filed = Filed { source, at, len };
        // A file that has something else there would be found out when the chunk is gone from memory.
        if section::sum(&filed.read()?) != stream.sum {
            return Err(StoreError::corrupt("the file has other bytes than were written to it"));
        }
        let mut index = self.index.lock();
        index.moved(chunk.index, filed);
        self.account(&index);
        Ok(())
    }

    /// The last piece: everything that lets the file be opened without reading it. The recording must have stopped.
    pub fn stream_end(&self) -> Result<Vec<u8>, StoreError> {
        let mut guard = self.stream.lock();
        let head = {
            let index = self.up_to_date();
            if index.closed {
                return Err(StoreError::Closed);
            }
            self.fed()?;
            self.head(&index)
        };
        let mut stream = guard.take().ok_or(StoreError::Closed)?;
        let summary = std::mem::take(&mut stream.summary);
        let mut out = Vec::new();
        stream.composer.end(head, summary, &mut |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(out)
    }
}
