//! Hashes that fingerprints are made of: fast, the same on every machine, and no defence against an adversary.

const K0: u64 = 0x9E37_79B9_7F4A_7C15;
const K1: u64 = 0xD6E8_FEB8_6659_FD93;

/// Puts a number to a hash.
pub(super) const fn mix(hash: u64, word: u64) -> u64 {
    let wide = (hash ^ word.wrapping_mul(K1)) as u128 * K0 as u128;
    (wide as u64 ^ (wide >> 64) as u64).rotate_left(29) ^ hash
}

/// Puts bytes to a hash.
pub(super) fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut hash = mix(hash, bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for c in &mut chunks {
        hash = mix(
            hash,
            u64::from_le_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]),
        );
    }
    chunks
        .remainder()
        .iter()
        .fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

pub(super) const fn power(base: u64, mut exponent: usize) -> u64 {
    let (mut all, mut square) = (1u64, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            all = all.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        exponent >>= 1;
    }
    all
}

/// Of an odd number, modulo 2⁶⁴, by Newton's iteration: each step doubles the digits that are right.
pub(super) const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut step = 0;
    while step < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        step += 1;
    }
    x
}
