//! Requests and their answers.

use std::collections::HashMap;

use crate::term::Value;

use super::candidate::Tag;
use super::cell::Sort;
use super::tag::Kind;

/// No more kinds of requests of a role, and no more that wait, are looked at.
const MOST_KINDS: usize = 32;
const MOST_OPEN: usize = 1 << 16;

/// An answer that takes longer is late; what is younger when a recording ends may still come. It is how long `GenServer.call/2` waits
/// where nobody says otherwise.
pub(super) const WITHIN_NS: u64 = 5_000_000_000;

/// A request that waits: whose, which kind, since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) role: usize,
    call: usize,
    at_ns: u64,
}

/// An answer as far as templates ask.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) at_ns: u64,
    /// It came from the process that was asked.
    pub(super) by_itself: bool,
    pub(super) kind: Kind,
    pub(super) sort: Option<Sort>,
    pub(super) value: Option<Value>,
}

/// A kind of request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) tag: Tag,
    pub(super) answered: u64,
    /// One was never answered, or nobody knows.
    dead: bool,
    /// One was answered late.
    late: bool,
    /// One had not been answered yet when a recording ended.
    open: bool,
    /// Some were answered by others than whom they were sent to.
    pub(super) by_others: bool,
    /// What all answers have in common.
    pub(super) value: Option<Value>,
    pub(super) kind: Option<Tag>,
    pub(super) sort: Option<Sort>,
}

impl Call {
    /// Whether all were answered, and if so whether some may still be: then only a time can be asked for.
    pub(super) const fn answered(&self) -> Option<bool> {
        match (self.dead || self.open && self.late, self.open) {
            (true, _) => None,
            (false, open) => Some(open),
        }
    }
}

/// The requests of a role.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) list: Vec<Call>,
    /// Of some nobody knows the kind.
    pub(super) vague: bool,
    /// There were more kinds.
    pub(super) cut: bool,
}

impl Calls {
    fn of(&mut self, tag: Tag) -> Option<usize> {
        if let Some(at) = self.list.iter().position(|call| call.tag == tag) {
            return Some(at);
        }
        if self.list.len() == MOST_KINDS {
            self.cut = true;
            return None;
        }
        self.list.push(Call {
            tag,
            answered: 0,
            dead: false,
            late: false,
            open: false,
            by_others: false,
            value: None,
            kind: None,
            sort: None,
        });
        Some(self.list.len() - 1)
    }

    /// A request came.
    pub(super) fn ask(&mut self, role: usize, kind: Kind, at_ns: u64) -> Option<Open> {
        match kind {
            Kind::Is(tag) => self.of(tag).map(|call| Open { role, call, at_ns }),
            Kind::Unknown => {
                self.vague = true;
                None
            }
            Kind::None => None,
        }
    }

    /// One was answered.
    pub(super) fn answer(&mut self, open: Open, answer: &Answer) {
        let call = &mut self.list[open.call];
        call.late |= answer.at_ns.saturating_sub(open.at_ns) > WITHIN_NS;
        call.by_others |= !answer.by_itself;
        let kind = match answer.kind {
            Kind::Is(tag) => Some(tag),
            _ => None,
        };
        call.answered += 1;
        if call.answered == 1 {
            (call.value, call.kind, call.sort) = (answer.value.clone(), kind, answer.sort);
            return;
        }
        call.value = call.value.take().filter(|value| Some(value) == answer.value.as_ref());
        call.kind = call.kind.filter(|tag| Some(*tag) == kind);
        call.sort = call.sort.filter(|sort| Some(*sort) == answer.sort);
    }

    /// One was not answered when its recording ended.
    fn unanswered(&mut self, open: Open, now_ns: u64) {
        let call = &mut self.list[open.call];
        call.open = true;
        call.dead |= open.at_ns.saturating_add(WITHIN_NS) < now_ns && !cfg!(mutant = "infer_forgets_unanswered");
    }

    fn give_up(&mut self) {
        self.list.iter_mut().for_each(|call| call.dead = true);
        self.cut = true;
    }
}

/// Requests that wait for their answer, by the hash of their tag.
#[derive(Debug, Default)]
pub(super) struct Desk {
    open: HashMap<u64, Vec<Open>>,
}

impl Desk {
    /// Notes a request; where too many wait nothing can be said of any.
    pub(super) fn put(&mut self, tag: u64, open: Open, roles: &mut impl FnMut(usize, fn(&mut Calls))) {
        if self.open.len() >= MOST_OPEN {
            for open in self.open.drain().flat_map(|(_, open)| open) {
                roles(open.role, Calls::give_up);
            }
        }
        self.open.entry(tag).or_default().push(open);
    }

    pub(super) fn take(&mut self, tag: u64) -> Vec<Open> {
        self.open.remove(&tag).unwrap_or_default()
    }

    /// Whether anything waits for an answer with this tag.
    pub(super) fn waits(&self, tag: u64) -> bool {
        self.open.contains_key(&tag)
    }

    /// The recording ends.
    pub(super) fn close(&mut self, now_ns: u64, mut calls: impl FnMut(usize, &mut dyn FnMut(&mut Calls))) {
        for open in self.open.drain().flat_map(|(_, open)| open) {
            calls(open.role, &mut |calls| calls.unanswered(open, now_ns));
        }
    }
}
