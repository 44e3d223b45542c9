//! The invalidations that were made while one request is served.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::futures::TaskLocalFuture;
use unstick_core::Timestamp;

use super::text::Dated;
use crate::mark::Mark;

/// Prints of one response that are remembered one by one; no text that a client carries holds more.
const MOST_PRINTS: usize = 256;

tokio::task_local! {
    static CURRENT: ClientWrites;
}

/// Whether the client that is being served carries an invalidation to the next node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carried {
    /// It will get it with the response's headers.
    Yes,
    /// The headers had left: on other nodes the client may see the old value until they have learned of the invalidation otherwise.
    TooLate,
    /// No client is being served here. A task that was spawned for a request [enters](ClientWrites::enter) its scope first.
    Nobody,
}

/// The scope of one request: what is invalidated in it travels with the client. Cheap to clone. See the [module docs](super).
///
/// [`ReadYourWritesLayer`](super::ReadYourWritesLayer) sets it around the inner service's future and puts it into the request's
/// extensions; nothing needs to be passed on to [`invalidate`](crate::Cache::invalidate).
#[derive(Clone)]
pub struct ClientWrites(Arc<Inner>);

struct Inner {
    bypasses: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    written: Written,
    is_closed: bool,
}

/// What one response tells its client.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) marks: Vec<Mark>,
    prints: usize,
    /// There were too many to remember, and whether one of them was not confirmed by the level or the bus.
    pub(crate) overflow: Option<bool>,
}

impl Written {
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.overflow.is_none()
    }

    /// `pending` is for how long what is stale may be kept somewhere.
    pub(crate) fn dated(self, issued: Timestamp, pending: Duration) -> impl Iterator<Item = Dated> {
        self.marks.into_iter().map(move |mark| Dated {
            issued,
            pending_for: if mark.is_pending() { pending } else { Duration::ZERO },
            mark,
        })
    }

    fn add(&mut self, mark: Mark) {
        if let Some(pending) = &mut self.overflow {
            *pending |= mark.is_pending();
            return;
        }
        self.prints += mark.prints.len();
        self.marks.push(mark);
        if self.prints > MOST_PRINTS || self.marks.len() > MOST_PRINTS {
            self.overflow = Some(self.marks.iter().any(Mark::is_pending));
            self.marks = Vec::new();
        }
    }
}

impl ClientWrites {
    pub(super) fn new(bypasses: bool) -> Self {
        Self(Arc::new(Inner { bypasses, state: Mutex::default() }))
    }

    /// The scope of the request that is being served, if there is one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs `future` in this scope: for tasks that are spawned while serving a request, and awaited before it is answered.
    pub fn enter<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.around(future)
    }

    pub(super) fn around<F: Future>(&self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self.clone(), future)
    }

    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// Whether this client's requests go past the cache for a while, because it wrote more than it can carry.
    #[must_use]
    pub fn bypasses(&self) -> bool {
        self.0.bypasses
    }

    /// Notes an invalidation with the client being served. The same one again replaces what was noted.
    pub(crate) fn record_current(mark: Mark) -> Carried {
        CURRENT.try_with(|writes| writes.record(mark)).unwrap_or(Carried::Nobody)
    }

    /// Whether the client being served is ahead of what is kept here.
    #[inline]
    pub(crate) fn bypasses_current() -> bool {
        CURRENT.try_with(|writes| writes.0.bypasses).unwrap_or(false)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, mark: Mark) -> Carried {
        let mut state = self.state();
        if state.is_closed {
            return Carried::TooLate;
        }
        match state.written.marks.iter_mut().rfind(|known| known.id == mark.id) {
            Some(known) => *known = mark,
            None => state.written.add(mark),
        }
        Carried::Yes
    }

    /// From here on everything is too late.
    pub(super) fn close(&self) -> Written {
        let mut state = self.state();
        state.is_closed = true;
        std::mem::take(&mut state.written)
    }
}

impl fmt::Debug for ClientWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ClientWrites")
            .field("marks", &state.written.marks.len())
            .field("bypasses", &self.0.bypasses)
            .field("is_closed", &state.is_closed)
            .finish()
    }
}
