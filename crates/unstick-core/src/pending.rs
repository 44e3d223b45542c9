//! Work that goes on in the background and that a process must not exit before, such as a commit whose client has hung up.
//!
//! Whoever starts such work holds a guard for as long as it takes; whoever ends the process waits until there is none.
//!
//! ```
//! use unstick_core::Pending;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let commits = Pending::default();
//! let guard = commits.enter();
//! assert_eq!(commits.count(), 1);
//! drop(guard);
//! commits.idle().await;
//! # }
//! ```

use std::sync::Arc;

use tokio::sync::watch;

/// Counts work under way. Clones share the count. See the [module docs](self).
#[derive(Debug, Clone)]
pub struct Pending(Arc<watch::Sender<usize>>);

impl Default for Pending {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Pending {
    /// One more, until the guard is dropped.
    #[must_use = "the work counts for as long as the guard lives"]
    pub fn enter(&self) -> PendingGuard {
        self.0.send_modify(|count| *count += 1);
        PendingGuard(self.clone())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// Whether both are one count.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Completes at a moment at which there is none. More may begin afterwards.
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub async fn idle(&self) {
        let mut counts = self.0.subscribe();
        // Fails only without a sender, and `self` is one.
        let _ = counts.wait_for(|count| *count == 0).await;
    }
}

/// Held while the work is under way. See [`Pending::enter`].
#[derive(Debug)]
pub struct PendingGuard(Pending);

impl Drop for PendingGuard {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Context};

    use super::Pending;

    #[test]
    fn idle_waits_for_the_last() {
        let pending = Pending::default();
        let guards = [pending.enter(), pending.clone().enter()];
        let mut idle = pin!(pending.idle());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(idle.as_mut().poll(&mut cx).is_pending());
        for (left, guard) in [1, 0].into_iter().zip(guards) {
            drop(guard);
            assert_eq!(pending.count(), left);
            assert_eq!(idle.as_mut().poll(&mut cx).is_ready(), left == 0);
        }
    }
    #[test]
    fn clones_are_the_same_count() {
        let pending = Pending::default();
        assert!(pending.is_same(&pending.clone()) && !pending.is_same(&Pending::default()));
    }
}
