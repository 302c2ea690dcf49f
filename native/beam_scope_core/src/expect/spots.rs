//! When a step happened to the processes that took part in it, and which of two steps comes after the other.
//!
//! A message happens to each of its two processes at one moment. What takes time — a message that is handled, from being
//! taken up until the loop goes on; a call that is asked for its value, until it returns — happens at some moment of that
//! time. Steps are in order where there are such moments in the order of the steps, process by process: so one step may
//! follow another unless it was over before that began. A server's sends may be told before or after the message that it
//! handles meanwhile; the state that it then comes to is told after both.

use crate::store::TrackId;
use crate::timeline::view::Inner;

use super::check::What;
use super::subject::Place;

/// A position in the life of a process: an event, and what is told of it in which order.
type At = (u64, u64);

/// When something happened to a process: at some moment from the one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) track: TrackId,
    began: At,
    ended: At,
}

impl Spot {
    const fn at(track: TrackId, at: At) -> Self {
        Self {
            track,
            began: at,
            ended: at,
        }
    }

    const fn is_before(&self, other: &Self) -> bool {
        less(self.ended, other.began)
    }
}

const fn less(a: At, b: At) -> bool {
    a.0 < b.0 || a.0 == b.0 && a.1 < b.1
}

/// The processes that took part, and when. A message is sent by one and received by another, where that was seen; `from` is
/// who sent it, where the message itself tells.
pub(super) fn spots(inner: &Inner, place: &Place, from: Option<TrackId>) -> Vec<Spot> {
    let pairs = &inner.pairs;
    let other = match place.what {
        What::Sent => pairs.destination(place.seq),
        What::Received => from.or_else(|| pairs.sender(place.seq)),
        _ => return vec![alone(place)],
    };
    let mut spots = vec![Spot::at(place.track, (place.seq, place.seq))];
    if let Some(other) = other.filter(|other| *other != place.track) {
        let seen = pairs.partner(place.seq).unwrap_or(place.seq);
        spots.push(Spot::at(other, (seen, place.seq)));
    }
    spots
}

/// Of one event's doings a transition comes first, then the state that it led to and the crash that it was; then what the
/// event completes after that, then what it begins.
fn alone(place: &Place) -> Spot {
    let nth = u64::from(place.nth) * 2;
    let order = match place.what {
        What::State => nth + 1,
        What::Crashed if place.by_transition => nth + 1,
        What::Crashed | What::Exited => u64::MAX,
        _ => nth,
    };
    let ended = (place.seq, order);
    let began = match place.began == place.seq || cfg!(mutant = "expect_flow_steps_are_points") {
        true => ended,
        false => (place.began, u64::MAX),
    };
    Spot {
        track: place.track,
        began,
        ended,
    }
}

/// Whether `b` may come after `a` in each process that both have.
pub(super) fn comes_after(a: &[Spot], b: &[Spot]) -> bool {
    let mut shared = a
        .iter()
        .flat_map(|a| b.iter().map(move |b| (a, b)))
        .filter(|(a, b)| a.track == b.track);
    shared.all(|(a, b)| !b.is_before(a)) || cfg!(mutant = "expect_flow_ignores_order")
}

/// Of two that share all their processes: whether whatever may follow the second may follow the first, which itself may not.
pub(super) fn is_later(a: &[Spot], b: &[Spot]) -> bool {
    let mut both = a.iter().zip(b);
    both.clone().all(|(a, b)| a.track == b.track && !less(b.began, a.began)) && both.any(|(a, b)| a.is_before(b))
}
