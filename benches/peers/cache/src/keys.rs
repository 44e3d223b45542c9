//! Keys of two kinds, in an order that no cache can guess.

use std::{fmt::Debug, hash::Hash};

/// Values that every cache holds.
pub(crate) const HELD: u64 = 10_000;

/// What all caches can be keyed by.
pub(crate) trait Key: unstick_cache::CacheKey + hitbox_fn::KeyExtract + Debug + Eq + Hash {
    /// The `number`-th of them.
    fn nth(number: u64) -> Self;
}

impl Key for String {
    fn nth(number: u64) -> Self {
        format!("customer:{number:06}:saved")
    }
}

impl Key for u64 {
    fn nth(number: u64) -> Self {
        number
    }
}

/// All that are held, shuffled, the same way every time.
pub(crate) fn shuffled<K: Key>() -> Vec<K> {
    let mut numbers: Vec<u64> = (0..HELD).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..numbers.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        numbers.swap(at, usize::try_from(state % (at as u64 + 1)).unwrap_or(0));
    }
    numbers.into_iter().map(K::nth).collect()
}
