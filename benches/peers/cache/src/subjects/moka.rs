//! moka, as it is.

use super::{Cached, LIFETIME};
use crate::{
    keys::Key,
    source::{Source, Value},
};

/// The reference: asked, and filled by hand.
#[derive(Clone)]
pub(crate) struct Bare<K: Key>(moka::sync::Cache<K, Value>);

/// Values never end.
#[derive(Clone)]
pub(crate) struct Lifeless<K: Key>(Bare<K>);

#[derive(Clone)]
pub(crate) struct MokaFuture<K: Key>(moka::future::Cache<K, Value>);

impl<K: Key> Cached<K> for Bare<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        Ok(Self(moka::sync::Cache::builder().max_capacity(capacity).time_to_live(LIFETIME).build()))
    }

    fn get(&self, key: &K) -> Option<Value> {
        self.0.get(key)
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Value, String> {
        if let Some(value) = self.0.get(&key) {
            return Ok(value);
        }
        let value = source.read().await;
        self.0.insert(key, value.clone());
        Ok(value)
    }

    async fn forget(&self, key: &K) {
        self.0.invalidate(key);
    }

    fn version(value: &Value) -> u8 {
        value[0]
    }
}

impl<K: Key> Cached<K> for MokaFuture<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        Ok(Self(moka::future::Cache::builder().max_capacity(capacity).time_to_live(LIFETIME).build()))
    }

    /// Its futures are ready when nothing is to be waited for.
    fn get(&self, key: &K) -> Option<Value> {
        super::now(self.0.get(key)).flatten()
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Value, String> {
        Ok(self.0.get_with_by_ref(&key, source.read()).await)
    }

    async fn forget(&self, key: &K) {
        self.0.invalidate(key).await;
    }

    fn version(value: &Value) -> u8 {
        value[0]
    }
}

impl<K: Key> Cached<K> for Lifeless<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        Ok(Self(Bare(moka::sync::Cache::new(capacity))))
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
