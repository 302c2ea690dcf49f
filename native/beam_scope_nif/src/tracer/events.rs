//! From a callback's arguments to records.

use beam_scope_core::capture::engine::{Allowance, RecordHead, RecordWriter};
use beam_scope_core::event::{EventKind, Fields};

use super::compose::{Composer, Part};
use super::config::Capture;
use super::own;
use super::points::{Call, Mfa, Point};
use super::tags::Tags;
use crate::vm::{heap, Class, Vm, Word};

type Writer<'e> = RecordWriter<'e, Capture>;

/// The arguments of `trace/5`.
pub(crate) struct Event<'a> {
    pub(crate) vm: Vm,
    pub(crate) tags: &'a Tags,
    pub(crate) tag: Word,
    pub(crate) tracee: Word,
    pub(crate) term: Word,
    pub(crate) options: Word,
}

impl Event<'_> {
    /// Writes the records that this event makes, of the kinds that are wanted.
    pub(crate) fn write(&self, writer: &mut Writer<'_>, wanted: u32) {
        let tags = self.tags;
        let tag = self.tag;
        if tag == tags.call {
            self.call(writer, wanted);
        } else if tag == tags.receive {
            self.receive(writer, wanted);
        } else if tag == tags.send {
            self.sent(writer, EventKind::Send, wanted);
        } else if tag == tags.send_to_dead {
            self.sent(writer, EventKind::SendToDead, wanted);
        } else if tag == tags.return_from {
            self.returned(writer, wanted);
        } else if tag == tags.exception_from {
            self.raised(writer, wanted);
        } else if let Some(kind) = tags.simple(tag) {
            self.lifecycle(writer, kind, wanted);
        } else if tags.is_running(tag) {
            self.tagged(writer, EventKind::Running, wanted);
        } else if tags.is_gc(tag) {
            self.tagged(writer, EventKind::Gc, wanted);
        }
    }

    /// Its tag, and what the VM adds: an MFA or a list of sizes.
    fn tagged(&self, writer: &mut Writer<'_>, kind: EventKind, wanted: u32) {
        self.commit(writer, kind, wanted, 1, &[Part::Term(self.tag), Part::Term(self.term)]);
    }

    fn extra(&self) -> Option<Word> {
        self.vm.map_get(self.options, self.tags.extra)
    }

    fn sent(&self, writer: &mut Writer<'_>, kind: EventKind, wanted: u32) {
        // What a process exchanges with the recorder is no part of what it does.
        if let Some(to) = self.extra().filter(|to| !self.is_own(*to)) {
            self.commit(writer, kind, wanted, 1, &[Part::Term(to), Part::Term(self.term)]);
        }
    }

    /// Whether a message goes to a process of ours, by its pid or by an alias that tells it.
    fn is_own(&self, to: Word) -> bool {
        own::any() && (own::has(to) || self.vm.layout.alias_of(to).is_some_and(own::has))
    }

    fn receive(&self, writer: &mut Writer<'_>, wanted: u32) {
        let result = self.vm.map_get(self.options, self.tags.match_spec_result);
        // The receive pattern of a recording adds `{node, sender}`.
        let origin = result.filter(|word| self.vm.class(*word) == Class::Tuple);
        let origin = origin.and_then(|word| self.vm.tuple_of::<2>(word));
        if origin.is_some_and(|[_, sender]| own::has(sender)) {
            return;
        }
        if self.is_receive_timeout(origin) && !writer.config().keep_timeouts {
            return;
        }
        match origin {
            Some([node, sender]) => {
                let sender = if sender == self.tags.undefined { node } else { sender };
                self.commit(
                    writer,
                    EventKind::Receive,
                    wanted,
                    1,
                    &[Part::Term(self.term), Part::Term(sender)],
                );
            }
            None => self.commit(writer, EventKind::Receive, wanted, 1, &[Part::Term(self.term)]),
        }
    }

    /// The VM traces the end of `receive ... after` as a message `timeout` from the clock. A real message `timeout` has a
    /// sender, except one by `erlang:send_after(_, _, timeout)` alone: that one looks the same, and goes with them. Without a
    /// receive pattern nobody can tell, and nothing is left out.
    fn is_receive_timeout(&self, origin: Option<[Word; 2]>) -> bool {
        self.term == self.tags.timeout && origin.is_some_and(|[node, _]| node == self.tags.clock_service)
    }

    fn lifecycle(&self, writer: &mut Writer<'_>, kind: EventKind, wanted: u32) {
        let term = Part::Term(self.term);
        match (kind, self.extra()) {
            (EventKind::Spawn | EventKind::Spawned, Some(mfa)) => {
                self.commit(writer, kind, wanted, 1, &[term, Part::Term(mfa)]);
            }
            _ => self.commit(writer, kind, wanted, 1, &[term]),
        }
        if kind == EventKind::Exit {
            writer.forget(self.tracee as u64);
        }
    }

    fn call(&self, writer: &mut Writer<'_>, wanted: u32) {
        let Some([module, function, arguments]) = self.vm.tuple_of::<3>(self.term) else {
            return;
        };
        if module == self.tags.probes {
            return self.probe(writer, wanted, function, arguments);
        }
        let Some(call) = Call::new(self.vm, function, arguments) else {
            return;
        };
        let mfa = (module, function, call.arity);
        let config = writer.config();
        let points = config.points.of(mfa);
        if !points.is_empty() && wanted & EventKind::State.bit() != 0 {
            self.state(writer, mfa, &call);
        }
        if points.is_empty() && self.guarded(writer, mfa) && !config.wants_call(mfa) {
            return;
        }
        if points.is_empty() || config.wants_call(mfa) {
            self.called(
                writer,
                wanted,
                &[Part::Term(module), Part::Term(function), Part::Arguments(arguments)],
            );
        }
    }

    /// A call, with its stack where the pattern adds that.
    fn called(&self, writer: &mut Writer<'_>, wanted: u32, parts: &[Part<'_>; 3]) {
        let Some(stack) = self.stack(writer.config()) else {
            return self.commit(writer, EventKind::Call, wanted, 1, parts);
        };
        let [module, function, arguments] = *parts;
        let parts = [module, function, arguments, Part::Term(stack)];
        self.commit_with(writer, (EventKind::Call, Fields::STACK), wanted, 2, &parts);
    }

    /// The stack that a pattern adds; nobody looks for it unless a recording asked for it.
    pub(super) fn stack(&self, config: &Capture) -> Option<Word> {
        if !config.stack {
            return None;
        }
        let added = self.vm.map_get(self.options, self.tags.match_spec_result)?;
        matches!(self.vm.class(added), Class::List | Class::Nil | Class::Tuple).then_some(added)
    }

    fn returned(&self, writer: &mut Writer<'_>, wanted: u32) {
        let Some(mfa) = self.mfa() else { return };
        let Some(value) = self.extra() else { return };
        let config = writer.config();
        let points = config.points.of(mfa);
        if !points.is_empty() && wanted & EventKind::State.bit() != 0 {
            self.state(writer, mfa, &Call::returned(mfa.1, value));
        }
        if points.is_empty() || config.wants_call(mfa) {
            let parts = [
                Part::Term(mfa.0),
                Part::Term(mfa.1),
                Part::Number(mfa.2),
                self.result(config, mfa, value),
            ];
            self.commit(writer, EventKind::Return, wanted, 1, &parts);
        }
    }

    /// What a process's dictionary held under one key is told without the key: nobody knows whether it is a secret.
    fn result<'p>(&self, config: &Capture, (module, function, arity): Mfa, value: Word) -> Part<'p> {
        let tags = self.tags;
        let one =
            (function == tags.put && arity == 2) || (function == tags.get || function == tags.erase) && arity == 1;
        if module == tags.erlang && one && value != tags.undefined && !config.rules.is_empty() {
            Part::Secret(value)
        } else {
            Part::Term(value)
        }
    }

    /// An exception matters for a point too: it is how the fallback sees a callback crash.
    fn raised(&self, writer: &mut Writer<'_>, wanted: u32) {
        let Some((module, function, arity)) = self.mfa() else {
            return;
        };
        let Some([class, reason]) = self.extra().and_then(|extra| self.vm.tuple_of::<2>(extra)) else {
            return;
        };
        let parts = [
            Part::Term(module),
            Part::Term(function),
            Part::Number(arity),
            Part::Term(class),
            Part::Term(reason),
        ];
        self.commit(writer, EventKind::Exception, wanted, 1, &parts);
    }

    fn state(&self, writer: &mut Writer<'_>, mfa: Mfa, call: &Call) {
        let config = writer.config();
        for point in config.points.of(mfa) {
            if point.is_return() != call.result.is_some() || !point.applies(call) {
                continue;
            }
            let pid = self.tracee as u64;
            let repeats = point.repeats();
            let without = if repeats != 0 && writer.is_told(pid) {
                repeats
            } else {
                0
            };
            let Some(mut composer) = self.composer(writer, point, without) else {
                continue;
            };
            // What has no room is dropped with its reservation, and counted.
            let Some((fields, terms)) = composer.fields(point, call, without) else {
                continue;
            };
            let head = RecordHead {
                point: point.point,
                fields,
                told: point.told(),
                ..composer.head(EventKind::State, terms)
            };
            let used = composer.used();
            writer.commit(head, used);
        }
    }

    fn composer<'w>(&self, writer: &'w mut Writer<'_>, point: &Point, without: u16) -> Option<Composer<'w>> {
        let (config, pid, large) = (writer.config(), self.tracee as u64, point.large(without));
        if config.whole == 0 || !point.steady {
            let buffer = writer.reserve(pid, config.room(large), false)?;
            return Some(Composer::new(self.vm, buffer, config));
        }
        let allowance = Allowance {
            steady: config.budget.bytes,
            most: config.whole,
        };
        let old = heap::old(self.vm.env, self.tracee);
        let (buffer, memo, offset, allowed) = writer.reserve_stream(pid, config.stream_room(large), allowance, old)?;
        Some(Composer::new(self.vm, buffer, config).streaming(memo, offset, allowed))
    }

    /// A call that a guard waits for.
    fn guarded(&self, writer: &Writer<'_>, mfa: Mfa) -> bool {
        let Some(guard) = writer.config().guard(mfa) else {
            return false;
        };
        if guard.all {
            writer.literals_change();
        } else {
            writer.end_epoch(self.tracee as u64);
        }
        true
    }

    fn commit(&self, writer: &mut Writer<'_>, kind: EventKind, wanted: u32, large: usize, parts: &[Part<'_>]) {
        self.commit_with(writer, (kind, 0), wanted, large, parts);
    }

    /// A record of a kind with the bits of what it carries besides.
    fn commit_with(
        &self,
        writer: &mut Writer<'_>,
        (kind, fields): (EventKind, u16),
        wanted: u32,
        large: usize,
        parts: &[Part<'_>],
    ) {
        if wanted & kind.bit() == 0 {
            return;
        }
        let config = writer.config();
        let Some(buffer) = writer.reserve(self.tracee as u64, config.room(large), kind.is_lifecycle()) else {
            return;
        };
        let mut composer = Composer::new(self.vm, buffer, config);
        if composer.all(parts).is_some() {
            let head = RecordHead {
                fields,
                ..composer.head(kind, parts.len())
            };
            let used = composer.used();
            writer.commit(head, used);
        }
    }

    /// `{module, function, arity}` of a return or an exception.
    fn mfa(&self) -> Option<Mfa> {
        let [module, function, arity] = self.vm.tuple_of::<3>(self.term)?;
        let arity = crate::vm::api::int64(self.vm.env, arity)?;
        Some((module, function, usize::try_from(arity).ok()?))
    }
}
