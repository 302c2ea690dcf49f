//! Which process incarnation an event belongs to.

use std::collections::HashMap;

use super::row::{TrackId, TrackInfo};
use crate::event::EventKind;

/// The tracks of a recording, and the current one of each pid.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    infos: Vec<TrackInfo>,
    current: HashMap<u64, TrackId>,
}

impl Tracks {
    pub(crate) fn all(&self) -> &[TrackInfo] {
        &self.infos
    }

    pub(crate) fn get(&self, id: TrackId) -> Option<&TrackInfo> {
        self.infos.get(id.0 as usize)
    }

    /// The track that this event of a pid belongs to, made when it is the first. Counts the event.
    pub(crate) fn enter(&mut self, pid: u64, kind: EventKind, seq: u64, at_ns: u64) -> TrackId {
        let id = match self.current.get(&pid).copied() {
            Some(id) if !self.begins_anew(id, kind) => id,
            old => self.begin(old, pid, kind, seq, at_ns),
        };
        let info = &mut self.infos[id.0 as usize];
        info.events += 1;
        info.last_ns = at_ns;
        if kind == EventKind::Exit && info.ended_ns.is_none() {
            info.ended_ns = Some(at_ns);
        }
        id
    }

    /// Whether an event cannot belong to a track: the pid is in use by a new process.
    fn begins_anew(&self, id: TrackId, kind: EventKind) -> bool {
        let info = &self.infos[id.0 as usize];
        match kind {
            EventKind::Spawned => true,
            // The VM unregisters and unlinks after it has traced the exit; the control plane may come late.
            EventKind::Exit
            | EventKind::Unregister
            | EventKind::Unlink
            | EventKind::GettingUnlinked
            | EventKind::Baseline
            | EventKind::Note
            | EventKind::System => false,
            // What an exiting process does last is still its own.
            EventKind::Gc | EventKind::Running => false,
            _ => info.ended_ns.is_some(),
        }
    }

    fn begin(&mut self, old: Option<TrackId>, pid: u64, kind: EventKind, seq: u64, at_ns: u64) -> TrackId {
        if let Some(old) = old {
            self.infos[old.0 as usize].ended_ns.get_or_insert(at_ns);
        }
        let id = TrackId(self.infos.len() as u32);
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
        self.infos.push(info);
        self.current.insert(pid, id);
        id
    }

    /// The track that a pid has now.
    pub(crate) fn current(&self, pid: u64) -> Option<&TrackInfo> {
        self.current.get(&pid).and_then(|id| self.get(*id))
    }

    /// Tracks that were read from a file.
    pub(crate) fn restore(infos: Vec<TrackInfo>) -> Self {
        let current = infos.iter().map(|info| (info.pid, info.id)).collect();
        Self { infos, current }
    }

    /// Counts losses of a pid's current track, if it has one.
    pub(crate) fn lost(&mut self, pid: u64, count: u64) -> Option<TrackId> {
        let id = *self.current.get(&pid)?;
        self.infos[id.0 as usize].lost += count;
        Some(id)
    }

    pub(crate) fn of_pid(&self, pid: u64) -> Vec<TrackId> {
        self.infos
            .iter()
            .filter(|info| info.pid == pid)
            .map(|info| info.id)
            .collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.infos.capacity() * size_of::<TrackInfo>() + self.current.capacity() * 16
    }
}
