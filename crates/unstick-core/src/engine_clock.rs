//! What a node knows of the clock of a server, so that the server can refuse late writes by its own clock.
//!
//! A deadline is a moment on the node's clock; the server that must refuse what arrives after it has another one, which
//! may be a minute off. Answers that carry the server's time tell where that clock stands: it was read somewhere between
//! sending the question and receiving the answer. The estimate is the intersection of what the answers allow.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{EngineClock, Timestamp};
//!
//! let clock = EngineClock::new();
//! let sent = Timestamp::from_millis(1_000_000);
//! let received = sent + Duration::from_millis(4);
//! assert_eq!(clock.at(sent), None, "nothing is known yet");
//! clock.learn(sent, received, sent + Duration::from_millis(60_002)); // a server a minute ahead
//! let deadline = received + Duration::from_secs(2);
//! let there = clock.at(deadline).unwrap();
//! assert!(there <= deadline + Duration::from_secs(60), "never later than the deadline is");
//! assert!(there >= deadline + Duration::from_secs(60) - Duration::from_millis(5));
//! ```

use std::sync::{Mutex, PoisonError};

use crate::Timestamp;

/// The most that two clocks are taken to drift apart. RFC 5905, section 7.1 (PHI) says 15 parts in a million; a clock that is
/// being slewed towards the right time moves at up to 500, and there are two clocks.
const DRIFT_PER_MILLION: i64 = 1000;

/// An estimate of a server's clock. See the [module docs](self). Shared by all connections to one server; where several servers
/// answer (a cluster), one each.
#[derive(Debug, Default)]
pub struct EngineClock(Mutex<Option<Estimate>>);

/// The server's clock minus ours lies in `low..=high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Estimate {
    low: i64,
    high: i64,
    learnt: i64,
}

impl Estimate {
    fn sample(sent: i64, received: i64, engine: i64) -> Self {
        let (sent, received) = (sent.min(received), sent.max(received));
        // The server's milliseconds are cut off, and so are ours.
        Self {
            low: engine.saturating_sub(received).saturating_sub(1),
            high: engine.saturating_sub(sent).saturating_add(1),
            learnt: received,
        }
    }

    fn aged(self, now: i64) -> Self {
        let drift = now.saturating_sub(self.learnt).saturating_abs().saturating_mul(DRIFT_PER_MILLION) / 1_000_000;
        Self { low: self.low.saturating_sub(drift), high: self.high.saturating_add(drift), learnt: self.learnt }
    }

    /// What both allow; the sample alone when they contradict each other, for then a clock was set or another server answers.
    fn and(self, sample: Self) -> Self {
        let aged = self.aged(sample.learnt);
        let (low, high) = (aged.low.max(sample.low), aged.high.min(sample.high));
        if low <= high { Self { low, high, learnt: sample.learnt } } else { sample }
    }
}

impl EngineClock {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in that the server's clock said `engine` at some moment between `sent` and `received` on ours.
    pub fn learn(&self, sent: Timestamp, received: Timestamp, engine: Timestamp) {
        let sample = Estimate::sample(sent.as_millis(), received.as_millis(), engine.as_millis());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(sample, |known| known.and(sample)));
    }

    /// Drops what is known, for after a failover: another server has another clock.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The moment `here` on the server's clock, or a little earlier: never later. `None` while nothing is known.
    #[must_use]
    pub fn at(&self, here: Timestamp) -> Option<Timestamp> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.map(|known| Timestamp::from_millis(here.as_millis().saturating_add(known.aged(here.as_millis()).low)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the answers were delayed on the way, a deadline is never taken for later than it is on the server's clock.
        #[test]
        fn the_estimate_is_never_late(
            offset in -100_000i64..100_000,
            answers in proptest::collection::vec((0i64..3000, 0i64..3000, 0i64..60_000), 1..20),
        ) {
            let clock = EngineClock::new();
            let mut now = 1_700_000_000_000;
            let mut shortest = i64::MAX;
            for (there, back, pause) in answers {
                let at = Timestamp::from_millis;
                clock.learn(at(now), at(now + there + back), at(now + there + offset));
                now += there + back;
                shortest = shortest.min(there + back);
                let estimate = clock.at(at(now)).unwrap().as_millis();
                prop_assert!(estimate <= now + offset);
                now += pause;
            }
        }

        #[test]
        fn a_clock_that_was_set_is_followed_at_once(before in -100_000i64..100_000, by in 10_000i64..100_000) {
            let clock = EngineClock::new();
            let at = Timestamp::from_millis;
            clock.learn(at(0), at(2), at(before + 1));
            clock.learn(at(100), at(102), at(101 + before + by));
            let estimate = clock.at(at(1000)).unwrap().as_millis();
            prop_assert!((estimate - (1000 + before + by)).abs() <= 3);
        }

        #[test]
        fn no_numbers_make_it_panic(sent in any::<i64>(), received in any::<i64>(), engine in any::<i64>(), here in any::<i64>()) {
            let clock = EngineClock::new();
            let at = Timestamp::from_millis;
            clock.learn(at(sent), at(received), at(engine));
            clock.learn(at(received), at(engine), at(sent));
            prop_assert!(clock.at(at(here)).is_some());
        }
    }

    #[test]
    fn a_quick_answer_narrows_a_slow_one() {
        let at = Timestamp::from_millis;
        let clock = EngineClock::new();
        clock.learn(at(0), at(2000), at(1999));
        assert_eq!(clock.at(at(2000)), Some(at(1998)));
        assert_eq!(clock.at(at(5000)), Some(at(4995)), "in three seconds two clocks may have drifted apart by three milliseconds");
        clock.learn(at(3000), at(3002), at(3001));
        assert_eq!(clock.at(at(3002)), Some(at(3000)));
        clock.forget();
        assert_eq!(clock.at(at(5000)), None);
    }
}
