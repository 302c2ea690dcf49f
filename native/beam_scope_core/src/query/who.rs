//! The processes that a selector stands for, in every form in which a row may name them.

use crate::event::EventKind;
use crate::store::{ChunkView, EventRow, TrackId};
use crate::term::arena::{Arena, Node, NodeId};
use crate::term::Value;
use crate::timeline::history::sender_pid;
use crate::timeline::view::Inner;
use crate::timeline::{term, Facts, Selector};

/// Some tracks. Track numbers are small and dense, so that a set of them is a row of bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracks {
    list: Vec<TrackId>,
    bits: Vec<u64>,
}

impl Tracks {
    fn add(&mut self, track: TrackId) {
        if self.contains(track) {
            return;
        }
        let at = track.0 as usize / 64;
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        self.bits[at] |= 1 << (track.0 % 64);
        self.list.push(track);
    }

    pub(crate) fn contains(&self, track: TrackId) -> bool {
        let word = self.bits.get(track.0 as usize / 64);
        word.is_some_and(|word| word >> (track.0 % 64) & 1 == 1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = TrackId> + '_ {
        self.list.iter().copied()
    }
}

/// What a selector stands for.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) tracks: Tracks,
    pub(crate) pid: Option<u64>,
    name: Option<Value>,
    /// How many of each list of the facts were taken in.
    known: [usize; 2],
}

impl Who {
    pub(crate) fn of(facts: &Facts, who: &Selector) -> Self {
        let pid = if let Selector::Pid(pid) = who { Some(*pid) } else { None };
        let name = if let Selector::Name(name) = who {
            Some(name.clone())
        } else {
            None
        };
        let mut all = Self {
            tracks: Tracks::default(),
            pid,
            name,
            known: [0; 2],
        };
        all.refresh(facts, who);
        all
    }

    /// Takes in those that came since.
    pub(crate) fn refresh(&mut self, facts: &Facts, who: &Selector) {
        for (list, known) in facts.of(who).into_iter().zip(&mut self.known) {
            let new = list.get(*known..).unwrap_or_default();
            new.iter().for_each(|track| self.tracks.add(*track));
            *known = list.len();
        }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.tracks.list.is_empty()
    }

    fn has(&self, track: Option<TrackId>) -> bool {
        track.is_some_and(|track| self.tracks.contains(track))
    }

    fn is_node(&self, arena: &Arena, node: NodeId) -> bool {
        match arena.node(node) {
            Node::Pid(pid) => self.pid == Some(pid),
            _ => self.name.as_ref().is_some_and(|name| arena.find(name) == Some(node)),
        }
    }

    /// Whether a message came from them.
    pub(crate) fn sent(&self, view: &ChunkView, row: &EventRow, ends: &Ends) -> bool {
        let sender = match row.kind {
            EventKind::Receive => term(row, 1),
            EventKind::Send | EventKind::SendToDead => None,
            _ => return false,
        };
        let by_pid = sender.and_then(|sender| sender_pid(&view.arena, sender));
        self.has(ends.from) || by_pid.is_some_and(|pid| self.pid == Some(pid))
    }

    /// Whether a message was for them.
    pub(crate) fn got(&self, view: &ChunkView, row: &EventRow, ends: &Ends) -> bool {
        match row.kind {
            EventKind::Receive => self.has(Some(row.track)),
            EventKind::Send | EventKind::SendToDead => {
                let by_alias = ends.to_pid.is_some_and(|pid| self.pid == Some(pid));
                self.has(ends.to) || by_alias || term(row, 0).is_some_and(|to| self.is_node(&view.arena, to))
            }
            _ => false,
        }
    }
}

/// Who sent a message and who it was for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) partner: Option<u64>,
    pub(crate) from: Option<TrackId>,
    pub(crate) to: Option<TrackId>,
    pub(crate) to_pid: Option<u64>,
}

impl Ends {
    /// Of what is no message.
    pub(crate) const NONE: Self = Self {
        partner: None,
        from: None,
        to: None,
        to_pid: None,
    };

    /// As far as the recording tells.
    pub(crate) fn of(inner: &Inner, view: &ChunkView, row: &EventRow) -> Self {
        match row.kind {
            EventKind::Send | EventKind::SendToDead => Self {
                partner: inner.pairs.partner(row.seq),
                from: Some(row.track),
                to: inner.pairs.destination(row.seq),
                to_pid: inner.pairs.behind_alias(row.seq),
            },
            EventKind::Receive => {
                let sender = term(row, 1).and_then(|sender| sender_pid(&view.arena, sender));
                let by_pid = sender.and_then(|pid| inner.index.facts.of_pid_at(pid, row.seq));
                let from = by_pid.or_else(|| inner.pairs.sender(row.seq));
                Self {
                    partner: inner.pairs.partner(row.seq),
                    from,
                    to: Some(row.track),
                    to_pid: None,
                }
            }
            _ => Self::NONE,
        }
    }
}
