//! Everything that was so at a moment.

use crate::store::{StoreError, TrackId};

use super::facts::Stamp;
use super::mailbox::{self, Mailbox};
use super::moment::{Moment, Selector, TimelineError};
use super::processes::{self, Processes, Tree};
use super::queues::{Frame, Guide};
use super::state::StateAt;
use super::term_ref::TermRef;
use super::view::{Inner, Timeline};

/// What of a world is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whether states are.
    pub states: bool,
    /// So many messages of each mailbox, and so many on their way.
    pub messages: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            states: true,
            messages: 100,
        }
    }
}

/// A message that was sent and had not arrived.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Its send.
    pub sent: u64,
    /// Who sent it.
    pub from: Option<TrackId>,
    /// Whom it was on its way to.
    pub to: TrackId,
    /// The message.
    pub message: TermRef,
}

/// The processes alive at a moment, and what each was about.
#[derive(Debug)]
pub struct World {
    /// The last event that had happened.
    pub at: Stamp,
    /// Who started whom.
    pub tree: Tree,
    /// Every process alive, in the order in which they appeared.
    pub processes: Processes,
    /// Their states; in the same order.
    pub states: Vec<Result<StateAt, TimelineError>>,
    /// Their mailboxes; in the same order.
    pub mailboxes: Vec<Mailbox>,
    /// Messages on their way, the oldest first.
    pub flights: Vec<Flight>,
    /// How many those were: a limit may have cut them.
    pub in_flight: usize,
}

impl Timeline {
    /// Everything that was so just after a moment.
    pub fn world(&self, at: Moment, wanted: Wanted) -> Result<World, TimelineError> {
        let mut inner = self.paired()?;
        let seq = self
            .seq_of(&inner.index, at)?
            .min(inner.index.next_seq.saturating_sub(1));
        let frame = self.frame(&mut inner, seq)?;
        let mut world = self.life(&inner, seq)?;
        for process in &world.processes.list {
            let track = process.track;
            if wanted.states {
                let state = self.state_in(&inner, &Selector::Track(track), Moment::Seq(seq));
                world.states.push(state);
            }
            let queue = frame.queue(track);
            let mailbox = queue.map(|queue| mailbox::of(self.recording(), queue, wanted.messages));
            world.mailboxes.push(mailbox.transpose()?.unwrap_or_default());
        }
        self.add_flights(&inner, &frame, wanted, &mut world)?;
        Ok(world)
    }

    fn life(&self, inner: &Inner, seq: u64) -> Result<World, TimelineError> {
        let facts = &inner.index.facts;
        let mut processes = processes::at(facts, seq);
        processes.list.retain(processes::Process::alive);
        Ok(World {
            at: self.stamp(inner, seq)?,
            tree: processes::tree(facts, seq),
            processes,
            states: Vec::new(),
            mailboxes: Vec::new(),
            flights: Vec::new(),
            in_flight: 0,
        })
    }

    fn add_flights(
        &self,
        inner: &Inner,
        frame: &Frame,
        wanted: Wanted,
        world: &mut World,
    ) -> Result<(), TimelineError> {
        let facts = &inner.index.facts;
        for (sent, to) in frame.flights() {
            world.in_flight += 1;
            if world.flights.len() >= wanted.messages {
                continue;
            }
            let Some(message) = mailbox::message(self.recording(), sent, 1)? else {
                continue;
            };
            let from = self.row_track(sent)?.filter(|track| facts.track(*track).is_some());
            world.flights.push(Flight {
                sent,
                from,
                to,
                message,
            });
        }
        Ok(())
    }

    /// The queues of all processes after an event.
    pub(super) fn frame(&self, inner: &mut Inner, seq: u64) -> Result<Frame, StoreError> {
        let Inner { index, pairs, queues } = inner;
        let guide = Guide {
            rec: self.recording(),
            words: self.words(),
            index,
            pairs,
        };
        queues.at(guide, seq)
    }

    fn row_track(&self, seq: u64) -> Result<Option<TrackId>, StoreError> {
        let Some(chunk) = self.recording().chunk_of(seq) else {
            return Ok(None);
        };
        Ok(self.recording().view(&chunk)?.row(seq).map(|row| row.track))
    }

    fn stamp(&self, inner: &Inner, seq: u64) -> Result<Stamp, StoreError> {
        let before = inner.index.chunks.iter().rev();
        let chunk = before
            .filter(|chunk| !chunk.chunk.carried)
            .find(|chunk| chunk.first_seq() <= seq);
        let Some(chunk) = chunk else {
            return Ok(Stamp { seq, at_ns: 0 });
        };
        let at_ns = match self.recording().view(&chunk.chunk) {
            Ok(view) => view.row(seq).map_or(chunk.chunk.last_ns, |row| row.at_ns),
            Err(StoreError::Evicted) => chunk.chunk.first_ns,
            Err(error) => return Err(error),
        };
        Ok(Stamp { seq, at_ns })
    }
}
