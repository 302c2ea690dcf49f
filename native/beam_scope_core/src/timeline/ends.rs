//! The other ends of messages, by the number of the event: eight bytes for each event of a recording.

use std::collections::{HashMap, VecDeque};

use crate::store::TrackId;

/// Events in a block. Blocks without messages are not made.
const BLOCK: u64 = 4096;

/// Of one event: how many events away its other end is (0: not known), and which process that happened to (0: not known).
#[derive(Clone, Copy, Debug, Default)]
struct End {
    away: i32,
    track: u32,
}

type Block = Option<Box<[End; BLOCK as usize]>>;

/// For each send its receive and where it went, for each receive its send and whom it came from.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The number of the first block.
    first: u64,
    blocks: VecDeque<Block>,
    /// Pids of receivers that are no process of the recording, behind the alias that was sent to.
    pids: HashMap<u64, Vec<(u32, u64)>>,
    bytes: usize,
}

const BLOCK_BYTES: usize = size_of::<[End; BLOCK as usize]>();
const PID_BYTES: usize = size_of::<(u32, u64)>();

impl Ends {
    /// A send and its receive, and whom they happened to.
    pub(crate) fn pair(&mut self, send: u64, receive: u64, sender: TrackId, receiver: TrackId) {
        // Ends too far apart for the table know each other's process only.
        let away = receive.wrapping_sub(send);
        let away = i32::try_from(away as i64).unwrap_or(0);
        self.set(send, away, receiver);
        self.set(receive, -away, sender);
    }

    /// Where a send went, not paired (yet).
    pub(crate) fn address(&mut self, send: u64, receiver: TrackId) {
        self.set(send, 0, receiver);
    }

    /// Which pid a send went to.
    pub(crate) fn address_pid(&mut self, send: u64, pid: u64) {
        self.bytes += PID_BYTES;
        self.pids
            .entry(send / BLOCK)
            .or_default()
            .push(((send % BLOCK) as u32, pid));
    }

    /// The event at the other end.
    pub(crate) fn partner(&self, event: u64) -> Option<u64> {
        let end = self.get(event).filter(|end| end.away != 0)?;
        event.checked_add_signed(i64::from(end.away))
    }

    /// The process at the other end.
    pub(crate) fn track(&self, event: u64) -> Option<TrackId> {
        self.get(event)?.track.checked_sub(1).map(TrackId)
    }

    /// The pid that a send went to, where it is no process of the recording.
    pub(crate) fn pid(&self, send: u64) -> Option<u64> {
        let block = self.pids.get(&(send / BLOCK))?;
        let at = block
            .binary_search_by_key(&((send % BLOCK) as u32), |(at, _)| *at)
            .ok()?;
        Some(block[at].1)
    }

    /// Forgets events that are no longer in the recording.
    pub(crate) fn forget_before(&mut self, event: u64) {
        while self.first < event / BLOCK && !self.blocks.is_empty() {
            let block = self.blocks.pop_front().flatten();
            let pids = self.pids.remove(&self.first);
            self.bytes -= block.map_or(0, |_| BLOCK_BYTES) + pids.map_or(0, |pids| pids.len() * PID_BYTES);
            self.first += 1;
        }
    }

    /// Bytes held, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn get(&self, event: u64) -> Option<End> {
        let block = (event / BLOCK).checked_sub(self.first)?;
        let block = self.blocks.get(usize::try_from(block).ok()?)?.as_ref()?;
        Some(block[(event % BLOCK) as usize])
    }

    fn set(&mut self, event: u64, away: i32, track: TrackId) {
        if self.blocks.is_empty() {
            self.first = event / BLOCK;
        }
        // Of what was forgotten nothing is told any more.
        let Some(block) = (event / BLOCK).checked_sub(self.first) else {
            return;
        };
        let block = block as usize;
        if self.blocks.len() <= block {
            self.blocks.resize_with(block + 1, || None);
        }
        if let Some(slot) = self.blocks.get_mut(block) {
            let ends = slot.get_or_insert_with(|| {
                self.bytes += BLOCK_BYTES;
                Box::new([End::default(); BLOCK as usize])
            });
            let track = track.0.saturating_add(1);
            ends[(event % BLOCK) as usize] = End { away, track };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_know_each_other() {
        let mut ends = Ends::default();
        ends.address(5000, TrackId(3));
        assert_eq!((ends.partner(5000), ends.track(5000)), (None, Some(TrackId(3))));
        ends.pair(5000, 20_000, TrackId(1), TrackId(2));
        assert_eq!((ends.partner(5000), ends.track(5000)), (Some(20_000), Some(TrackId(2))));
        assert_eq!(
            (ends.partner(20_000), ends.track(20_000)),
            (Some(5000), Some(TrackId(1)))
        );
        assert_eq!(
            (ends.partner(5001), ends.track(12_000), ends.pid(5000)),
            (None, None, None)
        );
        ends.address_pid(5002, 77);
        assert_eq!((ends.pid(5002), ends.pid(5001)), (Some(77), None));
    }

    #[test]
    fn what_is_forgotten_stays_so() {
        let mut ends = Ends::default();
        ends.pair(10, 30_000, TrackId(1), TrackId(2));
        ends.address_pid(11, 7);
        ends.forget_before(20_000);
        assert_eq!((ends.partner(10), ends.pid(11)), (None, None));
        ends.address(10, TrackId(4));
        assert_eq!(ends.track(10), None);
        assert_eq!(
            ends.partner(30_000),
            Some(10),
            "an end that is still there says where the other was"
        );
    }
}
