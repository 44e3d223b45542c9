//! The task of a subscription: it takes every notification off the connection at once, so that a slow receiver of events keeps
//! neither the server nor its queue of notifications waiting.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use sqlx::postgres::PgListener;
use tokio::sync::{mpsc, watch};
use unstick_core::bus::{Feed, Heard, Pace};

use super::{
    link::{Attempts, Link},
    speaker::Say,
    wire,
};

pub(super) struct Hearer {
    pub(super) link: Link,
    pub(super) shared: Arc<str>,
    /// Where this subscription's messages to itself go.
    pub(super) own: Arc<str>,
    pub(super) pace: Pace,
    pub(super) feed: Feed,
    /// To the task that speaks, as long as the bus lives.
    pub(super) say: mpsc::WeakSender<Say>,
    /// Closed when the bus was dropped.
    pub(super) bus: watch::Receiver<()>,
}

impl Hearer {
    /// Until the bus or the subscription was dropped.
    pub(super) async fn run(self, first: PgListener) {
        let mut bus = self.bus.clone();
        let over = async { while bus.changed().await.is_ok() {} };
        let (over, abandoned) = (pin!(over), pin!(self.feed.abandoned()));
        let _ = select(select(over, abandoned), pin!(self.hear(first))).await;
    }

    async fn hear(&self, first: PgListener) {
        let mut listener = first;
        loop {
            self.say(Say::Hello(self.feed.with(|state| state.hello())));
            self.take_from(&mut listener).await;
            self.feed.with(|state| state.lost());
            drop(listener); // in the background; a connection that no longer answers is closed when the system gives it up
            listener = self.connect().await;
            self.feed.with(|state| state.reconnected(self.now()));
        }
    }

    /// Without end.
    async fn connect(&self) -> PgListener {
        let mut attempts = Attempts::default();
        loop {
            self.link.runtime.sleep(attempts.pause()).await;
            if let Ok(listener) = self.link.listen([&self.shared, &self.own]).await {
                return listener;
            }
        }
    }

    /// Until the connection is lost, or silent for so long that it must be.
    async fn take_from(&self, listener: &mut PgListener) {
        let mut heard = self.now();
        loop {
            let (now, silent) = (self.now(), heard + self.pace.patience());
            let (echo, wake) = self.feed.with(|state| (state.echo(now), state.wake_at()));
            if let Some(frame) = echo {
                self.say(Say::Echo { channel: self.own.clone(), frame });
            }
            let pause = wake.min(silent).saturating_sub(now);
            match select(pin!(listener.try_recv()), pin!(self.link.runtime.sleep(pause))).await {
                Either::Left((Ok(Some(notification)), _)) => {
                    heard = self.now();
                    let frame = wire::frame(notification.payload());
                    if self.feed.with(|state| state.receive(frame, heard)) == Heard::Hello {
                        self.say(Say::Asked);
                    }
                }
                Either::Left(_) => return,
                // nothing has come that could be handed over first
                Either::Right(_) => {
                    let now = self.now();
                    self.feed.with(|state| state.tick(now));
                    if now >= silent {
                        return;
                    }
                }
            }
        }
    }

    /// What there is no room for is said at the next beat.
    fn say(&self, said: Say) {
        if let Some(say) = self.say.upgrade() {
            let _ = say.try_send(said);
        }
    }

    fn now(&self) -> Duration {
        self.link.runtime.monotonic()
    }
}
