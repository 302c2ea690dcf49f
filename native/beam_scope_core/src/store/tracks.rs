//! Which process incarnation an event belongs to.

use super::row::{TrackId, TrackInfo};
use crate::event::EventKind;
use crate::mixed::MixedMap;

/// Fewer tracks than this are not looked through for those that can go.
const FEW: usize = 1024;

/// The tracks of a recording, and the current one of each pid.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracks {
    infos: MixedMap<TrackId, TrackInfo>,
    current: MixedMap<u64, TrackId>,
    /// The number of the next one: none is ever given twice.
    next: u32,
    /// When there are so many, those that are over and gone are looked for.
    sweep_at: usize,
}

impl Tracks {
    /// All of them, in the order in which they began.
    pub(crate) fn all(&self) -> Vec<TrackInfo> {
        let mut all: Vec<TrackInfo> = self.infos.values().cloned().collect();
        all.sort_unstable_by_key(|info| info.id);
        all
    }

    pub(crate) fn get(&self, id: TrackId) -> Option<&TrackInfo> {
        self.infos.get(&id)
    }

    pub(crate) fn count(&self) -> usize {
        self.infos.len()
    }

    /// Whether a track is over, by its end or because its pid is another's, and its last event was before that.
    pub(crate) fn was_over_before(&self, id: TrackId, oldest_ns: u64) -> bool {
        self.get(id).is_none_or(|info| is_gone(info, oldest_ns))
    }

    /// Forgets tracks that are over and of which nothing is left: their last events were before `oldest_ns`. Looks through all of them
    /// only when they have doubled since it did so last.
    pub(crate) fn forget_before(&mut self, oldest_ns: u64) {
        if self.infos.len() < self.sweep_at.max(FEW) {
            return;
        }
        self.infos.retain(|_, info| !is_gone(info, oldest_ns));
        let infos = &self.infos;
        self.current.retain(|_, id| infos.contains_key(id));
        self.infos.shrink_to(self.infos.len() * 2);
        self.current.shrink_to(self.current.len() * 2);
        self.sweep_at = self.infos.len() * 2;
    }

    /// The track that this event of a pid belongs to, made when it is the first. Counts the event.
    pub(crate) fn enter(&mut self, pid: u64, kind: EventKind, seq: u64, at_ns: u64) -> TrackId {
        let id = match self.current.get(&pid).copied() {
            Some(id) if !self.begins_anew(id, kind) => id,
            old => self.begin(old, pid, kind, seq, at_ns),
        };
        if let Some(info) = self.infos.get_mut(&id) {
            info.events += 1;
            info.last_ns = at_ns;
            if kind == EventKind::Exit && info.ended_ns.is_none() {
                info.ended_ns = Some(at_ns);
            }
        }
        id
    }

    /// Whether an event cannot belong to a track: the pid is in use by a new process.
    fn begins_anew(&self, id: TrackId, kind: EventKind) -> bool {
        let Some(info) = self.infos.get(&id) else { return true };
        match kind {
            EventKind::Spawned => true,
            // The VM unregisters and unlinks after it has traced the exit; the control plane may come late.
            EventKind::Exit
            | EventKind::Unregister
            | EventKind::Unlink
            | EventKind::GettingUnlinked
            | EventKind::Baseline
            | EventKind::Note => false,
            _ => info.ended_ns.is_some(),
        }
    }

    fn begin(&mut self, old: Option<TrackId>, pid: u64, kind: EventKind, seq: u64, at_ns: u64) -> TrackId {
        if let Some(info) = old.and_then(|old| self.infos.get_mut(&old)) {
            info.ended_ns.get_or_insert(at_ns);
        }
        let id = TrackId(self.next);
        self.next = self.next.wrapping_add(1);
        let born = kind == EventKind::Spawned;
        let info = TrackInfo {
            id,
            pid,
            first_seq: seq,
            began_ns: at_ns,
            last_ns: at_ns,
            ended_ns: None,
            born,
            events: 0,
            lost: 0,
        };
        self.infos.insert(id, info);
        self.current.insert(pid, id);
        id
    }

    /// The track that a pid has now.
    pub(crate) fn current(&self, pid: u64) -> Option<&TrackInfo> {
        self.current.get(&pid).and_then(|id| self.get(*id))
    }

    /// Tracks that were read from a file.
    pub(crate) fn restore(infos: Vec<TrackInfo>) -> Self {
        Self {
            current: infos.iter().map(|info| (info.pid, info.id)).collect(),
            next: infos.last().map_or(0, |last| last.id.0.wrapping_add(1)),
            infos: infos.into_iter().map(|info| (info.id, info)).collect(),
            sweep_at: 0,
        }
    }

    /// Counts losses of a pid's current track, if it has one.
    pub(crate) fn lost(&mut self, pid: u64, count: u64) -> Option<TrackId> {
        let id = *self.current.get(&pid)?;
        self.infos.get_mut(&id)?.lost += count;
        Some(id)
    }

    pub(crate) fn of_pid(&self, pid: u64) -> Vec<TrackId> {
        let mut ids: Vec<TrackId> = self
            .infos
            .values()
            .filter(|info| info.pid == pid)
            .map(|info| info.id)
            .collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn bytes(&self) -> usize {
        self.infos.capacity() * (size_of::<TrackInfo>() + 9) + self.current.capacity() * 17
    }
}

const fn is_gone(info: &TrackInfo, oldest_ns: u64) -> bool {
    info.ended_ns.is_some() && (info.last_ns < oldest_ns || cfg!(mutant = "tracks_forgotten_early"))
}
