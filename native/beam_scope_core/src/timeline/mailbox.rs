//! What waited in a process's queue at a moment: messages that had come and were not yet taken up.

use crate::store::{Recording, StoreError};

use super::facts::Stamp;
use super::queues::{Arrived, Queue};
use super::rows::term;
use super::term_ref::TermRef;

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The event that told of it: its receive, or its send.
    pub came: Stamp,
    /// The message.
    pub message: TermRef,
    /// Who sent it: a pid word.
    pub from: Option<u64>,
}

/// A mailbox at a moment.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    /// Oldest first.
    pub messages: Vec<Waiting>,
    /// How many there were: a limit may have cut them.
    pub len: usize,
    /// Whether it is known to be just this: an OTP loop whose receives and handlings were all seen.
    pub exact: bool,
}

/// A queue with its messages, the oldest `limit` of them.
pub(super) fn of(rec: &Recording, queue: &Queue, limit: usize) -> Result<Mailbox, StoreError> {
    let mut messages = Vec::new();
    for arrived in queue.waiting.iter().take(limit) {
        messages.extend(waiting(rec, arrived)?);
    }
    Ok(Mailbox {
        messages,
        len: queue.waiting.len(),
        exact: queue.is_exact(),
    })
}

fn waiting(rec: &Recording, arrived: &Arrived) -> Result<Option<Waiting>, StoreError> {
    let message = message(rec, arrived.came.seq, arrived.at)?;
    Ok(message.map(|message| Waiting {
        came: arrived.came,
        message,
        from: arrived.from,
    }))
}

/// A term of an event. `None`: it is no longer there.
pub(super) fn message(rec: &Recording, seq: u64, at: usize) -> Result<Option<TermRef>, StoreError> {
    let Some(chunk) = rec.chunk_of(seq) else {
        return Ok(None);
    };
    let view = match rec.view(&chunk) {
        Err(StoreError::Evicted) => return Ok(None),
        found => found?,
    };
    let node = view.row(seq).and_then(|row| term(row, at));
    Ok(node.map(|node| TermRef::in_chunk(&view, node)))
}
