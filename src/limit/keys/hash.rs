//! Keys: 64-bit hashes of what tells one client from another.

use std::hash::{BuildHasher, Hash, RandomState};

/// What a cell is found by. Two different things have the same key with a probability of 2⁻⁶⁴: then they
/// share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

/// Makes keys.
///
/// Clients choose what is hashed, and whoever could find two values with the same hash could use up the limit
/// of somebody else. So the hash is SipHash with a secret of the process, and not one of the faster
/// ones, which promise speed against chance only.
#[derive(Debug, Clone, Default)]
pub struct KeyHasher<S = RandomState>(S);

impl Key {
    /// Takes a hash, which has to be evenly spread and unpredictable to clients.
    #[must_use]
    pub fn new(hash: u64) -> Self {
        // 0 marks an unused place
        Self(hash.max(1))
    }

    pub(in crate::limit) fn get(self) -> u64 {
        self.0
    }

    /// Two numbers that choose buckets in a step; others in each step, so that keys that meet in one meet in
    /// no other.
    pub(super) fn spread(self, step: usize) -> [u64; 2] {
        [2 * step as u64 + 1, 2 * step as u64 + 2].map(|n| mix(self.0 ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }
}

impl<S: BuildHasher> KeyHasher<S> {
    /// Makes keys with another hash.
    pub fn with(build: S) -> Self {
        Self(build)
    }

    /// The key of a value.
    pub fn key(&self, value: impl Hash) -> Key {
        Key::new(self.0.hash_one(value))
    }
}

/// The last steps of SplitMix64: each bit of the input changes half of the output.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn keys_differ_from_process_to_process() {
        let address = Ipv4Addr::new(10, 0, 0, 1);
        let (one, other) = (KeyHasher::<RandomState>::default(), KeyHasher::<RandomState>::default());
        assert_ne!(one.key(address), other.key(address), "each has its own secret");
        assert_eq!(one.key(address), one.clone().key(address));
        assert_ne!(one.key(address), one.key(Ipv4Addr::new(10, 0, 0, 2)));
    }

    #[test]
    fn a_hash_can_be_given() {
        let fixed = || KeyHasher::with(foldhash::quality::FixedState::with_seed(7));
        assert_eq!(fixed().key("a"), fixed().key("a"));
        assert_eq!(Key::new(0), Key::new(1), "0 is no key");
    }
}
