//! Bits of a binary, and reading segments from them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::number::Int;
use super::Why;
use crate::term::{Kind, Value};

/// A run of bits in a captured binary, maybe cut after some.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitStr<'a> {
    bytes: &'a [u8],
    start: usize,
    /// Bits that are there.
    pub(super) len: usize,
    pub(super) cut: Option<Cut>,
}

/// More bits follow than are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// How many there are in all, if that is known.
    pub(super) total: Option<u64>,
    /// Whether the whole is a binary for sure, not a bitstring of some odd length.
    pub(super) bytes_only: bool,
    pub(super) why: Why,
}

impl<'a> BitStr<'a> {
    pub(super) fn whole(bytes: &'a [u8], len: usize) -> Self {
        Self {
            bytes,
            start: 0,
            len,
            cut: None,
        }
    }

    pub(super) fn prefix(bytes: &'a [u8], full_bytes: Option<u64>, bytes_only: bool, why: Why) -> Self {
        let cut = Some(Cut {
            total: full_bytes.map(|bytes| bytes.saturating_mul(8)),
            bytes_only,
            why,
        });
        Self {
            cut,
            ..Self::whole(bytes, bytes.len() * 8)
        }
    }

    /// The length in bits, if that is known.
    pub(super) fn total(&self) -> Option<u64> {
        match self.cut {
            None => Some(self.len as u64),
            Some(Cut {
                total,
                bytes_only: true,
                ..
            }) => total,
            Some(_) => None,
        }
    }

    pub(super) fn why(&self) -> Why {
        self.cut.map_or(Why::Truncated, |cut| cut.why)
    }

    pub(super) fn bit(&self, at: usize) -> bool {
        let at = self.start + at;
        self.bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
    }

    /// Up to eight bits, in the low end of a byte.
    fn chunk(&self, at: usize, bits: usize) -> u8 {
        let at = self.start + at;
        let byte = |index: usize| u16::from(self.bytes.get(index).copied().unwrap_or(0));
        let window = byte(at / 8) << 8 | byte(at / 8 + 1);
        let shifted = window << (at % 8) >> 8;
        (shifted as u8).checked_shr(8 - bits as u32).unwrap_or(0)
    }

    /// Bits from `at` on, `len` of them, all there.
    pub(super) fn slice(&self, at: usize, len: usize) -> Self {
        Self {
            start: self.start + at,
            len,
            cut: None,
            ..*self
        }
    }

    /// What follows the first `at` bits.
    pub(super) fn rest(&self, at: usize) -> Self {
        let cut = self.cut.map(|cut| Cut {
            total: cut.total.map(|total| total.saturating_sub(at as u64)),
            ..cut
        });
        Self {
            start: self.start + at.min(self.len),
            len: self.len.saturating_sub(at),
            cut,
            ..*self
        }
    }

    /// The bits from `at` on that are there, of a segment of `total` bits that is cut.
    pub(super) fn part(&self, at: usize, total: u64) -> Self {
        let cut = self.cut.map(|cut| Cut {
            total: Some(total),
            ..cut
        });
        Self { cut, ..self.rest(at) }
    }

    /// Whole bytes, the last one padded with zeros.
    pub(super) fn to_bytes(self) -> Cow<'a, [u8]> {
        if self.start.is_multiple_of(8) && self.len.is_multiple_of(8) {
            let from = self.start / 8;
            return Cow::Borrowed(self.bytes.get(from..from + self.len / 8).unwrap_or(&[]));
        }
        let chunks = (0..self.len).step_by(8);
        Cow::Owned(
            chunks
                .map(|at| {
                    let bits = (self.len - at).min(8);
                    self.chunk(at, bits) << (8 - bits)
                })
                .collect(),
        )
    }

    pub(super) fn to_value(self) -> Value {
        match self.cut {
            Some(Cut {
                why: Why::Redacted,
                total,
                ..
            }) => Value::Redacted(Kind::Binary, total.unwrap_or(0) / 8),
            Some(cut) if self.len == 0 => Value::Truncated(Kind::Binary, cut.total.unwrap_or(0) / 8),
            Some(cut) => Value::TruncatedBinary(self.to_bytes().into_owned(), cut.total.unwrap_or(0).div_ceil(8)),
            None if self.len.is_multiple_of(8) => Value::Binary(self.to_bytes().into_owned()),
            None => Value::Bits(self.to_bytes().into_owned(), (self.len % 8) as u8),
        }
    }

    /// Compares as many bits as both have; the second is how many.
    fn cmp_known(&self, other: &Self) -> Ordering {
        let shared = self.len.min(other.len);
        let (a, b) = (self.slice(0, shared).to_bytes(), other.slice(0, shared).to_bytes());
        a.cmp(&b)
    }

    /// The least and the most bits that there can be in all.
    fn lengths(&self) -> (u64, u64) {
        match self.cut {
            None => (self.len as u64, self.len as u64),
            Some(Cut { total: None, .. }) => (self.len as u64, u64::MAX),
            Some(Cut {
                total: Some(total),
                bytes_only,
                ..
            }) => (total.saturating_sub(if bytes_only { 0 } else { 7 }), total),
        }
    }

    /// Whether there is at least one bit more than `len`, for sure.
    fn is_longer_than(&self, len: usize) -> bool {
        self.len > len || self.lengths().0 > len as u64
    }

    /// The order, or `None` where the cut hides it.
    pub(super) fn cmp(&self, other: &Self) -> Option<Ordering> {
        let prefix_of = |a: &Self, b: &Self| a.cut.is_none() && a.len <= b.len && b.is_longer_than(a.len);
        match self.cmp_known(other) {
            Ordering::Equal if prefix_of(self, other) => Some(Ordering::Less),
            Ordering::Equal if prefix_of(other, self) => Some(Ordering::Greater),
            Ordering::Equal if self.cut.is_none() && other.cut.is_none() => Some(Ordering::Equal),
            Ordering::Equal => None,
            order => Some(order),
        }
    }

    /// Whether they are equal, or `None` where the cut hides it.
    pub(super) fn equal(&self, other: &Self) -> Option<bool> {
        let ((least_a, most_a), (least_b, most_b)) = (self.lengths(), other.lengths());
        if most_a < least_b || most_b < least_a {
            return Some(false);
        }
        let shorter = |a: &Self, b: &Self| a.cut.is_none() && a.len < b.len;
        if shorter(self, other) || shorter(other, self) || self.cmp_known(other).is_ne() {
            return Some(false);
        }
        (self.cut.is_none() && other.cut.is_none()).then_some(true)
    }

    /// The integer that these bits are.
    pub(super) fn integer(&self, signed: bool, little: bool) -> Int<'static> {
        let mut bytes = if little { self.little_bytes() } else { self.big_bytes() };
        let negative = signed && self.sign_bit(little);
        if negative {
            self.negate(&mut bytes);
        }
        Int::from_magnitude(negative, Cow::Owned(bytes))
    }

    // The last byte of a little-endian segment, which may be a partial one, is the most significant.
    fn little_bytes(&self) -> Vec<u8> {
        let chunks = (0..self.len).step_by(8);
        chunks.map(|at| self.chunk(at, (self.len - at).min(8))).collect()
    }

    fn big_bytes(&self) -> Vec<u8> {
        let odd = self.len % 8;
        let mut bytes = Vec::with_capacity(self.len / 8 + 1);
        bytes.extend((0..self.len / 8).rev().map(|i| self.chunk(odd + i * 8, 8)));
        if odd > 0 {
            bytes.push(self.chunk(0, odd));
        }
        bytes
    }

    fn sign_bit(&self, little: bool) -> bool {
        if self.len == 0 {
            return false;
        }
        let at = if little { (self.len - 1) / 8 * 8 } else { 0 };
        self.bit(at)
    }

    // Two's complement within the segment's own width.
    fn negate(&self, bytes: &mut [u8]) {
        let mut carry = true;
        for byte in bytes.iter_mut() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = over;
        }
        let odd = self.len % 8;
        if let Some(top) = bytes.last_mut().filter(|_| odd > 0) {
            *top &= (1 << odd) - 1;
        }
    }

    /// The float that these 16, 32 or 64 bits are; `None` for NaN and the infinities, which match nothing.
    pub(super) fn float(&self, little: bool) -> Option<f64> {
        let bits = self.integer(false, little).small()?;
        let float = match self.len {
            16 => half(bits as u16),
            32 => f64::from(f32::from_bits(bits as u32)),
            64 => f64::from_bits(bits as u64),
            _ => return None,
        };
        float.is_finite().then_some(float)
    }

    /// A UTF-8 character at the front and how many bits it took.
    pub(super) fn utf8(&self) -> Option<(u32, usize)> {
        let bytes: Vec<u8> = self.slice(0, self.len.min(32) / 8 * 8).to_bytes().into_owned();
        (1..=bytes.len()).find_map(|len| {
            let text = std::str::from_utf8(bytes.get(..len)?).ok()?;
            text.chars().next().map(|c| (u32::from(c), len * 8))
        })
    }

    /// A UTF-16 character at the front and how many bits it took.
    pub(super) fn utf16(&self, little: bool) -> Option<(u32, usize)> {
        let unit = |at: usize| {
            (self.len >= at + 16)
                .then(|| self.slice(at, 16).integer(false, little).small())
                .flatten()
                .and_then(|n| u16::try_from(n).ok())
        };
        let units: Vec<u16> = [unit(0), unit(16)].into_iter().flatten().collect();
        let char = char::decode_utf16(units).next()?.ok()?;
        Some((u32::from(char), char.len_utf16() * 16))
    }

    /// A UTF-32 character at the front and how many bits it took.
    pub(super) fn utf32(&self, little: bool) -> Option<(u32, usize)> {
        if self.len < 32 {
            return None;
        }
        let n = self.slice(0, 32).integer(false, little).small()?;
        let char = char::from_u32(u32::try_from(n).ok()?)?;
        Some((u32::from(char), 32))
    }
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1F);
    let fraction = f64::from(bits & 0x3FF);
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 => f64::NAN,
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(bytes: &[u8], start: usize, len: usize) -> BitStr<'_> {
        BitStr::whole(bytes, bytes.len() * 8).slice(start, len)
    }

    #[test]
    fn integers_of_odd_widths() {
        // <<x::12>>, <<x::12-little>> and their signed forms, of <<0xAB, 0xCD>>.
        let bytes = [0xAB, 0xCD];
        assert_eq!(bits(&bytes, 0, 12).integer(false, false), Int::Small(0xABC));
        assert_eq!(bits(&bytes, 0, 12).integer(false, true), Int::Small(0xCAB));
        assert_eq!(bits(&bytes, 0, 12).integer(true, false), Int::Small(0xABC - 0x1000));
        assert_eq!(bits(&bytes, 0, 12).integer(true, true), Int::Small(0xCAB - 0x1000));
        assert_eq!(bits(&bytes, 4, 8).integer(false, false), Int::Small(0xBC));
        assert_eq!(bits(&[0x80], 0, 8).integer(true, false), Int::Small(-128));
        assert_eq!(bits(&bytes, 0, 0).integer(true, false), Int::Small(0));
    }

    #[test]
    fn floats_of_three_widths() {
        assert_eq!(bits(&1.5f64.to_be_bytes(), 0, 64).float(false), Some(1.5));
        assert_eq!(bits(&1.5f32.to_le_bytes(), 0, 32).float(true), Some(1.5));
        assert_eq!(bits(&0x3E00u16.to_be_bytes(), 0, 16).float(false), Some(1.5));
        assert_eq!(bits(&0x0001u16.to_be_bytes(), 0, 16).float(false), Some(2f64.powi(-24)));
        assert_eq!(bits(&f64::NAN.to_be_bytes(), 0, 64).float(false), None);
        assert_eq!(bits(&0x7C00u16.to_be_bytes(), 0, 16).float(false), None);
    }

    #[test]
    fn characters() {
        let text = "é€😀".as_bytes();
        assert_eq!(bits(text, 0, 72).utf8(), Some((0xE9, 16)));
        assert_eq!(bits(text, 16, 56).utf8(), Some((0x20AC, 24)));
        assert_eq!(bits(text, 40, 32).utf8(), Some((0x1F600, 32)));
        assert_eq!(bits(&[0xC3], 0, 8).utf8(), None);
        let wide: Vec<u8> = "😀".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(bits(&wide, 0, 32).utf16(true), Some((0x1F600, 32)));
        assert_eq!(bits(&0xD800u32.to_be_bytes(), 0, 32).utf32(false), None);
    }

    #[test]
    fn a_slice_off_the_byte_edge_reads_and_pads() {
        let slice = bits(&[0b1010_1010, 0b1100_0000], 1, 9);
        assert_eq!(slice.to_bytes().as_ref(), [0b0101_0101, 0b1000_0000]);
        assert_eq!(slice.to_value(), Value::Bits(vec![0b0101_0101, 0b1000_0000], 1));
    }

    #[test]
    fn a_cut_binary_is_equal_to_nothing_for_sure() {
        let cut = BitStr::prefix(b"abc", Some(10), true, Why::Truncated);
        assert_eq!(cut.equal(&bits(b"abcdefghij", 0, 80)), None);
        assert_eq!(cut.equal(&bits(b"abXdefghij", 0, 80)), Some(false));
        assert_eq!(cut.equal(&bits(b"abcdefghi", 0, 72)), Some(false));
        assert_eq!(cut.cmp(&bits(b"abd", 0, 24)), Some(Ordering::Less));
        assert_eq!(cut.cmp(&bits(b"abc", 0, 24)), Some(Ordering::Greater));
    }
}
