//! Supervisors that start processes for others, and for whom they do it just now.

use super::record::Header;
use crate::event::{EventKind, Fields, Point};
use crate::mixed::MixedMap;
use crate::term::wire::{Reader, Token};

/// The starters of a route.
#[derive(Default)]
pub(crate) struct Starters(MixedMap<u64, Starter>);

#[derive(Default)]
struct Starter {
    /// The recordings for which it is one.
    bits: u64,
    /// Who sent what it handles now; `None` where nobody waits for it.
    asker: Option<u64>,
    /// Whether handling was seen. Otherwise what was received last has to do: right as long as requests do not queue.
    handles: bool,
}

impl Starters {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, pid: u64, bit: u64) {
        self.0.entry(pid).or_default().bits |= bit;
    }

    /// Forgets a recording.
    pub(crate) fn forget(&mut self, bit: u64) {
        self.0.retain(|_, starter| {
            starter.bits &= !bit;
            starter.bits != 0
        });
    }

    /// The recordings for which a process is a starter, and for whom it acts.
    pub(crate) fn get(&self, pid: u64) -> Option<(u64, Option<u64>)> {
        self.0.get(&pid).map(|starter| (starter.bits, starter.asker))
    }

    /// Learns from a starter's own events for whom it acts.
    #[inline]
    pub(crate) fn note(&mut self, header: &Header, payload: &[u8]) {
        if self.0.is_empty() {
            return;
        }
        let Some(starter) = self.0.get_mut(&header.pid) else {
            return;
        };
        let handled = header.kind == EventKind::State as u8;
        if handled && !begins(header) || !handled && starter.handles {
            return;
        }
        starter.handles |= handled;
        starter.asker = asker(payload);
    }
}

/// Whether a state event says that a message is handled from now on. Its message comes first.
fn begins(header: &Header) -> bool {
    let point = matches!(
        Point::from_u8(header.point),
        Some(Point::Handled | Point::Callback | Point::Step)
    );
    point && header.fields & Fields::MESSAGE != 0
}

/// Who waits for the answer to a message, by its shape: `{_, {pid, tag}, request}` is a call, and `{'EXIT', pid, reason}`
/// makes a supervisor start again what had been started for somebody.
fn asker(message: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(message);
    let mut next = || reader.next().ok();
    let triple = matches!(next()?, Token::Tuple(3) | Token::TruncTuple(3, _));
    if !triple || !matches!(next()?, Token::Atom(_)) {
        return None;
    }
    match next()? {
        Token::Pid(pid) => Some(pid),
        Token::Tuple(2) | Token::TruncTuple(2, _) => match next()? {
            Token::Pid(pid) => Some(pid),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::tag;

    const CALL: [u8; 10] = [
        tag::TUPLE,
        3,
        tag::ATOM,
        1,
        tag::TUPLE,
        2,
        tag::PID,
        0x23,
        tag::NIL,
        tag::NIL,
    ];

    #[test]
    fn calls_and_exits_tell_for_whom() {
        assert_eq!(asker(&CALL), Some(0x23));
        assert_eq!(
            asker(&[tag::TUPLE, 3, tag::ATOM, 1, tag::PID, 0x33, tag::NIL]),
            Some(0x33)
        );
        assert_eq!(asker(&[tag::TUPLE, 2, tag::ATOM, 1, tag::PID, 0x33]), None);
        assert_eq!(asker(&[tag::TUPLE, 3, tag::PID, 0x33, tag::PID, 0x33, tag::NIL]), None);
        assert_eq!(asker(&CALL[..7]), None);
        assert_eq!(asker(&[]), None);
    }

    #[test]
    fn what_was_received_counts_until_handling_is_seen() {
        let mut starters = Starters::default();
        starters.add(0x10, 1);
        let event = |kind: EventKind, point| Header {
            kind: kind as u8,
            point,
            fields: Fields::MESSAGE,
            pid: 0x10,
            ..Header::default()
        };
        starters.note(&event(EventKind::Receive, 0), &CALL);
        assert_eq!(starters.get(0x10), Some((1, Some(0x23))));
        starters.note(&event(EventKind::State, Point::Handled as u8), &[tag::NIL]);
        assert_eq!(starters.get(0x10), Some((1, None)));
        starters.note(&event(EventKind::Receive, 0), &CALL);
        starters.note(&event(EventKind::State, Point::Loop as u8), &CALL);
        assert_eq!(starters.get(0x10), Some((1, None)));
        assert_eq!(starters.get(0x20), None);
    }
}
