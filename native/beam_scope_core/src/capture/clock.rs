//! One cheap monotonic clock, tied to the time of day.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since an engine was made. Never 0, the same on every thread.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    start_unix_ns: u64,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start: Instant::now(),
            start_unix_ns: unix.as_nanos() as u64,
        }
    }

    /// Nanoseconds since the start; at least 1.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        let elapsed = self.start.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()) + 1
    }

    /// The time of day of a reading, in nanoseconds since 1970, as the two clocks stood when this one started.
    #[must_use]
    pub fn unix_ns(&self, reading: u64) -> u64 {
        self.start_unix_ns + reading
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
