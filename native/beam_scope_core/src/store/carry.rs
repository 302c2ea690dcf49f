//! What is carried forward when the oldest chunks go.
//!
//! Chunks that were dropped are replaced by one small chunk in front. Its rows are those that living tracks still need:
//! how they began, the names they bear, the links they have, their last state rows; each with the position and time it
//! had. So no reader needs to know that anything was dropped. Tracks that ended are forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::row::{EventRow, TrackId};
use super::view::ChunkView;
use crate::event::EventKind;

/// Of a process with more links than this, the oldest are forgotten.
const MOST_LINKS: usize = 64;

/// A row and the view it lies in: 0 what was carried so far, 1 the chunk that goes.
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

/// What is left of `carried` and `gone` when `gone` goes.
pub(crate) fn fold(carried: &ChunkView, gone: &ChunkView) -> Arc<ChunkView> {
    let mut live: BTreeMap<TrackId, Kept> = BTreeMap::new();
    for (source, view) in [carried, gone].into_iter().enumerate() {
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
    let mut sources: Vec<Source> = live.into_values().flat_map(Kept::rows).collect();
    sources.sort_by_key(|(_, row)| row.seq);
    let mut out = ChunkView::new(sources.first().map_or(gone.first_seq, |(_, row)| row.seq));
    let mut done = [HashMap::new(), HashMap::new()];
    for (source, row) in sources {
        let from = &[carried, gone][source].arena;
        let terms = row
            .terms
            .iter()
            .map(|id| out.arena.import_with(from, *id, &mut done[source]))
            .collect();
        out.push(EventRow { terms, ..row });
    }
    Arc::new(out)
}
