//! Callers that wait for a load.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use tokio::sync::watch;
use unstick_core::Runtime;

use crate::{entry::Entry, error::LoadError};

pub(crate) type Outcome<V> = Result<Arc<Entry<V>>, LoadError>;

/// A load under way.
pub(crate) struct Flight<V> {
    /// The number at which it started.
    pub(crate) start: u64,
    /// Counted from 1 on: whoever came when there were as many or more came after it had started.
    pub(crate) number: u64,
    /// It asks the source alone.
    pub(crate) bypass: bool,
    pub(crate) done: watch::Receiver<Option<Outcome<V>>>,
}

impl<V> fmt::Debug for Flight<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("start", &self.start).finish_non_exhaustive()
    }
}

impl<V: Clone> Flight<V> {
    /// `None`: its task was dropped.
    pub(crate) async fn landed(&self) -> Option<Outcome<V>> {
        let mut done = self.done.clone();
        done.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
    }
}

/// `future`, for `limit` at most.
pub(crate) async fn within<T>(runtime: &Runtime, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(runtime.sleep(limit))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
