//! Wall-clock times as integer milliseconds, as they are signed and stored.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::Timestamp;
//!
//! let issued = Timestamp::from_millis(1_000);
//! assert_eq!(issued + Duration::from_secs(2), Timestamp::from_millis(3_000));
//! assert_eq!((issued + Duration::from_secs(2)).since(issued), Duration::from_secs(2));
//! assert_eq!(issued.since(issued + Duration::from_secs(2)), Duration::ZERO, "never negative");
//! ```

use std::{
    ops::{Add, Sub},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since the Unix epoch. Arithmetic saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch; in stored records it stands for "never".
    pub const ZERO: Self = Self(0);

    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The system's wall clock. Layers ask their [`Runtime`](crate::Runtime) instead, so that tests can move time.
    #[must_use]
    #[inline]
    pub fn system_now() -> Self {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Self(millis(since)),
            Err(before) => Self(-millis(before.duration())),
        }
    }

    /// Time from `earlier` until `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[inline]
fn millis(duration: Duration) -> i64 {
    // Not by way of 128 bits: several of these are made for every request.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1000).saturating_add(i64::from(duration.subsec_millis()))
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    #[inline]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}
