//! Checks beside a recording that runs: asked again and again, each event read once.

use crate::timeline::{Timeline, TimelineError};

use super::check::Check;
use super::engine::Engine;
use super::finding::Finding;
use super::{needs_pairs, read};

/// Checks that are told what has come so far each time they are polled; what was recorded before they began included.
pub struct Monitor {
    engine: Engine,
    /// Some check is about messages.
    pairs: bool,
}

/// A check that was decided: which one, and how it stands.
pub type Decided = (usize, Finding);

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

impl Monitor {
    /// Begins. Processes that are not known yet may come.
    ///
    /// # Errors
    /// Where the recording cannot be read.
    pub fn new(timeline: &Timeline, checks: Vec<Check>) -> Result<Self, TimelineError> {
        let pairs = needs_pairs(&checks);
        let inner = read(timeline, pairs)?;
        let engine = Engine::new(timeline, &inner, checks, true)?;
        Ok(Self { engine, pairs })
    }

    /// Reads what came since the last time: the checks that this decided, once each.
    ///
    /// # Errors
    /// Where the recording cannot be read.
    pub fn poll(&mut self, timeline: &Timeline, now_ns: u64) -> Result<Vec<Decided>, TimelineError> {
        let inner = read(timeline, self.pairs)?;
        self.engine.read(timeline, &inner)?;
        Ok(self.engine.decided(timeline, &inner, now_ns)?)
    }

    /// When time alone may decide something, in nanoseconds since the recording's start.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        self.engine.next_ns()
    }

    /// Reads what came since the last time; the answer of every check if nothing more comes.
    ///
    /// # Errors
    /// Where the recording cannot be read.
    pub fn finish(&mut self, timeline: &Timeline, now_ns: u64) -> Result<Vec<Finding>, TimelineError> {
        let inner = read(timeline, self.pairs)?;
        self.engine.read(timeline, &inner)?;
        Ok(self.engine.finish(timeline, &inner, now_ns)?)
    }
}
