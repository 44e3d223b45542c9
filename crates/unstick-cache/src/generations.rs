//! Sequence numbers that decide whether a value predates an invalidation. No clocks.
//!
//! One counter per namespace; a load notes it when it starts, an invalidation moves it on and leaves the new number with the
//! key or tag. A value is valid while no number left with its key, its tags or with everything is higher than the one at
//! which its load started. Keys and tags share a bounded number of stripes: two that share one are invalidated together,
//! which costs a load and is never stale.
//!
//! Whoever is answered after an invalidation returned sees it: the number is left before that, and read after.

use super::sync::{AtomicU64, Ordering};

/// A stripe of keys or tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stripe(u32);

#[derive(Debug)]
pub(crate) struct Generations {
    clock: AtomicU64,
    /// By [`Generations::invalidate_all`].
    cleared: AtomicU64,
    keys: Box<[AtomicU64]>,
    tags: Box<[AtomicU64]>,
}

impl Generations {
    /// With at least so many stripes; numbers of stripes are powers of two.
    pub(crate) fn new(keys: u32, tags: u32) -> Self {
        let stripes = |count: u32| (0..count.next_power_of_two()).map(|_| AtomicU64::new(0)).collect();
        Self { clock: AtomicU64::new(0), cleared: AtomicU64::new(0), keys: stripes(keys), tags: stripes(tags) }
    }

    pub(crate) fn key(&self, hash: u64) -> Stripe {
        stripe(&self.keys, hash)
    }

    pub(crate) fn tag(&self, hash: u64) -> Stripe {
        stripe(&self.tags, hash)
    }

    /// The number at which a load starts: to be taken before anything of it is read.
    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(crate) fn invalidate_key(&self, key: Stripe) -> u64 {
        self.leave(slot(&self.keys, key))
    }

    pub(crate) fn invalidate_tag(&self, tag: Stripe) -> u64 {
        self.leave(slot(&self.tags, tag))
    }

    pub(crate) fn invalidate_all(&self) -> u64 {
        self.leave(&self.cleared)
    }

    fn leave(&self, with: &AtomicU64) -> u64 {
        let number = self.clock.fetch_add(1, Ordering::SeqCst) + 1;
        with.fetch_max(number, Ordering::SeqCst);
        number
    }

    /// Whether a value whose load started at `start` has not been invalidated since.
    ///
    /// Where nothing at all has, the counter alone tells so: a number is drawn from it before it is left anywhere, so that whoever must see
    /// the one sees the other. It spares a hit the lines of memory that its key's and tags' numbers are in.
    #[inline]
    pub(crate) fn is_valid(&self, start: u64, key: Stripe, tags: &[Stripe]) -> bool {
        self.clock.load(Ordering::Acquire) <= start || self.is_valid_by_stripes(start, key, tags)
    }

    fn is_valid_by_stripes(&self, start: u64, key: Stripe, tags: &[Stripe]) -> bool {
        slot(&self.keys, key).load(Ordering::Acquire) <= start
            && self.cleared.load(Ordering::Acquire) <= start
            && tags.iter().all(|tag| slot(&self.tags, *tag).load(Ordering::Acquire) <= start)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the mask leaves what fits")]
fn stripe(stripes: &[AtomicU64], hash: u64) -> Stripe {
    Stripe((hash & (stripes.len() as u64 - 1)) as u32)
}

fn slot(stripes: &[AtomicU64], stripe: Stripe) -> &AtomicU64 {
    &stripes[stripe.0 as usize & (stripes.len() - 1)]
}
