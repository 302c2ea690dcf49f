//! Lists: by alignment.

use similar::{capture_diff_slices_deadline, Algorithm, DiffOp};

use super::tree::Walk;
use super::{pair, Diff, Hidden, ListDiff, ListOp};
use crate::term::arena::NodeId;

impl Walk<'_> {
    pub(super) fn lists(&self, a: NodeId, b: NodeId, depth: usize) -> Diff {
        if let Some(diff) = self.keywords(a, b, depth) {
            return diff;
        }
        let hidden = self.hidden(a, b);
        let (prefix, suffix) = self.arena.list_common(a, b);
        let mut steps = Steps::default();
        self.keep(&mut steps, a, 0, prefix, depth);
        let (old, new) = (self.middle(a, prefix, suffix), self.middle(b, prefix, suffix));
        self.align(&mut steps, &old, &new, depth);
        self.keep(&mut steps, a, self.arena.list_len(a) - suffix, suffix, depth);
        let mut ops = steps.ops;
        if hidden.is_some() {
            trim_end(&mut ops);
        }
        if ops.iter().all(|op| matches!(op, ListOp::Keep(_))) {
            return self.nothing_found(a, b, hidden);
        }
        self.or_replace(a, b, ops, hidden)
    }

    // Lists that share nothing are two lists, not one that changed.
    fn or_replace(&self, a: NodeId, b: NodeId, ops: Vec<ListOp>, hidden: Option<Hidden>) -> Diff {
        let nothing_shared = matches!(ops.as_slice(), [ListOp::Remove(_), ListOp::Add(_)]);
        if nothing_shared && hidden.is_none() {
            return Diff::Replace(a, b);
        }
        Diff::List(ListDiff { ops, hidden })
    }

    fn middle(&self, id: NodeId, prefix: usize, suffix: usize) -> Vec<NodeId> {
        let len = self.arena.list_len(id) - prefix - suffix;
        if len == 0 {
            return Vec::new();
        }
        self.arena.list_iter(id).skip(prefix).take(len).collect()
    }

    /// Elements that are the same on both sides; those not wholly there are marked.
    fn keep(&self, steps: &mut Steps, list: NodeId, from: usize, len: usize, depth: usize) {
        if self.arena.is_complete(list) || len == 0 {
            steps.keep(len);
            return;
        }
        for item in self.arena.list_iter(list).skip(from).take(len) {
            steps.change(self.diff(item, item, depth + 1));
        }
    }

    fn align(&self, steps: &mut Steps, old: &[NodeId], new: &[NodeId], depth: usize) {
        if old.len().max(new.len()) > self.max_align {
            steps.remove(old);
            steps.add(new);
            return;
        }
        for op in capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(self.until)) {
            let (_, from, to) = op.as_tag_tuple();
            let (old, new) = (&old[from], &new[to]);
            match op {
                DiffOp::Equal { .. } => {
                    for item in old {
                        steps.change(self.diff(*item, *item, depth + 1));
                    }
                }
                DiffOp::Delete { .. } => steps.remove(old),
                DiffOp::Insert { .. } => steps.add(new),
                DiffOp::Replace { .. } => self.replace(steps, old, new, depth),
            }
        }
    }

    /// A run of elements that became another: those that are nearly equal are pairs.
    fn replace(&self, steps: &mut Steps, old: &[NodeId], new: &[NodeId], depth: usize) {
        let (mut at_old, mut at_new) = (0, 0);
        for (i, j) in pair::pairs(self, old, new) {
            steps.remove(&old[at_old..i]);
            steps.add(&new[at_new..j]);
            steps.change(self.diff(old[i], new[j], depth + 1));
            (at_old, at_new) = (i + 1, j + 1);
        }
        if cfg!(mutant = "diff-list-tail") {
            return;
        }
        steps.remove(&old[at_old..]);
        steps.add(&new[at_new..]);
    }
}

/// Steps so far; neighbours of one kind are joined.
#[derive(Default)]
struct Steps {
    ops: Vec<ListOp>,
}

impl Steps {
    fn keep(&mut self, len: usize) {
        match self.ops.last_mut() {
            _ if len == 0 => {}
            Some(ListOp::Keep(kept)) => *kept += len,
            _ => self.ops.push(ListOp::Keep(len)),
        }
    }

    fn remove(&mut self, items: &[NodeId]) {
        match self.ops.last_mut() {
            _ if items.is_empty() => {}
            Some(ListOp::Remove(removed)) => removed.extend(items),
            _ => self.ops.push(ListOp::Remove(items.to_vec())),
        }
    }

    fn add(&mut self, items: &[NodeId]) {
        match self.ops.last_mut() {
            _ if items.is_empty() => {}
            Some(ListOp::Add(added)) => added.extend(items),
            _ => self.ops.push(ListOp::Add(items.to_vec())),
        }
    }

    fn change(&mut self, diff: Diff) {
        match diff {
            Diff::Same => self.keep(1),
            diff => self.ops.push(ListOp::Change(diff)),
        }
    }
}

/// At the end of what is known of a cut list, one side seems to have more only because the other is cut. What stands
/// against something on the other side is told; the rest is not.
fn trim_end(ops: &mut Vec<ListOp>) {
    let from = ops
        .iter()
        .rposition(|op| matches!(op, ListOp::Keep(_) | ListOp::Change(_)))
        .map_or(0, |at| at + 1);
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for op in ops.drain(from..) {
        match op {
            ListOp::Remove(items) => removed.extend(items),
            ListOp::Add(items) => added.extend(items),
            _ => {}
        }
    }
    let against = removed.len().min(added.len());
    removed.truncate(against);
    added.truncate(against);
    if against > 0 {
        ops.extend([ListOp::Remove(removed), ListOp::Add(added)]);
    }
}
