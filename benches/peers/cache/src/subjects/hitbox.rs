//! hitbox on its moka backend, with the protection against stampedes that it has but does not use by default.

use std::marker::PhantomData;

use hitbox::{
    KeyPart,
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
    backend: Backend,
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
        let backend = MokaBackend::builder().max_entries(capacity).value_format(BincodeFormat).build();
        let cache =
            Cache::builder().backend(backend.clone()).policy(policy).concurrency_manager(BroadcastConcurrencyManager::new()).build();
        Ok(Self { cache, backend, key: PhantomData })
    }

    /// It has no way to look only.
    fn get(&self, _: &K) -> Option<Vec<u8>> {
        None
    }

    async fn load(&self, key: K, source: &'static Source) -> Result<Vec<u8>, String> {
        Ok(value(key, From(source)).cache(&self.cache).await)
    }

    /// It has no way to invalidate: what can be done is to take the value out of its backend.
    async fn forget(&self, key: &K) {
        let wanted = key.extract();
        let wanted = wanted.first().and_then(KeyPart::value);
        let held = self.backend.cache();
        let found: Vec<_> = held.iter().filter(|(held, _)| held.parts().any(|part| part.value() == wanted)).map(|(held, _)| held).collect();
        for held_key in found {
            held.remove(&*held_key).await;
        }
    }

    fn version(value: &Vec<u8>) -> u8 {
        value[0]
    }
}
