//! What a process does, as part of its story.

use super::life::Life;
use super::story::{Act, ActKind, At, Face};

impl Life {
    pub(super) fn act(&mut self, kind: ActKind, face: Face, at: At) {
        self.story.acts.push(Act { kind, face, at });
    }

    pub(super) fn called(&mut self, function: u64, face: Face, at: At) {
        self.story.calls += 1;
        self.open_calls.push((function, at.at_ns));
        self.act(ActKind::Called, face, at);
    }

    pub(super) fn returned(&mut self, kind: ActKind, function: u64, face: Face, at: At) {
        // An exception leaves those behind that it went through.
        if let Some(depth) = self.open_calls.iter().rposition(|(open, _)| *open == function) {
            let since = self.open_calls[depth].1;
            self.open_calls.truncate(depth);
            self.story.call_ns.push(at.at_ns.saturating_sub(since));
        }
        self.act(kind, face, at);
    }
}
