//! A cache behind its handle: settings, and what they say about a loaded value.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use unstick_core::{ConfigError, LevelKey, TagKey};

use super::{l1::L1, wait::Flight};
use crate::{
    CacheKey, KeyText, Loaded,
    entry::{Content, Entry, Nanos, jittered, nanos},
    envelope::Codec,
    flight::Flights,
    generations::Stripe,
    mark,
    monitor::Watch,
    namespace::shared::Shared,
    stats::CacheCounters,
    sync::AtomicU64,
};

pub(crate) type Tags<K, V> = Arc<dyn Fn(&K, Option<&V>) -> Vec<String> + Send + Sync>;

pub(crate) struct Settings<K, V> {
    pub(crate) ttl: Duration,
    pub(crate) l1_ttl: Option<Duration>,
    pub(crate) negative_ttl: Option<Duration>,
    pub(crate) jitter: f64,
    pub(crate) stale: Option<Duration>,
    pub(crate) throttle: Duration,
    pub(crate) back_off: Duration,
    pub(crate) soft_timeout: Option<Duration>,
    pub(crate) hard_timeout: Duration,
    pub(crate) load_limit: Duration,
    pub(crate) beta: f64,
    pub(crate) schema: u32,
    pub(crate) lease: Duration,
    pub(crate) tags: Option<Tags<K, V>>,
}

impl<K, V> fmt::Debug for Settings<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("ttl", &self.ttl)
            .field("l1_ttl", &self.l1_ttl)
            .field("negative_ttl", &self.negative_ttl)
            .field("jitter", &self.jitter)
            .field("stale_if_error", &self.stale)
            .field("throttle", &self.throttle)
            .field("back_off", &self.back_off)
            .field("soft_timeout", &self.soft_timeout)
            .field("hard_timeout", &self.hard_timeout)
            .field("load_limit", &self.load_limit)
            .field("early_refresh", &self.beta)
            .field("schema", &self.schema)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl<K, V> Settings<K, V> {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |sentence: &'static str| Err(ConfigError::new(sentence));
        if self.ttl.is_zero() || self.l1_ttl.is_some_and(|ttl| ttl.is_zero()) {
            return refuse("`ttl` and `l1_ttl` must be more than zero: leave the cache out instead");
        }
        if self.l1_ttl.is_some_and(|ttl| ttl > self.ttl) {
            return refuse("`l1_ttl` must not be longer than `ttl`: a value in the process cannot outlive its lifetime");
        }
        if !(0.0..1.0).contains(&self.jitter) {
            return refuse("`jitter` must be from 0 to below 1: it is the share of a lifetime by which it may be shortened");
        }
        if !(0.0..=100.0).contains(&self.beta) {
            return refuse("`early_refresh` must be from 0 to 100: 1 is the optimum");
        }
        if self.soft_timeout.is_some() && self.stale.is_none() {
            return refuse("`soft_timeout` needs `stale_if_error`: without it there is no old value to serve meanwhile");
        }
        if self.soft_timeout.is_some_and(|soft| soft >= self.hard_timeout) {
            return refuse("`soft_timeout` must be shorter than `hard_timeout`");
        }
        if self.hard_timeout.is_zero() || self.hard_timeout > self.load_limit {
            return refuse("`hard_timeout` must be more than zero and not longer than `load_limit`: nobody could get what is loaded later");
        }
        if self.lease < Duration::from_millis(100) {
            return refuse("`lease` must be at least 100 ms: it is renewed while a load goes on");
        }
        Ok(())
    }

    /// After how long no entry of this cache is of any use.
    pub(super) fn longest(&self) -> Duration {
        let fresh = self.ttl.max(self.negative_ttl.unwrap_or_default()).max(self.back_off);
        fresh.saturating_add(self.stale.unwrap_or_default()).saturating_add(Duration::from_secs(1))
    }
}

pub(crate) struct Inner<K, V> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Box<str>,
    /// What all its keys begin with.
    pub(crate) scope: String,
    pub(crate) l1: L1<K, V>,
    pub(crate) flights: Flights<K, Flight<V>>,
    /// How many there have been.
    pub(crate) launched: AtomicU64,
    pub(crate) codec: Option<Codec<V>>,
    pub(crate) settings: Settings<K, V>,
    pub(crate) counters: CacheCounters,
    /// Set by a monitor.
    pub(crate) watch: OnceLock<Watch<K>>,
}

/// A key in all its forms.
#[derive(Clone)]
pub(crate) struct Name<K> {
    pub(crate) key: K,
    pub(crate) text: LevelKey,
    pub(crate) hash: u64,
    pub(crate) stripe: Stripe,
}

/// What is kept of a value, and for how long.
pub(crate) struct Kept<V> {
    pub(crate) content: Content<V>,
    pub(crate) tags: Vec<TagKey>,
    pub(crate) fresh: Duration,
    pub(crate) stale: Duration,
    /// How long its load took, where that was on another node.
    pub(crate) took: Option<Nanos>,
}

/// When a value was read.
#[derive(Clone, Copy)]
pub(crate) struct Read {
    /// The local number before that.
    pub(crate) start: u64,
    /// The local time before that.
    pub(crate) at: Nanos,
}

impl<K: CacheKey, V: Clone + Send + Sync + 'static> Inner<K, V> {
    pub(crate) fn name(&self, key: K) -> Name<K> {
        let text = KeyText::within(&self.scope, &key);
        let hash = mark::hash(&text);
        Name { key, text: LevelKey(text), hash, stripe: self.shared.generations.key(hash) }
    }

    pub(crate) fn read(&self) -> Read {
        Read { start: self.shared.generations.now(), at: self.shared.now() }
    }

    /// What the settings say about a loaded value; `None`: it is not kept.
    pub(crate) fn keep(&self, key: &K, loaded: Loaded<V>) -> Kept<V> {
        let settings = &self.settings;
        let own = settings.tags.as_ref().map(|tags| tags(key, loaded.value.as_ref())).unwrap_or_default();
        let tags = own.iter().chain(&loaded.tags).map(|tag| TagKey(KeyText::tag(&self.shared.name, tag))).collect();
        let usual = if loaded.value.is_some() { Some(settings.ttl) } else { settings.negative_ttl };
        // the process holds nothing for longer than the settings say
        let most = settings.ttl.max(settings.negative_ttl.unwrap_or_default());
        let fresh = if loaded.is_kept { loaded.ttl.or(usual).unwrap_or_default().min(most) } else { Duration::ZERO };
        let stale = if fresh.is_zero() { Duration::ZERO } else { settings.stale.unwrap_or_default() };
        let content = loaded.value.map_or(Content::Absent, Content::Value);
        Kept { content, tags, fresh: jittered(fresh, settings.jitter, self.shared.dice()), stale, took: None }
    }

    /// An entry, fresh from now on.
    pub(crate) fn entry(&self, name: &Name<K>, kept: Kept<V>, read: Read, took: Nanos) -> Arc<Entry<V>> {
        let generations = &self.shared.generations;
        let now = self.shared.now();
        let fresh = self.settings.l1_ttl.map_or(kept.fresh, |most| most.min(kept.fresh));
        let fresh_until = now.saturating_add(nanos(fresh));
        let kept_until = fresh_until.saturating_add(nanos(kept.stale));
        let tags: Vec<_> = kept.tags.iter().map(|tag| generations.tag(mark::hash(&tag.0))).collect();
        let entry = Entry::new(kept.content, read.start, read.at, name.stripe, &tags).until(fresh_until, kept_until);
        Arc::new(if self.settings.beta > 0.0 { entry.took(took) } else { entry })
    }

    pub(crate) fn is_valid(&self, entry: &Entry<V>) -> bool {
        self.shared.generations.is_valid(entry.start, entry.key, entry.tags())
    }
}

impl<K, V> fmt::Debug for Inner<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.name).field("namespace", &self.shared.name).finish_non_exhaustive()
    }
}
