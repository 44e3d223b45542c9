//! Feeds one subscription.

use std::time::Duration;

use tokio::sync::mpsc;
use unstick_core::{
    Error, ErrorKind, PublisherId, Runtime,
    bus::{Feed, Heard, Inbox, Listener, Pace},
};

use super::speaker::Aside;
use crate::client::{Client, Push, Subscription};

pub(super) struct Hearer {
    client: Client,
    runtime: Runtime,
    own: String,
    pace: Pace,
    subscription: Subscription,
    feed: Feed,
    asides: mpsc::WeakSender<Aside>,
    /// When to ask for another connection, as long as nothing comes back.
    again: Duration,
}

impl Hearer {
    pub(super) async fn begin(
        client: Client,
        channels: [String; 2],
        me: PublisherId,
        pace: Pace,
        queue: usize,
        asides: mpsc::WeakSender<Aside>,
    ) -> Result<(Self, Inbox), Error> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no randomness"))?;
        let subscription = client.subscribe(&[&channels[0], &channels[1]]).await?;
        let runtime = client.runtime();
        let now = runtime.monotonic();
        let (feed, inbox) = Inbox::new(Listener::new(me, u64::from_be_bytes(salt), pace, queue, now));
        let [_, own] = channels;
        let hearer = Self { client, runtime, own, pace, subscription, feed, asides, again: now + pace.patience() * 2 };
        hearer.hello();
        Ok((hearer, inbox))
    }

    /// Until nobody takes events, or the client is gone.
    pub(super) async fn run(mut self) {
        loop {
            let now = self.runtime.monotonic();
            let wake = self.feed.with(|listener| listener.wake_at()).min(self.again);
            if now >= wake {
                self.turn(now);
                continue;
            }
            tokio::select! {
                // messages first: an echo that is waiting here must not be taken for missing
                biased;
                push = self.subscription.next() => match push {
                    Some(push) => self.heard(push),
                    None => return,
                },
                () = self.feed.abandoned() => return,
                () = self.runtime.sleep(wake - now) => {}
            }
        }
    }

    fn heard(&mut self, push: Push) {
        let now = self.runtime.monotonic();
        match push {
            Push::Message(message) => {
                if self.feed.with(|listener| listener.receive(message, now)) == Heard::Hello {
                    self.tell(Aside::Asked);
                }
            }
            Push::Lagged(_) => self.feed.with(Listener::missed),
            Push::Lost => self.feed.with(Listener::lost),
            Push::Reconnected => self.reconnected(now),
        }
    }

    fn reconnected(&mut self, now: Duration) {
        self.feed.with(|listener| listener.reconnected(now));
        self.hello();
    }

    fn turn(&mut self, now: Duration) {
        if let Some(message) = self.feed.with(|listener| listener.echo(now)) {
            self.tell(Aside::Send { channel: Some(self.own.clone()), message });
        }
        let cut = self.feed.with(|listener| {
            listener.tick(now);
            listener.is_cut()
        });
        if now >= self.again {
            self.again = now + self.pace.patience() * 2;
            if cut {
                // its server may hear nothing, and answer all the same: a node that is no part of its cluster any more
                self.client.renew_subscriptions();
            }
        }
    }

    fn hello(&self) {
        let message = self.feed.with(|listener| listener.hello());
        self.tell(Aside::Send { channel: None, message });
    }

    /// When there is no room, it is as if the message were lost; another one is due within a beat.
    fn tell(&self, aside: Aside) {
        if let Some(asides) = self.asides.upgrade() {
            _ = asides.try_send(aside);
        }
    }
}
