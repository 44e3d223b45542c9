//! Callers that wait for a load on another node, woken by a notice.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

use tokio::sync::Notify;

use crate::sync::Mutex;

#[derive(Debug, Default)]
pub(crate) struct Wakes(Mutex<HashMap<u64, Arc<Notify>>>);

/// Somebody who waits; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    wakes: &'a Wakes,
    key: u64,
    notify: Arc<Notify>,
}

impl Wakes {
    /// To be taken before asking whether to wait at all: a notice that comes in between is not lost.
    pub(crate) fn register(&self, key: u64) -> Waiting<'_> {
        let notify = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        Waiting { wakes: self, key, notify }
    }

    pub(crate) fn wake(&self, key: u64) {
        if let Some(notify) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key) {
            // those who wait, and one that has registered and does not yet
            notify.notify_waiters();
            notify.notify_one();
        }
    }
}

impl Waiting<'_> {
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self.wakes.0.lock().unwrap_or_else(PoisonError::into_inner);
        // one here, one in the map: nobody else waits for it
        if Arc::strong_count(&self.notify) <= 2 && all.get(&self.key).is_some_and(|notify| Arc::ptr_eq(notify, &self.notify)) {
            all.remove(&self.key);
        }
    }
}
