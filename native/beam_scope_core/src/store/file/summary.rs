//! The summary of a recording: the rows that make its processes what they are, apart from what they did.
//!
//! Who asks a file for its processes, names or tree, or for a state by a name, needs every row that tells of a beginning, an
//! end, a name or a link. They are few, and lie in every chunk: a file has them once more, together.

use std::collections::HashSet;

use super::super::chunk::{self, ChunkHeader};
use super::super::row::{EventRow, TrackId, TrackInfo};
use super::super::sealed::Sealed;
use super::super::view::ChunkView;
use crate::event::EventKind;

/// Kinds of rows of which every one counts.
const LIFE: u32 = EventKind::Spawn.bit()
    | EventKind::Spawned.bit()
    | EventKind::Exit.bit()
    | EventKind::Link.bit()
    | EventKind::Unlink.bit()
    | EventKind::GettingLinked.bit()
    | EventKind::GettingUnlinked.bit()
    | EventKind::Register.bit()
    | EventKind::Unregister.bit()
    | EventKind::Baseline.bit();
/// A recording with more of them has no summary: it is read instead.
const MOST: u64 = 1_000_000;
/// So many rows go into one part, or so many bytes.
const PART: usize = 65_536;
const PART_BYTES: usize = 16 << 20;

fn life(sealed: &Sealed) -> u64 {
    let of = |kind: &EventKind| sealed.counts.of_kind(*kind);
    let kinds = EventKind::ALL.iter().filter(|kind| kind.bit() & LIFE != 0);
    kinds.map(of).fold(0, u64::saturating_add)
}

/// A summary that is being gathered, chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    part: ChunkView,
    parts: Vec<Vec<u8>>,
    rows: u64,
    seen: HashSet<TrackId>,
    /// Tracks whose first state row was taken: it tells which behaviour they are.
    stated: HashSet<TrackId>,
    /// It would be too large, or something could not be read.
    given_up: bool,
}

impl Summary {
    /// Takes what counts of a chunk. Decodes it only if something does.
    pub(super) fn take(&mut self, sealed: &Sealed, bytes: &[u8]) {
        let life = life(sealed);
        self.rows = self.rows.saturating_add(life);
        if self.rows > MOST {
            self.give_up();
        }
        let wanted = life > 0 || sealed.kinds.iter().any(|(track, kinds)| self.wants(track, kinds));
        if self.given_up || !wanted {
            return;
        }
        match chunk::decode(bytes) {
            Ok((_, view)) => self.gather(&view),
            Err(_) => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        *self = Self {
            given_up: true,
            rows: self.rows,
            ..Self::default()
        };
    }

    fn wants(&self, track: TrackId, kinds: u32) -> bool {
        kinds & !EventKind::System.bit() != 0 && !self.seen.contains(&track)
            || kinds & EventKind::State.bit() != 0 && !self.stated.contains(&track)
    }

    fn gather(&mut self, view: &ChunkView) {
        for row in view.rows() {
            let first = row.kind != EventKind::System
                && self.seen.insert(row.track)
                && !cfg!(mutant = "file_summary_forgets_first");
            let stated = row.kind == EventKind::State && self.stated.insert(row.track);
            if first || stated || row.kind.bit() & LIFE != 0 {
                self.push(view, row);
            }
        }
    }

    fn push(&mut self, view: &ChunkView, row: &EventRow) {
        let arena = &mut self.part.arena;
        let terms = row.terms.iter().map(|id| arena.import(&view.arena, *id)).collect();
        self.part.push(EventRow { terms, ..*row });
        if self.part.rows().len() >= PART || self.part.bytes() >= PART_BYTES {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let part = std::mem::take(&mut self.part);
        if part.rows().is_empty() {
            return;
        }
        let kinds = part.kinds_by_track();
        let header = ChunkHeader {
            tracks: kinds.iter().map(|(id, _)| TrackInfo::unknown(id.0)).collect(),
            ..ChunkHeader::default()
        };
        match chunk::encode(&part, header) {
            Ok(bytes) => self.parts.push(bytes),
            Err(_) => self.give_up(),
        }
    }

    /// Its parts, sealed; none if it was given up.
    pub(super) fn finish(mut self) -> Vec<Vec<u8>> {
        self.seal();
        self.parts
    }
}
