//! Content hashes. They decide the shape of large maps and lists, so they depend on content alone: not on the order in
//! which terms came, not on node ids, not on the machine. They are no defence against an adversary who chooses the keys:
//! equal hashes cost time (a longer leaf), never a wrong answer.

const K0: u64 = 0x9E37_79B9_7F4A_7C15;
const K1: u64 = 0xD6E8_FEB8_6659_FD93;

const fn folded_multiply(a: u64, b: u64) -> u64 {
    let wide = a as u128 * b as u128;
    wide as u64 ^ (wide >> 64) as u64
}

/// A hash being made from 64-bit words.
#[derive(Clone, Copy)]
pub(super) struct Hasher(u64);

impl Hasher {
    pub(super) const fn new(tag: u8, aux: u16) -> Self {
        Self(folded_multiply(K0 ^ (tag as u64) << 16 ^ aux as u64, K1))
    }

    pub(super) const fn word(self, word: u64) -> Self {
        Self(folded_multiply(self.0 ^ word, K0).rotate_left(23) ^ word)
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut hash = self.word(bytes.len() as u64);
        let mut chunks = bytes.chunks_exact(8);
        for c in &mut chunks {
            hash = hash.word(u64::from_le_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]));
        }
        let rest = chunks.remainder();
        if rest.is_empty() {
            return hash;
        }
        hash.word(rest.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)))
    }

    pub(super) const fn finish(self) -> u64 {
        let mixed = folded_multiply(self.0 ^ K1, K0);
        (mixed ^ mixed >> 32).wrapping_mul(K1) ^ mixed >> 29
    }
}
