//! A load: detached from its callers, bounded in time, isolated from panics.

use std::{error::Error, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::watch;
use unstick_core::EventKind;

use super::{
    inner::{Inner, Kept, Name, Read},
    trace,
    wait::{Flight, Outcome, within},
};
use crate::{
    CacheKey, Loaded,
    entry::{Content, Entry, Freshness, nanos},
    error::{LoadError, LoadErrorKind},
    stats::count,
};

/// What a load is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// A shared value that stays fresh for no longer will not do.
    pub(crate) more_than: Duration,
    /// From the source alone.
    pub(crate) bypass: bool,
    /// Callers have something to serve when it fails.
    pub(crate) has_fallback: bool,
}

/// Leaves the table of loads when it is dropped, whatever became of it: nobody joins a load whose task is gone.
pub(crate) struct Load<K: CacheKey, V: Clone + Send + Sync + 'static> {
    pub(crate) inner: Arc<Inner<K, V>>,
    pub(crate) name: Name<K>,
    pub(crate) flight: Arc<Flight<V>>,
    pub(crate) want: Wanted,
    /// For those who wait.
    pub(crate) done: watch::Sender<Option<Outcome<V>>>,
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> Drop for Load<K, V> {
    fn drop(&mut self) {
        self.inner.flights.leave(&self.name.key, &self.flight);
    }
}

/// What became of a load.
pub(super) enum Landed<V> {
    /// A value, and whether the process may keep it.
    Kept(Outcome<V>),
    /// A value that others know to be invalidated, or that is not to be kept.
    Passed(Outcome<V>),
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> Load<K, V> {
    /// Loads, keeps, and tells those who wait.
    pub(crate) async fn run<F, T, L, E>(self, loader: F)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let inner = &self.inner;
        let runtime = &inner.shared.runtime;
        let land = AssertUnwindSafe(self.land(loader)).catch_unwind();
        let landed = match within(runtime, inner.settings.load_limit, land).await {
            Some(Ok(landed)) => landed,
            Some(Err(_)) => Landed::Kept(Err(self.failed(LoadError::new(LoadErrorKind::Panicked)))),
            None => Landed::Kept(Err(self.failed(LoadError::new(LoadErrorKind::Abandoned)))),
        };
        trace::landed(&landed);
        let outcome = match landed {
            Landed::Kept(Ok(entry)) => {
                if inner.is_valid(&entry) {
                    if let Some(watch) = inner.watch.get() {
                        watch(&self.name.key, self.name.hash, entry.tags());
                    }
                    inner.l1.insert_newer(self.name.key.clone(), Entry::clone(&entry));
                } else {
                    self.refused("here");
                }
                Ok(entry)
            }
            Landed::Kept(Err(error)) => {
                self.back_off(&error);
                Err(error)
            }
            Landed::Passed(outcome) => outcome,
        };
        // before those who wait are told: who asks again then must find it gone
        inner.flights.leave(&self.name.key, &self.flight);
        _ = self.done.send(Some(outcome));
    }

    /// Spares the source for a moment: by what can stand in, if there is such a value, and else by the error.
    fn back_off(&self, error: &LoadError) {
        let inner = &self.inner;
        let now = inner.shared.now();
        let usable = inner.l1.get(&self.name.key).filter(|entry| inner.is_valid(entry));
        let freshness = usable.as_ref().map(|entry| entry.judge(now, inner.shared.trust(), 0.0, || 0));
        if let Some(mut entry) = usable
            && freshness != Some(Freshness::Dead)
        {
            entry.throttle(now.saturating_add(nanos(inner.settings.throttle)));
            inner.l1.insert_newer(self.name.key.clone(), entry);
            if freshness != Some(Freshness::Fresh) {
                inner.shared.events.emit(EventKind::CacheStale, None, error.kind().as_str());
            }
        } else if inner.shared.generations.is_valid(self.flight.start, self.name.stripe, &[]) {
            let content = Content::Failed(Box::new(error.clone()));
            let kept = Kept { content, tags: Vec::new(), fresh: inner.settings.back_off, stale: Duration::ZERO, took: None };
            let entry = inner.entry(&self.name, kept, Read { start: self.flight.start, at: now }, 0);
            inner.l1.insert(self.name.key.clone(), Entry::clone(&entry));
        }
    }

    async fn land<F, T, L, E>(&self, loader: F) -> Landed<V>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let call = async move { loader().await.map(Into::into).map_err(Into::into) };
        match (&self.inner.codec, &self.inner.shared.level) {
            (Some(codec), Some(side)) if !self.want.bypass => self.through_level(codec, side, call).await,
            _ => self.without_level(call).await,
        }
    }

    /// Without the level.
    pub(super) async fn without_level(
        &self,
        call: impl Future<Output = Result<Loaded<V>, Box<dyn Error + Send + Sync>>> + Send,
    ) -> Landed<V> {
        let read = self.inner.read();
        match self.call(call).await {
            Ok(kept) => self.local(kept, read),
            Err(error) => Landed::Kept(Err(error)),
        }
    }

    /// A value for the process alone.
    pub(super) fn local(&self, kept: Kept<V>, read: Read) -> Landed<V> {
        let is_kept = !kept.fresh.is_zero();
        let took = kept.took.unwrap_or_else(|| self.inner.shared.now().saturating_sub(read.at));
        let entry = self.inner.entry(&self.name, kept, read, took);
        if is_kept { Landed::Kept(Ok(entry)) } else { Landed::Passed(Ok(entry)) }
    }

    /// Runs the loader, and what the settings make of its value: both are the application's, and may panic.
    pub(super) async fn call(
        &self,
        call: impl Future<Output = Result<Loaded<V>, Box<dyn Error + Send + Sync>>> + Send,
    ) -> Result<Kept<V>, LoadError> {
        count(&self.inner.counters.loads);
        let call = async { call.await.map(|loaded| self.inner.keep(&self.name.key, loaded)) };
        match AssertUnwindSafe(call).catch_unwind().await {
            Ok(Ok(kept)) => Ok(kept),
            Ok(Err(error)) => Err(self.failed(LoadError::failed(error))),
            Err(_) => Err(self.failed(LoadError::new(LoadErrorKind::Panicked))),
        }
    }

    fn failed(&self, error: LoadError) -> LoadError {
        count(&self.inner.counters.load_failures);
        self.inner.shared.events.emit(EventKind::CacheLoadFailed, None, error.kind().as_str());
        error
    }

    pub(super) fn refused(&self, by: &'static str) {
        count(&self.inner.counters.refused);
        self.inner.shared.events.emit(EventKind::CacheRefused, None, by);
    }
}
