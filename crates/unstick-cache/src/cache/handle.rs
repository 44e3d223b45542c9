//! The handle, and what is answered from the process.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use tokio::sync::watch;
use unstick_core::{BoxFuture, LevelKey, Target};

use super::{
    inner::{Inner, Name},
    load::{Load, Wanted},
    trace,
    wait::{Flight, Outcome, within},
};
use crate::{
    CacheBuilder, CacheKey, CacheStats, Invalidated, KeyText, Loaded, Namespace,
    entry::{Content, Entry, Freshness, mix},
    error::{LoadError, LoadErrorKind},
    flight::Role,
    namespace,
    stats::count,
    sync::Ordering,
    writes::ClientWrites,
};

/// A read-through cache. Cheap to clone. See the [module docs](super).
pub struct Cache<K, V> {
    pub(crate) inner: Arc<Inner<K, V>>,
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> Cache<K, V> {
    /// Settings of a cache that belongs to no other: a [namespace](Namespace::local) of its own, for an application on one node.
    ///
    /// # Errors
    /// As [`Namespace::local`].
    pub fn local(name: &str) -> Result<CacheBuilder<K, V>, unstick_core::ConfigError> {
        Ok(Namespace::local(name)?.cache(name))
    }

    /// The value of `key`, from the process, the shared level or the source, in this order.
    ///
    /// All callers that miss at the same time share one load, on this node and, with a shared level, on all nodes. It runs
    /// on its own: a caller that leaves, a loader that fails or panics harms nobody else. `loader` returns the value, an `Option` of it, or a
    /// [`Loaded`] with tags and a lifetime of its own; it is not called when somebody else's is under way.
    ///
    /// # Errors
    /// What the loader returned, that it panicked or took too long, or that the source has no such value. After a failure
    /// callers get the same error for a moment ([`back_off`](CacheBuilder::back_off)).
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting. The load goes on.
    pub async fn get_or_load<F, T, L, E>(&self, key: K, loader: F) -> Result<V, LoadError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let content = match self.answer(key, loader) {
            Answer::Now(content) => content,
            Answer::Later(content) => content.await?,
        };
        match content {
            Content::Value(value) => Ok(value),
            Content::Absent => Err(LoadError::new(LoadErrorKind::Absent)),
            Content::Failed(error) => Err(*error),
        }
    }

    /// As [`get_or_load`](Self::get_or_load), where the source may have no such value.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load), but for [`Absent`](LoadErrorKind::Absent).
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting. The load goes on.
    pub async fn get_or_load_optional<F, T, L, E>(&self, key: K, loader: F) -> Result<Option<V>, LoadError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let content = match self.answer(key, loader) {
            Answer::Now(content) => content,
            Answer::Later(content) => content.await?,
        };
        match content {
            Content::Value(value) => Ok(Some(value)),
            Content::Absent => Ok(None),
            Content::Failed(error) => Err(*error),
        }
    }

    /// A hit, with nothing to wait for; or else what to wait for, in a box, so that the future of a hit stays small.
    pub(crate) fn answer<F, T, L, E>(&self, key: K, loader: F) -> Answer<V>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let inner = &self.inner;
        if ClientWrites::bypasses_current() {
            count(&inner.counters.bypassed);
            return Answer::Later(Box::pin(miss(inner.clone(), key, loader, None, true)));
        }
        let stale = match inner.look(&key) {
            Look::Serve(content) => {
                inner.counters.hits.add();
                return Answer::Now(content);
            }
            Look::Refresh(content, fresh) => {
                inner.counters.hits.add();
                refresh(inner, key, loader, fresh);
                return Answer::Now(content);
            }
            Look::Throttled(content) => {
                count(&inner.counters.stale);
                return Answer::Now(content);
            }
            Look::Miss(stale) => stale,
        };
        count(&inner.counters.misses);
        Answer::Later(Box::pin(miss(inner.clone(), key, loader, stale, false)))
    }

    /// What the process has and may be served. No load is started.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        if ClientWrites::bypasses_current() {
            return None;
        }
        match self.inner.peek(key) {
            Some(Content::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Invalidates a key: on this node at once, in the shared level, and on every other node. Call it after the change is in
    /// the source. An invalidation always wins: also over loads that are under way, anywhere.
    ///
    /// # Cancel safety
    /// Once polled, it is in effect here, and the rest is done in the background even if the future is dropped.
    pub async fn invalidate(&self, key: &K) -> Invalidated {
        namespace::invalidate(&self.inner.shared, [self.target(key)].into()).await
    }

    /// What invalidates `key`, to be invalidated together with others or staged in a transaction.
    #[must_use]
    pub fn target(&self, key: &K) -> Target {
        Target::Key(LevelKey(KeyText::within(&self.inner.scope, key)))
    }

    /// The namespace it belongs to.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        Namespace { shared: self.inner.shared.clone() }
    }

    /// Counters of this node.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.inner.counters.snapshot()
    }

    /// How many values the process holds, including some that may no longer be served.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.inner.l1.len()
    }

    /// Whether the process holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }
}

/// What a caller gets.
pub(crate) enum Answer<V> {
    Now(Content<V>),
    Later(BoxFuture<'static, Result<Content<V>, LoadError>>),
}

/// What the process has.
enum Look<V> {
    Serve(Content<V>),
    /// To be served, and to be loaded anew before its end, which is so far away.
    Refresh(Content<V>, Duration),
    /// Beyond its end, and loading it failed a moment ago.
    Throttled(Content<V>),
    /// To be loaded; what may stand in if that fails.
    Miss(Option<Box<Entry<V>>>),
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> Inner<K, V> {
    fn look(&self, key: &K) -> Look<V> {
        let Some(entry) = self.l1.get(key) else { return Look::Miss(None) };
        if !self.is_valid(&entry) {
            count(&self.counters.invalid);
            return Look::Miss(None);
        }
        let now = self.shared.now();
        let dice = || mix(now ^ self.shared.hash);
        match entry.judge(now, self.shared.trust(), self.settings.beta, dice) {
            Freshness::Fresh => Look::Serve(entry.content),
            Freshness::RefreshDue => Look::Refresh(entry.content, Duration::from_nanos(entry.fresh_until - now)),
            Freshness::Throttled => Look::Throttled(entry.content),
            Freshness::Stale => Look::Miss(Some(Box::new(entry))),
            Freshness::Dead => Look::Miss(None),
        }
    }

    /// What the process holds and may be served.
    pub(crate) fn peek(&self, key: &K) -> Option<Content<V>> {
        match self.look(key) {
            Look::Serve(content) | Look::Refresh(content, _) => Some(content),
            Look::Throttled(_) | Look::Miss(_) => None,
        }
    }

    /// Joins the load under way, or starts one.
    fn enter<F, T, L, E>(self: &Arc<Self>, name: &Name<K>, loader: &mut Option<F>, want: Wanted) -> Role<Flight<V>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let generations = &self.shared.generations;
        let (sender, done) = watch::channel(None);
        // to join a load that an invalidation has passed would be to read what was before it
        let usable = |flight: &Flight<V>| (flight.bypass || !want.bypass) && generations.is_valid(flight.start, name.stripe, &[]);
        let new = || {
            let number = self.launched.fetch_add(1, Ordering::SeqCst) + 1;
            Flight { start: generations.now(), number, bypass: want.bypass, done }
        };
        let role = self.flights.enter(&name.key, usable, new);
        if let Role::Lead(flight) = &role
            && let Some(loader) = loader.take()
        {
            let load = Load { inner: self.clone(), name: name.clone(), flight: flight.clone(), want, done: sender };
            // what the loader reads from other caches is past them, too
            let scope = if want.bypass { ClientWrites::current() } else { None };
            let task: BoxFuture<'static, ()> = match scope {
                Some(scope) => Box::pin(scope.enter(load.run(loader))),
                None => Box::pin(load.run(loader)),
            };
            self.shared.runtime.spawn(trace::load(&self.shared, &self.name, task));
        }
        role
    }
}

/// Loads in the background what is still fresh, unless somebody does so already.
fn refresh<K, V, F, T, L, E>(inner: &Arc<Inner<K, V>>, key: K, loader: F, fresh: Duration)
where
    K: CacheKey,
    V: Clone + Send + Sync + 'static,
    F: FnOnce() -> T + Send + 'static,
    T: Future<Output = Result<L, E>> + Send + 'static,
    L: Into<Loaded<V>> + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    let name = inner.name(key);
    if let Role::Lead(_) = inner.enter(&name, &mut Some(loader), Wanted { more_than: fresh, bypass: false, has_fallback: true }) {
        count(&inner.counters.refreshes);
    }
}

async fn miss<K, V, F, T, L, E>(
    inner: Arc<Inner<K, V>>,
    key: K,
    loader: F,
    stale: Option<Box<Entry<V>>>,
    bypass: bool,
) -> Result<Content<V>, LoadError>
where
    K: CacheKey,
    V: Clone + Send + Sync + 'static,
    F: FnOnce() -> T + Send + 'static,
    T: Future<Output = Result<L, E>> + Send + 'static,
    L: Into<Loaded<V>> + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    let name = inner.name(key);
    let settings = &inner.settings;
    let patience = if stale.is_some() { settings.soft_timeout } else { None }.unwrap_or(settings.hard_timeout);
    let want = Wanted { more_than: Duration::ZERO, bypass, has_fallback: stale.is_some() };
    let wait = async {
        let mut loader = Some(loader);
        let (arrival, launched) = (inner.shared.generations.now(), inner.launched.load(Ordering::SeqCst));
        loop {
            match inner.enter(&name, &mut loader, want) {
                Role::Lead(flight) => return flight.landed().await.unwrap_or_else(abandoned),
                Role::Join(flight) => {
                    if !bypass {
                        count(&inner.counters.joined);
                    }
                    // without an outcome its task is gone, as with the runtime of whoever led it: this caller leads
                    let Some(outcome) = flight.landed().await else { continue };
                    match &outcome {
                        // this client may be ahead of what had started when it came; but one load at a time is enough
                        _ if bypass && flight.number <= launched => {}
                        // what it loaded was invalidated before this caller came, by a tag that only the value told
                        Ok(entry) if flight.start < arrival && !inner.is_valid(entry) => {}
                        _ => return outcome,
                    }
                }
            }
        }
    };
    let outcome = match within(&inner.shared.runtime, patience, wait).await {
        Some(outcome) => outcome,
        None => {
            if stale.is_none() {
                count(&inner.counters.timeouts);
            }
            Err(LoadError::new(LoadErrorKind::Timeout))
        }
    };
    match (outcome, stale) {
        (Ok(entry), _) => match &entry.content {
            Content::Failed(error) => Err(LoadError::clone(error)),
            content => Ok(content.clone()),
        },
        // it may have been invalidated meanwhile
        (Err(_), Some(stale)) if inner.is_valid(&stale) => {
            count(&inner.counters.stale);
            Ok(stale.content)
        }
        (Err(error), _) => Err(error),
    }
}

/// The process is shutting down.
fn abandoned<V>() -> Outcome<V> {
    Err(LoadError::new(LoadErrorKind::Abandoned))
}
