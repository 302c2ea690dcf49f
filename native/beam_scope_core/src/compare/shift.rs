//! Whether numbers of one recording tend to be larger than those of another.
//!
//! The Mann–Whitney U test (H. B. Mann, D. R. Whitney, "On a test of whether one of two random variables is stochastically larger
//! than the other", Annals of Mathematical Statistics 18, 1947), by normal approximation with correction for ties and
//! continuity, and as the size of the effect the probability that one of the second is larger than one of the first, ties
//! counted half (A. Vargha, H. D. Delaney, "A critique and improvement of the CL common language effect size statistics of McGraw
//! and Wong", Journal of Educational and Behavioral Statistics 25, 2000).
//!
//! The test takes observations for independent. Times of one process are not quite: a slow moment makes several slow. So a small
//! probability alone says little, and the effect must be at least a medium one (0.64 or more, or 0.36 or less) to be called a shift.

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// How long it took to handle a message, in nanoseconds.
    Handling,
    /// How long a call of a traced function took, in nanoseconds.
    Calls,
    /// How many messages waited when one was taken up.
    Mailbox,
}

impl Measure {
    /// The name that users see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handling => "handling",
            Self::Calls => "calls",
            Self::Mailbox => "mailbox",
        }
    }
}

/// How two samples lie to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// Of what.
    pub measure: Measure,
    /// How many observations on each side.
    pub n: [u64; 2],
    /// The median on each side.
    pub median: [u64; 2],
    /// How likely so large a difference, or a larger one, would be if there was none.
    pub p: f64,
    /// The probability that one of the second is larger than one of the first.
    pub effect: f64,
}

/// Vargha and Delaney call an effect a medium one from here on.
pub(super) const MEDIUM: f64 = 0.64;
/// Less than so many on a side are not approximated by a normal distribution.
const FEWEST: usize = 8;
const LEVEL: f64 = 0.01;

impl Shift {
    /// Whether it is hardly by chance, and large enough to care.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        self.p < LEVEL && (self.effect >= MEDIUM || self.effect <= 1.0 - MEDIUM)
    }
}

/// The test; `None` where there is too little to tell.
pub(super) fn shift(measure: Measure, a: &mut [u64], b: &mut [u64]) -> Option<Shift> {
    if a.len() < FEWEST || b.len() < FEWEST {
        return None;
    }
    a.sort_unstable();
    b.sort_unstable();
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (larger, ties) = compare(a, b);
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    let distance = ((larger - n * m / 2.0).abs() - 0.5).max(0.0);
    let p = if variance > 0.0 {
        two_sided(distance / variance.sqrt())
    } else {
        1.0
    };
    Some(Shift {
        measure,
        n: [a.len() as u64, b.len() as u64],
        median: [a[a.len() / 2], b[b.len() / 2]],
        p,
        effect: larger / (n * m),
    })
}

/// How many pairs have the larger one in `b`, equal ones counted half, and the sum over groups of `t` equal ones of `t³ - t`.
fn compare(a: &[u64], b: &[u64]) -> (f64, f64) {
    let (mut i, mut j, mut larger, mut ties) = (0, 0, 0.0, 0.0);
    while i < a.len() || j < b.len() {
        let value = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => *x.min(y),
            (Some(x), None) | (None, Some(x)) => *x,
            (None, None) => break,
        };
        let (from, since) = (i, j);
        i += a[i..].partition_point(|x| *x == value);
        j += b[j..].partition_point(|y| *y == value);
        let (own, others) = ((i - from) as f64, (j - since) as f64);
        larger += others * (from as f64 + own / 2.0);
        let equal = own + others;
        ties += equal * equal * equal - equal;
    }
    (larger, ties)
}

/// The probability that a normal variable is at least `z` away from its mean: Abramowitz and Stegun, "Handbook of Mathematical
/// Functions", 7.1.26, good to 1.5e-7.
fn two_sided(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let factors = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let sum = factors.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (sum * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(a: &[u64], b: &[u64]) -> Shift {
        shift(Measure::Handling, &mut a.to_vec(), &mut b.to_vec()).expect("enough")
    }

    #[test]
    fn the_same_numbers_have_not_shifted() {
        let a: Vec<u64> = (0..100).collect();
        let found = of(&a, &a);
        assert!((found.effect - 0.5).abs() < 1e-9 && found.p > 0.9 && !found.is_significant());
    }

    #[test]
    fn larger_ones_have() {
        let (a, b): (Vec<u64>, Vec<u64>) = ((0..50).collect(), (25..75).collect());
        let found = of(&a, &b);
        assert!(found.effect > 0.8 && found.p < 1e-6 && found.is_significant());
        assert_eq!((found.median, found.n), ([25, 50], [50, 50]));
        assert!((of(&b, &a).effect + found.effect - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_known_value() {
        // By hand: 75.5 of 100 pairs, a variance of 100/12 * (21 - 42/380), and so z = (25.5 - 0.5) / 13.19 = 1.895.
        let (a, b): (Vec<u64>, Vec<u64>) = ((0..10).collect(), (3..13).collect());
        let found = of(&a, &b);
        assert!((found.effect - 0.755).abs() < 1e-9, "{found:?}");
        assert!((found.p - 0.0581).abs() < 2e-4, "{found:?}");
    }

    #[test]
    fn many_equal_ones_and_none_at_all() {
        assert!(of(&[1; 20], &[1; 20]).p > 0.99);
        assert_eq!(shift(Measure::Calls, &mut [1, 2], &mut [3, 4]), None);
    }

    proptest! {
        #[test]
        fn the_effect_is_what_counting_pairs_gives(
            a in prop::collection::vec(0u64..20, 8..40), b in prop::collection::vec(0u64..20, 8..40)
        ) {
            let half = |x: u64, y: u64| match y.cmp(&x) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            let pairs: f64 = a.iter().flat_map(|x| b.iter().map(move |y| half(*x, *y))).sum();
            let found = of(&a, &b);
            prop_assert!((found.effect - pairs / (a.len() * b.len()) as f64).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&found.p));
        }
    }
}
