//! Probes: calls of empty functions that stand in instrumented code, and in source that somebody marked.
//!
//! Their first argument is the *site*, a literal: `{id, name...}` of a line, `{{module, function, arity, line, label}, name...}` of a
//! mark. The others are what the variables of these names hold.

use beam_scope_core::capture::engine::{RecordHead, RecordWriter};
use beam_scope_core::event::{EventKind, Fields};

use super::compose::{Composer, Part};
use super::config::Capture;
use super::events::Event;
use super::tags;
use crate::vm::{self, Class, Vm, Word};

/// Variables that a probe can have.
pub(super) const MAX_VALUES: usize = 32;

/// A call of a probe.
pub(super) struct Probe<'a> {
    /// The site's first element: a number, or where a mark is.
    pub(super) what: Word,
    /// The site, whole.
    site: Word,
    /// The names of its variables; their values are as many.
    names: &'a [Word],
    /// The list of its values.
    values: Word,
}

impl Probe<'_> {
    /// From the list of arguments; `None` for what no instrumentation writes: a site that is none, or another number of values.
    #[inline(always)]
    fn new(vm: Vm, arguments: Word) -> Option<Self> {
        let (site, values) = cell(vm, arguments)?;
        let (items, arity) = (vm.class(site) == Class::Tuple).then(|| vm.tuple(site)).flatten()?;
        if arity == 0 || arity > MAX_VALUES + 1 {
            return None;
        }
        // SAFETY: a live tuple has `arity` elements from here on, and lives as long as the call.
        let (what, names) = unsafe { (*items, std::slice::from_raw_parts(items.add(1), arity - 1)) };
        let mut rest = values;
        for _ in names {
            (_, rest) = cell(vm, rest)?;
        }
        (vm.class(rest) == Class::Nil).then_some(Self {
            what,
            site,
            names,
            values,
        })
    }

    /// Each variable: its name and what it holds.
    fn variables(&self, vm: Vm) -> impl ExactSizeIterator<Item = (Word, Word)> + '_ {
        let mut rest = self.values;
        self.names.iter().map(move |name| {
            // There are as many: see `new`.
            let (value, next) = cell(vm, rest).unwrap_or((*name, rest));
            rest = next;
            (*name, value)
        })
    }
}

#[inline]
fn cell(vm: Vm, list: Word) -> Option<(Word, Word)> {
    (vm.class(list) == Class::List).then(|| vm.cell(list)).flatten()
}

/// The number of a line's site.
#[inline]
fn number(word: Word) -> Option<u32> {
    if vm::layout().immediates {
        return (word & 0xF == 0xF)
            .then(|| u32::try_from((word as i64) >> 4).ok())
            .flatten();
    }
    tags::small(word)
}

impl Event<'_> {
    /// A call of one of our empty functions.
    pub(super) fn probe(&self, writer: &mut RecordWriter<'_, Capture>, wanted: u32, function: Word, arguments: Word) {
        let kind = if function == self.tags.line {
            EventKind::Line
        } else if function == self.tags.mark {
            EventKind::Mark
        } else {
            return;
        };
        if wanted & kind.bit() == 0 {
            return;
        }
        let Some(probe) = Probe::new(self.vm, arguments) else {
            return;
        };
        let config = writer.config();
        // Another recording's code, which the processes of this one run as well.
        if kind == EventKind::Line && !number(probe.what).is_some_and(|id| config.has_line(id)) {
            return;
        }
        let stack = self.stack(config);
        let large = probe.names.len() + usize::from(stack.is_some());
        let Some(buffer) = writer.reserve(self.tracee as u64, config.room(large), false) else {
            return;
        };
        let mut composer = Composer::new(self.vm, buffer, config);
        if write(self.vm, &mut composer, kind, &probe, stack).is_some() {
            let head = RecordHead {
                fields: if stack.is_some() { Fields::STACK } else { 0 },
                ..composer.head(kind, 2 + usize::from(stack.is_some()))
            };
            let used = composer.used();
            writer.commit(head, used);
        }
    }
}

#[inline]
fn write(vm: Vm, composer: &mut Composer<'_>, kind: EventKind, probe: &Probe<'_>, stack: Option<Word>) -> Option<()> {
    let later = usize::from(stack.is_some());
    if kind == EventKind::Line {
        composer.value(probe.what, later + probe.names.len() + 2)?;
    } else {
        composer.site(probe.site, later + probe.names.len() + 2)?;
    }
    composer.named(probe.variables(vm), later)?;
    stack.map_or(Some(()), |stack| composer.all(&[Part::Term(stack)]))
}
