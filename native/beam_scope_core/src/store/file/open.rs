//! Opening a file by its end: nothing is read of the chunks.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::super::error::StoreError;
use super::super::recording::Recording;
use super::super::sealed::{Body, Sealed};
use super::compose::Entry;
use super::section::{self, unpack, Section, HEAD};
use super::source::{Filed, Source};
use super::{check, restore, Damage, End, Found, Place, PREAMBLE};
use crate::store::chunk;

/// Most that the lists of a file may hold together, unpacked: of a terabyte, a tenth of this.
const MAX_LISTS: u64 = 1 << 30;

pub(super) fn open(source: &Arc<Source>) -> Result<Arc<Recording>, StoreError> {
    let end_at = section::trailer(source)?;
    let mut reader = Reader {
        source,
        allowance: MAX_LISTS.min(source.len().saturating_mul(64)),
        from: PREAMBLE,
    };
    let section = Section::at(source, end_at)?;
    check(
        section.kind == section::END && section.end() + section::TRAILER == source.len(),
        "it has no end",
    )?;
    let end: End = unpack(&section.content(source)?, &mut reader.allowance)?;
    let atoms = reader.list(section::ATOMS, &end.atoms)?;
    let tracks = reader.list(section::TRACKS, &end.tracks)?;
    let entries: Vec<Entry> = reader.list(section::CHUNKS, &end.chunks)?;
    let mut summary = Vec::new();
    for place in &end.summary {
        let content = reader.section(section::SUMMARY, place)?;
        summary.push(chunk::decode(&content)?.1);
    }
    let chunks = entries.into_iter().map(|entry| sealed(source, entry)).collect();
    let summary = Some(summary).filter(|parts| !parts.is_empty());
    restore(Found {
        end,
        tracks,
        atoms,
        chunks,
        summary,
        damage: Damage::default(),
    })
}

fn sealed(source: &Arc<Source>, entry: Entry) -> Sealed {
    Sealed {
        chunk: entry.chunk,
        kinds: entry.kinds(),
        body: Body::Filed(Filed {
            source: Arc::clone(source),
            at: entry.place.at,
            len: entry.place.len,
        }),
        counts: entry.counts,
        damaged: false,
    }
}

/// Reads lists, each place once.
struct Reader<'a> {
    source: &'a Source,
    /// How much may still be unpacked.
    allowance: u64,
    /// Where the next section may begin: a file that names a place twice could have it read for ever.
    from: u64,
}

impl Reader<'_> {
    fn section(&mut self, kind: u32, place: &Place) -> Result<Vec<u8>, StoreError> {
        check(place.at >= self.from, "its lists are out of order")?;
        let section = Section::at(self.source, place.at)?;
        check(
            section.kind == kind && section.place.len.checked_add(HEAD) == Some(place.len),
            "a section in the wrong place",
        )?;
        self.from = section.end();
        section.content(self.source)
    }

    fn list<T: DeserializeOwned>(&mut self, kind: u32, places: &[Place]) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        for place in places {
            let content = self.section(kind, place)?;
            all.extend(unpack::<Vec<T>>(&content, &mut self.allowance)?);
        }
        Ok(all)
    }
}
