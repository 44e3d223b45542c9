//! Ours.

use std::convert::Infallible;

use unstick_cache::{Cache, CacheBuilder, Namespace};

use super::{Cached, LIFETIME};
use crate::{
    keys::Key,
    source::{Source, Value},
};

#[derive(Clone)]
pub(crate) struct Unstick<K>(Cache<K, Value>);

/// Every value has three tags.
#[derive(Clone)]
pub(crate) struct Tagged<K>(Unstick<K>);

/// On quick_cache.
#[derive(Clone)]
pub(crate) struct OnQuick<K>(Unstick<K>);

impl<K: Key> Unstick<K> {
    fn build(capacity: u64, more: impl FnOnce(CacheBuilder<K, Value>) -> CacheBuilder<K, Value>) -> Result<Self, String> {
        let built = Namespace::local("bench").and_then(|bench| {
            let builder = bench.cache::<K, Value>("values").ttl(LIFETIME).capacity(capacity);
            more(builder).build()
        });
        built.map(Self).map_err(|error| error.to_string())
    }
}

impl<K: Key> Cached<K> for Unstick<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        Self::build(capacity, |builder| builder)
    }

    fn get(&self, key: &K) -> Option<Value> {
        self.0.get(key)
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Value, String> {
        let loaded = self.0.get_or_load(key, move || async move { Ok::<_, Infallible>(source.read().await) });
        loaded.await.map_err(|error| error.to_string())
    }

    async fn forget(&self, key: &K) {
        self.0.invalidate(key).await;
    }

    fn version(value: &Value) -> u8 {
        value[0]
    }
}

impl<K: Key> Cached<K> for Tagged<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        let tags = |key: &K, _: Option<&Value>| ["customer", "market", "type"].map(|kind| format!("{kind}:{key:?}")).into();
        Unstick::build(capacity, |builder| builder.tags(tags)).map(Self)
    }

    fn get(&self, key: &K) -> Option<Value> {
        self.0.get(key)
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Value, String> {
        self.0.load(key, source).await
    }

    async fn forget(&self, key: &K) {
        self.0.forget(key).await;
    }

    fn version(value: &Value) -> u8 {
        value[0]
    }
}

impl<K: Key> Cached<K> for OnQuick<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        Unstick::build(capacity, CacheBuilder::quick_cache).map(Self)
    }

    fn get(&self, key: &K) -> Option<Value> {
        self.0.get(key)
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Value, String> {
        self.0.load(key, source).await
    }

    async fn forget(&self, key: &K) {
        self.0.forget(key).await;
    }

    fn version(value: &Value) -> u8 {
        value[0]
    }
}
