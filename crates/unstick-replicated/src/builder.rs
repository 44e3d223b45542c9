//! Settings.

use std::{sync::Arc, time::Duration};

use unstick_core::{Events, Runtime, Store};

use crate::{Replicated, inner::Inner};

/// Settings of a [`Replicated`] pair, from [`Replicated::builder`]. See the [crate docs](crate) for an example.
#[derive(Debug)]
#[must_use]
pub struct ReplicatedBuilder<A, B, W> {
    pub(crate) a: A,
    pub(crate) b: B,
    pub(crate) w: W,
    pub(crate) witness: bool,
    pub(crate) patience: Duration,
    pub(crate) runtime: Runtime,
    pub(crate) events: Events,
    #[cfg(feature = "mutants")]
    pub(crate) defect: Option<crate::Defect>,
}

impl<A: Store, B: Store, W: Store> ReplicatedBuilder<A, B, W> {
    /// A third store that decides who may go on while one of the other two is away. All nodes must name the same. Default: none,
    /// and writes are answered 503 while either store is away.
    pub fn witness<V: Store>(self, witness: V) -> ReplicatedBuilder<A, B, V> {
        ReplicatedBuilder {
            a: self.a,
            b: self.b,
            w: witness,
            witness: true,
            patience: self.patience,
            runtime: self.runtime,
            events: self.events,
            #[cfg(feature = "mutants")]
            defect: self.defect,
        }
    }

    /// How long one store may keep a request waiting before the others are asked. Default 250 milliseconds.
    ///
    /// Well above what the slower store takes on a busy day, and below a quarter of the session layer's deadline: a write may have to wait for it three times.
    /// After that the store rests for a second, so that not every request waits.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Clocks, timers and tasks. Default [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Where the loss and the return of a store are told, with the instance's name: `BackendDown`, `BackendHealed`. Default: to `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Breaks it.
    #[cfg(feature = "mutants")]
    pub fn defect(mut self, defect: crate::Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// The pair.
    #[must_use]
    pub fn build(self) -> Replicated<A, B, W> {
        let inner = Inner {
            a: self.a,
            b: self.b,
            w: self.w,
            witness: self.witness,
            patience: self.patience,
            runtime: self.runtime,
            events: self.events,
            health: Default::default(),
            missed: Default::default(),
            numbers: Default::default(),
            #[cfg(feature = "mutants")]
            defect: self.defect,
        };
        Replicated { inner: Arc::new(inner) }
    }
}
