//! Numbers as guards see them: integers of any size, floats, and the exact order between the two.

use std::borrow::Cow;
use std::cmp::Ordering;

/// An integer: anything in 128 bits is `Small`, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Int<'a> {
    Small(i128),
    /// Negative, magnitude little-endian without trailing zeros.
    Big(bool, Cow<'a, [u8]>),
}

impl<'a> Int<'a> {
    /// The integer of a sign and a magnitude.
    pub(super) fn from_magnitude(negative: bool, bytes: Cow<'a, [u8]>) -> Self {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        if used <= 16 {
            let magnitude = bytes[..used]
                .iter()
                .rev()
                .fold(0u128, |n, byte| n << 8 | u128::from(*byte));
            match (negative, i128::try_from(magnitude)) {
                (false, Ok(n)) => return Self::Small(n),
                (true, Ok(n)) => return Self::Small(-n),
                (true, Err(_)) if magnitude == 1 << 127 => return Self::Small(i128::MIN),
                _ => {}
            }
        }
        Self::Big(
            negative,
            match bytes {
                Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..used]),
                Cow::Owned(mut bytes) => {
                    bytes.truncate(used);
                    Cow::Owned(bytes)
                }
            },
        )
    }

    pub(super) fn small(&self) -> Option<i128> {
        match self {
            Self::Small(n) => Some(*n),
            Self::Big(..) => None,
        }
    }

    fn negative(&self) -> bool {
        match self {
            Self::Small(n) => *n < 0,
            Self::Big(negative, _) => *negative,
        }
    }

    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(a), Self::Small(b)) => a.cmp(b),
            (Self::Big(negative, a), Self::Big(other, b)) if negative == other => {
                let order = cmp_magnitudes(a, b);
                if *negative {
                    order.reverse()
                } else {
                    order
                }
            }
            // Any `Big` lies outside what `Small` holds, so its sign decides.
            (Self::Big(negative, _), _) => sign_order(*negative),
            (_, Self::Big(negative, _)) => sign_order(*negative).reverse(),
        }
    }

    /// Compares exactly: neither side is rounded to the other's precision.
    pub(super) fn cmp_float(&self, float: f64) -> Ordering {
        const EDGE: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0; // 2^127
        match self {
            Self::Small(n) if (-EDGE..EDGE).contains(&float) => {
                let whole = float.trunc();
                n.cmp(&(whole as i128)).then(0.0_f64.total_cmp(&(float - whole + 0.0)))
            }
            Self::Small(_) => sign_order(float < 0.0).reverse(),
            Self::Big(negative, _) if (float < 0.0) != *negative || float.abs() < EDGE => sign_order(*negative),
            Self::Big(negative, magnitude) => {
                let order = cmp_magnitudes(magnitude, &float_magnitude(float));
                if *negative {
                    order.reverse()
                } else {
                    order
                }
            }
        }
    }

    /// As a float, if that is what the VM would make of it for sure: bignums are converted digit by digit there, so
    /// those count only where nothing is rounded.
    fn to_float(&self) -> Result<f64, Trouble> {
        let n = self.small().ok_or(Trouble::Unsupported)?;
        let float = n as f64;
        if n.unsigned_abs() < 1 << 59 || self.cmp_float(float) == Ordering::Equal {
            Ok(float)
        } else {
            Err(Trouble::Unsupported)
        }
    }
}

fn sign_order(negative: bool) -> Ordering {
    if negative {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

fn cmp_magnitudes(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

/// The magnitude of a float of at least 2^53, little-endian.
fn float_magnitude(float: f64) -> Vec<u8> {
    let bits = float.to_bits();
    let exponent = usize::try_from((bits >> 52 & 0x7FF).saturating_sub(1075)).unwrap_or(0);
    let mantissa = u128::from(bits & ((1 << 52) - 1) | 1 << 52) << (exponent % 8);
    let mut bytes = vec![0; exponent / 8];
    bytes.extend(mantissa.to_le_bytes());
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

/// Why an operation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The guard fails, as it would in the VM.
    Fail,
    /// Past what is supported here.
    Unsupported,
}

/// A number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number<'a> {
    Int(Int<'a>),
    Float(f64),
}

use Number::{Float, Int as Whole};

impl Number<'_> {
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Whole(a), Whole(b)) => a.cmp(b),
            (Whole(a), Float(b)) => a.cmp_float(*b),
            (Float(a), Whole(b)) => b.cmp_float(*a).reverse(),
            (Float(a), Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        }
    }

    fn float(&self) -> Result<f64, Trouble> {
        match self {
            Whole(n) => n.to_float(),
            Float(f) => Ok(*f),
        }
    }

    fn small(&self) -> Result<i128, Trouble> {
        match self {
            Whole(n) => n.small().ok_or(Trouble::Unsupported),
            Float(_) => Err(Trouble::Fail),
        }
    }
}

type Answer = Result<Number<'static>, Trouble>;

/// `+ - * / div rem`, bit operations and shifts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arith {
    Add,
    Sub,
    Mul,
    Divide,
    Div,
    Rem,
    Band,
    Bor,
    Bxor,
    Bsl,
    Bsr,
}

/// Two numbers to one.
pub(super) fn binary(op: Arith, a: &Number<'_>, b: &Number<'_>) -> Answer {
    match op {
        Arith::Add | Arith::Sub | Arith::Mul => match (a, b) {
            (Whole(a), Whole(b)) => integers(op, a, b),
            _ => floats(op, a.float()?, b.float()?),
        },
        Arith::Divide if is_zero(b) => Err(Trouble::Fail),
        Arith::Divide => floats(op, a.float()?, b.float()?),
        _ => match (a, b) {
            (Whole(a), Whole(b)) => integers(op, a, b),
            _ => Err(Trouble::Fail),
        },
    }
}

fn is_zero(n: &Number<'_>) -> bool {
    match n {
        Whole(n) => n.small() == Some(0),
        Float(f) => *f == 0.0,
    }
}

fn floats(op: Arith, a: f64, b: f64) -> Answer {
    let result = match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        _ => a / b,
    };
    finite(result)
}

// The VM has no infinities and no NaN: an operation that would make one fails.
fn finite(float: f64) -> Answer {
    if float.is_finite() {
        Ok(Float(float))
    } else {
        Err(Trouble::Fail)
    }
}

fn integers(op: Arith, a: &Int<'_>, b: &Int<'_>) -> Answer {
    if matches!(op, Arith::Div | Arith::Rem) && b.small() == Some(0) {
        return Err(Trouble::Fail);
    }
    let (Some(a), Some(b)) = (a.small(), b.small()) else {
        return Err(Trouble::Unsupported);
    };
    let result = match op {
        Arith::Add => a.checked_add(b),
        Arith::Sub => a.checked_sub(b),
        Arith::Mul => a.checked_mul(b),
        Arith::Div => a.checked_div(b),
        Arith::Rem => a.checked_rem(b),
        Arith::Band => Some(a & b),
        Arith::Bor => Some(a | b),
        Arith::Bxor => Some(a ^ b),
        Arith::Bsl => shift_left(a, b),
        Arith::Bsr => b.checked_neg().and_then(|b| shift_left(a, b)),
        Arith::Divide => None,
    };
    result.map(whole).ok_or(Trouble::Unsupported)
}

fn shift_left(n: i128, by: i128) -> Option<i128> {
    match u32::try_from(by.unsigned_abs()) {
        Ok(by_bits) if by < 0 => Some(n >> by_bits.min(127)),
        Err(_) if by < 0 => Some(n >> 127),
        Ok(by_bits) if by_bits < 127 => n.checked_mul(1 << by_bits),
        _ => (n == 0).then_some(0),
    }
}

fn whole(n: i128) -> Number<'static> {
    Whole(Int::Small(n))
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Minus,
    Plus,
    Abs,
    Bnot,
    Ceil,
    Floor,
    Round,
    Trunc,
    Float,
}

/// One number to one.
pub(super) fn unary<'a>(op: Unary, n: &Number<'a>) -> Result<Number<'a>, Trouble> {
    match (op, n) {
        (Unary::Plus, n) => Ok(n.clone()),
        (Unary::Bnot, n) => Ok(whole(!n.small()?)),
        (Unary::Minus, Float(f)) => Ok(Float(-f)),
        (Unary::Minus, Whole(Int::Big(negative, bytes))) => Ok(Whole(Int::from_magnitude(!negative, bytes.clone()))),
        (Unary::Minus, n) => n.small()?.checked_neg().map(whole).ok_or(Trouble::Unsupported),
        (Unary::Abs, Float(f)) => Ok(Float(f.abs())),
        (Unary::Abs, Whole(n)) if !n.negative() => Ok(Whole(n.clone())),
        (Unary::Abs, n) => unary(Unary::Minus, n),
        (Unary::Float, n) => n.float().map(Float),
        (_, Whole(n)) => Ok(Whole(n.clone())),
        (Unary::Ceil, Float(f)) => to_integer(f.ceil()),
        (Unary::Floor, Float(f)) => to_integer(f.floor()),
        (Unary::Round, Float(f)) => to_integer(f.round()),
        (Unary::Trunc, Float(f)) => to_integer(f.trunc()),
    }
}

fn to_integer(float: f64) -> Result<Number<'static>, Trouble> {
    if !float.is_finite() {
        return Err(Trouble::Fail);
    }
    if float.abs() < 1e18 {
        return Ok(whole(float as i128));
    }
    Ok(Whole(Int::from_magnitude(
        float < 0.0,
        Cow::Owned(float_magnitude(float)),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(n: &[u8]) -> Int<'static> {
        Int::from_magnitude(false, Cow::Owned(n.to_vec()))
    }

    #[test]
    fn integers_and_floats_compare_exactly() {
        let edge = 1i128 << 53;
        assert_eq!(Int::Small(edge + 1).cmp_float(edge as f64), Ordering::Greater);
        assert_eq!(Int::Small(edge).cmp_float(edge as f64), Ordering::Equal);
        assert_eq!(Int::Small(1).cmp_float(1.5), Ordering::Less);
        assert_eq!(Int::Small(-1).cmp_float(-1.5), Ordering::Greater);
        assert_eq!(Int::Small(0).cmp_float(-0.0), Ordering::Equal);
        assert_eq!(Int::Small(0).cmp_float(5e-324), Ordering::Less);
        assert_eq!(Int::Small(i128::MAX).cmp_float(1e300), Ordering::Less);
        assert_eq!(Int::Small(i128::MIN).cmp_float(-(2f64.powi(127))), Ordering::Equal);
    }

    #[test]
    fn big_integers_compare_exactly() {
        let mut bytes = vec![0; 25];
        bytes[24] = 1; // 2^192
        let n = big(&bytes);
        assert_eq!(n.cmp_float(2f64.powi(192)), Ordering::Equal);
        bytes[0] = 1;
        assert_eq!(big(&bytes).cmp_float(2f64.powi(192)), Ordering::Greater);
        assert_eq!(n.cmp(&big(&bytes)), Ordering::Less);
        assert_eq!(n.cmp(&Int::Small(i128::MAX)), Ordering::Greater);
        assert_eq!(n.cmp_float(-1e300), Ordering::Greater);
        assert_eq!(n.cmp_float(1e300), Ordering::Less);
    }

    #[test]
    fn a_small_magnitude_is_small() {
        assert_eq!(big(&[1, 0, 0]), Int::Small(1));
        let mut min = vec![0; 15];
        min.push(0x80);
        assert_eq!(Int::from_magnitude(true, Cow::Borrowed(&min)), Int::Small(i128::MIN));
        assert!(matches!(Int::from_magnitude(false, Cow::Borrowed(&min)), Int::Big(..)));
    }

    #[test]
    fn arithmetic_is_the_vms_or_says_that_it_is_not() {
        let int = |n: i128| Number::Int(Int::Small(n));
        assert_eq!(binary(Arith::Rem, &int(-7), &int(3)), Ok(int(-1)));
        assert_eq!(binary(Arith::Div, &int(-7), &int(2)), Ok(int(-3)));
        assert_eq!(binary(Arith::Div, &int(1), &int(0)), Err(Trouble::Fail));
        assert_eq!(binary(Arith::Divide, &int(1), &Number::Float(-0.0)), Err(Trouble::Fail));
        assert_eq!(binary(Arith::Divide, &int(3), &int(2)), Ok(Number::Float(1.5)));
        assert_eq!(binary(Arith::Add, &int(i128::MAX), &int(1)), Err(Trouble::Unsupported));
        assert_eq!(binary(Arith::Mul, &Number::Float(1e308), &int(10)), Err(Trouble::Fail));
        assert_eq!(binary(Arith::Bsl, &int(1), &int(126)), Ok(int(1 << 126)));
        assert_eq!(binary(Arith::Bsl, &int(1), &int(127)), Err(Trouble::Unsupported));
        assert_eq!(binary(Arith::Bsl, &int(-8), &int(-2)), Ok(int(-2)));
        assert_eq!(binary(Arith::Bsr, &int(-1), &int(1000)), Ok(int(-1)));
        assert_eq!(binary(Arith::Band, &int(-1), &Number::Float(1.0)), Err(Trouble::Fail));
        assert_eq!(unary(Unary::Round, &Number::Float(-2.5)), Ok(int(-3)));
        assert_eq!(
            unary(Unary::Trunc, &Number::Float(1e20)),
            Ok(int(100_000_000_000_000_000_000))
        );
        assert_eq!(unary(Unary::Abs, &int(-4)), Ok(int(4)));
    }
}
