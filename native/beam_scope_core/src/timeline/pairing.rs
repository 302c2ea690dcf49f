//! Which send each receive came from.
//!
//! Signals between two processes arrive in the order in which they were sent, so each pair of processes is a queue: a
//! receive takes the first send in its pair's queue with the same content. Where content and order disagree something was
//! lost, and the counters of losses on both tracks say on which side: a lost receive skips its send, a lost send leaves its
//! receive without one. Content is compared by hash, so every message costs the same whatever its size.

use std::collections::{HashMap, VecDeque};

use crate::event::EventKind;
use crate::store::{ChunkView, EventRow, TrackId};
use crate::term::arena::{Arena, Node, NodeId};

use super::ends::Ends;
use super::facts::Facts;
use super::history::sender_pid;
use super::rows::term;
use super::shape::{alias_ref, envelope, pid, tuple, word};
use super::words::{Word, Words};

/// A send that no receive has taken yet.
#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u64,
    hash: u64,
    /// Losses of the sender up to here.
    lost: u64,
}

/// What one process sent another, in order.
#[derive(Debug, Default)]
struct Channel {
    sent: VecDeque<Sent>,
    /// The number of the first send in `sent`.
    base: usize,
    /// By content: the numbers of the sends with it.
    by_hash: HashMap<u64, VecDeque<usize>>,
    /// Sends that a later one overtook though nothing was lost.
    overtaken: VecDeque<Sent>,
    /// How many of the sender's losses have explained a receive without a send.
    sender_used: u64,
    /// How many of the receiver's losses have explained a send without a receive.
    receiver_used: u64,
    /// Receives in a row that were left without a send because theirs seemed lost.
    refused: u32,
}

/// So many refusals in a row, and it is the counters that do not fit this channel: losses are counted by process.
const PATIENCE: u32 = 4;

/// So many sends are remembered when they were overtaken.
const OVERTAKEN: usize = 32;

impl Channel {
    fn push(&mut self, seq: u64, hash: u64, lost: u64) {
        self.by_hash
            .entry(hash)
            .or_default()
            .push_back(self.base + self.sent.len());
        self.sent.push_back(Sent { seq, hash, lost });
    }

    /// The send that a receive with this content came from.
    ///
    /// The first that waits, when it has this content. Otherwise those before the first with this content must have been
    /// received without our knowing, which the receiver's losses explain; or it is a later one with the same content and
    /// the receive's own send was lost, which the sender's losses explain. Each loss explains once.
    fn take(&mut self, hash: u64, receiver_lost: u64) -> Option<u64> {
        let newest = cfg!(mutant = "timeline_pairs_newest");
        let numbers = self.by_hash.get(&hash);
        let number = numbers.and_then(|numbers| if newest { numbers.back() } else { numbers.front() }.copied());
        let skipped = number.map_or(u64::MAX, |number| (number - self.base) as u64);
        if skipped > 0 {
            if let Some(place) = self.overtaken.iter().position(|sent| sent.hash == hash) {
                return self.overtaken.remove(place).map(|sent| sent.seq);
            }
        }
        let sender_lost = self.sent[number? - self.base].lost;
        let explained = receiver_lost.saturating_sub(self.receiver_used) >= skipped;
        let own_lost = sender_lost > self.sender_used && self.refused < PATIENCE;
        if !explained && own_lost && !cfg!(mutant = "timeline_pairs_skip") {
            self.sender_used += 1;
            self.refused += 1;
            return None;
        }
        self.refused = 0;
        self.receiver_used = receiver_lost.min(self.receiver_used + skipped);
        let no_loss = sender_lost == 0 && receiver_lost == 0;
        for _ in 0..skipped {
            let sent = self.pop()?;
            if no_loss {
                self.overtake(sent);
            }
        }
        self.pop().map(|sent| sent.seq)
    }

    /// With no loss at all a send that is skipped was received before the receiver was traced, or will be: a priority message
    /// has overtaken it.
    fn overtake(&mut self, sent: Sent) {
        if self.overtaken.len() == OVERTAKEN {
            self.overtaken.pop_front();
        }
        self.overtaken.push_back(sent);
    }

    fn pop(&mut self) -> Option<Sent> {
        let sent = self.sent.pop_front()?;
        self.base += 1;
        if let Some(numbers) = self.by_hash.get_mut(&sent.hash) {
            numbers.pop_front();
            if numbers.is_empty() {
                self.by_hash.remove(&sent.hash);
            }
        }
        Some(sent)
    }
}

/// Sends and receives of a recording, paired.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    channels: HashMap<(TrackId, TrackId), Channel>,
    /// Sends to somebody whom no name or alias tells, by sender and content.
    astray: Lately,
    /// Sends by receiver and content, for receives that do not tell their sender.
    unsigned: Lately,
    aliases: Aliases,
    lost: HashMap<TrackId, u64>,
    ends: Ends,
    pub(crate) next_seq: u64,
}

impl Pairs {
    /// The receive of a send, or the send of a receive.
    pub(crate) fn partner(&self, seq: u64) -> Option<u64> {
        self.ends.partner(seq)
    }

    /// The track that a send was addressed to.
    pub(crate) fn destination(&self, send: u64) -> Option<TrackId> {
        self.ends.track(send)
    }

    /// The pid behind the alias that a send was addressed to, when a call told it.
    pub(crate) fn behind_alias(&self, send: u64) -> Option<u64> {
        self.ends.pid(send)
    }

    /// The track that a paired receive's message came from.
    pub(crate) fn sender(&self, receive: u64) -> Option<TrackId> {
        self.ends.track(receive)
    }

    /// Bytes held for each event, about; what waits for its other end aside.
    pub(crate) fn bytes(&self) -> usize {
        self.ends.bytes()
    }

    /// Forgets events that are no longer in the recording.
    pub(crate) fn forget_before(&mut self, seq: u64) {
        self.ends.forget_before(seq);
    }

    /// Takes the next row of the recording.
    pub(crate) fn feed(&mut self, words: &Words, facts: &Facts, view: &ChunkView, row: &EventRow) {
        self.next_seq = row.seq + 1;
        if row.lost_before > 0 {
            *self.lost.entry(row.track).or_default() += u64::from(row.lost_before);
        }
        match row.kind {
            EventKind::Send => self.send(words, facts, &view.arena, row),
            EventKind::Receive => self.receive(words, facts, &view.arena, row),
            _ => {}
        }
    }

    fn send(&mut self, words: &Words, facts: &Facts, arena: &Arena, row: &EventRow) {
        let (Some(to), Some(message)) = (term(row, 0), term(row, 1)) else {
            return;
        };
        self.learn_alias(words, arena, message);
        let is_alias = matches!(arena.node(to), Node::Ref(_));
        let owner = is_alias.then(|| self.aliases.owner(arena.content_hash(to))).flatten();
        if let Some(owner) = owner {
            self.ends.address_pid(row.seq, owner);
        }
        let hash = arena.content_hash(message);
        let Some(receiver) = Self::resolve(words, facts, arena, to, owner, row.seq) else {
            self.astray.push((row.track, hash), row.seq, row.track);
            return;
        };
        self.ends.address(row.seq, receiver);
        let lost = self.lost.get(&row.track).copied().unwrap_or(0);
        self.channels
            .entry((row.track, receiver))
            .or_default()
            .push(row.seq, hash, lost);
        self.unsigned.push((receiver, hash), row.seq, row.track);
    }

    fn receive(&mut self, words: &Words, facts: &Facts, arena: &Arena, row: &EventRow) {
        let Some(message) = term(row, 0) else { return };
        self.learn_alias(words, arena, message);
        let hash = arena.content_hash(message);
        let found = match term(row, 1) {
            None => self.take_unsigned(row.track, hash),
            Some(sender) => sender_pid(arena, sender)
                .and_then(|pid| facts.of_pid_at(pid, row.seq))
                .and_then(|sender| Some((self.take(sender, row.track, hash)?, sender))),
        };
        if let Some((send, sender)) = found {
            self.ends.pair(send, row.seq, sender, row.track);
        }
    }

    fn take(&mut self, sender: TrackId, receiver: TrackId, hash: u64) -> Option<u64> {
        let lost = self.lost.get(&receiver).copied().unwrap_or(0);
        let found = self
            .channels
            .get_mut(&(sender, receiver))
            .and_then(|channel| channel.take(hash, lost));
        found.or_else(|| self.astray.pop((sender, hash)).map(|(seq, _)| seq))
    }

    fn take_unsigned(&mut self, receiver: TrackId, hash: u64) -> Option<(u64, TrackId)> {
        while let Some((seq, sender)) = self.unsigned.pop((receiver, hash)) {
            if self.ends.partner(seq).is_some() {
                continue;
            }
            let lost = self.lost.get(&receiver).copied().unwrap_or(0);
            let channel = self.channels.get_mut(&(sender, receiver))?;
            return channel.take(hash, lost).map(|seq| (seq, sender));
        }
        None
    }

    /// `{_, {Pid, [alias | Ref]}, _}`: replies sent to this alias go to that process.
    fn learn_alias(&mut self, words: &Words, arena: &Arena, message: NodeId) {
        let [_, from, _] = *tuple(arena, message) else { return };
        let [owner, tag] = *tuple(arena, from) else { return };
        let (Some(owner), Some(alias)) = (pid(arena, owner), alias_ref(words, arena, tag)) else {
            return;
        };
        self.aliases.learn(arena.content_hash(alias), owner);
    }

    fn resolve(
        words: &Words,
        facts: &Facts,
        arena: &Arena,
        to: NodeId,
        owner: Option<u64>,
        seq: u64,
    ) -> Option<TrackId> {
        match arena.node(to) {
            Node::Pid(pid) => facts.of_pid_at(pid, seq),
            Node::Ref(_) => facts.of_pid_at(owner?, seq),
            Node::Atom(_) => facts.of_name_at(facts.name(arena, to)?, seq),
            Node::Tuple(&[name, _node]) if word(words, arena, name).is_some() => {
                facts.of_name_at(facts.name(arena, name)?, seq)
            }
            _ => None,
        }
    }
}

/// Whose reply an alias is for, by a pid word: of the latest calls.
#[derive(Debug, Default)]
struct Aliases {
    owners: HashMap<u64, u64>,
    order: VecDeque<u64>,
}

/// So many. A call that waits longer than so many others do not is rare, and its reply is still found by its receive.
const ALIASES: usize = 1 << 18;

impl Aliases {
    fn learn(&mut self, alias: u64, owner: u64) {
        if self.owners.insert(alias, owner).is_some() {
            return;
        }
        self.order.push_back(alias);
        if self.order.len() > ALIASES {
            self.order.pop_front().map(|oldest| self.owners.remove(&oldest));
        }
    }

    fn owner(&self, alias: u64) -> Option<u64> {
        self.owners.get(&alias).copied()
    }
}

/// Sends that may still be asked for, by a process and their content: the latest ones.
#[derive(Debug, Default)]
struct Lately {
    /// Their events and senders.
    sends: HashMap<(TrackId, u64), VecDeque<(u64, TrackId)>>,
    /// All that were pushed, the oldest first; some are gone from `sends`.
    order: VecDeque<((TrackId, u64), u64)>,
}

/// So many. A receive that does not tell its sender comes soon after its send, or finds nobody.
const LATELY: usize = 1 << 16;

impl Lately {
    fn push(&mut self, key: (TrackId, u64), seq: u64, sender: TrackId) {
        self.sends.entry(key).or_default().push_back((seq, sender));
        self.order.push_back((key, seq));
        if self.order.len() <= LATELY {
            return;
        }
        let Some((key, seq)) = self.order.pop_front() else {
            return;
        };
        let is_oldest = |queue: &VecDeque<(u64, TrackId)>| queue.front().is_some_and(|(first, _)| *first == seq);
        if self.sends.get(&key).is_some_and(is_oldest) {
            self.pop(key);
        }
    }

    fn pop(&mut self, key: (TrackId, u64)) -> Option<(u64, TrackId)> {
        let queue = self.sends.get_mut(&key)?;
        let found = queue.pop_front();
        if queue.is_empty() {
            self.sends.remove(&key);
        }
        found
    }
}

/// Whether the VM itself sent a message: a timer, a port, a node's fall, a monitor, an exit.
#[must_use]
pub fn is_from_runtime(words: &Words, arena: &Arena, message: NodeId, sender: Option<NodeId>) -> bool {
    let by_sender = sender.is_some_and(|sender| {
        let of = |node| match arena.node(node) {
            Node::Atom(_) => matches!(word(words, arena, node), Some(Word::ClockService | Word::System)),
            Node::Opaque(kind, _) => kind == crate::term::Kind::Port,
            _ => false,
        };
        of(sender) || tuple(arena, sender).first().is_some_and(|first| of(*first))
    });
    by_sender
        || matches!(
            tuple(arena, message).first().and_then(|tag| word(words, arena, *tag)),
            Some(Word::Down | Word::ExitMsg)
        )
}

/// Whether a message is a request that waits for a reply, and with which tag.
pub(crate) fn call_tag(words: &Words, arena: &Arena, message: NodeId) -> Option<NodeId> {
    envelope(words, arena, message).tag
}
