//! The part to copy: a cache of which all nodes tell the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use unstick::{
    Events, Runtime,
    core::{Bus, ConfigError},
};
use unstick_cache::{Cache, CacheKey, KeyText, LoadError, Namespace};

use super::{
    cache::{Counts, Found},
    model::{CartKey, CartType, Market, SavedCart},
    table::Table,
};

/// How long a cart may be kept: as long as in the incident.
const TTL: Duration = Duration::from_secs(600);

impl CacheKey for CartType {
    fn write(&self, text: &mut KeyText) {
        text.part(self.as_str());
    }
}

impl CacheKey for Market {
    fn write(&self, text: &mut KeyText) {
        text.part(&self.to_string());
    }
}

/// One node's cache, and its end of the bus.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    namespace: Namespace,
    carts: Cache<CartKey, Arc<SavedCart>>,
}

impl Shared {
    /// Without a bus every cart is trusted for a second only.
    pub(crate) async fn open(bus: Option<impl Bus>, runtime: Runtime, events: Events) -> Result<Self, ConfigError> {
        let mut namespace = Namespace::builder("shop").runtime(runtime).events(events);
        if let Some(bus) = bus {
            namespace = namespace.bus(bus);
        }
        let namespace = namespace.build().await?;
        let carts = namespace.cache("carts").ttl(TTL).negative_ttl(TTL).build()?;
        Ok(Self { namespace, carts })
    }

    /// The cart, and whether it was there already.
    pub(crate) async fn get(&self, key: CartKey, table: &Table) -> Result<(Found, bool), LoadError> {
        let table = table.clone();
        let loaded = Arc::new(AtomicBool::new(false));
        let notes = Arc::clone(&loaded);
        let load = move || async move {
            notes.store(true, Ordering::Relaxed);
            table.load(key).await.map(|cart| cart.map(Arc::new))
        };
        let found = self.carts.get_or_load_optional(key, load).await?;
        Ok((found, !loaded.load(Ordering::Relaxed)))
    }

    /// The cart has changed where it is kept.
    pub(crate) async fn changed(&self, key: &CartKey) {
        self.carts.invalidate(key).await;
    }

    pub(crate) fn counts(&self) -> Counts {
        let (cache, all) = (self.carts.stats(), self.namespace.stats());
        Counts { hits: cache.hits, loads: cache.loads, refused: cache.refused, gaps: all.gaps, notices: all.notices, brought: all.marks }
    }
}
