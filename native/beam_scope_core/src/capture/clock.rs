//! One cheap monotonic clock, tied to the time of day.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since an engine was made. Never 0, the same on every thread.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Nanoseconds since the start; at least 1.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        let elapsed = self.start.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()) + 1
    }

    /// The time of day of a reading, in nanoseconds since 1970, as the two clocks stand now: the time of day may have been set, and
    /// the machine may have slept, since this one started.
    #[must_use]
    pub fn unix_ns(&self, reading: u64) -> u64 {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        time_of_day(unix.as_nanos() as u64, self.now(), reading)
    }
}

/// The time of day of a reading, when it is `unix_ns` as the clock reads `now`.
const fn time_of_day(unix_ns: u64, now: u64, reading: u64) -> u64 {
    unix_ns.saturating_add(reading).saturating_sub(now)
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A node runs for months, and its time of day is set now and then: a recording's is that of its own start.
    #[test]
    fn a_step_of_the_time_of_day_moves_what_comes_after_it_and_no_reading() {
        let (start, hour) = (1_700_000_000_000_000_000, 3_600_000_000_000);
        assert_eq!(time_of_day(start, 10, 10), start);
        assert_eq!(time_of_day(start + hour, 20, 10), start + hour - 10);
        assert_eq!(time_of_day(start - hour, 20, 30), start - hour + 10);
        assert_eq!(time_of_day(0, 20, 10), 0);
        let clock = Clock::new();
        let readings: Vec<u64> = (0..100).map(|_| clock.now()).collect();
        assert!(readings.windows(2).all(|pair| pair[0] <= pair[1]) && readings[0] > 0);
    }
}
