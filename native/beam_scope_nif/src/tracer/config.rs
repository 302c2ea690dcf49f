//! What the callbacks of a route need to know.

use std::sync::Arc;

use beam_scope_core::capture::record::Header;
use beam_scope_core::capture::sink::RouteConfig;
use beam_scope_core::event::{self, EventKind};
use beam_scope_core::term::wire::{skip, Reader, Token};

use super::points::{Mfa, Point, Points};
use crate::encode::{Budget, Rules};
use crate::vm::Word;

/// A function that a user asked for; `None` stands for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallPattern {
    pub(crate) module: Word,
    pub(crate) function: Option<Word>,
    pub(crate) arity: Option<usize>,
}

impl CallPattern {
    fn matches(&self, (module, function, arity): Mfa) -> bool {
        self.may_be(module, function, Some(arity))
    }

    fn may_be(&self, module: Word, function: Word, arity: Option<usize>) -> bool {
        self.module == module
            && self.function.is_none_or(|wanted| wanted == function)
            && self
                .arity
                .is_none_or(|wanted| arity.is_none_or(|arity| wanted == arity))
    }
}

/// The function that a record of a call, or of its end, is about; its arity where that is told.
fn function_of(kind: EventKind, payload: &[u8]) -> Option<(Word, Word, Option<usize>)> {
    let mut reader = Reader::new(payload);
    let (Token::Atom(module), Token::Atom(function)) = (reader.next().ok()?, reader.next().ok()?) else {
        return None;
    };
    let arity = match reader.next().ok()? {
        Token::Int(arity) if kind != EventKind::Call => usize::try_from(arity).ok(),
        Token::Nil => Some(0),
        Token::List => elements(&payload[reader.pos()..]),
        _ => None,
    };
    Some((module.0 as Word, function.0 as Word, arity))
}

/// The number of the place that a line's record is about.
fn line_of(payload: &[u8]) -> Option<u32> {
    match Reader::new(payload).next().ok()? {
        Token::Int(id) => u32::try_from(id).ok(),
        _ => None,
    }
}

/// How many elements a list has that has begun.
fn elements(mut rest: &[u8]) -> Option<usize> {
    for count in 0.. {
        match Reader::new(rest).next().ok()? {
            Token::End => return Some(count),
            Token::TruncTail(full) => return usize::try_from(full).ok().filter(|full| *full > 0),
            Token::Tail => return None,
            _ => rest = rest.get(skip(rest).ok()?..)?,
        }
    }
    None
}

/// One recording's wishes, or those of all that share a route.
#[derive(Debug)]
pub(crate) struct Capture {
    /// For each term.
    pub(crate) budget: Budget,
    pub(crate) rules: Rules,
    pub(crate) points: Points,
    pub(crate) calls: Vec<CallPattern>,
    /// Whether `receive ... after` timeouts become events.
    pub(crate) keep_timeouts: bool,
    /// Bytes for each state of a process whose stream remembers; 0: none does.
    pub(crate) whole: usize,
    /// Functions whose calls say that words may mean something else from then on.
    pub(crate) guards: Vec<Guard>,
    /// Whether states get fingerprints.
    pub(crate) check: bool,
    /// Whether ends come from every process of the VM: their functions are traced for all, so that tracees need no call flag for it.
    pub(crate) ends: bool,
    /// Whether patterns add call stacks.
    pub(crate) stack: bool,
    /// The numbers of the places in code that was instrumented for it: from, up to and without; sorted.
    pub(crate) lines: Vec<(u32, u32)>,
    /// What it costs that a traced process is scheduled in, in nanoseconds: measured from outside.
    pub(crate) schedule_ns: u64,
}

/// A function whose call ends epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) mfa: Mfa,
    /// Everybody's, not the caller's alone.
    pub(crate) all: bool,
}

/// Terms of a record that can each take the whole budget; more share what is left.
const LARGE_TERMS: usize = 3;
/// For the small terms of a record: names, pids, numbers.
const SMALL_TERMS: usize = 1024;

impl Capture {
    /// Whether a user asked for this function's calls.
    pub(crate) fn wants_call(&self, mfa: Mfa) -> bool {
        self.calls.iter().any(|pattern| pattern.matches(mfa))
    }

    /// Whether a place in instrumented code is one of its own.
    #[inline]
    pub(crate) fn has_line(&self, id: u32) -> bool {
        let after = self.lines.partition_point(|(from, _)| *from <= id);
        after
            .checked_sub(1)
            .and_then(|at| self.lines.get(at))
            .is_some_and(|(_, until)| id < *until)
    }

    /// The room for a record with so many terms of any size.
    pub(crate) fn room(&self, large: usize) -> usize {
        self.budget.bytes * large.min(LARGE_TERMS) + SMALL_TERMS
    }

    /// The room for a record that is part of a stream: one state in full, the other terms as ever.
    pub(crate) fn stream_room(&self, large: usize) -> usize {
        self.whole + self.room(large)
    }

    /// The room for the largest record.
    pub(crate) fn largest(&self) -> usize {
        self.stream_room(LARGE_TERMS)
    }

    /// The guard that a call is for.
    pub(crate) fn guard(&self, mfa: Mfa) -> Option<Guard> {
        self.guards.iter().copied().find(|guard| guard.mfa == mfa)
    }
}

/// Ranges in their order, those that overlap as one.
pub(crate) fn merged(ranges: impl IntoIterator<Item = (u32, u32)>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = ranges.into_iter().filter(|(from, until)| from < until).collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (from, until) in ranges {
        match merged.last_mut() {
            Some((_, last)) if from <= *last => *last = until.max(*last),
            _ => merged.push((from, until)),
        }
    }
    merged
}

impl RouteConfig for Capture {
    /// Patterns of calls are all recordings' on older releases, and flags are the process's: others may have asked for a call.
    fn wants(&self, header: &Header, payload: &[u8]) -> bool {
        let kind = match EventKind::from_u8(header.kind) {
            Some(kind @ (EventKind::Call | EventKind::Return | EventKind::Exception)) => kind,
            Some(EventKind::Line) => return line_of(payload).is_some_and(|id| self.has_line(id)),
            _ => return true,
        };
        function_of(kind, payload).is_none_or(|(module, function, arity)| {
            let mut asked = self.calls.iter();
            asked.any(|pattern| pattern.may_be(module, function, arity))
        })
    }

    fn is_anybodys(&self, header: &Header) -> bool {
        self.ends && header.kind == EventKind::State as u8 && header.point == event::Point::End as u8
    }

    fn union(parts: &[Arc<Self>]) -> Arc<Self> {
        let largest = |f: fn(&Self) -> usize| parts.iter().map(|part| f(part)).max().unwrap_or(0);
        let mut calls = Vec::new();
        for call in parts.iter().flat_map(|part| &part.calls) {
            if !calls.contains(call) {
                calls.push(*call);
            }
        }
        let points: Vec<Point> = parts.iter().flat_map(|part| part.points.iter().cloned()).collect();
        Arc::new(Self {
            budget: Budget {
                bytes: largest(|part| part.budget.bytes),
                depth: largest(|part| part.budget.depth),
            },
            // A value that one recording must not see reaches none of them.
            rules: Rules::union(parts.iter().map(|part| &part.rules)),
            points: Points::new(points),
            calls,
            keep_timeouts: parts.iter().any(|part| part.keep_timeouts),
            // Who does not watch over the memory has processes for which it must not be used.
            whole: parts.iter().map(|part| part.whole).min().unwrap_or(0),
            check: parts.iter().any(|part| part.check),
            ends: parts.iter().any(|part| part.ends),
            stack: parts.iter().any(|part| part.stack),
            lines: merged(parts.iter().flat_map(|part| part.lines.iter().copied())),
            schedule_ns: parts.iter().map(|part| part.schedule_ns).max().unwrap_or(0),
            guards: parts
                .iter()
                .max_by_key(|part| part.guards.len())
                .map_or_else(Vec::new, |part| part.guards.clone()),
        })
    }
}
