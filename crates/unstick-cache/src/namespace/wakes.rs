//! Callers that wait for a load on another node, woken by a notice.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, PoisonError},
};

use tokio::sync::Semaphore;

use crate::sync::Mutex;

#[derive(Debug, Default)]
pub(crate) struct Wakes(Mutex<HashMap<u64, Waiters>>);

#[derive(Debug)]
struct Waiters {
    /// Closed by the notice: nobody can miss that, however late it looks.
    open: Arc<Semaphore>,
    count: usize,
}

/// Somebody who waits; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    wakes: &'a Wakes,
    key: u64,
    open: Arc<Semaphore>,
}

impl Wakes {
    /// To be taken before asking whether to wait at all: a notice that comes in between is not lost.
    pub(crate) fn register(&self, key: u64) -> Waiting<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiters = all.entry(key).or_insert_with(|| Waiters { open: Arc::new(Semaphore::new(0)), count: 0 });
        waiters.count += 1;
        Waiting { wakes: self, key, open: waiters.open.clone() }
    }

    pub(crate) fn wake(&self, key: u64) {
        let waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if let Some(waiters) = waiters {
            waiters.open.close();
        }
    }

    /// Notices may have been missed, or will be.
    pub(crate) fn wake_all(&self) {
        let all = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.into_values().for_each(|waiters| waiters.open.close());
    }

    /// For how many keys somebody waits.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Waiting<'_> {
    pub(crate) async fn woken(&self) {
        // there are no permits: this ends when it is closed
        _ = self.open.acquire().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self.wakes.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiters) = all.get_mut(&self.key).filter(|waiters| Arc::ptr_eq(&waiters.open, &self.open)) {
            waiters.count -= 1;
            if waiters.count == 0 {
                all.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn whoever_registered_before_the_notice_is_woken_however_late_it_waits() {
        let wakes = Wakes::default();
        let (one, two, other) = (wakes.register(7), wakes.register(7), wakes.register(8));
        assert!(one.woken().now_or_never().is_none());
        wakes.wake(7);
        assert!(one.woken().now_or_never().is_some() && two.woken().now_or_never().is_some());
        let later = wakes.register(7);
        assert!(later.woken().now_or_never().is_none() && other.woken().now_or_never().is_none());
        drop((one, two));
        wakes.wake(7);
        assert!(later.woken().now_or_never().is_some(), "those of the round before took nothing along");
    }

    #[test]
    fn nobody_is_remembered_after_leaving() {
        let wakes = Wakes::default();
        let both = (wakes.register(7), wakes.register(7));
        assert_eq!(wakes.len(), 1);
        drop(both.0);
        assert_eq!(wakes.len(), 1, "one still waits");
        drop(both.1);
        assert_eq!(wakes.len(), 0);
        let woken = wakes.register(7);
        wakes.wake(7);
        drop(woken);
        assert_eq!(wakes.len(), 0);
    }
}
