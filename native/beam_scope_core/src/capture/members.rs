//! Which processes belong to which of the recordings that share a route.

use super::record::Header;
use crate::event::EventKind;
use crate::term::tag;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// A process's recordings, as bits.
#[derive(Default)]
pub(crate) struct Members {
    bits: HashMap<u64, u64, BuildHasherDefault<PidHasher>>,
    /// Processes that ended, and when: events about them may still come, but not for long.
    ended: VecDeque<(u64, u64)>,
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

    /// Forgets a recording.
    pub(crate) fn forget(&mut self, bit: u64) {
        self.bits.retain(|_, bits| {
            *bits &= !bit;
            *bits != 0
        });
    }

    /// The recordings that an event belongs to. Children join the `following` ones of their parent's, whichever of the two
    /// spawn events comes first.
    #[inline]
    pub(crate) fn of_event(&mut self, header: &Header, payload: &[u8], following: impl FnOnce() -> u64) -> u64 {
        match EventKind::from_u8(header.kind) {
            Some(EventKind::Spawn) => self.inherit(first_pid(payload), Some(header.pid), following()),
            Some(EventKind::Spawned) => self.inherit(Some(header.pid), first_pid(payload), following()),
            Some(EventKind::Exit) => self.end(header.pid, header.time),
            _ => {}
        }
        self.of(header.pid)
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

/// Pid words differ in their middle bits: one multiplication spreads them.
#[derive(Default)]
pub(crate) struct PidHasher(u64);

impl Hasher for PidHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
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

    #[test]
    fn reads_the_first_pid_only() {
        assert_eq!(first_pid(&[tag::PID, 0x83, 0x01, 0xff]), Some(0x83));
        assert_eq!(first_pid(&[tag::ATOM, 1]), None);
        assert_eq!(first_pid(&[tag::PID, 0x80]), None);
        assert_eq!(first_pid(&[]), None);
    }
}
