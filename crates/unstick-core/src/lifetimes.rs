//! Idle and absolute timeouts, the grace of a renewed id, and tolerated clock skew: plain arithmetic on [`Timestamp`]s.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{Lifetimes, Timestamp};
//!
//! let lifetimes = Lifetimes::new().idle(Duration::from_secs(60)).absolute(Duration::from_secs(90)).check()?;
//! let now = Timestamp::from_millis(0);
//! assert_eq!(lifetimes.absolute_deadline(now), now + Duration::from_secs(90));
//! assert_eq!(lifetimes.idle_deadline(now + Duration::from_secs(50), lifetimes.absolute_deadline(now)), now + Duration::from_secs(90));
//! assert!(!lifetimes.is_renewal_due(now + Duration::from_secs(29), now, now + Duration::from_secs(60), now + Duration::from_secs(90)));
//! assert!(lifetimes.is_renewal_due(now + Duration::from_secs(30), now, now + Duration::from_secs(60), now + Duration::from_secs(90)));
//! assert!(Lifetimes::new().idle(Duration::from_secs(9)).absolute(Duration::from_secs(5)).check().is_err());
//! # Ok::<(), unstick_core::ConfigError>(())
//! ```

use std::time::Duration;

use crate::{ConfigError, Timestamp};

/// How long sessions and ids live. See the [module docs](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Lifetimes {
    idle: Duration,
    absolute: Duration,
    grace: Duration,
    skew: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifetimes {
    /// The longest cookie lifetime that browsers keep (RFC 6265bis section 5.5).
    pub const MAX_ABSOLUTE: Duration = Duration::from_secs(400 * 24 * 3600);

    /// Idle 1 hour, absolute 14 days, grace 30 seconds, skew 5 minutes.
    pub const fn new() -> Self {
        Self {
            idle: Duration::from_secs(3600),
            absolute: Duration::from_secs(14 * 24 * 3600),
            grace: Duration::from_secs(30),
            skew: Duration::from_secs(300),
        }
    }

    /// A session without activity for this long is over. Default 1 hour; shorten it for sensitive applications.
    ///
    /// The deadline is extended at most once per half of it, so a session lives between half of this and all of this
    /// after its last request.
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// A session is over this long after it was created, whatever happens. Default 14 days, at most 400 days.
    pub const fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = absolute;
        self
    }

    /// How long requests that carry the old id are served after `renew_id`; after a login they are anonymous at once, and for
    /// so long start no session that would take the new one's place. Default 30 seconds; not shorter than the longest request,
    /// nor than the nodes' clocks may be apart: each node judges it by its own.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How far the clocks of two nodes may be apart. Default 5 minutes. Tombstones are kept this much longer.
    pub const fn skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// `idle` of zero or over `absolute`; `grace` over `idle`; `absolute` over [`MAX_ABSOLUTE`](Self::MAX_ABSOLUTE).
    pub fn check(self) -> Result<Self, ConfigError> {
        if self.idle.as_millis() < 1000 {
            return Err(ConfigError::new(format!("`idle` is {:?}; it must be at least 1 second", self.idle)));
        }
        if self.idle > self.absolute {
            return Err(ConfigError::new(format!(
                "`idle` ({:?}) is longer than `absolute` ({:?}); shorten `idle` or lengthen `absolute`",
                self.idle, self.absolute
            )));
        }
        if self.grace > self.idle {
            return Err(ConfigError::new(format!("`grace` ({:?}) is longer than `idle` ({:?}); shorten `grace`", self.grace, self.idle)));
        }
        if self.absolute > Self::MAX_ABSOLUTE {
            return Err(ConfigError::new(format!(
                "`absolute` ({:?}) is longer than the 400 days that browsers keep a cookie",
                self.absolute
            )));
        }
        Ok(self)
    }

    /// The tolerated clock skew.
    #[must_use]
    pub const fn tolerated_skew(&self) -> Duration {
        self.skew
    }

    /// How long requests that carry a replaced id may overlap its replacement.
    #[must_use]
    pub const fn tolerated_overlap(&self) -> Duration {
        self.grace
    }

    /// Deadline of a session created at `now`.
    #[must_use]
    pub fn absolute_deadline(&self, now: Timestamp) -> Timestamp {
        now + self.absolute
    }

    /// Idle deadline of activity at `now`; never past `absolute`.
    #[must_use]
    pub fn idle_deadline(&self, now: Timestamp, absolute: Timestamp) -> Timestamp {
        (now + self.idle).min(absolute)
    }

    /// Until when an id replaced at `now` is served.
    #[must_use]
    pub fn grace_until(&self, now: Timestamp) -> Timestamp {
        now + self.grace
    }

    /// Until when a tombstone must stand for a credential that is signed until `idle_deadline`.
    #[must_use]
    pub fn tombstone_until(&self, now: Timestamp, idle_deadline: Timestamp) -> Timestamp {
        idle_deadline.max(now + self.idle) + self.skew
    }

    /// Whether a credential issued at `issued` has used up half of its idle time at `now`, and renewing would gain any.
    #[must_use]
    #[inline]
    pub fn is_renewal_due(&self, now: Timestamp, issued: Timestamp, idle: Timestamp, absolute: Timestamp) -> bool {
        // In milliseconds, not by way of durations: this is asked for every request with a session.
        let since_issued = |at: Timestamp| at.as_millis().saturating_sub(issued.as_millis()).max(0).unsigned_abs();
        idle < absolute && since_issued(now) * 2 >= since_issued(idle)
    }
}
