//! What a process keeps of a value, and how fresh it is: pure decisions on numbers.

use std::{sync::Arc, time::Duration};

use super::{error::LoadError, generations::Stripe};

/// Beyond so many mean waits an early refresh is not worth a dice: its chance is below one in a million.
const FAR: f64 = 14.0;

/// Nanoseconds of monotonic time.
pub(crate) type Nanos = u64;

#[inline]
pub(crate) fn nanos(time: Duration) -> Nanos {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(time.subsec_nanos()))
}

#[derive(Debug, Clone)]
pub(crate) enum Content<V> {
    Value(V),
    /// The source says that there is none.
    Absent,
    /// The last load failed, and the next one waits a little.
    Failed(Box<LoadError>),
}

/// The process keeps them side by side with what finds them, without a pointer between: a hit waits for memory most of the time. What it hands out
/// is a copy, which is cheap where the value's is.
#[derive(Debug, Clone)]
pub(crate) struct Entry<V> {
    pub(crate) content: Content<V>,
    /// The number at which its load started.
    pub(crate) start: u64,
    /// When its load, or its reading from the level, started.
    pub(crate) read_at: Nanos,
    pub(crate) fresh_until: Nanos,
    /// Until then it may stand in when loading fails; never, if that is no later.
    pub(crate) kept_until: Nanos,
    pub(crate) key: Stripe,
    few: [Stripe; FEW],
    tags: usize,
    rare: Option<Arc<Rare>>,
}

/// So many tags lie in place.
const FEW: usize = 3;

/// What most hits do not need.
#[derive(Debug, Clone, Default)]
struct Rare {
    /// All of them, where they are not few.
    tags: Box<[Stripe]>,
    /// How long its load took.
    took: Nanos,
    /// Loading it anew has failed: until when no further load is tried while it can be served.
    throttled_until: Nanos,
}

impl<V> Entry<V> {
    pub(crate) fn new(content: Content<V>, start: u64, read_at: Nanos, key: Stripe, tags: &[Stripe]) -> Self {
        let mut few = [key; FEW];
        few.iter_mut().zip(tags).for_each(|(place, tag)| *place = *tag);
        let rare = (tags.len() > FEW).then(|| Arc::new(Rare { tags: tags.into(), ..Rare::default() }));
        Self { content, start, read_at, fresh_until: 0, kept_until: 0, key, few, tags: tags.len(), rare }
    }

    pub(crate) fn until(self, fresh: Nanos, kept: Nanos) -> Self {
        Self { fresh_until: fresh, kept_until: kept, ..self }
    }

    /// How long its load took: for early refreshes.
    pub(crate) fn took(mut self, time: Nanos) -> Self {
        self.rare().took = time;
        self
    }

    pub(crate) fn throttle(&mut self, until: Nanos) {
        self.rare().throttled_until = until;
    }

    fn rare(&mut self) -> &mut Rare {
        Arc::make_mut(self.rare.get_or_insert_default())
    }

    fn loading_took(&self) -> Nanos {
        self.rare.as_deref().map_or(0, |rare| rare.took)
    }

    pub(crate) fn tags(&self) -> &[Stripe] {
        self.few.get(..self.tags).unwrap_or_else(|| self.rare.as_deref().map_or(&[], |rare| &rare.tags))
    }
}

/// When a process's knowledge counts as current.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust {
    /// Notices are known to have arrived up to a moment that is at most the limit ago, until then.
    pub(crate) current_until: Nanos,
    /// Otherwise values are trusted so long after they were read.
    pub(crate) clamp: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh,
    /// Fresh, but the next load should start in the background.
    RefreshDue,
    /// May stand in when loading fails.
    Stale,
    /// May stand in, and loading has failed a moment ago.
    Throttled,
    Dead,
}

impl<V> Entry<V> {
    /// `beta` is the eagerness of early refreshes (0 is off), `dice` a uniform number.
    pub(crate) fn judge(&self, now: Nanos, trust: Trust, beta: f64, dice: impl FnOnce() -> u64) -> Freshness {
        let is_throttled = || self.rare.as_deref().is_some_and(|rare| now < rare.throttled_until);
        // no notice could make an error better
        let is_trusted =
            matches!(self.content, Content::Failed(_)) || now < trust.current_until || now.saturating_sub(self.read_at) <= trust.clamp;
        if now < self.fresh_until && is_trusted {
            return if beta > 0.0 && !is_throttled() && is_refresh_due(self.fresh_until - now, self.loading_took(), beta, dice) {
                Freshness::RefreshDue
            } else {
                Freshness::Fresh
            };
        }
        if now >= self.kept_until || self.kept_until == self.fresh_until {
            Freshness::Dead
        } else if is_throttled() {
            Freshness::Throttled
        } else {
            Freshness::Stale
        }
    }
}

/// XFetch (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015): a load is started
/// early with a chance that grows as the end comes near, by the time that loads take.
#[allow(clippy::cast_precision_loss, reason = "a chance needs no more precision")]
fn is_refresh_due(left: Nanos, took: Nanos, beta: f64, dice: impl FnOnce() -> u64) -> bool {
    let mean = took as f64 * beta;
    let left = left as f64;
    if left > mean * FAR {
        return false;
    }
    let uniform = ((dice() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
    left <= mean * -uniform.ln()
}

/// `time`, shortened by up to `jitter` of it.
#[allow(clippy::cast_precision_loss, reason = "jitter needs no more precision")]
pub(crate) fn jittered(time: Duration, jitter: f64, dice: u64) -> Duration {
    let uniform = (dice >> 11) as f64 / (1_u64 << 53) as f64;
    let shortened = time.as_secs_f64() * (-jitter).mul_add(uniform, 1.0).clamp(0.0, 1.0);
    // the longest times are rounded to more than there are
    Duration::try_from_secs_f64(shortened).map_or(time, |shortened| shortened.min(time))
}

/// Spreads a number over all bits (the finaliser of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
