//! The last number of each publisher.

use std::{collections::HashMap, time::Duration};

use super::{Pace, PublisherId};

/// How a number fits those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Nothing is missing.
    InOrder,
    /// It, or a higher one, was there before. A notice that comes late is among these: applying it, or applying it twice, does no harm.
    Repeated,
    /// Messages of this publisher are missing, or may be.
    Skipped,
    /// The first number of this publisher, so early that counting starts with it.
    Baseline,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    incarnation: u64,
    number: u64,
    at: Duration,
}

/// Watches the numbers of all publishers that a subscription hears. See the [module docs](super).
///
/// ```
/// use std::time::Duration;
/// use unstick_core::{PublisherId, bus::{Order, Pace, Tracker}};
///
/// let (ann, later) = (PublisherId(1), Duration::from_secs(60));
/// let mut tracker = Tracker::new(Pace::default(), 100, Duration::ZERO);
/// assert_eq!(tracker.notice(ann, 1, 1, later), Order::InOrder);
/// assert_eq!(tracker.notice(ann, 1, 3, later), Order::Skipped, "2 is missing");
/// assert_eq!(tracker.notice(ann, 1, 2, later), Order::Repeated, "late; the gap was told at 3");
/// assert_eq!(tracker.beat(ann, 1, 4, later), Order::Skipped, "4 was sent, and did not come");
/// ```
#[derive(Debug)]
pub struct Tracker {
    pace: Pace,
    most: usize,
    settled: Duration,
    seen: HashMap<PublisherId, Last>,
}

impl Tracker {
    /// For a subscription that began at `now`. It remembers at most `most` publishers, and at least one; beyond that it forgets
    /// the one that was silent for longest, which then begins with a gap when it is heard again.
    #[must_use]
    pub fn new(pace: Pace, most: usize, now: Duration) -> Self {
        Self { pace, most: most.max(1), settled: now + pace.settling(), seen: HashMap::new() }
    }

    /// A notice with a number.
    pub fn notice(&mut self, publisher: PublisherId, incarnation: u64, number: u64, now: Duration) -> Order {
        self.observe(publisher, incarnation, number, 1, now)
    }

    /// A beat with the number of the last notice.
    pub fn beat(&mut self, publisher: PublisherId, incarnation: u64, number: u64, now: Duration) -> Order {
        self.observe(publisher, incarnation, number, 0, now)
    }

    /// Where a publisher stands, known from elsewhere than its messages.
    pub fn baseline(&mut self, publisher: PublisherId, incarnation: u64, number: u64, now: Duration) {
        self.make_room(now);
        self.seen.insert(publisher, Last { incarnation, number, at: now });
    }

    /// How many publishers it remembers.
    #[must_use]
    pub fn publishers(&self) -> usize {
        self.seen.len()
    }

    /// `step`: how far ahead of the last number this one may be.
    fn observe(&mut self, publisher: PublisherId, incarnation: u64, number: u64, step: u64, now: Duration) -> Order {
        let Some(last) = self.seen.get_mut(&publisher) else {
            self.baseline(publisher, incarnation, number, now);
            return match number {
                number if number <= step => Order::InOrder,
                _ if now < self.settled => Order::Baseline,
                _ => Order::Skipped,
            };
        };
        last.at = now;
        if incarnation < last.incarnation {
            return Order::Repeated; // late, from before it started over
        }
        if incarnation > last.incarnation {
            // how the one before ended is not known
            (last.incarnation, last.number) = (incarnation, number);
            return Order::Skipped;
        }
        // a beat that repeats the last number finds nothing missing
        let order = match number.checked_sub(last.number) {
            None => Order::Repeated,
            Some(0) if step == 1 => Order::Repeated,
            Some(ahead) if ahead <= step => Order::InOrder,
            Some(_) => Order::Skipped,
        };
        last.number = last.number.max(number);
        order
    }

    fn make_room(&mut self, now: Duration) {
        if self.seen.len() < self.most {
            return;
        }
        let memory = self.pace.memory();
        self.seen.retain(|_, last| now.saturating_sub(last.at) < memory);
        while self.seen.len() >= self.most {
            let Some(silent) = self.seen.iter().min_by_key(|(id, last)| (last.at, id.0)).map(|(id, _)| *id) else { return };
            self.seen.remove(&silent);
        }
    }
}
