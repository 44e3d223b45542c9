//! foyer, its part in memory, with the hasher that moka and ours have.

use std::{convert::Infallible, hash::RandomState};

use foyer_memory::{Cache, CacheBuilder, CacheProperties};

use super::Cached;
use crate::{
    keys::Key,
    source::{Source, Value},
};

#[derive(Clone)]
pub(crate) struct Foyer<K: Key>(Cache<K, Value, RandomState, CacheProperties>);

impl<K: Key> Cached<K> for Foyer<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        let capacity = usize::try_from(capacity).map_err(|error| error.to_string())?;
        Ok(Self(CacheBuilder::new(capacity).with_hash_builder(RandomState::new()).build()))
    }

    fn get(&self, key: &K) -> Option<Value> {
        self.0.get(key).map(|entry| entry.value().clone())
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Value, String> {
        let entry = self.0.get_or_fetch(&key, || async { Ok::<_, Infallible>(source.read().await) }).await;
        entry.map(|entry| entry.value().clone()).map_err(|error| error.to_string())
    }

    async fn forget(&self, key: &K) {
        self.0.remove(key);
    }

    fn version(value: &Value) -> u8 {
        value[0]
    }
}
