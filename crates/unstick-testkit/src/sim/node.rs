use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use unstick_core::{BoxFuture, RuntimeOps, Timestamp};

use super::state::Shared;

/// One node's clocks on a simulation. All nodes' clocks run at the same speed and may show different times.
pub struct Node {
    shared: Arc<Shared>,
    wall: Timestamp,
    monotonic: Duration,
}

impl Node {
    pub(super) fn new(shared: Arc<Shared>, wall: Timestamp, monotonic: Duration) -> Self {
        Self { shared, wall, monotonic }
    }
}

impl RuntimeOps for Node {
    fn wall(&self) -> Timestamp {
        self.wall + self.shared.state().now
    }

    fn monotonic(&self) -> Duration {
        self.monotonic + self.shared.state().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(Timer { shared: self.shared.clone(), duration, key: None })
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.shared.add(Some(task));
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({:?})", self.shared)
    }
}

/// Counts from its first poll. One of no duration lets others run, once.
struct Timer {
    shared: Arc<Shared>,
    duration: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let key = self.key;
        match key {
            Some(key) if self.shared.state().rearm(key, cx.waker()) => Poll::Pending,
            Some(_) => Poll::Ready(()),
            None => {
                let key = self.shared.state().arm(self.duration, cx.waker().clone());
                self.key = Some(key);
                if self.duration.is_zero() {
                    self.forget();
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

impl Timer {
    fn forget(&self) {
        let waker = self.key.and_then(|key| self.shared.state().disarm(key));
        drop(waker); // not under the lock
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.forget();
    }
}
