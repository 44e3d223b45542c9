//! How often buses give signs of life.

use std::time::Duration;

/// How often a bus gives signs of life, and when missing ones mean something. All nodes of a fleet should have the same.
///
/// ```
/// use std::time::Duration;
/// use unstick_core::bus::Pace;
///
/// assert_eq!(Pace::default(), Pace::every(Duration::from_secs(1)));
/// assert_eq!(Pace::default().patience(), Duration::from_secs(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    beat: Duration,
}

/// A beat per second.
impl Default for Pace {
    fn default() -> Self {
        Self::every(Duration::from_secs(1))
    }
}

impl Pace {
    /// A beat every `beat`, one second by default, at least a millisecond. Shorter notices a silent connection sooner and costs
    /// two more small messages per beat and node.
    #[must_use]
    pub fn every(beat: Duration) -> Self {
        Self { beat: beat.max(Duration::from_millis(1)) }
    }

    /// Between two messages of a subscription to itself, and from a notice to the beat that repeats its number.
    #[must_use]
    pub fn beat(self) -> Duration {
        self.beat
    }

    /// Silence that means that the connection is cut: 3 beats.
    #[must_use]
    pub fn patience(self) -> Duration {
        self.beat * 3
    }

    /// Between two beats of a publisher that has nothing to say, at most: 10 beats.
    #[must_use]
    pub fn slowest(self) -> Duration {
        self.beat * 10
    }

    /// How long after a subscription began a publisher may be heard for the first time without this being a gap: 3 beats.
    #[must_use]
    pub fn settling(self) -> Duration {
        self.beat * 3
    }

    /// A publisher that was silent for so long is forgotten when room is needed: 60 beats.
    #[must_use]
    pub fn memory(self) -> Duration {
        self.beat * 60
    }
}
