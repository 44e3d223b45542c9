//! What a publisher says, and when.

use std::time::Duration;

use bytes::Bytes;

use super::{Frame, FrameKind, Pace, PublisherId};

/// Numbers the notices of a publisher and repeats its last number: a beat after the last notice, then at growing intervals up to
/// [`Pace::slowest`]. A number that was taken counts as sent: a notice that failed on its way shows as a gap.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use unstick_core::{PublisherId, bus::{Beats, Frame, FrameKind, Pace}};
///
/// let second = Duration::from_secs(1);
/// let mut beats = Beats::new(PublisherId(7), 1, Pace::every(second), Duration::ZERO);
/// beats.due(Duration::ZERO).unwrap(); // here I am
/// let notice = Frame::decode(beats.notice(Bytes::from_static(b"cart:7"), second)).unwrap();
/// assert_eq!(notice.kind, FrameKind::Notice { seq: 1 });
/// assert_eq!(beats.wake_at(), 2 * second, "within a beat after the notice");
/// let beat = Frame::decode(beats.due(2 * second).unwrap()).unwrap();
/// assert_eq!(beat.kind, FrameKind::Beat { seq: 1 });
/// assert_eq!(beats.wake_at(), 4 * second, "then ever more seldom");
/// ```
#[derive(Debug)]
pub struct Beats {
    me: PublisherId,
    incarnation: u64,
    pace: Pace,
    last: u64,
    next: Duration,
    interval: Duration,
    beaten: Option<Duration>,
}

impl Beats {
    /// For a publisher that starts at `now`. Its first beat is due at once.
    #[must_use]
    pub fn new(me: PublisherId, incarnation: u64, pace: Pace, now: Duration) -> Self {
        Self { me, incarnation, pace, last: 0, next: now, interval: pace.beat(), beaten: None }
    }

    /// Who this is.
    #[must_use]
    pub fn publisher(&self) -> PublisherId {
        self.me
    }

    /// The number of the last notice; 0 before the first.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The bytes of the next notice. They must be sent in the order in which they were taken.
    pub fn notice(&mut self, payload: Bytes, now: Duration) -> Bytes {
        self.last += 1;
        self.interval = self.pace.beat();
        // not "a beat from now": a steady stream of notices must not put the beat off for ever
        self.next = self.next.min(now + self.interval);
        self.frame(FrameKind::Notice { seq: self.last }, payload)
    }

    /// The bytes of a notice without a number.
    #[must_use]
    pub fn unsequenced(&self, payload: Bytes) -> Bytes {
        self.frame(FrameKind::Unsequenced, payload)
    }

    /// Somebody asked for a beat. It is due at once, but a beat after the last one at the earliest.
    pub fn asked(&mut self, now: Duration) {
        let earliest = self.beaten.map_or(now, |beaten| beaten + self.pace.beat());
        self.next = self.next.min(earliest.max(now));
    }

    /// The bytes of a beat when one is due. The next one is due later.
    pub fn due(&mut self, now: Duration) -> Option<Bytes> {
        if now < self.next {
            return None;
        }
        self.beaten = Some(now);
        self.interval = if self.last == 0 { self.pace.slowest() } else { (self.interval * 2).min(self.pace.slowest()) };
        self.next = now + self.interval;
        Some(self.frame(FrameKind::Beat { seq: self.last }, Bytes::new()))
    }

    /// When the next beat is due.
    #[must_use]
    pub fn wake_at(&self) -> Duration {
        self.next
    }

    fn frame(&self, kind: FrameKind, payload: Bytes) -> Bytes {
        Frame { publisher: self.me, incarnation: self.incarnation, kind, payload }.encode()
    }
}
