//! What a subscription concludes from what it hears.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::{BusEvent, Frame, FrameKind, Notice, Order, Pace, PublisherId, Tracker};

/// Messages to itself that may be on their way at a time; the oldest are given up.
const ECHOES: usize = 64;
/// Publishers that are remembered.
const PUBLISHERS: usize = 4096;

/// What was in a message, as far as its bus has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// Nothing to do.
    Nothing,
    /// A new subscription asks for a beat: [`Beats::asked`](super::Beats::asked).
    Hello,
}

#[derive(Debug)]
struct Echo {
    nonce: u64,
    sent: Duration,
    /// Nothing was missed since it was sent.
    proves: bool,
}

/// The state of a subscription. Messages, the connection's news and the time go in, [`BusEvent`]s come out.
///
/// - Only a message to itself that was sent after the last [`Gap`](BusEvent::Gap) is answered by [`Alive`](BusEvent::Alive).
/// - After [`Cut`](BusEvent::Cut), only one that was sent later brings [`Gap`](BusEvent::Gap) and [`Restored`](BusEvent::Restored).
/// - The events wait in a bounded queue. When it is full, they are dropped for one gap.
///
/// See the [module docs](super) for how a loss is noticed. Times are those of one [`Runtime::monotonic`](crate::Runtime::monotonic).
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use unstick_core::{BusEvent, PublisherId, bus::{Beats, Listener, Pace}};
///
/// let at = Duration::from_millis;
/// let mut ann = Beats::new(PublisherId(1), 1, Pace::default(), at(0));
/// let mut bob = Listener::new(PublisherId(2), 77, Pace::default(), 100, at(0));
/// let first = ann.due(at(0)).unwrap(); // a beat: nothing was sent yet
/// let (_lost, notice) = (ann.notice(Bytes::from("a"), at(10)), ann.notice(Bytes::from("b"), at(11)));
/// bob.receive(first, at(12));
/// bob.receive(notice, at(13));
/// assert_eq!(bob.pop(), Some(BusEvent::Gap));
/// assert!(matches!(bob.pop(), Some(BusEvent::Notice(notice)) if notice.payload == "b"));
///
/// let echo = bob.echo(at(1000)).unwrap(); // sent to itself at 1000, comes back at 1002
/// bob.receive(echo, at(1002));
/// assert_eq!(bob.pop(), Some(BusEvent::Alive { as_of: at(1000) }));
///
/// bob.tick(at(4002)); // three beats without another one
/// assert_eq!(bob.pop(), Some(BusEvent::Cut));
/// ```
#[derive(Debug)]
pub struct Listener {
    me: PublisherId,
    pace: Pace,
    tracker: Tracker,
    events: VecDeque<BusEvent>,
    capacity: usize,
    cut: bool,
    /// The same as the receiver of the events knows it.
    told_cut: bool,
    echoes: VecDeque<Echo>,
    nonce: u64,
    echo_at: Duration,
    sign: Duration,
}

impl Listener {
    /// A subscription of the node `me` that began at `now`, and whose queue holds up to `capacity` events, at least 8. `salt` tells
    /// its messages to itself from those of other subscriptions of the node; random.
    #[must_use]
    pub fn new(me: PublisherId, salt: u64, pace: Pace, capacity: usize, now: Duration) -> Self {
        Self {
            me,
            pace,
            tracker: Tracker::new(pace, PUBLISHERS, now),
            events: VecDeque::new(),
            capacity: capacity.max(8),
            cut: false,
            told_cut: false,
            echoes: VecDeque::new(),
            nonce: salt,
            echo_at: now,
            sign: now,
        }
    }

    /// Where a publisher stands, on a bus that knows it.
    pub fn baseline(&mut self, publisher: PublisherId, incarnation: u64, number: u64, now: Duration) {
        self.tracker.baseline(publisher, incarnation, number, now);
    }

    /// A message came in. Those of one connection are to be handed over in the order in which they came.
    pub fn receive(&mut self, message: Bytes, now: Duration) -> Heard {
        let Ok(Frame { publisher, incarnation, kind, payload }) = Frame::decode(message) else {
            self.missed();
            return Heard::Nothing;
        };
        if publisher == self.me {
            if let FrameKind::Echo { nonce } = kind {
                self.echoed(nonce, now);
            }
            return Heard::Nothing;
        }
        let (order, seq) = match kind {
            FrameKind::Notice { seq } => (self.tracker.notice(publisher, incarnation, seq, now), Some(seq)),
            FrameKind::Beat { seq } => (self.tracker.beat(publisher, incarnation, seq, now), None),
            FrameKind::Unsequenced => (Order::InOrder, None),
            FrameKind::Hello => return Heard::Hello,
            FrameKind::Echo { .. } => return Heard::Nothing,
        };
        if order == Order::Skipped {
            self.missed();
        }
        if matches!(kind, FrameKind::Notice { .. } | FrameKind::Unsequenced) {
            self.push(BusEvent::Notice(Notice { publisher, incarnation, seq, payload }));
        }
        Heard::Nothing
    }

    /// Messages were dropped somewhere; later ones arrive.
    pub fn missed(&mut self) {
        self.echoes.iter_mut().for_each(|echo| echo.proves = false);
        if !self.cut {
            self.push(BusEvent::Gap); // while cut, the gap is told before `Restored`
        }
    }

    /// The connection says that it is lost.
    pub fn lost(&mut self) {
        self.echoes.clear();
        if !self.cut {
            self.cut = true;
            self.push(BusEvent::Cut);
        }
    }

    /// The connection says that it listens again, perhaps without having said that it was lost. To be told before the first
    /// message that comes over the new connection.
    pub fn reconnected(&mut self, now: Duration) {
        self.echoes.clear(); // they went over the one before
        self.echo_at = now;
        self.missed();
    }

    /// Time has passed. Hand over first what has come in.
    pub fn tick(&mut self, now: Duration) {
        // once: a probe that is under way must not be forgotten by the next tick
        if !self.cut && now.saturating_sub(self.sign) >= self.pace.patience() {
            self.lost();
        }
    }

    /// The bytes of a message to itself, when one is due. To be sent at once to where only this node listens, or everybody.
    pub fn echo(&mut self, now: Duration) -> Option<Bytes> {
        if now < self.echo_at {
            return None;
        }
        self.echo_at = now + self.pace.beat();
        self.nonce = self.nonce.wrapping_add(1);
        self.echoes.push_back(Echo { nonce: self.nonce, sent: now, proves: true });
        if self.echoes.len() > ECHOES {
            self.echoes.pop_front();
        }
        Some(self.frame(FrameKind::Echo { nonce: self.nonce }))
    }

    /// The bytes of a message that asks all publishers for a beat. To be sent when the subscription begins and after
    /// [`Self::reconnected`], so that the numbers are known soon.
    #[must_use]
    pub fn hello(&self) -> Bytes {
        self.frame(FrameKind::Hello)
    }

    /// When to call [`Self::tick`] and [`Self::echo`] next.
    #[must_use]
    pub fn wake_at(&self) -> Duration {
        if self.cut { self.echo_at } else { self.echo_at.min(self.sign + self.pace.patience()) }
    }

    /// The next event.
    pub fn pop(&mut self) -> Option<BusEvent> {
        let event = self.events.pop_front()?;
        match event {
            BusEvent::Cut => self.told_cut = true,
            BusEvent::Restored => self.told_cut = false,
            _ => {}
        }
        Some(event)
    }

    /// Whether messages are being missed, told or not.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether there is an event.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.events.is_empty()
    }

    fn frame(&self, kind: FrameKind) -> Bytes {
        Frame { publisher: self.me, incarnation: 0, kind, payload: Bytes::new() }.encode()
    }

    fn echoed(&mut self, nonce: u64, now: Duration) {
        let Some(place) = self.echoes.iter().position(|echo| echo.nonce == nonce) else { return };
        let Some(echo) = self.echoes.drain(..=place).next_back() else { return };
        self.sign = now;
        if self.cut {
            self.cut = false;
            self.echoes.iter_mut().for_each(|echo| echo.proves = false);
            if self.events.len() + 2 > self.capacity {
                self.overflow();
            } else {
                self.events.extend([BusEvent::Gap, BusEvent::Restored]);
            }
            self.echo_at = now; // what it proves ends with the gap
        } else if echo.proves {
            self.push(BusEvent::Alive { as_of: echo.sent });
        }
    }

    fn push(&mut self, event: BusEvent) {
        let room = self.events.len() < self.capacity;
        match (self.events.back_mut(), &event) {
            (Some(BusEvent::Gap), BusEvent::Gap) => {}
            (Some(last @ BusEvent::Alive { .. }), BusEvent::Alive { .. }) => *last = event,
            _ if room => self.events.push_back(event),
            _ => self.overflow(),
        }
    }

    /// Drops what waits, and says what its receiver has to know instead.
    fn overflow(&mut self) {
        self.echoes.iter_mut().for_each(|echo| echo.proves = false);
        self.events.clear();
        match (self.told_cut, self.cut) {
            (false, false) => self.events.push_back(BusEvent::Gap),
            (false, true) => self.events.push_back(BusEvent::Cut),
            (true, false) => self.events.extend([BusEvent::Gap, BusEvent::Restored]),
            (true, true) => {}
        }
    }
}
