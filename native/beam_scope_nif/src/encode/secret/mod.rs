//! Which values never leave the process: decided by their keys, by the structs that they are fields of, or by what they are.

mod ask;
mod parse;
mod value;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use beam_scope_core::redact::{Expression, KeyRules};

pub(crate) use value::ValueRule;

use super::out::Out;
use crate::vm::{self, api, Class, Vm, Word};

/// Atoms whose decision is remembered; a power of two.
const REMEMBERED: usize = 4096;
/// Longest binary or charlist that is looked at, in bytes or letters; a longer one is no key.
const LONGEST: usize = 128;
/// Steps of rules about values that a term may take for each byte of its budget, and at least.
const STEPS_A_BYTE: usize = 8;
const LEAST_STEPS: usize = 4096;

/// The rules of a recording as they were asked for. What several recordings ask for adds up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) words: Vec<String>,
    pub(crate) expressions: Vec<Arc<Expression>>,
    /// Modules of structs, and fields of theirs.
    pub(crate) fields: Vec<(Word, Word)>,
    pub(crate) values: Vec<Arc<ValueRule>>,
}

impl Wanted {
    fn add(&mut self, other: &Self) {
        self.words.extend_from_slice(&other.words);
        self.expressions.extend_from_slice(&other.expressions);
        self.fields.extend_from_slice(&other.fields);
        self.values.extend_from_slice(&other.values);
    }
}

/// The rules of a recording, ready to be asked.
///
/// Keys are atoms, binaries and charlists: of maps and structs, and the first of a tuple of two (keyword lists, headers).
#[derive(Debug)]
pub(crate) struct Rules {
    wanted: Wanted,
    keys: KeyRules,
    keyless: bool,
    /// Atom word and decision: a decision needs the atom's name, which costs a call and an allocation.
    decided: Box<[AtomicU64]>,
}

impl Rules {
    pub(crate) fn new(wanted: Wanted) -> Self {
        let keys = KeyRules::new(wanted.words.iter().cloned(), wanted.expressions.clone());
        let keyless = keys.is_empty();
        let size = if keyless { 0 } else { REMEMBERED };
        Self {
            wanted,
            keys,
            keyless,
            decided: (0..size).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// No rules.
    pub(crate) fn none() -> Self {
        Self::new(Wanted::default())
    }

    /// What any of these hides.
    pub(crate) fn union<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut wanted = Wanted::default();
        all.for_each(|rules| wanted.add(&rules.wanted));
        Self::new(wanted)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.keyless && self.wanted.fields.is_empty() && self.wanted.values.is_empty()
    }

    /// Whether values are looked at themselves.
    pub(crate) fn look_at_values(&self) -> bool {
        !self.wanted.values.is_empty()
    }

    /// The module of a struct of which some field is hidden, else 0.
    #[inline]
    pub(crate) fn owner(&self, vm: Vm, map: Word) -> Word {
        if self.wanted.fields.is_empty() {
            0
        } else {
            self.owner_among(vm, map)
        }
    }

    #[cold]
    fn owner_among(&self, vm: Vm, map: Word) -> Word {
        let marker = vm::word(crate::atoms::__struct__().as_c_arg());
        let module = vm.map_get(map, marker).unwrap_or(0);
        let owns = self.wanted.fields.iter().any(|(owner, _)| *owner == module);
        if owns {
            module
        } else {
            0
        }
    }

    /// Whether the value that belongs to this key, in a struct of this module (0: of none), is to be left out.
    #[inline]
    pub(crate) fn matches(&self, vm: Vm, key: Word, owner: Word) -> bool {
        if cfg!(mutant = "nif_keys_in_the_open") {
            return false;
        }
        (!self.keyless && self.decide(vm, key)) || (owner != 0 && self.wanted.fields.contains(&(owner, key)))
    }

    /// Whether what a variable holds is to be left out, by its name: as a key of that name.
    #[inline(always)]
    pub(crate) fn matches_name(&self, vm: Vm, name: Word) -> bool {
        !self.keyless && vm.class(name) == Class::Atom && self.atom(vm.env, name)
    }

    /// Whether a value is to be left out for what it is. `steps` are what may still be spent; where they do not suffice, it is.
    #[cold]
    pub(crate) fn hides(&self, vm: Vm, word: Word, class: Class, steps: &mut usize) -> bool {
        let may_be = match class {
            Class::Small | Class::BigPositive | Class::BigNegative | Class::Float => true,
            Class::Bits | Class::List | Class::Tuple | Class::Map => true,
            // None of these is a secret, and records are put together of them.
            _ => false,
        };
        may_be
            && !cfg!(mutant = "nif_values_in_the_open")
            && self.wanted.values.iter().any(|rule| rule.hides(vm, word, steps))
    }

    /// The steps for a term with this much room.
    pub(crate) fn steps(out: &Out<'_>) -> usize {
        out.len().saturating_mul(STEPS_A_BYTE).max(LEAST_STEPS)
    }

    fn decide(&self, vm: Vm, key: Word) -> bool {
        match vm.class(key) {
            Class::Atom => self.atom(vm.env, key),
            Class::Bits => {
                let short = vm.layout.byte_size(key).is_none_or(|size| size <= LONGEST);
                short && api::with_binary(vm.env, key, |bytes| self.keys.matches(bytes)).unwrap_or(false)
            }
            Class::List => self.charlist(vm, key),
            _ => false,
        }
    }

    #[inline]
    fn atom(&self, env: api::Env, atom: Word) -> bool {
        // Two places for each, so that two atoms of a hot map do not push each other out.
        let at = (atom >> 6) % REMEMBERED;
        let places = [self.decided.get(at), self.decided.get(at ^ 1)];
        for place in places.into_iter().flatten() {
            let known = place.load(Ordering::Relaxed);
            if known >> 1 == atom as u64 {
                return known & 1 == 1;
            }
        }
        self.decide_atom(env, atom, at)
    }

    #[cold]
    fn decide_atom(&self, env: api::Env, atom: Word, at: usize) -> bool {
        let hit = api::atom_text(env, atom, |text| self.keys.matches(text.as_bytes())).unwrap_or(false);
        let free = self
            .decided
            .get(at)
            .is_some_and(|place| place.load(Ordering::Relaxed) == 0);
        if let Some(place) = self.decided.get(if free { at } else { at ^ 1 }) {
            place.store((atom as u64) << 1 | u64::from(hit), Ordering::Relaxed);
        }
        hit
    }

    fn charlist(&self, vm: Vm, mut rest: Word) -> bool {
        let mut text = [0; LONGEST * 4];
        let (mut len, mut letters) = (0, 0);
        while vm.class(rest) == Class::List {
            let Some((head, tail)) = vm.cell(rest) else {
                return false;
            };
            let Some(letter) = letter(vm, head).filter(|_| letters < LONGEST) else {
                return false;
            };
            len += letter.encode_utf8(&mut text[len..]).len();
            letters += 1;
            rest = tail;
        }
        self.keys.matches(&text[..len])
    }
}

/// A letter of a charlist.
fn letter(vm: Vm, head: Word) -> Option<char> {
    if vm.class(head) != Class::Small {
        return None;
    }
    let letter = char::from_u32(u32::try_from(api::int64(vm.env, head)?).ok()?)?;
    (!letter.is_control()).then_some(letter)
}
