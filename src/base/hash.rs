//! Hashing of foreign byte strings under a secret key, and maps whose order comes from a seed.
//!
//! SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012, with one compression and
//! three finalisation rounds): a client that does not know the key cannot choose keys that collide.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A 128-bit hashing key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashKey(pub u64, pub u64);

impl HashKey {
    /// The key that `seed` stands for.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut s = seed;
        Self(super::rng::splitmix64(&mut s), super::rng::splitmix64(&mut s))
    }

    /// The hash of `bytes` under this key.
    #[must_use]
    pub fn hash(self, bytes: &[u8]) -> u64 {
        let mut s = Sip::new(self);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            s.absorb(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        last[7] = bytes.len() as u8;
        s.absorb(u64::from_le_bytes(last));
        s.finish()
    }
}

struct Sip {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl Sip {
    fn new(key: HashKey) -> Self {
        Self {
            v0: key.0 ^ 0x736f_6d65_7073_6575,
            v1: key.1 ^ 0x646f_7261_6e64_6f6d,
            v2: key.0 ^ 0x6c79_6765_6e65_7261,
            v3: key.1 ^ 0x7465_6462_7974_6573,
        }
    }

    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }

    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

/// A hasher for trusted keys (connection ids, row numbers): fixed, fast, not keyed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed(u64);

impl Hasher for Fixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = HashKey(self.0, 0).hash(bytes);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = super::rng::mix64(self.0 ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

/// A map over trusted keys whose iteration order is the same in every run.
pub type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<Fixed>>;
/// A set over trusted keys whose iteration order is the same in every run.
pub type FixedSet<K> = HashSet<K, BuildHasherDefault<Fixed>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siphash_1_3_agrees_with_the_standard_library() {
        let mut reference = std::collections::hash_map::DefaultHasher::new();
        reference.write(b"engram remembers");
        assert_eq!(HashKey(0, 0).hash(b"engram remembers"), reference.finish());
    }

    #[test]
    fn the_key_decides_the_hash() {
        assert_ne!(HashKey::from_seed(1).hash(b"a"), HashKey::from_seed(2).hash(b"a"));
        assert_ne!(HashKey::from_seed(1).hash(b"a"), HashKey::from_seed(1).hash(b"a\0"));
    }
}
