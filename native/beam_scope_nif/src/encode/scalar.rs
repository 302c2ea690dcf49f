//! Terms without parts.

use beam_scope_core::term::{tag, Kind};
use rustler::sys::{self, ErlNifCharEncoding};

use super::marks::kind;
use super::out::{varint_len, VARINT_MAX};
use super::recall::Recall;
use super::walk::{Put, Walk};
use super::LOCAL;
use crate::vm::{api, raw, term, word, Class, Vm, Word};

/// Room for what the VM prints for a fun, port or reference; longer names are cut.
const PRINTED: usize = 300;

impl<R: Recall> Walk<'_, R> {
    pub(super) fn scalar(&mut self, word: Word, class: Class, limit: usize) -> Put {
        let written = match class {
            Class::Atom => self.out.tagged(limit, tag::ATOM, word as u64),
            Class::Small => self.small(word, limit),
            Class::Nil => self.nil(limit),
            Class::Pid => {
                self.flags |= LOCAL;
                self.out.tagged(limit, tag::PID, word as u64)
            }
            Class::Float => self.float(word, limit),
            Class::BigPositive | Class::BigNegative => self.big(word, class, limit),
            Class::Bits => return self.bits(word, limit),
            Class::Reference => self.reference(word, limit),
            Class::ExternalReference => self.external(word, tag::EXT_REF, limit),
            Class::ExternalPid => self.external(word, tag::EXT_PID, limit),
            Class::ExternalPort => self.external(word, tag::EXT_PORT, limit),
            Class::Fun => self.fun(word, limit),
            Class::Port => self.printed(word, class, limit),
            // Not printed: nobody knows how much that would be.
            _ => self.opaque(class, "#unknown", limit),
        };
        if written {
            Put::Done
        } else {
            self.no_room(word, class, limit)
        }
    }

    fn nil(&mut self, limit: usize) -> bool {
        let fits = self.out.fits(limit, 1);
        if fits {
            self.out.byte(tag::NIL);
        }
        fits
    }

    fn small(&mut self, word: Word, limit: usize) -> bool {
        if self.vm.layout.immediates {
            return self.int((word as i64) >> 4, limit);
        }
        api::int64(self.vm.env, word).is_some_and(|value| self.int(value, limit))
    }

    fn int(&mut self, value: i64, limit: usize) -> bool {
        self.out.tagged(limit, tag::INT, zigzag(value))
    }

    fn float(&mut self, word: Word, limit: usize) -> bool {
        if !self.out.fits(limit, 9) {
            return false;
        }
        let bits = if self.vm.layout.class(word) == Class::Float {
            // SAFETY: the class was read from its header; a float's bits are the next word.
            unsafe { raw::at(word, 1) as u64 }
        } else {
            match api::float_bits(self.vm.env, word) {
                Some(bits) => bits,
                None => return false,
            }
        };
        self.out.byte(tag::FLOAT);
        self.out.slice(&bits.to_le_bytes());
        true
    }

    fn big(&mut self, word: Word, class: Class, limit: usize) -> bool {
        if self.vm.layout.class(word) == class {
            // SAFETY: the class was read from its header, which holds how many words of magnitude follow.
            let limbs = unsafe {
                let count = raw::at(word, 0) >> 6;
                std::slice::from_raw_parts(raw::pointer(word).add(1).cast::<u8>(), count * size_of::<Word>())
            };
            return self.magnitude(class == Class::BigNegative, limbs, limit);
        }
        // The VM itself bounds what an integer can be.
        let env = self.vm.env;
        api::with_external(env, word, |bytes| match bytes {
            [110, _, sign, magnitude @ ..] | [111, _, _, _, _, sign, magnitude @ ..] => {
                self.magnitude(*sign == 1, magnitude, limit)
            }
            _ => false,
        })
        .unwrap_or(false)
    }

    /// A magnitude, least byte first, perhaps with zeros at its end.
    fn magnitude(&mut self, negative: bool, bytes: &[u8], limit: usize) -> bool {
        let len = bytes.iter().rposition(|b| *b != 0).map_or(0, |i| i + 1);
        let bytes = &bytes[..len];
        if len <= 8 {
            let mut word = [0; 8];
            word[..len].copy_from_slice(bytes);
            let value = i128::from(u64::from_le_bytes(word)) * if negative { -1 } else { 1 };
            if let Ok(value) = i64::try_from(value) {
                return self.int(value, limit);
            }
        }
        if !self.out.fits(limit, 2 + varint_len(len as u64) + len) {
            return false;
        }
        self.out.byte(tag::BIG);
        self.out.byte(u8::from(negative));
        self.out.varint(len as u64);
        self.out.slice(bytes);
        true
    }

    fn bits(&mut self, word: Word, limit: usize) -> Put {
        let size = self.vm.layout.byte_size(word);
        let over = size.is_some_and(|size| size > self.out.room(limit));
        if over && (!self.fair || self.vm.is_unaligned(word)) {
            // The VM would copy all of it for us.
            return self.no_room(word, Class::Bits, limit);
        }
        let env = self.vm.env;
        let whole = api::with_binary(env, word, |bytes| {
            if self.out.sized(limit, tag::BINARY, bytes) {
                Put::Done
            } else if self.fair {
                self.prefix(word, bytes, limit)
            } else {
                Put::NoRoom
            }
        });
        match whole {
            Some(put) => put,
            None if size.is_some() && !over => self.bitstring(word, limit),
            None => self.no_room_or_marker(word, limit),
        }
    }

    /// A bitstring whose size nobody can tell is not captured at all.
    fn no_room_or_marker(&mut self, word: Word, limit: usize) -> Put {
        if self.vm.layout.byte_size(word).is_some() {
            self.no_room(word, Class::Bits, limit)
        } else {
            self.marker(word, Class::Bits, limit)
        }
    }

    /// What is no binary, and small: the interface reads bitstrings only through their external form.
    fn bitstring(&mut self, word: Word, limit: usize) -> Put {
        let env = self.vm.env;
        let written = api::with_external(env, word, |bytes| match bytes {
            // BIT_BINARY_EXT
            [77, _, _, _, _, last, data @ ..] => {
                let fits = self
                    .out
                    .fits(limit, 2 + VARINT_MAX.min(varint_len(data.len() as u64)) + data.len());
                if fits {
                    self.out.byte(tag::BITS);
                    self.out.varint(data.len() as u64);
                    self.out.byte(*last);
                    self.out.slice(data);
                }
                fits
            }
            _ => false,
        });
        if written == Some(true) {
            Put::Done
        } else {
            self.no_room(word, Class::Bits, limit)
        }
    }

    fn reference(&mut self, word: Word, limit: usize) -> bool {
        if self.vm.layout.class(word) == Class::Reference {
            if let Some(words) = self.vm.layout.reference(word) {
                self.flags |= LOCAL;
                if !self.out.fits(limit, 2 + 4 * words.len()) {
                    return false;
                }
                self.out.byte(tag::LREF);
                self.out.varint(words.len() as u64);
                words.iter().for_each(|word| self.out.slice(&word.to_le_bytes()));
                return true;
            }
            if self.vm.layout.is_magic(word) {
                return self.printed(word, Class::Reference, limit);
            }
        }
        self.flags |= LOCAL;
        self.external(word, tag::EXT_REF, limit)
    }

    fn external(&mut self, word: Word, tag: u8, limit: usize) -> bool {
        let env = self.vm.env;
        api::with_external(env, word, |bytes| self.out.sized(limit, tag, bytes)).unwrap_or(false)
    }

    fn fun(&mut self, value: Word, limit: usize) -> bool {
        let mut buffer = [0; PRINTED];
        let text = api::print(value, &mut buffer);
        // Only `fun m:f/a` has an external form without an environment.
        if !text.starts_with("fun ") {
            return self.opaque(Class::Fun, text, limit);
        }
        let env = self.vm.env;
        match api::with_external(env, value, |bytes| export(env, bytes)).flatten() {
            Some((module, function, arity)) => {
                let (module, function, arity) = (module as u64, function as u64, u64::from(arity));
                let fits = self
                    .out
                    .fits(limit, 1 + varint_len(module) + varint_len(function) + varint_len(arity));
                if fits {
                    self.out.byte(tag::EXPORT);
                    self.out.varint(module);
                    self.out.varint(function);
                    self.out.varint(arity);
                }
                fits
            }
            None => self.opaque(Class::Fun, text, limit),
        }
    }

    fn printed(&mut self, word: Word, class: Class, limit: usize) -> bool {
        let mut buffer = [0; PRINTED];
        let text = api::print(word, &mut buffer);
        self.opaque(class, text, limit)
    }

    fn opaque(&mut self, class: Class, text: &str, limit: usize) -> bool {
        let kind: Kind = kind(class);
        let fits = self.out.fits(limit, 2 + varint_len(text.len() as u64) + text.len());
        if fits {
            self.out.byte(tag::OPAQUE);
            self.out.byte(kind as u8);
            self.out.varint(text.len() as u64);
            self.out.slice(text.as_bytes());
        }
        fits
    }
}

/// A small integer or an atom as its tag and number, straight from its word: such a term always fits, and the walk is not needed for it.
/// `None` for any other term, and where layouts were not learned.
#[inline]
pub(crate) fn immediate(vm: Vm, word: Word) -> Option<(u8, u64)> {
    if !vm.layout.immediates {
        return None;
    }
    match word & 0x3F {
        0x0B => Some((tag::ATOM, word as u64)),
        low if low & 0xF == 0xF => Some((tag::INT, zigzag((word as i64) >> 4))),
        _ => None,
    }
}

pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Module, function and arity of an exported fun in external form.
fn export(env: api::Env, bytes: &[u8]) -> Option<(Word, Word, u8)> {
    // EXPORT_EXT, and SMALL_INTEGER_EXT for the arity
    let (113, rest) = (*bytes.first()?, bytes.get(1..)?) else {
        return None;
    };
    let (module, rest) = api::external_atom(rest)?;
    let (function, rest) = api::external_atom(rest)?;
    let arity = (*rest.first()? == 97).then(|| rest.get(1).copied()).flatten()?;
    Some((existing_atom(env, module)?, existing_atom(env, function)?, arity))
}

/// An atom by its name, which the interface takes in Latin-1 on every release that we support.
fn existing_atom(env: api::Env, name: &[u8]) -> Option<Word> {
    if !name.is_ascii() {
        return None;
    }
    let mut atom = term(0);
    // SAFETY: reads `name`, writes a term when it says so.
    let found = unsafe {
        sys::enif_make_existing_atom_len(
            env,
            name.as_ptr().cast(),
            name.len(),
            &mut atom,
            ErlNifCharEncoding::ERL_NIF_LATIN1,
        ) != 0
    };
    found.then(|| word(atom))
}
