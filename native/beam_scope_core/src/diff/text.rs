//! Binaries: text by words, bytes by what they share at both ends.

use similar::{capture_diff_slices_deadline, Algorithm, DiffOp};

use super::tree::Walk;
use super::{Diff, TextDiff, TextOp};
use crate::term::arena::NodeId;

/// Below this share of equal bytes, in percent, two binaries are two, not one that changed.
const NEAR: usize = 30;

impl Walk<'_> {
    pub(super) fn bytes(&self, a: NodeId, b: NodeId, x: &[u8], y: &[u8]) -> Diff {
        let hidden = self.hidden(a, b);
        let text = match hidden {
            None => std::str::from_utf8(x).ok().zip(std::str::from_utf8(y).ok()),
            // The cut may lie within a character.
            Some(_) => valid_start(x).zip(valid_start(y)),
        };
        let mut steps = Steps::default();
        let is_text = text.is_some();
        match text {
            Some((x, y)) => self.words(&mut steps, x, y),
            None => ends(&mut steps, x, y),
        }
        let mut ops = steps.ops;
        if hidden.is_some() {
            trim_end(&mut ops);
        }
        let kept: usize = ops
            .iter()
            .map(|op| if let TextOp::Keep(part) = op { part.len() } else { 0 })
            .sum();
        if hidden.is_some() && ops.iter().all(|op| matches!(op, TextOp::Keep(_))) {
            return self.nothing_found(a, b, hidden);
        }
        if kept * 100 < NEAR * x.len().max(y.len()) || ops.is_empty() {
            return Diff::Replace(a, b);
        }
        Diff::Text(TextDiff { ops, is_text, hidden })
    }

    fn words(&self, steps: &mut Steps, old: &str, new: &str) {
        let (prefix, suffix) = common_ends(old, new);
        let (old_mid, new_mid) = (&old[prefix..old.len() - suffix], &new[prefix..new.len() - suffix]);
        steps.push(TextOp::Keep, &old.as_bytes()[..prefix]);
        let (old_words, new_words) = (split(old_mid), split(new_mid));
        if old_words.len().max(new_words.len()) > self.max_align {
            steps.push(TextOp::Remove, old_mid.as_bytes());
            steps.push(TextOp::Add, new_mid.as_bytes());
        } else {
            for op in capture_diff_slices_deadline(Algorithm::Myers, &old_words, &new_words, Some(self.until)) {
                let (_, from, to) = op.as_tag_tuple();
                let (gone, come) = (old_words[from].concat(), new_words[to].concat());
                match op {
                    DiffOp::Equal { .. } => steps.push(TextOp::Keep, gone.as_bytes()),
                    DiffOp::Delete { .. } => steps.push(TextOp::Remove, gone.as_bytes()),
                    DiffOp::Insert { .. } => steps.push(TextOp::Add, come.as_bytes()),
                    DiffOp::Replace { .. } => {
                        steps.push(TextOp::Remove, gone.as_bytes());
                        steps.push(TextOp::Add, come.as_bytes());
                    }
                }
            }
        }
        steps.push(TextOp::Keep, &old.as_bytes()[old.len() - suffix..]);
    }
}

/// Steps so far; neighbours of one kind are joined.
#[derive(Default)]
struct Steps {
    ops: Vec<TextOp>,
}

impl Steps {
    fn push(&mut self, kind: fn(Vec<u8>) -> TextOp, part: &[u8]) {
        if part.is_empty() {
            return;
        }
        match (self.ops.last_mut(), kind(part.to_vec())) {
            (Some(TextOp::Keep(last)), TextOp::Keep(part))
            | (Some(TextOp::Remove(last)), TextOp::Remove(part))
            | (Some(TextOp::Add(last)), TextOp::Add(part)) => last.extend(part),
            (_, op) => self.ops.push(op),
        }
    }
}

fn ends(steps: &mut Steps, old: &[u8], new: &[u8]) {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let prefix = old.iter().zip(new).take_while(same).count();
    let suffix = old[prefix..]
        .iter()
        .rev()
        .zip(new[prefix..].iter().rev())
        .take_while(same)
        .count();
    steps.push(TextOp::Keep, &old[..prefix]);
    steps.push(TextOp::Remove, &old[prefix..old.len() - suffix]);
    steps.push(TextOp::Add, &new[prefix..new.len() - suffix]);
    steps.push(TextOp::Keep, &old[old.len() - suffix..]);
}

/// How many bytes two texts share at the front and of the rest at the back, in whole characters.
fn common_ends(old: &str, new: &str) -> (usize, usize) {
    let same = |(a, b): &(char, char)| a == b;
    let len = |(c, _): (char, char)| c.len_utf8();
    let prefix = old.chars().zip(new.chars()).take_while(same).map(len).sum();
    let (old, new) = (&old[prefix..], &new[prefix..]);
    let suffix = old.chars().rev().zip(new.chars().rev()).take_while(same).map(len).sum();
    (prefix, suffix)
}

/// Words, runs of spaces, and every other character alone.
fn split(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 1,
        c if c.is_whitespace() => 2,
        _ => 0,
    };
    let mut words = Vec::new();
    let (mut start, mut last) = (0, 0);
    for (at, c) in text.char_indices() {
        let this = class(c);
        if at > start && (this != last || this == 0) {
            words.push(&text[start..at]);
            start = at;
        }
        last = this;
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

/// The text before a character that was cut at the end; `None` if that is not all that is wrong.
fn valid_start(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

/// As for lists: what only seems to be gone or new at the end of a cut binary is not told.
fn trim_end(ops: &mut Vec<TextOp>) {
    let from = ops
        .iter()
        .rposition(|op| matches!(op, TextOp::Keep(_)))
        .map_or(0, |at| at + 1);
    if !matches!(ops[from..], [TextOp::Remove(_), TextOp::Add(_)]) {
        ops.truncate(from);
    }
}
