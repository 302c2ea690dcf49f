//! How likely it is that a property held in every observation by chance alone.
//!
//! As Daikon does, each property is set against a *null model* in which nothing keeps it and all outcomes of an observation are
//! equally likely (Ernst, Cockrell, Griswold, Notkin, "Dynamically discovering likely program invariants to support program
//! evolution", IEEE TSE 27(2), 2001, section 4.1; Ernst et al., "The Daikon system for dynamic detection of likely invariants",
//! Science of Computer Programming 69, 2007). If one observation would obey by chance with probability `q`, all of `n` would
//! with `q^n`. Everything here is the natural logarithm of such a probability, 0.0 being "proves nothing".
//!
//! Observations are changes: a state in which what a property speaks of stayed as it was puts nothing to the test.

use std::f64::consts::LN_2;

/// All of `n` were alike, where there might have been two kinds of them: the first one chose which.
pub(super) fn alike(n: u64) -> f64 {
    -(n.saturating_sub(1) as f64) * LN_2
}

/// Each of `n` obeyed, where half of them might have.
pub(super) fn halves(n: u64) -> f64 {
    -(n as f64) * LN_2
}

/// Each of `n` obeyed, where this share of them might have.
pub(super) fn share(q: f64, n: u64) -> f64 {
    if q >= 1.0 || n == 0 {
        return 0.0;
    }
    q.max(f64::MIN_POSITIVE).ln() * n as f64
}

/// Each of `n` was one of `k`, where any of `k + 1` might have been: whichever of those it is that never came.
pub(super) fn one_of(k: usize, n: u64) -> f64 {
    let k = k as f64;
    (share(k / (k + 1.0), n) + (k + 1.0).ln()).min(0.0)
}

/// Each of `n` grew (or each of them fell), where they might have grown, fallen or stayed.
pub(super) fn strict_trend(n: u64) -> f64 {
    (LN_2 - n as f64 * 3.0_f64.ln()).min(0.0)
}

/// Nothing was beyond a bound. `range` whole numbers were possible within it, `n` came, `at` of them on the bound itself.
///
/// Two models, as in Daikon: uniform over one number more, which would have come; or uniform over those that came, of which the
/// bound would not have come so often if nothing stopped them there.
pub(super) fn bound(range: f64, n: u64, at: u64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let uniform = share(range / (range + 1.0), n);
    uniform.min(clipped(range, n, at))
}

/// How many must have come to lie on a bound to tell of a limit at all.
const CLIPPED: u64 = 3;

/// At least `at` of `n` on one of `range` equally likely numbers: Chernoff's bound.
fn clipped(range: f64, n: u64, at: u64) -> f64 {
    let (expected, seen) = (1.0 / range, at as f64 / n as f64);
    if at < CLIPPED || seen <= expected {
        return 0.0;
    }
    let part = |seen: f64, expected: f64| if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
    -(n as f64) * (part(seen, expected) + part(1.0 - seen, 1.0 - expected))
}

/// How likely a number from one range is below one from another, both uniform; ranges of whole numbers are widened by a half on each
/// side, so that a single number has a width.
pub(super) fn below((a0, a1): (f64, f64), (b0, b1): (f64, f64)) -> f64 {
    let (width_a, width_b) = (a1 - a0, b1 - b0);
    if width_a <= 0.0 || width_b <= 0.0 {
        return 1.0;
    }
    let (low, high) = (b0.clamp(a0, a1), b1.clamp(a0, a1));
    let sloping = ((b1 - low).powi(2) - (b1 - high).powi(2)) / (2.0 * width_b);
    ((low - a0) + sloping) / width_a
}

/// Each of these many things happened once more than its answers had at every moment, and as often in the end: of all orders in which so
/// many could come, one in `n + 1` is like that.
pub(super) fn paired(counts: impl Iterator<Item = u64>) -> f64 {
    counts.map(|n| -((n + 1) as f64).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn one_observation_proves_nothing() {
        assert!(close(alike(1), 0.0) && close(alike(0), 0.0));
        assert!(close(one_of(1, 1), 0.0));
        assert!(close(bound(1.0, 0, 0), 0.0));
        assert!(close(strict_trend(0), 0.0));
        assert!(close(paired([].into_iter()), 0.0));
    }

    #[test]
    fn one_of_one_is_alike() {
        (2..20).for_each(|n| assert!(close(one_of(1, n), alike(n))));
    }

    #[test]
    fn a_uniform_bound_is_daikons() {
        assert!(close(bound(10.0, 40, 4), 40.0 * (10.0_f64 / 11.0).ln()));
    }

    #[test]
    fn a_bound_that_most_lie_on_needs_fewer() {
        let uniform = bound(1000.0, 60, 0);
        assert!(uniform > 0.01_f64.ln());
        assert!(bound(1000.0, 60, 20) < 0.01_f64.ln());
        assert!(close(bound(1000.0, 60, 2), uniform));
    }

    #[test]
    fn clipped_is_no_less_than_the_binomial_tail() {
        let (n, range) = (20_u64, 4.0_f64);
        let choose = |n: u64, k: u64| (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>();
        for at in 6..=20 {
            let tail: f64 = (at..=n)
                .map(|k| choose(n, k) * (1.0 / range).powi(k as i32) * (1.0 - 1.0 / range).powi((n - k) as i32))
                .sum();
            assert!(clipped(range, n, at).exp() >= tail * (1.0 - 1e-9), "{at}");
        }
    }

    #[test]
    fn below_is_the_share_of_pairs() {
        let pairs = |a: (i32, i32), b: (i32, i32)| {
            let steps = |(low, high): (i32, i32)| (low * 100..high * 100).map(|x| f64::from(x) / 100.0 + 0.005);
            let all: Vec<bool> = steps(a).flat_map(|x| steps(b).map(move |y| x < y)).collect();
            all.iter().filter(|less| **less).count() as f64 / all.len() as f64
        };
        for (a, b) in [((0, 4), (2, 6)), ((0, 4), (0, 4)), ((2, 6), (0, 4)), ((0, 8), (3, 4))] {
            let of = |(low, high): (i32, i32)| (f64::from(low), f64::from(high));
            assert!((below(of(a), of(b)) - pairs(a, b)).abs() < 0.01, "{a:?} {b:?}");
        }
        assert!(close(below((0.0, 1.0), (2.0, 3.0)), 1.0));
    }
}
