//! quick_cache, with the hasher that moka and ours have.

use std::{hash::RandomState, sync::Arc};

use quick_cache::{UnitWeighter, sync};

use super::Cached;
use crate::{
    keys::Key,
    source::{Source, Value},
};

type Cache<K> = sync::Cache<K, Value, UnitWeighter, RandomState>;

#[derive(Clone)]
pub(crate) struct Quick<K: Key>(Arc<Cache<K>>);

impl<K: Key> Cached<K> for Quick<K> {
    type Value = Value;

    fn new(capacity: u64) -> Result<Self, String> {
        let held = usize::try_from(capacity).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(sync::Cache::with(held, capacity, UnitWeighter, RandomState::new(), sync::DefaultLifecycle::default()))))
    }

    fn get(&self, key: &K) -> Option<Value> {
        self.0.get(key)
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Value, String> {
        self.0.get_or_insert_async(&key, async { Ok::<_, String>(source.read().await) }).await
    }

    async fn forget(&self, key: &K) {
        self.0.remove(key);
    }

    fn version(value: &Value) -> u8 {
        value[0]
    }
}
