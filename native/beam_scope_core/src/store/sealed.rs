//! Chunks at rest, and how they are named.

use std::sync::Arc;

use super::chunk::{self, ChunkHeader};
use super::error::StoreError;
use super::row::{Counts, EventRow, TrackId};
use super::view::ChunkView;
use crate::capture::record::flags;

/// One chunk, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRef {
    /// Which one: 0, 1, 2 ... as they were made.
    pub index: u64,
    /// The position of its first row.
    pub first_seq: u64,
    /// How many rows it has.
    pub len: usize,
    /// The time of its first row.
    pub first_ns: u64,
    /// The time of its last row.
    pub last_ns: u64,
    /// Whether its rows were carried forward from chunks that were dropped: what living tracks still need of them.
    /// Listings of events leave such a chunk out.
    pub carried: bool,
}

impl ChunkRef {
    pub(crate) fn of(index: u64, carried: bool, view: &ChunkView) -> Option<Self> {
        let (first, last) = (view.rows().first()?, view.rows().last()?);
        let (first_seq, first_ns, last_ns) = (first.seq, first.at_ns, last.at_ns);
        Some(Self {
            index,
            first_seq,
            len: view.rows().len(),
            first_ns,
            last_ns,
            carried,
        })
    }
}

/// The index that the carried chunk goes by: it comes before all others.
pub(crate) const CARRIED: u64 = u64::MAX;

/// A chunk at rest.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) chunk: ChunkRef,
    pub(crate) bytes: Arc<[u8]>,
    /// Which tracks have rows, and of which kinds; sorted.
    tracks: Box<[(TrackId, u32)]>,
    pub(crate) counts: Counts,
}

impl Sealed {
    pub(crate) fn new(chunk: ChunkRef, bytes: Vec<u8>, view: &ChunkView) -> Self {
        let tracks = view.kinds_by_track().into();
        Self {
            chunk,
            bytes: bytes.into(),
            tracks,
            counts: count(view.rows()),
        }
    }

    /// From a chunk that was read from a file.
    pub(crate) fn of(header: &ChunkHeader, bytes: Vec<u8>) -> Self {
        let kinds = header.tracks.iter().zip(&header.kinds);
        let mut tracks: Vec<(TrackId, u32)> = kinds.map(|(info, kinds)| (info.id, *kinds)).collect();
        tracks.sort_unstable();
        let chunk = ChunkRef {
            index: header.index,
            first_seq: header.first_seq,
            len: header.rows as usize,
            first_ns: header.first_ns,
            last_ns: header.last_ns,
            carried: header.carried,
        };
        Self {
            chunk,
            bytes: bytes.into(),
            tracks: tracks.into(),
            counts: header.counts.clone(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.tracks.len() * 8 + size_of::<Self>()
    }

    pub(crate) fn kinds_of(&self, track: TrackId) -> u32 {
        self.tracks
            .binary_search_by_key(&track, |(id, _)| *id)
            .map_or(0, |i| self.tracks[i].1)
    }
}

/// The account of some rows.
pub(crate) fn count(rows: &[EventRow]) -> Counts {
    let mut counts = Counts {
        stored: rows.len() as u64,
        ..Counts::default()
    };
    for row in rows {
        counts.truncated += u64::from(row.flags & flags::TRUNCATED != 0);
        counts.redacted += u64::from(row.flags & flags::REDACTED != 0);
        counts.by_kind[row.kind as usize] += 1;
    }
    counts
}

/// A chunk that was looked up.
pub(crate) enum Found {
    View(Arc<ChunkView>),
    Bytes(Arc<[u8]>),
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Arc<ChunkView>, StoreError> {
    chunk::decode(bytes).map(|(_, view)| Arc::new(view))
}
