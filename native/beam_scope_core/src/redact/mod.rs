//! Which keys are secrets': rules about the texts of keys, as data.
//!
//! A rule is a word that a key contains, letters' case aside, or a regular expression. Both are asked in tracer callbacks, so an
//! answer takes time in proportion to the text, which is at most [`LONGEST`] bytes, takes no lock and allocates nothing:
//! expressions are made into automata when a recording starts, and what cannot be made into one is refused there.

mod expression;
#[cfg(all(test, not(loom)))]
mod tests;

pub use expression::{Expression, Flags, Refused};

use std::sync::Arc;

/// Longest text that is looked at, in bytes; a longer one is no key.
pub const LONGEST: usize = 1024;

/// The rules about keys of one recording, or of several.
#[derive(Clone, Debug)]
pub struct KeyRules {
    /// In lower case, none empty.
    words: Vec<Vec<u8>>,
    expressions: Vec<Arc<Expression>>,
    /// Which bytes some word begins with, in either case: most letters of most keys are done with after one look.
    first: [bool; 256],
}

impl KeyRules {
    /// Rules from words and expressions; empty words would match everything and are left out.
    pub fn new(words: impl IntoIterator<Item = String>, expressions: Vec<Arc<Expression>>) -> Self {
        let mut words: Vec<Vec<u8>> = words.into_iter().map(|word| word.to_lowercase().into_bytes()).collect();
        words.retain(|word| !word.is_empty());
        words.sort();
        words.dedup();
        let mut first = [false; 256];
        for byte in words.iter().filter_map(|word| word.first()) {
            first[usize::from(*byte)] = true;
            first[usize::from(byte.to_ascii_uppercase())] = true;
        }
        Self {
            words,
            expressions,
            first,
        }
    }

    /// What any of these rules says.
    pub fn union<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let (mut words, mut expressions) = (Vec::new(), Vec::new());
        for rules in all {
            words.extend(
                rules
                    .words
                    .iter()
                    .map(|word| String::from_utf8_lossy(word).into_owned()),
            );
            expressions.extend(rules.expressions.iter().cloned());
        }
        Self::new(words, expressions)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.expressions.is_empty()
    }

    /// Whether what belongs to a key with this text is a secret.
    pub fn matches(&self, text: &[u8]) -> bool {
        text.len() <= LONGEST
            && (self.has_word(text) || self.expressions.iter().any(|expression| expression.matches(text)))
    }

    fn has_word(&self, text: &[u8]) -> bool {
        let begins = |at: &usize| self.first[usize::from(text[*at])];
        (0..text.len())
            .filter(begins)
            .any(|at| self.words.iter().any(|word| begins_with(&text[at..], word)))
    }
}

/// Whether `text` begins with `word`, which is lower case; letters beyond ASCII must be the same.
fn begins_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|text| {
        if cfg!(mutant = "redact_case_matters") {
            text == word
        } else {
            text.eq_ignore_ascii_case(word)
        }
    })
}
