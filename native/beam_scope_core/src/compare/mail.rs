//! Messages, sent and received, as they become part of stories.

use crate::query::plan::contents;
use crate::store::EventRow;
use crate::term::arena::{Arena, Node, NodeId};
use crate::timeline::history::{sender_pid, tagged_reply};
use crate::timeline::{envelope, term, Verdict};

use super::causes::NONE;
use super::hash::{mix, mix_bytes};
use super::life::Received;
use super::noise::{is_system, system_tag};
use super::read::{at, Reading};
use super::roles::Party;
use super::story::{ActKind, Face, Got};

impl Reading<'_> {
    /// Whether the user, or anybody, wants to know of it.
    fn is_told(&mut self, arena: &Arena, message: NodeId, party: Party) -> bool {
        if party == Party::NOISE || is_system(&self.words, arena, message) {
            if let Some(tag) = system_tag(&self.words, arena, message) {
                self.system.insert(arena.content_hash(tag));
            }
            return false;
        }
        let reply = tagged_reply(arena, message);
        if let Some((tag, _)) = reply.filter(|_| !self.system.is_empty()) {
            if self.system.contains(&arena.content_hash(tag)) {
                return false;
            }
        }
        !self.is_ignored(arena, message)
    }

    pub(super) fn is_ignored(&mut self, arena: &Arena, message: NodeId) -> bool {
        if self.source.ignore.is_empty() {
            return false;
        }
        let mut unclear = false;
        for content in contents(&self.words, arena, message).iter() {
            for pattern in self.source.ignore {
                match pattern(arena, *content) {
                    Verdict::Yes => return true,
                    Verdict::Unknown => unclear = true,
                    Verdict::No => {}
                }
            }
        }
        self.unclear += u64::from(unclear);
        false
    }

    pub(super) fn send(&mut self, arena: &Arena, row: &EventRow) {
        let (Some(to), Some(message)) = (term(row, 0), term(row, 1)) else {
            return;
        };
        let prev = self.life(row.track, |life| life.last).unwrap_or(NONE);
        let node = self.causes.add(row.seq, row.track, prev, NONE);
        self.life(row.track, |life| life.did(node));
        let party = self.receiver(arena, to, row.seq);
        if !self.is_told(arena, message, party) {
            return;
        }
        if party == Party::OTHER {
            if let Some(tag) = envelope(&self.words, arena, message).tag {
                self.asked.insert(arena.content_hash(tag));
            }
        }
        let mut face = self.mail(1, party, arena, message, row.seq);
        if party == Party::OTHER {
            face.key = mix(face.key, self.name_of(arena, to));
        }
        face.sent = row.seq;
        self.life(row.track, |life| {
            life.story.sends += 1;
            life.act(ActKind::Sent, face, at(row));
        });
    }

    fn receiver(&self, arena: &Arena, to: NodeId, seq: u64) -> Party {
        let cast = self.source.cast;
        let pairs = &self.inner.pairs;
        if let Some(track) = pairs.destination(seq) {
            return cast.of(track);
        }
        let pid = match arena.node(to) {
            Node::Pid(pid) => Some(pid),
            _ => pairs.behind_alias(seq),
        };
        pid.map_or(Party::OTHER, |pid| cast.of_pid(pid, seq))
    }

    /// What a message was sent to where nobody of the recording bears that name.
    fn name_of(&self, arena: &Arena, to: NodeId) -> u64 {
        match arena.node(to) {
            Node::Atom(id) => self.words.text(id).map_or(0, |text| mix_bytes(0, text.as_bytes())),
            _ => 0,
        }
    }

    pub(super) fn face(&mut self, kind: u64, party: Party, arena: &Arena, content: NodeId, seq: u64) -> Face {
        let mut face = Face::new(kind, party, self.printer.of(arena, content, seq));
        face.hidden = !arena.is_complete(content) && !cfg!(mutant = "compare_hidden_is_known");
        face
    }

    /// The face of a message.
    fn mail(&mut self, kind: u64, party: Party, arena: &Arena, message: NodeId, seq: u64) -> Face {
        let mut face = self.face(kind, party, arena, message, seq);
        let inner = contents(&self.words, arena, message).last().copied();
        face.inner = inner.map_or(0, |inner| self.printer.of(arena, inner, seq));
        face
    }

    pub(super) fn receive(&mut self, arena: &Arena, row: &EventRow) {
        let Some(message) = term(row, 0) else { return };
        let party = self.sender(arena, row);
        let sent = self.inner.pairs.partner(row.seq);
        let cause = sent.map_or(NONE, |sent| self.causes.find(sent));
        let reply = tagged_reply(arena, message);
        let told = self.is_told(arena, message, party) && !self.is_chance(arena, reply, party, sent);
        let body = arena.content_hash(envelope(&self.words, arena, message).body);
        let server = self.life(row.track, |life| {
            life.received(
                Received {
                    body,
                    party,
                    sent,
                    cause,
                    told,
                },
                reply.is_some(),
            );
            life.serves
        });
        if server == Some(false) || reply.is_some() {
            let prev = self.life(row.track, |life| life.last).unwrap_or(NONE);
            let node = self.causes.add(row.seq, row.track, prev, cause);
            self.life(row.track, |life| life.did(node));
        }
        if !told || server == Some(true) && reply.is_none() {
            return;
        }
        let mut face = self.mail(2, party, arena, message, row.seq);
        face.sent = sent.unwrap_or(face.sent);
        let got = Got {
            party,
            face,
            at: at(row),
        };
        self.life(row.track, |life| life.got(got, reply.is_some()));
    }

    /// An answer whose coming is chance: to what was asked before the recording began, of somebody who is not in it; or one that the
    /// virtual machine gave for a process, as it does when it is asked about one that runs at that moment.
    fn is_chance(&self, arena: &Arena, reply: Option<(NodeId, NodeId)>, party: Party, sent: Option<u64>) -> bool {
        let Some((tag, _)) = reply else { return false };
        let early = || !self.asked.contains(&arena.content_hash(tag));
        party == Party::OTHER && early() || party.role().is_some() && sent.is_none()
    }

    fn sender(&self, arena: &Arena, row: &EventRow) -> Party {
        let cast = self.source.cast;
        if let Some(pid) = term(row, 1).and_then(|sender| sender_pid(arena, sender)) {
            return cast.of_pid(pid, row.seq);
        }
        match self.inner.pairs.sender(row.seq) {
            Some(track) => cast.of(track),
            None => Party::RUNTIME,
        }
    }
}
