//! The drainer's side of a recording: the backlog, the account, the limits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::backlog::Backlog;
use super::config::{StopReason, StoreConfig};
use super::row::{Counts, Loss, LossCause};
use crate::capture::record::{flags, Header};
use crate::event::EventKind;

/// Losses that no record tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) pid: u64,
    pub(crate) count: u64,
    pub(crate) until_ns: u64,
}

/// What the drainer touches, under one lock that readers hold for moments only.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    pub(crate) backlog: Backlog,
    pub(crate) counts: Counts,
    /// The time of the last record stored.
    pub(crate) last_ns: u64,
    pub(crate) tails: Vec<Tail>,
    /// Bytes that came in since the drainer last said it was done, and when that was.
    fresh: usize,
    drained: Instant,
    /// When there was spare time last.
    spared: Option<Instant>,
    /// Losses to be told by the next record of a pid.
    pending: HashMap<u64, u32>,
    window: (u64, u64),
    refused: [Option<Loss>; 2],
}

impl Intake {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            backlog: Backlog::new(max_bytes),
            counts: Counts::default(),
            last_ns: 0,
            tails: Vec::new(),
            fresh: 0,
            drained: Instant::now(),
            spared: None,
            pending: HashMap::new(),
            window: (0, 0),
            refused: [None; 2],
        }
    }

    /// Counts what a record says was offered: itself, and what was lost before it.
    pub(crate) fn offer(&mut self, header: &Header) {
        let lost = u64::from(header.lost);
        self.counts.offered += 1 + lost;
        if cfg!(mutant = "store_forgets_lost") {
            return;
        }
        self.counts.dropped += lost;
    }

    /// Whether the drainer, done with a pass, has time for other work: always when nothing came, and when so much waits that it would
    /// soon reach the cap as it is; else once in a `pace` while no more than `busy` bytes a second come and something waits for it.
    pub(crate) fn has_spare_time(&mut self, busy: usize, pace: Duration) -> bool {
        let fresh = std::mem::take(&mut self.fresh);
        let now = Instant::now();
        let since = now.duration_since(std::mem::replace(&mut self.drained, now));
        let calm = fresh as u128 * 1_000_000 <= busy as u128 * since.as_micros();
        let paced = || self.spared.is_none_or(|last| now.duration_since(last) >= pace);
        let spare = fresh == 0 || self.backlog.is_heavy() || calm && self.backlog.is_long() && paced();
        if spare {
            self.spared = Some(now);
        }
        spare
    }

    /// Whether a limit forbids to store one more event.
    pub(crate) fn limit(&mut self, config: &StoreConfig, at_ns: u64) -> Option<StopReason> {
        if config.max_events.is_some_and(|max| self.counts.stored >= max) {
            return Some(StopReason::Events);
        }
        if config.max_ms.is_some_and(|ms| at_ns > ms.saturating_mul(1_000_000)) {
            return Some(StopReason::Time);
        }
        let (n, ms) = config.rate?;
        (self.count_in_window(at_ns, ms) > n).then_some(StopReason::Rate)
    }

    fn count_in_window(&mut self, at_ns: u64, ms: u64) -> u64 {
        let window = at_ns / ms.max(1).saturating_mul(1_000_000);
        if self.window.0 != window {
            self.window = (window, 0);
        }
        self.window.1 += 1;
        self.window.1
    }

    /// Stores a record of a known kind; false when there is no memory for it.
    #[must_use]
    pub(crate) fn store(&mut self, header: &Header, at_ns: u64, payload: &[u8]) -> bool {
        let untold = if self.pending.is_empty() {
            0
        } else {
            self.pending.get(&header.pid).copied().unwrap_or(0)
        };
        let lost = header.lost + untold;
        if !self.backlog.push(&Header { lost, ..*header }, payload) {
            return false;
        }
        if untold > 0 {
            self.pending.remove(&header.pid);
        }
        self.counts.stored += 1;
        self.last_ns = self.last_ns.max(at_ns);
        self.counts.truncated += u64::from(header.flags & flags::TRUNCATED != 0);
        self.counts.redacted += u64::from(header.flags & flags::REDACTED != 0);
        if let Some(count) = self.counts.by_kind.get_mut(usize::from(header.kind)) {
            *count += 1;
        }
        self.fresh += payload.len() + 16;
        true
    }

    /// Counts a record that was not stored, because the recording had stopped or the record made no sense. What was lost
    /// before it is told with it.
    pub(crate) fn refuse(&mut self, header: &Header, at_ns: u64, cause: LossCause) {
        if !cfg!(mutant = "store_refuses_uncounted") {
            self.counts.dropped += 1;
        }
        let place = usize::from(cause != LossCause::Stopped);
        let none = Loss {
            track: None,
            pid: 0,
            from_ns: at_ns,
            to_ns: at_ns,
            count: 0,
            cause,
        };
        let loss = self.refused[place].get_or_insert(none);
        loss.to_ns = loss.to_ns.max(at_ns);
        loss.count += 1 + u64::from(header.lost);
    }

    /// Counts a record for which there is no room now. The next record of its track tells.
    pub(crate) fn postpone(&mut self, header: &Header) {
        self.counts.dropped += 1;
        *self.pending.entry(header.pid).or_default() += 1 + header.lost;
    }

    /// Counts losses that no record tells.
    pub(crate) fn lost(&mut self, tail: Tail) {
        self.counts.offered += tail.count;
        self.counts.dropped += tail.count;
        self.tails.push(tail);
    }

    /// Losses that no track's next record told, at a moment.
    pub(crate) fn untold(&self, now_ns: u64) -> impl Iterator<Item = Loss> + '_ {
        let cause = LossCause::NoRoom;
        let pending = self.pending.iter().map(move |(pid, count)| Loss {
            track: None,
            pid: *pid,
            from_ns: 0,
            to_ns: now_ns,
            count: u64::from(*count),
            cause,
        });
        self.refused.iter().flatten().copied().chain(pending)
    }
}

/// Whether a record can be stored at all.
pub(crate) fn makes_sense(header: &Header) -> bool {
    EventKind::from_u8(header.kind).is_some() && usize::from(header.terms) <= super::row::Terms::MAX
}
