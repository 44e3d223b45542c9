//! The way of messages to one subscription, with its weather.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use unstick_core::bus::Feed;

/// Random numbers that come again with the same seed (splitmix64).
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[allow(clippy::cast_possible_truncation, reason = "below a usize")]
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, (self.next() % (end as u64 + 1)) as usize);
        }
    }
}

/// How messages fare.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sky {
    pub(super) lag: Duration,
    pub(super) held: bool,
    pub(super) drop: usize,
    pub(super) shuffle: usize,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) feed: Feed,
    pub(super) sky: Sky,
    under_way: VecDeque<(Duration, Bytes)>,
    shuffled: Vec<Bytes>,
}

impl Line {
    pub(super) fn new(feed: Feed, sky: Sky) -> Self {
        Self { feed, sky, under_way: VecDeque::new(), shuffled: vec![] }
    }

    /// Sends what others say.
    pub(super) fn send(&mut self, message: Bytes, now: Duration, dice: &mut Dice) {
        if self.sky.drop > 0 {
            self.sky.drop -= 1;
        } else if self.sky.shuffle > 0 {
            self.sky.shuffle -= 1;
            self.shuffled.push(message);
            if self.sky.shuffle == 0 {
                self.deal(now, dice);
            }
        } else {
            self.under_way.push_back((now + self.sky.lag, message));
        }
    }

    /// Sends the subscription's message to itself, which overtakes nothing: it would prove what is not so.
    pub(super) fn send_echo(&mut self, message: Bytes, now: Duration, dice: &mut Dice) {
        self.deal(now, dice);
        self.under_way.push_back((now + self.sky.lag, message));
    }

    fn deal(&mut self, now: Duration, dice: &mut Dice) {
        dice.shuffle(&mut self.shuffled);
        let due = now + self.sky.lag;
        self.under_way.extend(self.shuffled.drain(..).map(|message| (due, message)));
    }

    /// Hands over what has arrived by now.
    pub(super) fn deliver(&mut self, now: Duration) {
        while !self.sky.held
            && let Some((_, message)) = self.under_way.pop_front_if(|(due, _)| *due <= now)
        {
            // nobody asks: a new subscription is told where everybody stands
            _ = self.feed.with(|listener| listener.receive(message, now));
        }
    }

    /// Loses everything that is under way.
    pub(super) fn tear(&mut self) {
        self.under_way.clear();
        self.shuffled.clear();
    }

    /// When something arrives next.
    pub(super) fn due(&self) -> Option<Duration> {
        self.under_way.front().filter(|_| !self.sky.held).map(|(due, _)| *due)
    }
}
