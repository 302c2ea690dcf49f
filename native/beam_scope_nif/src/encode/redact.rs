//! Which values never leave the process: decided by their keys.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::vm::{api, Class, Vm, Word};

/// Atoms whose decision is remembered; a power of two.
const REMEMBERED: usize = 4096;
/// Longest text that is looked at; a longer one is no key.
const LONGEST: usize = 128;

/// The rules of a recording. A key matches when its text contains a rule's, letters' case aside.
///
/// Keys are atoms, binaries and charlists: of maps and structs, and the first of a tuple of two (keyword lists, headers).
#[derive(Debug)]
pub(crate) struct Rules {
    words: Vec<Vec<u8>>,
    /// Which bytes some word begins with, in either case: most letters of most keys are done with after one look.
    first: [bool; 256],
    /// Atom word and decision: a decision needs the atom's name, which costs a call and an allocation.
    decided: Box<[AtomicU64]>,
}

impl Rules {
    /// Rules from words; empty ones would match everything and are left out.
    pub(crate) fn new(words: impl IntoIterator<Item = String>) -> Self {
        let mut words: Vec<Vec<u8>> = words.into_iter().map(|word| word.to_lowercase().into_bytes()).collect();
        words.retain(|word| !word.is_empty());
        let size = if words.is_empty() { 0 } else { REMEMBERED };
        let mut first = [false; 256];
        for byte in words.iter().filter_map(|word| word.first()) {
            first[usize::from(*byte)] = true;
            first[usize::from(byte.to_ascii_uppercase())] = true;
        }
        Self {
            words,
            first,
            decided: (0..size).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// No rules.
    pub(crate) fn none() -> Self {
        Self::new([])
    }

    /// The words, as they were given but in lower case.
    pub(crate) fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.words.iter().map(|word| String::from_utf8_lossy(word).into_owned())
    }

    /// Whether the value that belongs to this key is to be left out.
    #[inline]
    pub(crate) fn matches(&self, vm: Vm, key: Word) -> bool {
        !self.words.is_empty() && self.decide(vm, key)
    }

    fn decide(&self, vm: Vm, key: Word) -> bool {
        match vm.class(key) {
            Class::Atom => self.atom(vm.env, key),
            Class::Bits => {
                let short = vm.layout.byte_size(key).is_none_or(|size| size <= LONGEST);
                short && api::with_binary(vm.env, key, |bytes| self.text(bytes)).unwrap_or(false)
            }
            Class::List => self.charlist(vm, key),
            _ => false,
        }
    }

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
        let hit = api::atom_text(env, atom, |text| self.text(text.as_bytes())).unwrap_or(false);
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
        let mut text = [0; LONGEST];
        let mut len = 0;
        while vm.class(rest) == Class::List {
            let Some((head, tail)) = vm.cell(rest) else {
                return false;
            };
            let letter = if vm.class(head) == Class::Small {
                api::int64(vm.env, head)
            } else {
                None
            };
            match (letter, text.get_mut(len)) {
                (Some(letter @ 32..=126), Some(slot)) => *slot = letter as u8,
                _ => return false,
            }
            len += 1;
            rest = tail;
        }
        self.text(&text[..len])
    }

    fn text(&self, text: &[u8]) -> bool {
        let begins = |at: &usize| text.get(*at).is_some_and(|byte| self.first[usize::from(*byte)]);
        text.len() <= LONGEST * 8
            && (0..text.len())
                .filter(begins)
                .any(|at| self.words.iter().any(|word| begins_with(&text[at..], word)))
    }
}

/// Whether `text` begins with `word`, which is lower case; letters beyond ASCII must be the same.
fn begins_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|text| text.eq_ignore_ascii_case(word))
}
