//! Matching heads against terms.
//!
//! Recursion goes down the pattern, whose depth is bounded, never down the term.

use std::cell::Cell;

use super::bits::BitStr;
use super::compare::Compare;
use super::guard::Guards;
use super::number::{Int, Number};
use super::term::{self, End, Hidden, Pairs, Term, View};
use super::{Answer, Bindings, Bound, Head, Match, Pattern, Prepared, Segment, SegmentKind, Why};
use crate::term::arena::{Arena, NodeId};
use crate::term::Kind;

/// Steps of one evaluation: nodes compared, heads and guards visited.
pub(super) const FUEL: usize = 4_000_000;

pub(super) fn matches(prepared: &Prepared<'_>, id: NodeId) -> Match {
    let fuel = Cell::new(FUEL);
    let mut matching = Matching::new(prepared, &fuel);
    if matching
        .head(&prepared.pattern.head, Term::Node(prepared.arena, id))
        .is_err()
    {
        return Match::No;
    }
    match matching.guarded() {
        Answer::Yes => Match::Yes(matching.bindings()),
        Answer::No => Match::No,
        Answer::Unknown(why) => Match::Unknown(why),
    }
}

/// A definite mismatch.
pub(super) struct Mismatch;

pub(super) type Done = Result<(), Mismatch>;

pub(super) fn require(yes: bool) -> Done {
    if yes {
        Ok(())
    } else {
        Err(Mismatch)
    }
}

pub(super) struct Matching<'m, 'a> {
    pub(super) pattern: &'a Pattern,
    arena: &'a Arena,
    keys: &'m [Option<NodeId>],
    pub(super) slots: Vec<Option<Term<'a>>>,
    pub(super) compare: Compare<'m>,
    /// Why the match is not certain, if it is not.
    unknown: Option<Why>,
}

impl<'m, 'a> Matching<'m, 'a> {
    pub(super) fn new(prepared: &'m Prepared<'a>, fuel: &'m Cell<usize>) -> Self {
        let pattern = prepared.pattern;
        Self {
            pattern,
            arena: prepared.arena,
            keys: &prepared.keys,
            slots: vec![None; pattern.vars.len()],
            compare: Compare {
                truths: &pattern.truths,
                fuel,
            },
            unknown: None,
        }
    }

    /// The answer once the head has matched.
    pub(super) fn guarded(&mut self) -> Answer {
        if let Some(guard) = &self.pattern.guard {
            match self.guards().test(guard).answer() {
                Answer::Yes => {}
                Answer::No => return Answer::No,
                Answer::Unknown(why) => self.doubt(why),
            }
        }
        self.so_far()
    }

    /// The answer if there is nothing more to ask.
    pub(super) fn so_far(&self) -> Answer {
        self.unknown.map_or(Answer::Yes, Answer::Unknown)
    }

    pub(super) fn doubt(&mut self, why: Why) {
        self.unknown = self.unknown.or(Some(why));
    }

    pub(super) fn agree(&mut self, answer: Answer) -> Done {
        match answer {
            Answer::Yes => Ok(()),
            Answer::No => Err(Mismatch),
            Answer::Unknown(why) => {
                self.doubt(why);
                Ok(())
            }
        }
    }

    fn guards(&self) -> Guards<'_, 'a> {
        Guards {
            literals: &self.pattern.literals,
            slots: &self.slots,
            compare: self.compare,
        }
    }

    fn bindings(&self) -> Bindings {
        let vars = self.pattern.vars.iter().zip(&self.slots);
        let told = vars.filter(|(var, _)| !var.silent);
        Bindings(
            told.filter_map(|(var, term)| Some((var.name, bound(term.as_ref()?, self.arena))))
                .collect(),
        )
    }

    pub(super) fn head(&mut self, head: &'a Head, term: Term<'a>) -> Done {
        if self.compare.spend().is_err() {
            self.doubt(Why::Unsupported);
            return Ok(());
        }
        match head {
            Head::Any => Ok(()),
            Head::Var(slot) => self.var(*slot, term),
            Head::As(both) => {
                self.head(&both.0, term.clone())?;
                self.head(&both.1, term)
            }
            Head::Lit(id, _) => {
                let literal = Term::Node(&self.pattern.literals, *id);
                let exact = !cfg!(mutant = "pattern-loose-literals");
                let answer = self.compare.equal(&term, &literal, exact);
                self.agree(answer)
            }
            Head::AnyAtom => match term.view() {
                View::Atom(_) | View::Bool(_) => Ok(()),
                View::Hidden(hidden) => self.hidden(head, hidden),
                _ => Err(Mismatch),
            },
            Head::Tuple(heads) => match term.view() {
                View::Tuple(elements) => {
                    require(elements.arity == heads.len() as u64)?;
                    self.each(heads, |at| elements.get(at))
                }
                View::Hidden(hidden) => self.hidden(head, hidden),
                _ => Err(Mismatch),
            },
            Head::List(heads) => self.list(head, heads, &term),
            Head::Cons(heads, tail) => self.cons(head, heads, tail, &term),
            Head::Map(pairs) => match term.view() {
                View::Map(map) => self.map(pairs, &map),
                View::Hidden(hidden) => self.hidden(head, hidden),
                _ => Err(Mismatch),
            },
            Head::Bin(segments) => match term.view() {
                View::Bits(bits) => self.segments(segments, &bits),
                View::Hidden(hidden) => self.hidden(head, hidden),
                _ => Err(Mismatch),
            },
        }
    }

    fn each(&mut self, heads: &'a [Head], term: impl Fn(usize) -> Term<'a>) -> Done {
        heads
            .iter()
            .enumerate()
            .try_for_each(|(at, head)| self.head(head, term(at)))
    }

    fn var(&mut self, slot: usize, term: Term<'a>) -> Done {
        match self.slots.get(slot).cloned().flatten() {
            Some(known) => {
                let answer = self.compare.equal(&known, &term, true);
                self.agree(answer)
            }
            None => {
                if let Some(place) = self.slots.get_mut(slot) {
                    *place = Some(term);
                }
                Ok(())
            }
        }
    }

    fn list(&mut self, head: &'a Head, heads: &'a [Head], term: &Term<'a>) -> Done {
        match term.view() {
            View::Nil => require(heads.is_empty()),
            View::List(list) => {
                match (list.len(), list.end) {
                    (Some(len), _) => require(len == heads.len() as u64)?,
                    (None, End::Cut(_, why)) => {
                        require(list.known <= heads.len())?;
                        if !cfg!(mutant = "pattern-cut-list-ends") {
                            self.doubt(why);
                        }
                    }
                    (None, _) => return Err(Mismatch),
                }
                self.each(heads, |at| list.get(at))
            }
            View::Hidden(hidden) => self.hidden(head, hidden),
            _ => Err(Mismatch),
        }
    }

    fn cons(&mut self, head: &'a Head, heads: &'a [Head], tail: &'a Head, term: &Term<'a>) -> Done {
        match term.view() {
            View::List(list) => {
                let wanted = heads.len();
                match list.end {
                    End::Cut(Some(more), _) => require(list.known as u64 + more >= wanted as u64)?,
                    End::Cut(None, why) if list.known < wanted => self.doubt(why),
                    End::Cut(None, _) => {}
                    End::Nil | End::Tail(_) => require(list.known >= wanted)?,
                }
                self.each(heads, |at| list.get(at))?;
                self.head(tail, list.rest(wanted))
            }
            View::Hidden(hidden) => self.hidden(head, hidden),
            _ => Err(Mismatch),
        }
    }

    fn map(&mut self, pairs: &'a [(usize, Head)], map: &Pairs<'a>) -> Done {
        for (key, head) in pairs {
            match self.value_of(*key, map) {
                Ok(Some(id)) => self.head(head, Term::Node(map.arena, id))?,
                Ok(None) => return Err(Mismatch),
                Err(why) => {
                    // Whether the key is there at all is not known.
                    self.doubt(why);
                    self.head(head, Term::Hidden(Hidden::unknown(why)))?;
                }
            }
        }
        if let Some(size) = map.size {
            require(size >= map.known as u64)?;
        }
        Ok(())
    }

    pub(super) fn value_of(&self, key: usize, map: &Pairs<'a>) -> Result<Option<NodeId>, Why> {
        let found = if std::ptr::eq(map.arena, self.arena) {
            self.keys.get(key).copied().flatten()
        } else {
            self.pattern.keys.get(key).and_then(|key| map.arena.find(key))
        };
        let found = found.and_then(|id| map.arena.map_get(map.id, id));
        if found.is_some() || map.whole() && map.arena.is_complete(map.id) {
            return Ok(found);
        }
        if !map.whole() {
            return Err(map.why);
        }
        // Every pair is there, but some key may itself be cut: compare those with the key that is asked for.
        let mut scratch = Arena::new();
        let Some(value) = self.pattern.keys.get(key) else {
            return Ok(None);
        };
        let wanted = scratch.intern(value);
        let cut = map
            .arena
            .map_iter(map.id)
            .filter(|(key, _)| !map.arena.is_complete(*key));
        for (other, _) in cut {
            let (wanted, other) = (Term::Node(&scratch, wanted), Term::Node(map.arena, other));
            if let Answer::Unknown(why) = self.compare.equal(&wanted, &other, true) {
                return Err(why);
            }
        }
        Ok(None)
    }

    /// A term that cannot be seen: only what does not look into it matches for sure.
    fn hidden(&mut self, head: &'a Head, hidden: Hidden) -> Done {
        let possible: &[Kind] = match head {
            Head::Tuple(_) => &[Kind::Tuple],
            Head::List(_) | Head::Cons(..) => &[Kind::List],
            Head::Map(_) => &[Kind::Map],
            Head::Bin(_) => &[Kind::Binary],
            Head::AnyAtom => &[Kind::Atom],
            _ => &[],
        };
        require(hidden.kind.is_none_or(|kind| possible.contains(&kind)))?;
        let sure = hidden.kind.is_some() && matches!(head, Head::AnyAtom);
        if !sure && !cfg!(mutant = "pattern-hidden-matches") {
            self.doubt(hidden.why);
        }
        let part = || Term::Hidden(Hidden::unknown(hidden.why));
        match head {
            Head::Tuple(heads) | Head::List(heads) => self.each(heads, |_| part()),
            Head::Cons(heads, tail) => {
                self.each(heads, |_| part())?;
                self.head(tail, part())
            }
            Head::Map(pairs) => pairs.iter().try_for_each(|(_, head)| self.head(head, part())),
            Head::Bin(segments) => {
                self.unread(segments, hidden.why);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    // ---- binaries ----

    fn segments(&mut self, segments: &'a [Segment], bits: &BitStr<'a>) -> Done {
        let mut at = 0usize;
        for (index, segment) in segments.iter().enumerate() {
            let rest = segments.get(index..).unwrap_or(&[]);
            let Some(len) = self.segment_len(segment, bits, at)? else {
                self.unread(rest, self.unknown.unwrap_or(Why::Truncated));
                return Ok(());
            };
            let end = at as u64 + len;
            if let Some(total) = limit(bits) {
                require(end <= total)?;
            }
            match usize::try_from(end) {
                Ok(end) if end <= bits.len => self.read(segment, bits.slice(at, end - at))?,
                _ if bits.cut.is_none() => return Err(Mismatch),
                _ => self.read_cut(segment, bits, at, len)?,
            }
            at = usize::try_from(end).map_err(|_| Mismatch)?;
        }
        match (bits.cut, limit(bits)) {
            (None, _) => require(at == bits.len),
            (Some(cut), Some(total)) if cut.bytes_only => require(at as u64 == total),
            (Some(cut), total) => {
                // An odd number of bits may be missing from the last byte.
                require(total.is_none_or(|total| (at as u64) <= total && at as u64 + 7 >= total))?;
                self.doubt(cut.why);
                Ok(())
            }
        }
    }

    /// How many bits a segment takes; `None` (and a doubt) where that cannot be told.
    fn segment_len(&mut self, segment: &'a Segment, bits: &BitStr<'a>, at: usize) -> Result<Option<u64>, Mismatch> {
        let unit = u64::from(segment.unit);
        match (&segment.size, segment.kind) {
            (Some(size), SegmentKind::Integer | SegmentKind::Float | SegmentKind::Binary) => {
                match self.guards().size(size) {
                    Ok(Some(n)) => match u64::try_from(n) {
                        Ok(n) => Ok(Some(n.saturating_mul(unit).min(u64::MAX / 4))),
                        Err(_) => Err(Mismatch),
                    },
                    Ok(None) => Err(Mismatch),
                    Err(why) => {
                        self.doubt(why);
                        Ok(None)
                    }
                }
            }
            (None, SegmentKind::Binary) => self.rest_len(bits, at, unit),
            _ => self.character_len(segment, bits, at),
        }
    }

    fn rest_len(&mut self, bits: &BitStr<'a>, at: usize, unit: u64) -> Result<Option<u64>, Mismatch> {
        match (bits.total(), bits.cut) {
            (Some(total), _) => {
                let rest = total.checked_sub(at as u64).ok_or(Mismatch)?;
                require(rest % unit == 0)?;
                Ok(Some(rest))
            }
            // Any number of bits will do.
            (None, Some(cut)) if unit == 1 || cut.bytes_only && unit == 8 && at.is_multiple_of(8) => {
                Ok(cut.total.map(|total| total.saturating_sub(at as u64)))
            }
            _ => {
                self.doubt(bits.why());
                Ok(None)
            }
        }
    }

    fn character_len(&mut self, segment: &Segment, bits: &BitStr<'a>, at: usize) -> Result<Option<u64>, Mismatch> {
        let rest = bits.rest(at);
        match (character(segment, &rest), rest.cut) {
            (Some((_, len)), _) => Ok(Some(len as u64)),
            (None, Some(cut)) if rest.len < 32 => {
                self.doubt(cut.why);
                Ok(None)
            }
            (None, _) => Err(Mismatch),
        }
    }

    /// A segment that is all there.
    fn read(&mut self, segment: &'a Segment, bits: BitStr<'a>) -> Done {
        let term = match segment.kind {
            SegmentKind::Integer => Term::Int(bits.integer(segment.signed, segment.little)),
            SegmentKind::Float => Term::Float(bits.float(segment.little).ok_or(Mismatch)?),
            SegmentKind::Binary => Term::Bits(bits),
            _ => {
                let (char, _) = character(segment, &bits).ok_or(Mismatch)?;
                Term::Int(Int::Small(i128::from(char)))
            }
        };
        self.segment_head(segment, term)
    }

    fn segment_head(&mut self, segment: &'a Segment, term: Term<'a>) -> Done {
        if let (SegmentKind::Float, Head::Lit(id, _), Term::Float(float)) = (segment.kind, &segment.head, &term) {
            // A whole number written in a float segment means that float.
            if let View::Number(Number::Int(n)) = Term::Node(&self.pattern.literals, *id).view() {
                let wanted = n.small().map(|n| n as f64);
                return require(wanted.map(f64::to_bits) == Some(float.to_bits()));
            }
        }
        self.head(&segment.head, term)
    }

    /// A segment that reaches past what is there.
    fn read_cut(&mut self, segment: &'a Segment, bits: &BitStr<'a>, at: usize, len: u64) -> Done {
        let kind = match segment.kind {
            SegmentKind::Binary => return self.head(&segment.head, Term::Bits(bits.part(at, len))),
            // NaN and the infinities match nothing, so even `_` is not certain.
            SegmentKind::Float => {
                require(matches!(len, 16 | 32 | 64))?;
                self.doubt(bits.why());
                Kind::Float
            }
            _ => Kind::Integer,
        };
        let hidden = Hidden {
            kind: Some(kind),
            ..Hidden::unknown(bits.why())
        };
        self.segment_head(segment, Term::Hidden(hidden))
    }

    /// Segments of which not even the place is known.
    fn unread(&mut self, segments: &'a [Segment], why: Why) {
        self.doubt(why);
        for segment in segments {
            if let Head::Var(slot) = segment.head {
                let place = self.slots.get_mut(slot);
                if let Some(place @ None) = place {
                    *place = Some(Term::Hidden(Hidden::unknown(why)));
                }
            }
        }
    }
}

/// The most bits that there can be.
fn limit(bits: &BitStr<'_>) -> Option<u64> {
    match bits.cut {
        None => Some(bits.len as u64),
        Some(cut) => cut.total,
    }
}

fn character(segment: &Segment, bits: &BitStr<'_>) -> Option<(u32, usize)> {
    match segment.kind {
        SegmentKind::Utf8 => bits.utf8(),
        SegmentKind::Utf16 => bits.utf16(segment.little),
        _ => bits.utf32(segment.little),
    }
}

fn bound(term: &Term<'_>, arena: &Arena) -> Bound {
    match term {
        Term::Node(of, id) if std::ptr::eq(*of, arena) => Bound::Node(*id),
        term => apart(term),
    }
}

/// A variable's value as an owned one.
pub(super) fn apart(term: &Term<'_>) -> Bound {
    match term {
        Term::Hidden(hidden) => Bound::Hidden(hidden.kind, hidden.why, hidden.size),
        term => match term::to_value(term) {
            Some(value) => Bound::Value(value),
            None => Bound::Hidden(None, Why::Unsupported, 0),
        },
    }
}
