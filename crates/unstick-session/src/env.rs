//! What every request of one layer shares, apart from the backend.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use unstick_core::{Availability, ConfigError, Error, EventKind, Events, Lifetimes, OpCtx, OpId, Pending, Runtime, Ticket, Timestamp};

use crate::{continuity::Counters, cookie::CookieConfig, failure::OnFailure};

pub(crate) struct Env {
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) cookie: CookieConfig,
    pub(crate) header: Option<HeaderName>,
    pub(crate) deadline: Duration,
    pub(crate) max_size: usize,
    pub(crate) budget: usize,
    pub(crate) commit_on_server_error: bool,
    pub(crate) clear_site_data: Option<HeaderValue>,
    pub(crate) immediate_promotion: bool,
    pub(crate) counters: Counters,
    pub(crate) on_failure: Arc<dyn OnFailure>,
    pub(crate) ops: OpIds,
    pub(crate) backend: Availability,
    #[cfg(feature = "lifeboat")]
    pub(crate) lifeboat: Option<crate::lifeboat::Fleet>,
    /// Commits whose client is gone.
    pub(crate) detached: Pending,
}

impl Env {
    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.wall()
    }

    pub(crate) fn op(&self) -> OpCtx {
        let now = self.now();
        OpCtx { now, deadline: now + self.deadline, op_id: self.ops.next() }
    }

    /// Notes whether the backend answered, and says so when it does again.
    pub(crate) fn answered<T>(&self, answer: &Result<T, Error>) {
        match answer {
            Err(error) if error.is_backend() => self.backend.fails(&self.events, &error.kind().as_str()),
            _ => self.backend.answers(&self.events, &""),
        }
    }

    /// Whether the backend's last answer was a failure.
    pub(crate) fn is_failing(&self) -> bool {
        self.backend.is_down()
    }

    pub(crate) fn emit(&self, kind: EventKind, ticket: Option<&Ticket>, detail: &str) {
        self.events.emit_with(kind, || ticket.map(|ticket| ticket.credential.lineage().record_key().tag()), detail);
    }
}

/// Operation ids: a random half per layer, a counter for the rest.
#[derive(Debug)]
pub(crate) struct OpIds {
    base: u64,
    counter: AtomicU64,
}

impl OpIds {
    pub(crate) fn new() -> Result<Self, ConfigError> {
        let base = getrandom::u64().map_err(|_| ConfigError::new("the operating system gave no randomness"))?;
        Ok(Self { base, counter: AtomicU64::new(0) })
    }

    pub(crate) fn next(&self) -> OpId {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        OpId::from_u128(u128::from(self.base) << 64 | u128::from(counter))
    }

    /// A spread-out number for back-off jitter; not for secrets.
    pub(crate) fn jitter(&self, below: u64) -> u64 {
        self.next().field_version().as_u64() % below.max(1)
    }
}
