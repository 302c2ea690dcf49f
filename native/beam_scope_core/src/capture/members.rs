//! Which processes belong to which of the recordings of a route.

use super::record::Header;
use super::starters::Starters;
use crate::event::EventKind;
use crate::mixed::MixedMap;
use crate::term::tag;
use std::collections::VecDeque;

/// A process's recordings, as bits.
#[derive(Default)]
pub(crate) struct Members {
    bits: MixedMap<u64, u64>,
    /// Processes that ended, and when: events about them may still come, but not for long.
    ended: VecDeque<(u64, u64)>,
    /// Supervisors that start processes for members, though they are none themselves.
    starters: Starters,
}

/// Whose an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whose {
    /// The recordings that it belongs to.
    pub(crate) members: u64,
    /// Of a starter's spawn: the recordings that the child belongs to, since one of their members asked for it.
    pub(crate) adopted: u64,
    /// The others for which it is a starter: whether the child belongs to them is not known.
    pub(crate) strangers: u64,
}

/// No process has this word. A recording of which it is a member takes in every process that starts, whoever its parent.
pub const EVERYONE: u64 = 0;

/// How long an ended process stays known.
const LINGER_NS: u64 = 1_000_000_000;

impl Members {
    pub(crate) fn of(&self, pid: u64) -> u64 {
        self.bits.get(&pid).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, pid: u64, bit: u64) {
        *self.bits.entry(pid).or_default() |= bit;
    }

    pub(crate) fn remove(&mut self, pid: u64, bit: u64) {
        if let Some(bits) = self.bits.get_mut(&pid) {
            *bits &= !bit;
            if *bits == 0 {
                self.bits.remove(&pid);
            }
        }
    }

    /// A supervisor starts processes for members of the recording.
    pub(crate) fn add_starter(&mut self, pid: u64, bit: u64) {
        self.starters.add(pid, bit);
    }

    /// Whether membership tells more than that the VM sent an event under this route.
    pub(crate) fn has_starters(&self) -> bool {
        !self.starters.is_empty()
    }

    /// Forgets a recording.
    pub(crate) fn forget(&mut self, bit: u64) {
        self.starters.forget(bit);
        self.bits.retain(|_, bits| {
            *bits &= !bit;
            *bits != 0
        });
    }

    /// Whose an event is. Children join the `following` recordings of their parent, whichever of the two spawn events comes
    /// first, and those of the process for which a starter started them.
    #[inline]
    pub(crate) fn of_event(&mut self, header: &Header, payload: &[u8], following: impl FnOnce() -> u64) -> Whose {
        let mut whose = Whose::default();
        match EventKind::from_u8(header.kind) {
            Some(EventKind::Spawn) => {
                let following = following();
                self.inherit(first_pid(payload), Some(header.pid), following);
                self.adopt(first_pid(payload), header.pid, following, &mut whose);
            }
            Some(EventKind::Spawned) => self.inherit(Some(header.pid), first_pid(payload), following()),
            Some(EventKind::Exit) => self.end(header.pid, header.time),
            Some(EventKind::State | EventKind::Receive) => self.starters.note(header, payload),
            _ => {}
        }
        whose.members = self.of(header.pid);
        whose
    }

    fn inherit(&mut self, child: Option<u64>, parent: Option<u64>, following: u64) {
        let (Some(child), Some(parent)) = (child, parent) else {
            return;
        };
        let bits = (self.of(parent) & following) | self.of(EVERYONE);
        if bits != 0 && !cfg!(mutant = "children_do_not_join") {
            self.add(child, bits);
        }
    }

    /// A starter's child joins the recordings of whoever asked for it.
    fn adopt(&mut self, child: Option<u64>, starter: u64, following: u64, whose: &mut Whose) {
        let (Some(child), Some((bits, asker))) = (child, self.starters.get(starter)) else {
            return;
        };
        let bits = bits & following;
        whose.adopted = bits & asker.map_or(0, |pid| self.of(pid));
        if whose.adopted != 0 && !cfg!(mutant = "asked_for_do_not_join") {
            self.add(child, whose.adopted);
        }
        whose.strangers = bits & !self.of(child);
    }

    fn end(&mut self, pid: u64, time: u64) {
        self.ended.push_back((time, pid));
        while let Some(&(ended, pid)) = self.ended.front() {
            if time.saturating_sub(ended) < LINGER_NS {
                break;
            }
            self.ended.pop_front();
            self.bits.remove(&pid);
        }
    }
}

/// The pid that terms begin with, if they do.
fn first_pid(terms: &[u8]) -> Option<u64> {
    let (&first, rest) = terms.split_first()?;
    if first != tag::PID {
        return None;
    }
    let mut word = 0u64;
    for (index, byte) in rest.iter().take(10).enumerate() {
        word |= u64::from(byte & 0x7f).wrapping_shl(7 * index as u32);
        if byte & 0x80 == 0 {
            return Some(word);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_who_starts_joins_who_wants_everyone() {
        let mut members = Members::default();
        members.add(EVERYONE, 1);
        members.inherit(Some(0x10), Some(0x20), 0);
        assert_eq!((members.of(0x10), members.of(0x20)), (1, 0));
        members.forget(1);
        members.inherit(Some(0x30), Some(0x10), 1);
        assert_eq!(members.of(0x30), 0);
    }

    const STARTER: u64 = 0x13;
    const MEMBER: u64 = 0x23;
    const OTHER: u64 = 0x33;

    fn spawn(members: &mut Members, child: u64) -> Whose {
        let header = Header {
            kind: EventKind::Spawn as u8,
            pid: STARTER,
            ..Header::default()
        };
        members.of_event(&header, &[tag::PID, child as u8], || 0b11)
    }

    fn asked(members: &mut Members, pid: u64) {
        let header = Header {
            kind: EventKind::State as u8,
            point: crate::event::Point::Handled as u8,
            fields: crate::event::Fields::MESSAGE,
            pid: STARTER,
            ..Header::default()
        };
        let call = [
            tag::TUPLE,
            3,
            tag::ATOM,
            1,
            tag::TUPLE,
            2,
            tag::PID,
            pid as u8,
            tag::NIL,
            tag::NIL,
        ];
        members.of_event(&header, &call, || 0b11);
    }

    #[test]
    fn what_a_starter_starts_belongs_to_who_asked_for_it() {
        let mut members = Members::default();
        members.add(MEMBER, 1);
        members.add(OTHER, 2);
        members.add_starter(STARTER, 1);
        members.add_starter(STARTER, 2);
        let whose = |adopted, strangers| Whose {
            members: 0,
            adopted,
            strangers,
        };
        assert_eq!(spawn(&mut members, 0x43), whose(0, 0b11));
        asked(&mut members, MEMBER);
        assert_eq!(spawn(&mut members, 0x53), whose(0b01, 0b10));
        asked(&mut members, OTHER);
        assert_eq!(spawn(&mut members, 0x63), whose(0b10, 0b01));
        asked(&mut members, 0x73);
        assert_eq!(spawn(&mut members, 0x7b), whose(0, 0b11));
        assert_eq!([0x43, 0x53, 0x63, 0x7b].map(|pid| members.of(pid)), [0, 1, 2, 0]);
        members.forget(1);
        asked(&mut members, MEMBER);
        assert_eq!(spawn(&mut members, 0x0b), whose(0, 0b10));
        assert!(members.has_starters());
        members.forget(2);
        assert!(!members.has_starters());
    }

    #[test]
    fn reads_the_first_pid_only() {
        assert_eq!(first_pid(&[tag::PID, 0x83, 0x01, 0xff]), Some(0x83));
        assert_eq!(first_pid(&[tag::ATOM, 1]), None);
        assert_eq!(first_pid(&[tag::PID, 0x80]), None);
        assert_eq!(first_pid(&[]), None);
    }
}
