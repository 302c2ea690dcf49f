//! Putting a record's terms into its room.

use beam_scope_core::capture::engine::{Memo, RecordHead};
use beam_scope_core::event::{EventKind, Fields};
use beam_scope_core::term::tag;

use super::config::Capture;
use super::points::{Call, Point, Source};
use crate::encode::{check, encode_root, immediate, marks, Budget, Forgetful, Root, Stream, MIN_BYTES, REDACTED};
use crate::vm::{Vm, Word};

/// Fields that hold a whole state.
const STATES: u16 = Fields::BEFORE | Fields::AFTER;

/// What a mark's site may take, of which 33 names and a label are a part.
const SITE_BYTES: usize = 768;
const SITE_DEPTH: usize = 16;

/// A term of a record.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// A live term.
    Term(Word),
    /// The arguments of a call.
    Arguments(Word),
    /// A term that is left out.
    Secret(Word),
    /// An arity.
    Number(usize),
    /// Already in wire form.
    Wire(&'a [u8]),
    /// A tuple made of sources, all of which are there.
    Tuple(&'a [Source], &'a Call),
}

/// Writes terms one after the other; each gets its budget, and leaves room for a marker of each later one.
pub(crate) struct Composer<'a> {
    vm: Vm,
    buffer: &'a mut [u8],
    used: usize,
    flags: u8,
    root: Root,
    /// The memory of the process's stream, and where in it the record begins.
    stream: Option<(&'a mut Memo, u32)>,
    /// Bytes that remembered terms may take.
    allowed: usize,
    /// Whether the term at hand may be remembered, and referred to.
    remember: bool,
    config: &'a Capture,
}

impl<'a> Composer<'a> {
    pub(crate) fn new(vm: Vm, buffer: &'a mut [u8], config: &'a Capture) -> Self {
        Self {
            vm,
            buffer,
            used: 0,
            flags: 0,
            root: Root::Pair,
            stream: None,
            allowed: 0,
            remember: false,
            config,
        }
    }

    /// The same, of a record that is part of a stream.
    pub(crate) fn streaming(mut self, memo: &'a mut Memo, offset: u32, allowed: usize) -> Self {
        self.stream = Some((memo, offset));
        self.allowed = allowed;
        self
    }

    /// Writes the terms; `None` when there is no room for them all.
    pub(crate) fn all(&mut self, parts: &[Part<'_>]) -> Option<()> {
        for (i, part) in parts.iter().enumerate() {
            self.part(*part, parts.len() - i - 1)?;
        }
        Some(())
    }

    /// A list of what variables hold: each value has the budget of a term, and names decide as keys do.
    pub(crate) fn named(&mut self, variables: impl ExactSizeIterator<Item = (Word, Word)>, later: usize) -> Option<()> {
        let mut left = variables.len();
        if left == 0 {
            return self.wire(&[tag::NIL], later);
        }
        self.wire(&[tag::LIST], later + left + 1)?;
        for (name, value) in variables {
            left -= 1;
            if self.config.rules.matches_name(self.vm, name) {
                self.part(Part::Secret(value), later + left + 1)?;
            } else {
                self.value(value, later + left + 1)?;
            }
        }
        self.wire(&[tag::END], later)
    }

    /// A term, of which most are small integers and atoms.
    #[inline]
    pub(crate) fn value(&mut self, word: Word, later: usize) -> Option<()> {
        match immediate(self.vm, word).filter(|_| !self.config.rules.look_at_values()) {
            Some((tag, number)) => self.varint(tag, number, later),
            None => self.term(word, later),
        }
    }

    /// A mark's site, which is a literal of the user's source: whole, however small the budget of terms is.
    pub(crate) fn site(&mut self, word: Word, later: usize) -> Option<()> {
        let room = self.room(later)?.min(SITE_BYTES);
        let buffer = self.buffer.get_mut(self.used..self.used + room)?;
        let budget = Budget {
            bytes: SITE_BYTES,
            depth: SITE_DEPTH,
        };
        let encoded = encode_root(
            self.vm,
            word,
            buffer,
            budget,
            &self.config.rules,
            Root::State,
            Forgetful,
        )?;
        self.used += encoded.len;
        self.flags |= encoded.flags;
        Some(())
    }

    /// The head of a record with these terms.
    pub(crate) fn head(&self, kind: EventKind, terms: usize) -> RecordHead {
        RecordHead {
            kind: kind as u8,
            point: 0,
            fields: 0,
            terms: terms as u8,
            flags: self.flags,
            ..RecordHead::default()
        }
    }

    /// How much was written.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// A state event's fields, those of `without` and those whose path does not fit left out. The bits of what is there.
    pub(crate) fn fields(&mut self, point: &Point, call: &Call, without: u16) -> Option<(u16, usize)> {
        let (mut bits, mut count) = (0, 0);
        for (i, (bit, source)) in point.fields.iter().enumerate() {
            if bit & without != 0 {
                continue;
            }
            if let Some(part) = resolve(self.vm, source, call) {
                self.root = if point.statem && bit & STATES != 0 {
                    Root::State
                } else {
                    Root::Pair
                };
                self.remember = bit & STATES != 0;
                self.part(part, point.fields.len() - i - 1)?;
                bits |= bit;
                count += 1;
            }
        }
        (self.root, self.remember) = (Root::Pair, false);
        if self.config.check && bits & STATES != 0 {
            let print = self.fingerprint(point, call, bits);
            self.varint(tag::INT, print << 1, 0)?;
            return Some((bits | Fields::CHECK, count + 1));
        }
        Some((bits, count))
    }

    /// Of all states of the record; 0 where one cannot have any.
    #[cold]
    fn fingerprint(&self, point: &Point, call: &Call, bits: u16) -> u64 {
        let states = point.fields.iter().filter(|(bit, _)| bit & STATES & bits != 0);
        let prints = states.map(|(_, source)| match resolve(self.vm, source, call) {
            Some(Part::Term(word)) => check::fingerprint(self.vm.env, word),
            _ => None,
        });
        let print = prints.collect::<Option<Vec<u64>>>().unwrap_or_default();
        print.into_iter().fold(0, check::both) >> 1
    }

    fn part(&mut self, part: Part<'_>, later: usize) -> Option<()> {
        match part {
            Part::Term(word) => self.term(word, later),
            Part::Arguments(word) => {
                let root = std::mem::replace(&mut self.root, Root::Arguments);
                let written = self.term(word, later);
                self.root = root;
                written
            }
            Part::Secret(word) => {
                self.flags |= REDACTED;
                let kind = marks::kind(self.vm.class(word));
                self.wire(&[tag::REDACTED, kind as u8, 0], later)
            }
            Part::Number(n) => self.varint(tag::INT, (n as u64) << 1, later),
            Part::Wire(bytes) => self.wire(bytes, later),
            Part::Tuple(sources, call) => {
                self.varint(tag::TUPLE, sources.len() as u64, later + sources.len())?;
                // What the tuple is does not go for its elements: data that is a pair has a key.
                self.root = Root::Pair;
                for (i, source) in sources.iter().enumerate() {
                    let part = resolve(self.vm, source, call)?;
                    // A tuple inside a tuple is more than any profile needs.
                    let Part::Tuple(..) = part else {
                        self.part(part, later + sources.len() - i - 1)?;
                        continue;
                    };
                    return None;
                }
                Some(())
            }
        }
    }

    fn term(&mut self, word: Word, later: usize) -> Option<()> {
        let room = self.room(later)?;
        let (vm, rules, root, depth) = (self.vm, &self.config.rules, self.root, self.config.budget.depth);
        let buffer = self.buffer.get_mut(self.used..self.used + room)?;
        let encoded = match &mut self.stream {
            Some((memo, offset)) if self.remember => {
                let (bytes, recall) = (self.allowed.min(room), Stream::new(memo, *offset + self.used as u32));
                encode_root(vm, word, buffer, Budget { bytes, depth }, rules, root, recall)?
            }
            _ => {
                let bytes = self.config.budget.bytes.min(room);
                encode_root(vm, word, buffer, Budget { bytes, depth }, rules, root, Forgetful)?
            }
        };
        self.used += encoded.len;
        self.flags |= encoded.flags;
        Some(())
    }

    fn room(&self, later: usize) -> Option<usize> {
        self.buffer.len().checked_sub(self.used + later * MIN_BYTES)
    }

    fn varint(&mut self, tag: u8, mut value: u64, later: usize) -> Option<()> {
        let room = self.room(later)?;
        let mut places = self.buffer.get_mut(self.used..self.used + room)?.iter_mut();
        *places.next()? = tag;
        let mut written = 2;
        while value >= 0x80 {
            *places.next()? = value as u8 & 0x7F | 0x80;
            value >>= 7;
            written += 1;
        }
        *places.next()? = value as u8;
        self.used += written;
        Some(())
    }

    fn wire(&mut self, bytes: &[u8], later: usize) -> Option<()> {
        let room = self.room(later)?;
        if bytes.len() > room {
            return None;
        }
        self.buffer
            .get_mut(self.used..self.used + bytes.len())?
            .copy_from_slice(bytes);
        self.used += bytes.len();
        Some(())
    }
}

fn resolve<'a>(vm: Vm, source: &'a Source, call: &'a Call) -> Option<Part<'a>> {
    Some(match source {
        Source::Argument(i, steps) => Part::Term(call.find(vm, *i, steps)?),
        Source::Result => Part::Term(call.result?),
        Source::Function => Part::Term(call.function),
        Source::Wire(bytes) => Part::Wire(bytes),
        Source::Tuple(sources) => {
            // Checked now: a tuple is written with all its elements or not at all.
            for source in sources {
                resolve(vm, source, call)?;
            }
            Part::Tuple(sources, call)
        }
    })
}
