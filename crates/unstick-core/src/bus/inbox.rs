//! A [`Listener`] between the task that feeds it and the one that takes its events.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::Notify;

use super::{BusEvent, Listener, Subscription};

struct Shared {
    listener: Mutex<Listener>,
    news: Notify,
    closed: AtomicBool,
    abandoned: Notify,
    is_abandoned: AtomicBool,
}

/// The end that takes events: a [`Subscription`].
///
/// ```
/// use std::time::Duration;
/// use unstick_core::{BusEvent, PublisherId, Subscription, bus::{Inbox, Listener, Pace}};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (feed, mut inbox) = Inbox::new(Listener::new(PublisherId(1), 0, Pace::default(), 100, Duration::ZERO));
/// feed.with(|listener| listener.lost());
/// assert_eq!(inbox.next().await, Some(BusEvent::Cut));
/// drop(feed);
/// assert_eq!(inbox.next().await, None);
/// # });
/// ```
pub struct Inbox(Arc<Shared>);

/// The end that feeds. Dropping it ends the subscription, after the events that are still there.
pub struct Feed(Arc<Shared>);

impl Inbox {
    /// Both ends.
    #[must_use]
    #[allow(clippy::new_ret_no_self, reason = "one end is of no use without the other")]
    pub fn new(listener: Listener) -> (Feed, Self) {
        let shared = Arc::new(Shared {
            listener: Mutex::new(listener),
            news: Notify::new(),
            closed: AtomicBool::new(false),
            abandoned: Notify::new(),
            is_abandoned: AtomicBool::new(false),
        });
        (Feed(shared.clone()), Self(shared))
    }
}

impl Subscription for Inbox {
    async fn next(&mut self) -> Option<BusEvent> {
        loop {
            // asked before the queue is, so that nothing comes in between
            let closed = self.0.closed.load(Ordering::Acquire);
            if let Some(event) = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner).pop() {
                return Some(event);
            }
            if closed {
                return None;
            }
            self.0.news.notified().await;
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Release);
        self.0.abandoned.notify_one();
    }
}

impl Feed {
    /// Hands something over. The receiver is woken when there are events afterwards.
    pub fn with<T>(&self, hand_over: impl FnOnce(&mut Listener) -> T) -> T {
        let mut listener = self.0.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = hand_over(&mut listener);
        let news = listener.has_news();
        drop(listener);
        if news {
            self.0.news.notify_one();
        }
        answer
    }

    /// Whether nobody takes events any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned.load(Ordering::Acquire)
    }

    /// Completes when nobody takes events any more. For one task at a time.
    ///
    /// # Cancel safety
    /// Dropping the future and asking again loses nothing.
    pub async fn abandoned(&self) {
        while !self.is_abandoned() {
            self.0.abandoned.notified().await;
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.news.notify_one();
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbox")
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}
