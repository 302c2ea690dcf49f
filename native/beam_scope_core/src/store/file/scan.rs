//! Opening a file without an end: what it holds is found by reading it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::chunk;
use super::super::config::StopReason;
use super::super::error::StoreError;
use super::super::recording::Recording;
use super::super::row::{Counts, Loss, LossCause, TrackInfo};
use super::super::sealed::{Body, Sealed};
use super::section::{self, unpack, Section};
use super::source::{Filed, Source};
use super::{restore, Begin, Damage, End, Found, PREAMBLE};
use crate::store::codec::MAX_STREAMS;

/// Reads sections up to the first that is not whole. A chunk that is damaged within is left out, and what comes after it is read.
pub(super) fn scan(source: &Arc<Source>) -> Result<Arc<Recording>, StoreError> {
    let mut all = Scan::default();
    let mut at = PREAMBLE;
    let mut ended = false;
    while let Ok(section) = Section::at(source, at) {
        ended |= section.kind == section::END;
        all.section(source, &section);
        at = section.end();
    }
    if all.begin.is_none() && all.chunks.is_empty() {
        return Err(StoreError::corrupt("it breaks off before its first event"));
    }
    let left = source.len() - at;
    all.damage.cut_off = !ended;
    all.damage.bytes = if ended {
        left.saturating_sub(section::TRAILER)
    } else {
        left
    };
    restore(all.finish())
}

#[derive(Default)]
struct Scan {
    begin: Option<Begin>,
    chunks: Vec<Sealed>,
    atoms: BTreeMap<u64, String>,
    tracks: BTreeMap<u32, TrackInfo>,
    losses: Vec<Loss>,
    damage: Damage,
    /// The end, which may be whole where one of its lists is not.
    end: Option<End>,
}

impl Scan {
    fn section(&mut self, source: &Arc<Source>, section: &Section) {
        let content = section.content(source);
        match section.kind {
            section::BEGIN => {
                let begin = content.and_then(|content| unpack(&content, &mut MAX_STREAMS.clone()));
                self.begin = self.begin.take().or(begin.ok());
            }
            section::CHUNK => {
                let read = content.and_then(|content| self.chunk(source, section, &content));
                self.damage.chunks += u64::from(read.is_err());
            }
            section::END => {
                self.end = content
                    .and_then(|content| unpack(&content, &mut MAX_STREAMS.clone()))
                    .ok();
            }
            // Lists of what the chunks say too.
            _ => {}
        }
    }

    fn chunk(&mut self, source: &Arc<Source>, section: &Section, content: &[u8]) -> Result<(), StoreError> {
        let header = chunk::header(content)?;
        if cfg!(mutant = "file_scan_stops_early") && self.chunks.len() > 2 {
            return Ok(());
        }
        let last = self.chunks.iter().rev().find(|one| !one.chunk.carried);
        if last.is_some_and(|last| header.index <= last.chunk.index || header.first_seq <= last.chunk.first_seq) {
            return Err(StoreError::corrupt("chunks out of order"));
        }
        let body = Body::Filed(Filed {
            source: Arc::clone(source),
            at: section.place.at,
            len: section.place.len,
        });
        self.chunks.push(Sealed::of(&header, body));
        self.atoms.extend(header.atoms);
        self.losses.extend(header.losses);
        // The later a chunk, the more it knows of a track.
        for info in header.tracks {
            self.tracks.insert(info.id.0, info);
        }
        if self.begin.is_none() {
            self.begin = Some(Begin {
                start_unix_ns: header.start_unix_ns,
                ..Begin::default()
            });
        }
        Ok(())
    }

    fn finish(mut self) -> Found {
        let end = self.end.take();
        let tracks = self.all_tracks();
        let mut counts = Counts::default();
        let mut next_seq = 0;
        let mut last_ns = 0;
        let mut absent = Counts::default();
        for one in self.chunks.iter().filter(|one| !one.chunk.carried) {
            counts.add_rows(&one.counts);
            absent.stored = absent
                .stored
                .saturating_add(one.chunk.first_seq.saturating_sub(next_seq));
            next_seq = one.chunk.first_seq.saturating_add(one.chunk.len as u64);
            last_ns = one.chunk.last_ns;
        }
        counts.stored = next_seq;
        counts.dropped = self.losses.iter().fold(0, |sum, loss| loss.count.saturating_add(sum));
        counts.offered = counts.stored.saturating_add(counts.dropped);
        let evicted = self.damage.chunks == 0;
        let damaged = if evicted { 0 } else { absent.stored };
        let hole = |cause| Loss {
            track: None,
            pid: 0,
            from_ns: 0,
            to_ns: last_ns,
            count: absent.stored,
            cause,
        };
        if damaged > 0 {
            self.losses.push(hole(LossCause::Damaged));
        }
        let begin = end.as_ref().map(|end| end.begin.clone()).or(self.begin.take());
        let reason = end.as_ref().and_then(|end| end.stop_reason.clone());
        Found {
            end: End {
                begin: begin.unwrap_or_default(),
                stopped_ns: last_ns,
                stop_reason: reason.or(Some(StopReason::Other("cut_off".to_owned()))),
                absent_loss: Some(hole(LossCause::Evicted)).filter(|_| evicted && absent.stored > 0),
                damaged,
                counts,
                absent,
                losses: self.losses,
                next_seq,
                last_ns,
                ..End::default()
            },
            tracks,
            atoms: self.atoms.into_iter().collect(),
            chunks: self.chunks,
            summary: None,
            damage: self.damage,
        }
    }

    /// Tracks without rows in the chunks that are left are known by their numbers only.
    fn all_tracks(&mut self) -> Vec<TrackInfo> {
        let last = self.tracks.keys().next_back().copied();
        // A number that no chunk vouches for would make a list of any length.
        let most = self.tracks.len().saturating_mul(64).saturating_add(65_536) as u32;
        let count = last.map_or(0, |last| last.saturating_add(1)).min(most);
        (0..count)
            .map(|id| self.tracks.remove(&id).unwrap_or_else(|| TrackInfo::unknown(id)))
            .collect()
    }
}
