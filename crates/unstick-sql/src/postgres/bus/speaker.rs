//! The task that speaks: it numbers the notices and sends them in order, over one connection.
//!
//! What was numbered is sent again over the next connection until the server has answered, even when its caller was answered
//! [`Published::Unknown`] long ago: a notice that comes late or twice costs a load, and one that is missing costs everybody
//! everything. As long as the server cannot be reached, new notices are refused before they are numbered.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot};
use unstick_core::{Error, ErrorKind, Published, bus::Beats};

use super::{
    link::{Attempts, Link},
    wire,
};

/// Messages in one statement: all of them wait for the same commit, whose lock is the server's only one for notifications.
const BATCH: usize = 64;

/// Messages that wait to be sent; more wait in their callers.
pub(super) const WAITING: usize = 256;

/// Identical messages of one transaction are delivered once; no two frames are identical, since each has a number or a nonce.
const NOTIFY_ALL: &str = "SELECT pg_notify(channel, text) FROM unnest($1::text[], $2::text[]) AS message (channel, text)";

/// What the task is asked to do.
#[derive(Debug)]
pub(super) enum Say {
    Notice(Request),
    /// A subscription's message to itself.
    Echo {
        channel: Arc<str>,
        frame: Bytes,
    },
    /// A new subscription asks for beats.
    Hello(Bytes),
    /// Another node's new subscription asks for ours.
    Asked,
}

/// A notice to be sent, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) payload: Bytes,
    /// Taken once, by the task or by the caller who gives up: so it is known whether it was sent.
    pub(super) taken: Arc<AtomicBool>,
    pub(super) answer: oneshot::Sender<Result<Published, Error>>,
}

/// Whether it was there to be taken.
pub(super) fn take(taken: &AtomicBool) -> bool {
    !taken.swap(true, Ordering::AcqRel)
}

pub(super) fn unreachable() -> Error {
    Error::new(ErrorKind::Unavailable, "the database of the bus cannot be reached")
}

#[derive(Debug, Default)]
struct Batch {
    channels: Vec<String>,
    texts: Vec<String>,
    answers: Vec<oneshot::Sender<Result<Published, Error>>>,
}

impl Batch {
    fn push(&mut self, channel: &str, frame: &[u8]) {
        self.channels.push(channel.to_owned());
        self.texts.push(wire::text(frame));
    }

    fn answer(&mut self, published: Published) {
        for answer in self.answers.drain(..) {
            let _ = answer.send(Ok(published)); // its caller may have gone
        }
    }
}

pub(super) struct Speaker {
    pub(super) link: Link,
    pub(super) channel: Arc<str>,
    pub(super) beats: Beats,
    pub(super) said: mpsc::Receiver<Say>,
}

impl Speaker {
    /// Until the bus was dropped.
    pub(super) async fn run(mut self, first: PgConnection) {
        let (mut connection, mut batch, mut attempts) = (Some(first), Batch::default(), Attempts::default());
        loop {
            let Some(open) = connection.as_mut() else {
                if !self.wait(attempts.pause(), &mut batch).await {
                    return;
                }
                connection = self.link.speak().await.ok();
                if connection.is_none() {
                    batch.answer(Published::Unknown);
                }
                continue;
            };
            if batch.texts.is_empty() && !self.gather(&mut batch).await {
                break;
            }
            if self.send(open, &batch).await {
                batch.answer(Published::Confirmed);
                batch = Batch::default();
                attempts.succeeded();
            } else {
                connection = None;
            }
        }
        if let Some(connection) = connection {
            self.link.goodbye(connection).await;
        }
    }

    /// Whether the server has confirmed it.
    async fn send(&self, connection: &mut PgConnection, batch: &Batch) -> bool {
        let notify = sqlx::query(NOTIFY_ALL).bind(&batch.channels).bind(&batch.texts);
        matches!(self.link.bounded(notify.execute(connection)).await, Some(Ok(_)))
    }

    /// Waits for something to send; `false` when the bus was dropped.
    async fn gather(&mut self, batch: &mut Batch) -> bool {
        while batch.texts.is_empty() {
            let pause = self.beats.wake_at().saturating_sub(self.now());
            let said = match select(pin!(self.said.recv()), pin!(self.link.runtime.sleep(pause))).await {
                Either::Left((None, _)) => return false,
                Either::Left((said, _)) => said,
                Either::Right(_) => None,
            };
            if let Some(said) = said {
                self.put(said, batch);
            }
            while batch.texts.len() < BATCH
                && let Ok(said) = self.said.try_recv()
            {
                self.put(said, batch);
            }
            if let Some(beat) = self.beats.due(self.now()) {
                batch.push(&self.channel, &beat);
            }
        }
        true
    }

    fn put(&mut self, said: Say, batch: &mut Batch) {
        let now = self.now();
        match said {
            Say::Notice(request) => {
                if take(&request.taken) {
                    batch.push(&self.channel, &self.beats.notice(request.payload, now));
                    batch.answers.push(request.answer);
                }
            }
            Say::Echo { channel, frame } => batch.push(&channel, &frame),
            Say::Hello(frame) => batch.push(&self.channel, &frame),
            Say::Asked => self.beats.asked(now),
        }
    }

    /// A pause before connecting, in which notices are refused; `false` when the bus was dropped. Questions for beats are kept,
    /// messages to itself are not: they would prove nothing by then.
    async fn wait(&mut self, pause: Duration, batch: &mut Batch) -> bool {
        if pause.is_zero() {
            return !(self.said.is_closed() && self.said.is_empty());
        }
        let mut sleep = pin!(self.link.runtime.sleep(pause));
        loop {
            let said = match select(pin!(self.said.recv()), &mut sleep).await {
                Either::Left((None, _)) => return false,
                Either::Left((Some(said), _)) => said,
                Either::Right(_) => return true,
            };
            match said {
                Say::Notice(request) => {
                    if take(&request.taken) {
                        let _ = request.answer.send(Err(unreachable()));
                    }
                }
                Say::Asked | Say::Hello(_) if batch.texts.len() < 2 * BATCH => self.put(said, batch),
                Say::Asked | Say::Hello(_) | Say::Echo { .. } => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.link.runtime.monotonic()
    }
}
