//! hitbox on its moka backend, with the protection against stampedes that it has but does not use by default.

use std::marker::PhantomData;

use hitbox::{
    concurrency::BroadcastConcurrencyManager,
    policy::{ConcurrencyLimit, PolicyConfig},
};
use hitbox_backend::{PassthroughCompressor, format::BincodeFormat};
use hitbox_fn::{Cache, cached};
use hitbox_moka::MokaBackend;

use super::{Cached, LIFETIME};
use crate::{keys::Key, source::Source};

type Backend = MokaBackend<BincodeFormat, PassthroughCompressor>;

#[derive(Clone)]
pub(crate) struct Hitbox<K: Key> {
    cache: Cache<Backend, BroadcastConcurrencyManager<Vec<u8>>>,
    key: PhantomData<K>,
}

/// What the macro takes for an argument.
#[derive(Clone, Copy)]
struct From(&'static Source);

#[cached(prefix = "value", skip(from))]
async fn value<K: Key>(key: K, from: From) -> Vec<u8> {
    _ = key;
    from.0.read().await.to_vec()
}

impl<K: Key> Cached<K> for Hitbox<K> {
    type Value = Vec<u8>;

    fn new(capacity: u64) -> Result<Self, String> {
        let policy = PolicyConfig::builder().ttl(LIFETIME).concurrency(ConcurrencyLimit::MIN).build();
        let cache = Cache::builder()
            .backend(MokaBackend::builder().max_entries(capacity).value_format(BincodeFormat).build())
            .policy(policy)
            .concurrency_manager(BroadcastConcurrencyManager::new())
            .build();
        Ok(Self { cache, key: PhantomData })
    }

    /// It has no way to look only.
    fn get(&self, _: &K) -> Option<Vec<u8>> {
        None
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Vec<u8>, String> {
        Ok(value(key, From(source)).cache(&self.cache).await)
    }

    async fn forget(&self, _: &K) {}

    fn version(value: &Vec<u8>) -> u8 {
        value[0]
    }
}
