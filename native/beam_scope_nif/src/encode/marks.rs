//! What stands where something was left out.

use beam_scope_core::term::{tag, Kind};

use super::out::varint_len;
use super::recall::Recall;
use super::walk::{Put, Walk};
use super::{REDACTED, TRUNCATED};
use crate::vm::{Class, Word};

/// Least bytes of a binary worth keeping.
const LEAST_PREFIX: usize = 8;

impl<R: Recall> Walk<'_, R> {
    /// A marker in place of a secret.
    pub(super) fn redact(&mut self, word: Word, limit: usize) -> Put {
        self.stub(tag::REDACTED, REDACTED, word, self.vm.class(word), limit)
    }

    /// A marker in place of a term that does not fit; greedily, giving up instead.
    pub(super) fn no_room(&mut self, word: Word, class: Class, limit: usize) -> Put {
        if self.fair {
            self.marker(word, class, limit)
        } else {
            Put::NoRoom
        }
    }

    /// A marker in place of a term.
    pub(super) fn marker(&mut self, word: Word, class: Class, limit: usize) -> Put {
        self.stub(tag::TRUNC, TRUNCATED, word, class, limit)
    }

    /// Kind and size of a term.
    fn stub(&mut self, tag: u8, flag: u8, word: Word, class: Class, limit: usize) -> Put {
        let size = self.extent(word, class);
        let size = if self.out.fits(limit, 2 + varint_len(size)) {
            size
        } else {
            0
        };
        if !self.out.fits(limit, 3) {
            return Put::NoRoom;
        }
        self.out.byte(tag);
        self.out.byte(kind(class) as u8);
        self.out.varint(size);
        self.flags |= flag;
        Put::Done
    }

    /// A prefix of a binary, if it is worth it, else a marker.
    pub(super) fn prefix(&mut self, word: Word, bytes: &[u8], limit: usize) -> Put {
        let full = bytes.len() as u64;
        let head = 1 + 2 * varint_len(full);
        let room = self.out.room(limit);
        if room < head + LEAST_PREFIX {
            return self.marker(word, Class::Bits, limit);
        }
        let kept = &bytes[..(room - head).min(bytes.len())];
        self.out.byte(tag::TRUNC_BINARY);
        self.out.varint(full);
        self.out.varint(kept.len() as u64);
        self.out.slice(kept);
        self.flags |= TRUNCATED;
        Put::Done
    }

    fn extent(&mut self, word: Word, class: Class) -> u64 {
        match class {
            Class::Tuple => self.vm.tuple(word).map_or(0, |(_, arity)| arity as u64),
            Class::Map => self.vm.map_size(word).unwrap_or(0) as u64,
            Class::List => self.count(word).unwrap_or(0),
            Class::Bits => self.vm.layout.byte_size(word).unwrap_or(0) as u64,
            _ => 0,
        }
    }

    /// The length of a proper list, if it is not too long to count.
    pub(super) fn count(&mut self, mut rest: Word) -> Option<u64> {
        let mut length = 0;
        while self.cells > 0 {
            match self.vm.class(rest) {
                Class::Nil => return Some(length),
                Class::List => rest = self.vm.cell(rest)?.1,
                _ => return None,
            }
            length += 1;
            self.cells -= 1;
        }
        None
    }
}

/// The kind that a user sees.
pub(crate) const fn kind(class: Class) -> Kind {
    match class {
        Class::Atom => Kind::Atom,
        Class::Small | Class::BigPositive | Class::BigNegative => Kind::Integer,
        Class::Nil | Class::List => Kind::List,
        Class::Pid | Class::ExternalPid => Kind::Pid,
        Class::Port | Class::ExternalPort => Kind::Port,
        Class::Tuple | Class::Unknown | Class::Other => Kind::Tuple,
        Class::Float => Kind::Float,
        Class::Bits => Kind::Binary,
        Class::Map => Kind::Map,
        Class::Reference | Class::ExternalReference => Kind::Reference,
        Class::Fun => Kind::Fun,
    }
}
