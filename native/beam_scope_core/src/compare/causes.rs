//! What was because of what, in one recording.
//!
//! Nodes are sends, messages taken up by a server, and messages that came to somebody of whom no more is seen. Each knows what its
//! process did before it in the same unit, and the send that it came from. A server's units are not because of each other: that it
//! handled one message before another makes no order, else the order of a run would explain itself. (As
//! `BeamScope.Golden.Causality` has it.)
//!
//! Where units do count one after the other this is the order of L. Lamport, "Time, clocks, and the ordering of events in a
//! distributed system", CACM 21(7), 1978: [`Causes::first_of`] goes by that.

use std::collections::{HashMap, HashSet};

use crate::store::TrackId;

/// There is none.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    seq: u64,
    track: TrackId,
    prev: u32,
    cause: u32,
}

/// The nodes of a recording, in the order of their events.
#[derive(Debug, Default)]
pub(super) struct Causes {
    nodes: Vec<Node>,
}

impl Causes {
    pub(super) fn add(&mut self, seq: u64, track: TrackId, prev: u32, cause: u32) -> u32 {
        let id = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        if id != NONE {
            self.nodes.push(Node {
                seq,
                track,
                prev,
                cause,
            });
        }
        id
    }

    /// This one was because of that after all.
    pub(super) fn precede(&mut self, node: u32, by: u32) {
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.prev = by;
        }
    }

    /// The node of an event.
    pub(super) fn find(&self, seq: u64) -> u32 {
        self.nodes
            .binary_search_by_key(&seq, |node| node.seq)
            .map_or(NONE, |at| at as u32)
    }

    /// Which of these events come before another for sure. Goes back no further than the first of them; gives up when out of
    /// fuel.
    pub(super) fn before(&self, event: u64, of: &HashSet<u64>, floor: u64, fuel: &mut u64) -> Vec<u64> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut stack = vec![self.find(event)];
        while let Some(id) = stack.pop() {
            let Some(node) = self.nodes.get(id as usize) else {
                continue;
            };
            if *fuel == 0 || node.seq < floor || !seen.insert(id) {
                continue;
            }
            *fuel -= 1;
            if node.seq != event && of.contains(&node.seq) {
                found.push(node.seq);
            }
            stack.extend([node.prev, node.cause]);
        }
        found
    }

    /// For each of these places (a track and an event of it, at most 64) those that happened before it, as bits.
    pub(super) fn first_of(&self, places: &[Option<(TrackId, u64)>]) -> Vec<u64> {
        let mut marks: Vec<(u64, TrackId, usize)> = places
            .iter()
            .take(64)
            .enumerate()
            .filter_map(|(at, place)| place.map(|(track, seq)| (seq, track, at)))
            .collect();
        marks.sort_unstable();
        let mut before = vec![0; places.len()];
        let Some(start) = marks.first().map(|(seq, ..)| *seq) else {
            return before;
        };
        let mut past: HashMap<TrackId, u64> = HashMap::new();
        let mut carried: HashMap<u32, u64> = HashMap::new();
        let mut marks = marks.into_iter().peekable();
        let from = self.nodes.partition_point(|node| node.seq < start);
        for (id, node) in self.nodes.iter().enumerate().skip(from) {
            while let Some((_, track, at)) = marks.next_if(|(seq, ..)| *seq <= node.seq) {
                let past = past.entry(track).or_default();
                before[at] = *past;
                *past |= 1 << at;
            }
            if let Some(mark) = carried.get(&node.cause) {
                *past.entry(node.track).or_default() |= mark;
            }
            if let Some(mark) = past.get(&node.track).filter(|mark| **mark != 0) {
                carried.insert(id as u32, *mark);
            }
        }
        for (_, track, at) in marks {
            let past = past.entry(track).or_default();
            before[at] = *past;
            *past |= 1 << at;
        }
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: TrackId = TrackId(1);
    const Y: TrackId = TrackId(2);
    const S: TrackId = TrackId(3);

    fn of(seqs: &[u64]) -> HashSet<u64> {
        seqs.iter().copied().collect()
    }

    #[test]
    fn what_was_sent_because_of_another() {
        let mut causes = Causes::default();
        let first = causes.add(10, X, NONE, NONE);
        let told = causes.add(20, X, first, NONE);
        let open = causes.add(30, Y, NONE, told);
        causes.add(40, Y, open, NONE);
        let mut fuel = 100;
        assert_eq!(causes.before(40, &of(&[10, 40]), 10, &mut fuel), [10]);
        assert_eq!(causes.before(40, &of(&[10, 40]), 11, &mut fuel), [0; 0]);
        assert_eq!(causes.before(40, &of(&[10]), 10, &mut 1), [0; 0]);
    }

    #[test]
    fn units_of_a_server_are_not_because_of_each_other_but_happen_in_order() {
        let mut causes = Causes::default();
        let x = causes.add(10, X, NONE, NONE);
        let y = causes.add(11, Y, NONE, NONE);
        causes.add(20, S, NONE, x);
        let open = causes.add(30, S, NONE, y);
        causes.add(31, S, open, NONE);
        assert_eq!(causes.before(31, &of(&[10]), 0, &mut 100), [0; 0]);
        assert_eq!(causes.first_of(&[Some((X, 10)), Some((S, 31)), None]), [0, 1, 0]);
    }

    #[test]
    fn a_place_after_all_nodes_knows_what_came_before() {
        let mut causes = Causes::default();
        let x = causes.add(10, X, NONE, NONE);
        causes.add(20, Y, NONE, x);
        assert_eq!(causes.first_of(&[Some((Y, 50)), Some((X, 5))]), [2, 0]);
    }
}
