//! Settings of a cache.

use std::{
    error::Error,
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use unstick_core::ConfigError;

#[cfg(feature = "quick-cache")]
use super::quick::Quick;
use super::{
    Cache,
    inner::{Inner, Settings},
    l1::L1,
};
use crate::{CacheKey, envelope::Codec, flight::Flights, namespace::shared::Shared, stats::CacheCounters, sync::AtomicU64};

/// Settings of a [`Cache`]. See the [module docs](crate::cache).
#[must_use]
pub struct CacheBuilder<K, V> {
    shared: Arc<Shared>,
    name: String,
    capacity: u64,
    weigher: Option<Weigher<K, V>>,
    codec: Option<Codec<V>>,
    is_shared: bool,
    #[cfg(feature = "quick-cache")]
    is_quick: bool,
    settings: Settings<K, V>,
    key: PhantomData<fn(K)>,
}

pub(super) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u32 + Send + Sync>;

impl<K: CacheKey, V: Clone + Send + Sync + 'static> CacheBuilder<K, V> {
    pub(crate) fn new(shared: Arc<Shared>, name: &str) -> Self {
        let settings = Settings {
            ttl: Duration::from_secs(60),
            l1_ttl: None,
            negative_ttl: None,
            jitter: 0.1,
            stale: None,
            throttle: Duration::from_secs(1),
            back_off: Duration::from_millis(500),
            soft_timeout: None,
            hard_timeout: Duration::from_secs(10),
            load_limit: Duration::from_secs(30),
            beta: 0.0,
            schema: 1,
            lease: Duration::from_secs(2),
            tags: None,
        };
        let name = name.to_owned();
        Self {
            shared,
            name,
            capacity: 10_000,
            weigher: None,
            codec: None,
            is_shared: false,
            #[cfg(feature = "quick-cache")]
            is_quick: false,
            settings,
            key: PhantomData,
        }
    }

    /// How long a value is fresh. Default: 60 s.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// How long a value is fresh in the process, when that should be less than in the shared level. Default: as [`ttl`](Self::ttl).
    pub const fn l1_ttl(mut self, ttl: Duration) -> Self {
        self.settings.l1_ttl = Some(ttl);
        self
    }

    /// How long it is remembered that the source has no such value. Default: not at all. Set it when clients ask for what
    /// does not exist; an invalidation ends it like any value.
    pub const fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.settings.negative_ttl = Some(ttl);
        self
    }

    /// By what share of it a lifetime may be shortened at random, so that values loaded together do not end together: from 0
    /// to below 1. Default: 0.1.
    pub const fn jitter(mut self, share: f64) -> Self {
        self.settings.jitter = share;
        self
    }

    /// Serves a value for so long after its end when it cannot be loaded anew. Default: never. A value that is known to have been
    /// *invalidated* is never served; while notices stay away, other nodes' invalidations are not known.
    pub const fn stale_if_error(mut self, time: Duration) -> Self {
        self.settings.stale = Some(time);
        self
    }

    /// After a load failed, how long the old value is served before the next try. Default: 1 s.
    pub const fn throttle(mut self, time: Duration) -> Self {
        self.settings.throttle = time;
        self
    }

    /// After a load failed and there is no old value, how long callers get the same error. Default: 500 ms.
    pub const fn back_off(mut self, time: Duration) -> Self {
        self.settings.back_off = time;
        self
    }

    /// After how long an old value is served while the load goes on in the background. Default: callers wait for the load.
    pub const fn soft_timeout(mut self, time: Duration) -> Self {
        self.settings.soft_timeout = Some(time);
        self
    }

    /// After how long callers stop waiting; the load goes on in the background. Default: 10 s.
    pub const fn hard_timeout(mut self, time: Duration) -> Self {
        self.settings.hard_timeout = time;
        self
    }

    /// After how long a load is given up, so that a source that hangs is asked again. Default: 30 s.
    pub const fn load_limit(mut self, time: Duration) -> Self {
        self.settings.load_limit = time;
        self
    }

    /// Loads a value before its end, with a chance that grows with the time that loads take: 1 is the optimum of the paper, more is
    /// earlier, 0 is off. Default: 0. Set it for values that many ask for and that take long to load (XFetch, Vattani et al. 2015).
    pub const fn early_refresh(mut self, beta: f64) -> Self {
        self.settings.beta = beta;
        self
    }

    /// The number of the value's encoding. Raise it when the type changes in a way that the old release cannot read, or reads wrongly: both
    /// releases then keep values of their own under the same keys, and invalidations reach both. Default: 1.
    pub const fn schema(mut self, schema: u32) -> Self {
        self.settings.schema = schema;
        self
    }

    /// The most values, or with a [`weigher`](Self::weigher) the most weight, that the process holds. Default: 10 000. A value that has ended, or
    /// was invalidated, stays in memory until it is asked for or its room is needed.
    pub const fn capacity(mut self, capacity: u64) -> Self {
        self.capacity = capacity;
        self
    }

    /// What a value weighs towards the [`capacity`](Self::capacity). Default: 1.
    pub fn weigher(mut self, weigh: impl Fn(&K, &V) -> u32 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigh));
        self
    }

    /// Keeps the process's values in [quick_cache](https://docs.rs/quick_cache) rather than in [moka](https://docs.rs/moka). What is answered is the
    /// same, and a hit takes half the time. But the capacity is divided: a value that weighs more than one part of it is not kept.
    /// Default: moka. Set it when hits are what your service does most.
    ///
    /// The parts are as many as four per processor, rounded up to a power of two, or fewer when they would hold less than 32 values.
    #[cfg(feature = "quick-cache")]
    pub const fn quick_cache(mut self) -> Self {
        self.is_quick = true;
        self
    }

    /// The tags of a value, by which [`invalidate_tag`](crate::Namespace::invalidate_tag) finds it; `None` stands for a value that the
    /// source does not have. Default: none. A loader adds more with [`Loaded::tag`](crate::Loaded::tag).
    pub fn tags(mut self, tags: impl Fn(&K, Option<&V>) -> Vec<String> + Send + Sync + 'static) -> Self {
        self.settings.tags = Some(Arc::new(tags));
        self
    }

    /// How long a node's right to load a value for all others lasts unless it is renewed, which it is while the load
    /// goes on: how long others wait for a node that died. Default: 2 s.
    pub const fn lease(mut self, time: Duration) -> Self {
        self.settings.lease = time;
        self
    }

    /// Keeps values in the namespace's level, too, as JSON: one node loads, all others find it there.
    pub fn shared(mut self) -> Self
    where
        V: Serialize + DeserializeOwned,
    {
        self.codec = Some(Codec::json());
        self.is_shared = true;
        self
    }

    /// As [`shared`](Self::shared), in an encoding of your own.
    pub fn shared_as<E: Into<Box<dyn Error + Send + Sync>>, D: Into<Box<dyn Error + Send + Sync>>>(
        mut self,
        encode: impl Fn(&V) -> Result<Vec<u8>, E> + Send + Sync + 'static,
        decode: impl Fn(&[u8]) -> Result<V, D> + Send + Sync + 'static,
    ) -> Self {
        self.codec = Some(Codec::new(move |value| encode(value).map_err(Into::into), move |bytes| decode(bytes).map_err(Into::into)));
        self.is_shared = true;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// When a setting is out of range, two of them contradict each other, or the namespace has a cache of that name.
    pub fn build(self) -> Result<Cache<K, V>, ConfigError> {
        self.settings.check()?;
        #[cfg(feature = "quick-cache")]
        let is_quick = self.is_quick;
        let Self { shared, name, capacity, weigher, codec, is_shared, settings, .. } = self;
        if capacity == 0 {
            return Err(ConfigError::new("`capacity` must be more than zero: a cache that holds nothing only delays"));
        }
        if is_shared && shared.level.is_none() {
            return Err(ConfigError::new(
                "`shared` needs a `level`, and the namespace has none: add one to its builder, or leave `shared` out",
            ));
        }
        let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(ConfigError::new("a cache's name has 1 to 64 letters, digits, `-`, `_` and `.`"));
        }
        if !shared.caches.lock().unwrap_or_else(PoisonError::into_inner).insert(name.as_str().into()) {
            return Err(ConfigError::new("the namespace has a cache of that `name` already: build it once and clone it"));
        }
        if is_shared || shared.bus.is_some() {
            shared.keeps(settings.longest());
        }
        #[cfg(feature = "quick-cache")]
        let l1 = if is_quick { L1::Quick(Quick::new(capacity, weigher)) } else { L1::moka(capacity, weigher) };
        #[cfg(not(feature = "quick-cache"))]
        let l1 = L1::moka(capacity, weigher);
        let scope = format!("{}:{name}:", shared.name);
        let counters = CacheCounters::default();
        Ok(Cache {
            inner: Arc::new(Inner {
                shared,
                name: name.into(),
                scope,
                l1,
                flights: Flights::new(),
                launched: AtomicU64::new(0),
                codec,
                settings,
                counters,
                watch: OnceLock::new(),
            }),
        })
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, capacity, is_shared, settings, .. } = self;
        f.debug_struct("CacheBuilder")
            .field("name", name)
            .field("capacity", capacity)
            .field("shared", is_shared)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}
