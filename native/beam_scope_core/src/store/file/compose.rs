//! Putting a file together, section by section.

use serde::{Deserialize, Serialize};

use super::super::error::StoreError;
use super::super::kinds::Kinds;
use super::super::row::Counts;
use super::super::sealed::{ChunkRef, Sealed};
use super::section::{self, pack};
use super::summary::Summary;
use super::{Begin, Head, Place};

/// So many entries of a list go into one section.
const LIST: usize = 8_192;

/// What the list of chunks says of one: all that is kept in memory of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) chunk: ChunkRef,
    pub(super) counts: Counts,
    pub(super) kinds: Vec<u8>,
}

/// What was written so far.
#[derive(Debug, Default)]
pub(crate) struct Composer {
    at: u64,
    entries: Vec<Entry>,
    /// The account of the rows that were written.
    counts: Counts,
}

/// Takes the bytes in order.
type Write<'a> = dyn FnMut(&[u8]) -> Result<(), StoreError> + 'a;

impl Composer {
    /// How many bytes that is.
    pub(crate) const fn size(&self) -> u64 {
        self.at
    }

    /// Where the content of the section written last begins.
    pub(crate) fn last_place(&self) -> Option<(ChunkRef, u64, u64)> {
        let last = self.entries.last()?;
        Some((last.chunk, last.place.at, last.place.len))
    }

    pub(super) fn begin(&mut self, begin: &Begin) -> Result<Vec<u8>, StoreError> {
        let bytes = [section::write_preamble(), section::write(section::BEGIN, &pack(begin)?)].concat();
        self.at += bytes.len() as u64;
        Ok(bytes)
    }

    pub(super) fn chunk(&mut self, sealed: &Sealed, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        let section = section::write(section::CHUNK, bytes);
        self.entries.push(Entry {
            place: Place {
                at: self.at + section::HEAD,
                len: bytes.len() as u64,
            },
            chunk: sealed.chunk,
            counts: sealed.counts.clone(),
            kinds: sealed.kinds.as_bytes().to_vec(),
        });
        self.at += section.len() as u64;
        if !sealed.chunk.carried {
            self.counts.add_rows(&sealed.counts);
        }
        Ok(section)
    }

    /// Everything after the last chunk.
    pub(super) fn end(&mut self, head: Head, summary: Summary, write: &mut Write<'_>) -> Result<(), StoreError> {
        let Head { mut end, tracks, atoms } = head;
        end.atoms = self.list(section::ATOMS, &atoms, write)?;
        end.tracks = self.list(section::TRACKS, &tracks, write)?;
        let entries = std::mem::take(&mut self.entries);
        end.chunks = self.list(section::CHUNKS, &entries, write)?;
        for chunk in summary.finish() {
            end.summary.push(self.section(section::SUMMARY, &chunk, write)?);
        }
        // What was stored and is not in the file.
        end.absent = Counts::default();
        end.absent.add_rows(&end.counts);
        end.absent.remove_rows(&self.counts);
        end.damaged = end.damaged.min(end.absent.stored);
        // What was written before it went from memory is there.
        let evicted = end.absent.stored - end.damaged;
        end.absent_loss = end.absent_loss.filter(|_| evicted > 0);
        if let Some(loss) = &mut end.absent_loss {
            loss.count = evicted;
        }
        let at = self.at;
        self.section(section::END, &pack(&end)?, write)?;
        let trailer = section::write_trailer(at);
        self.at += trailer.len() as u64;
        write(&trailer)
    }

    fn list<T: Serialize>(&mut self, kind: u32, list: &[T], write: &mut Write<'_>) -> Result<Vec<Place>, StoreError> {
        list.chunks(LIST)
            .map(|part| self.section(kind, &pack(&part)?, write))
            .collect()
    }

    fn section(&mut self, kind: u32, content: &[u8], write: &mut Write<'_>) -> Result<Place, StoreError> {
        let section = section::write(kind, content);
        let place = Place {
            at: self.at,
            len: section.len() as u64,
        };
        write(&section)?;
        self.at += place.len;
        Ok(place)
    }
}

impl Entry {
    pub(super) fn kinds(&self) -> Kinds {
        Kinds::from_bytes(self.kinds.clone())
    }
}
