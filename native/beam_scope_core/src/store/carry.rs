//! What is carried forward when the oldest chunks go.
//!
//! Chunks that were dropped are replaced by one small chunk in front. Its rows are those that living tracks still need:
//! how they began, the names they bear, the links they have, their last state rows; each with the position and time it
//! had. So no reader needs to know that anything was dropped. Tracks that ended are forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use super::row::{EventRow, TrackId};
use super::view::ChunkView;
use crate::event::EventKind;
use crate::mixed::MixedMap;

/// Of a process with more links than this, the oldest are forgotten.
const MOST_LINKS: usize = 64;

/// A row and the view it lies in, by number.
type Source = (usize, EventRow);

#[derive(Default)]
struct Kept {
    beginnings: Vec<Source>,
    names: Vec<(u64, Source)>,
    links: Vec<(u64, Source)>,
    states: Vec<Source>,
}

impl Kept {
    fn take(&mut self, view: &ChunkView, source: Source) {
        let row = &source.1;
        if row.lost_before > 0 && !cfg!(mutant = "carry_stale_state") {
            self.states.clear();
        }
        let term = row.terms.first().map(|id| view.arena.content_hash(*id));
        match (row.kind, term) {
            (EventKind::Spawned | EventKind::Baseline, _) => self.beginnings.push(source),
            (EventKind::Register, Some(name)) => self.names.push((name, source)),
            (EventKind::Unregister, Some(name)) => self.names.retain(|(one, _)| *one != name),
            (EventKind::Link | EventKind::GettingLinked, Some(other)) => {
                self.links.retain(|(one, _)| *one != other);
                if self.links.len() >= MOST_LINKS {
                    self.links.remove(0);
                }
                self.links.push((other, source));
            }
            (EventKind::Unlink | EventKind::GettingUnlinked, Some(other)) => {
                self.links.retain(|(one, _)| *one != other);
            }
            (EventKind::State, _) => {
                if self.states.len() > 1 {
                    self.states.remove(0);
                }
                self.states.push(source);
            }
            _ => {}
        }
    }

    fn rows(self) -> impl Iterator<Item = Source> {
        let named = self.names.into_iter().chain(self.links).map(|(_, source)| source);
        self.beginnings.into_iter().chain(named).chain(self.states)
    }
}

/// What is left of some chunks, the oldest first, when they go: what was carried so far is the first of them. Of tracks that are over by
/// other signs than their end nothing is. It takes no more than `most` bytes: where living tracks need more than that, those that
/// have been silent for longest are forgotten.
pub(crate) fn fold(gone: &[Arc<ChunkView>], is_over: impl Fn(TrackId) -> bool, most: usize) -> Arc<ChunkView> {
    let mut live: MixedMap<TrackId, Kept> = MixedMap::default();
    for (source, view) in gone.iter().enumerate() {
        for row in view.rows() {
            if row.kind == EventKind::Exit {
                live.remove(&row.track);
            } else if row.kind == EventKind::Unregister && !live.contains_key(&row.track) {
                // The VM unregisters what has ended: nothing begins by that.
            } else {
                live.entry(row.track).or_default().take(view, (source, *row));
            }
        }
    }
    let mut tracks: Vec<Vec<Source>> = live
        .into_iter()
        .filter(|(track, _)| !is_over(*track))
        .map(|(_, kept)| kept.rows().collect())
        .collect();
    tracks.sort_unstable_by_key(|rows| std::cmp::Reverse(rows.iter().map(|(_, row)| row.seq).max()));
    loop {
        let carried = build(gone, &tracks);
        if carried.bytes() <= most || tracks.is_empty() || cfg!(mutant = "carry_without_bound") {
            return Arc::new(carried);
        }
        tracks.truncate(tracks.len() / 2);
    }
}

fn build(gone: &[Arc<ChunkView>], tracks: &[Vec<Source>]) -> ChunkView {
    let mut sources: Vec<Source> = tracks.iter().flatten().copied().collect();
    sources.sort_unstable_by_key(|(_, row)| row.seq);
    let first = sources.first().map(|(_, row)| row.seq);
    let mut out = ChunkView::new(first.or(gone.first().map(|view| view.first_seq)).unwrap_or(0));
    let mut done = vec![HashMap::new(); gone.len()];
    for (source, row) in sources {
        let from = &gone[source].arena;
        let terms = row
            .terms
            .iter()
            .map(|id| out.arena.import_with(from, *id, &mut done[source]))
            .collect();
        out.push(EventRow { terms, ..row });
    }
    out
}
