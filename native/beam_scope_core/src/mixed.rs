//! Maps whose keys are numbers that the VM or a recording gave: pids, offsets.
//!
//! The standard library's hasher withstands keys that an adversary chose; nobody chooses these, and it would be a good part of the
//! time that reading them takes.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(crate) type MixedMap<K, V> = HashMap<K, V, BuildHasherDefault<Mixed>>;
pub(crate) type MixedSet<K> = HashSet<K, BuildHasherDefault<Mixed>>;

/// A multiplication by the golden ratio (Knuth, "The Art of Computer Programming", 6.4), turned so that the high bits, which are
/// mixed best, choose the place.
#[derive(Debug, Default)]
pub(crate) struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
