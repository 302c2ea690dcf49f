//! Chunks at rest, and how they are named.

use std::sync::Arc;

use super::chunk::{self, ChunkHeader};
use super::error::StoreError;
use super::file::Filed;
use super::kinds::Kinds;
use super::row::{Counts, EventRow, TrackId};
use super::view::ChunkView;
use crate::capture::record::flags;

/// One chunk, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

    pub(crate) fn named(header: &ChunkHeader) -> Self {
        Self {
            index: header.index,
            first_seq: header.first_seq,
            len: header.rows as usize,
            first_ns: header.first_ns,
            last_ns: header.last_ns,
            carried: header.carried,
        }
    }
}

/// The index that the carried chunk goes by: it comes before all others.
pub(crate) const CARRIED: u64 = u64::MAX;

/// Where a chunk's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Held(Arc<[u8]>),
    Filed(Filed),
}

impl Body {
    /// Bytes of memory.
    fn held(&self) -> usize {
        match self {
            Self::Held(bytes) => bytes.len(),
            Self::Filed(_) => 0,
        }
    }

    /// Bytes at rest, wherever they are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Held(bytes) => bytes.len(),
            Self::Filed(filed) => filed.len as usize,
        }
    }

    pub(crate) fn bytes(&self) -> Result<Arc<[u8]>, StoreError> {
        match self {
            Self::Held(bytes) => Ok(Arc::clone(bytes)),
            Self::Filed(filed) => filed.read().map(Into::into),
        }
    }

    pub(crate) fn decode(&self) -> Result<Arc<ChunkView>, StoreError> {
        decode(&self.bytes()?)
    }
}

/// A chunk at rest.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) chunk: ChunkRef,
    pub(crate) body: Body,
    /// Which tracks have rows, and of which kinds.
    pub(crate) kinds: Kinds,
    pub(crate) counts: Counts,
    /// Whether its bytes turned out to be damaged: its rows are counted as lost.
    pub(crate) damaged: bool,
}

impl Sealed {
    pub(crate) fn new(chunk: ChunkRef, bytes: Vec<u8>, view: &ChunkView) -> Self {
        Self {
            chunk,
            body: Body::Held(bytes.into()),
            kinds: Kinds::new(&view.kinds_by_track()),
            counts: count(view.rows()),
            damaged: false,
        }
    }

    /// From a chunk that was read from a file.
    pub(crate) fn of(header: &ChunkHeader, body: Body) -> Self {
        let kinds = header.tracks.iter().zip(&header.kinds);
        let mut tracks: Vec<(TrackId, u32)> = kinds.map(|(info, kinds)| (info.id, *kinds)).collect();
        tracks.sort_unstable();
        Self {
            chunk: ChunkRef::named(header),
            body,
            kinds: Kinds::new(&tracks),
            counts: header.counts.clone(),
            damaged: false,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.held() + self.kinds.bytes() + size_of::<Self>()
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
    Body(Body),
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Arc<ChunkView>, StoreError> {
    chunk::decode(bytes).map(|(_, view)| Arc::new(view))
}
