//! Sends notices and beats, in order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::{mpsc, oneshot};
use unstick_core::{
    BoxFuture, Error, ErrorKind, OpCtx, OpId, Published, Runtime,
    bus::{Beats, Pace},
};

use crate::client::Client;

/// Messages that may be on their way to the server at a time.
const UNDER_WAY: usize = 64;

/// A notice to send, and who waits for the outcome.
pub(super) struct Job {
    pub(super) op: OpCtx,
    pub(super) payload: Bytes,
    /// Taken once, to be sent or by the caller whose time is over: so it is known whether it was sent.
    pub(super) taken: Arc<AtomicBool>,
    pub(super) answer: oneshot::Sender<Result<Published, Error>>,
}

/// Whether it was there to be taken.
pub(super) fn take(taken: &AtomicBool) -> bool {
    !taken.swap(true, Ordering::AcqRel)
}

pub(super) fn too_much() -> Error {
    Error::new(ErrorKind::Unavailable, "the bus has more to send than it can")
}

/// What subscriptions want said. It does not wait behind notices.
pub(super) enum Aside {
    /// To all, or on a channel.
    Send { channel: Option<String>, message: Bytes },
    /// Somebody else asks for a beat.
    Asked,
}

pub(super) struct Speaker {
    client: Client,
    runtime: Runtime,
    channel: String,
    beats: Beats,
    pace: Pace,
    jobs: mpsc::Receiver<Job>,
    asides: mpsc::Receiver<Aside>,
}

impl Speaker {
    pub(super) fn new(
        client: Client,
        channel: String,
        beats: Beats,
        pace: Pace,
        jobs: mpsc::Receiver<Job>,
        asides: mpsc::Receiver<Aside>,
    ) -> Self {
        Self { runtime: client.runtime(), client, channel, beats, pace, jobs, asides }
    }

    /// Until the bus is dropped.
    pub(super) async fn run(mut self) {
        let mut under_way: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        loop {
            let now = self.runtime.monotonic();
            if let Some(beat) = self.beats.due(now) {
                under_way.push(self.send(self.channel.clone(), beat));
            }
            let wait = self.beats.wake_at().saturating_sub(now);
            tokio::select! {
                // first, so that what was taken is sent before more is taken: that keeps the order
                biased;
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                aside = self.asides.recv() => match aside {
                    Some(Aside::Asked) => self.beats.asked(self.runtime.monotonic()),
                    Some(Aside::Send { channel, message }) => under_way.push(self.send(channel.unwrap_or_else(|| self.channel.clone()), message)),
                    None => return,
                },
                job = self.jobs.recv(), if under_way.len() < UNDER_WAY => match job {
                    Some(job) => under_way.extend(self.notice(job)),
                    None => return,
                },
                () = self.runtime.sleep(wait) => {}
            }
        }
    }

    fn notice(&mut self, Job { op, payload, taken, answer }: Job) -> Option<BoxFuture<'static, ()>> {
        if !take(&taken) {
            return None; // its caller was told
        }
        if op.refuse_if_late(self.runtime.wall()).is_err() {
            _ = answer.send(Err(too_much())); // the caller may have left
            return None;
        }
        let message = self.beats.notice(payload, self.runtime.monotonic());
        let (client, channel) = (self.client.clone(), self.channel.clone());
        Some(Box::pin(async move {
            let published = match client.publish(&op, &channel, message).await {
                Ok(_) => Ok(Published::Confirmed),
                Err(error) if error.is_outcome_unknown() => Ok(Published::Unknown),
                Err(error) => Err(error),
            };
            _ = answer.send(published);
        }))
    }

    /// What fails here is missed at its destination, and noticed there.
    fn send(&self, channel: String, message: Bytes) -> BoxFuture<'static, ()> {
        let (client, now) = (self.client.clone(), self.runtime.wall());
        let op = OpCtx { now, deadline: now + self.pace.patience(), op_id: OpId::from_u128(0) };
        Box::pin(async move {
            _ = client.publish(&op, &channel, message).await;
        })
    }
}
