//! Which numbers are points in time: those that lie within one of the two recordings, in any unit that clocks are read in.
//!
//! The windows of both recordings count for the terms of both, so that a number that is the same in both is taken for a time
//! in both or in neither. What is lost by it: two different numbers that both happen to be such times are held to be the same.
//! A window is some seconds wide, and nothing that a program counts is likely to be as large as a time of day or as far below
//! zero as a monotonic one.

/// From which to which nanosecond, both included.
pub type Window = (i64, i64);

/// Nanoseconds, microseconds, milliseconds, seconds.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];
/// No time of day or monotonic time of any VM is smaller, whatever its unit.
const LEAST: u64 = 100_000_000;

/// The windows of two recordings.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    /// In the unit that a number of this size would be in.
    ranges: Vec<Window>,
    /// Time of day, in nanoseconds.
    days: Vec<Window>,
}

impl Clock {
    /// Of windows of the time of day, and of windows of a clock that counts from some point of its own. The latter is not looked for in
    /// seconds: so small a number may be anything.
    pub(super) fn new(days: &[Window], monotonic: &[Window]) -> Self {
        let all = |windows: &[Window], units: &[i64]| -> Vec<Window> {
            let scaled = |unit: &i64| {
                let unit = *unit;
                windows
                    .iter()
                    .map(move |(from, to)| (ceil(*from, unit), to.div_euclid(unit)))
            };
            units.iter().flat_map(scaled).collect()
        };
        let mut ranges = all(days, &UNITS);
        ranges.extend(all(monotonic, &UNITS[..3]));
        Self {
            ranges,
            days: days.to_vec(),
        }
    }

    /// Whether a number is a point in time.
    pub(super) fn is_time(&self, n: i64) -> bool {
        n.unsigned_abs() >= LEAST && self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&n))
    }

    /// Whether this nanosecond of Unix time is one.
    pub(super) fn is_within(&self, unix_ns: i128) -> bool {
        self.days
            .iter()
            .any(|(from, to)| (i128::from(*from)..=i128::from(*to)).contains(&unix_ns))
    }

    /// Whether there is anything to look for.
    pub(super) const fn is_on(&self) -> bool {
        !self.ranges.is_empty()
    }
}

const fn ceil(n: i64, unit: i64) -> i64 {
    let floor = n.div_euclid(unit);
    if n.rem_euclid(unit) == 0 {
        floor
    } else {
        floor + 1
    }
}

/// Nanoseconds of Unix time of a date and time of day.
///
/// After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
pub(super) fn unix_ns([year, month, day, hour, minute, second]: [i64; 6]) -> Option<i128> {
    let fits = (-9_999..=9_999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    if !fits {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(i128::from(seconds) * 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000_000;

    fn clock() -> Clock {
        Clock::new(
            &[(NOW, NOW + 5_000_000_000)],
            &[(-576_460_000_000_000_000, -576_459_000_000_000_000)],
        )
    }

    #[test]
    fn a_time_of_day_is_one_in_any_unit() {
        for n in [NOW + 1, NOW / 1_000 + 1, NOW / 1_000_000 + 1, NOW / 1_000_000_000 + 1] {
            assert!(clock().is_time(n), "{n}");
        }
        for n in [NOW - 1, NOW + 6_000_000_000, 0, 42, 1_600_000_000] {
            assert!(!clock().is_time(n), "{n}");
        }
    }

    #[test]
    fn a_monotonic_time_is_none_in_seconds() {
        assert!(clock().is_time(-576_459_500_000_000_000));
        assert!(clock().is_time(-576_459_500_000));
        assert!(!clock().is_time(-576_459_500));
    }

    #[test]
    fn without_windows_nothing_is_a_time() {
        let clock = Clock::default();
        assert!(!clock.is_on() && !clock.is_time(NOW) && !clock.is_within(i128::from(NOW)));
    }

    #[test]
    fn a_date_is_a_time_too() {
        assert_eq!(unix_ns([1970, 1, 1, 0, 0, 0]), Some(0));
        assert_eq!(unix_ns([2023, 11, 14, 22, 13, 20]), Some(i128::from(NOW)));
        assert_eq!(unix_ns([2024, 2, 29, 0, 0, 0]), Some(1_709_164_800_000_000_000));
        assert_eq!(unix_ns([2024, 13, 1, 0, 0, 0]), None);
    }
}
