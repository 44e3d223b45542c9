//! The part to copy: a cache of which all nodes tell the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use unstick::{
    Events, KeyRing, Runtime,
    cache::{Cache, CacheKey, ClientWrites, KeyText, LoadError, Namespace, ReadYourWritesLayer},
    core::{Bus, ConfigError, Pending},
};

use super::{
    cache::{Counts, Found},
    model::{CartKey, CartLine, CartType, Market, SavedCart},
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
#[derive(Debug)]
pub(crate) struct Shared {
    namespace: Namespace,
    carts: Cache<CartKey, Arc<SavedCart>>,
    writes: ReadYourWritesLayer,
}

impl Shared {
    /// Without a bus every cart is trusted for a second only.
    pub(crate) async fn open(bus: Option<impl Bus>, keys: KeyRing, runtime: Runtime, events: Events) -> Result<Self, ConfigError> {
        let mut namespace = Namespace::builder("shop").runtime(runtime).events(events);
        if let Some(bus) = bus {
            namespace = namespace.bus(bus);
        }
        let namespace = namespace.build().await?;
        let carts = namespace.cache("carts").ttl(TTL).negative_ttl(TTL).build()?;
        let writes = ReadYourWritesLayer::new(&namespace, keys).build()?;
        Ok(Self { namespace, carts, writes })
    }

    /// What tells the next node of a client's changes, also while the bus cannot.
    pub(crate) fn layer(&self) -> ReadYourWritesLayer {
        self.writes.clone()
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

    /// Replaces the cart where it is kept, and then tells all caches.
    pub(crate) async fn replace(&self, key: CartKey, lines: Vec<CartLine>, table: &Table) -> Option<SavedCart> {
        let (carts, table) = (self.carts.clone(), table.clone());
        let change = async move {
            let written = table.replace(key, lines).await;
            // Whatever the answer: the change may be in although it was lost on the way.
            carts.invalidate(&key).await;
            written.ok()
        };
        // A client that hangs up in between must not leave a change behind that no cache hears of: a task of its own, which still belongs
        // to the client.
        let task = match ClientWrites::current() {
            Some(client) => tokio::spawn(client.enter(change)),
            None => tokio::spawn(change),
        };
        task.await.ok().flatten()
    }

    /// Changes that are still to be told to other nodes.
    pub(crate) fn pending(&self) -> Pending {
        self.namespace.pending()
    }

    pub(crate) fn counts(&self) -> Counts {
        let (cache, all) = (self.carts.stats(), self.namespace.stats());
        Counts { hits: cache.hits, loads: cache.loads, refused: cache.refused, gaps: all.gaps, notices: all.notices, brought: all.marks }
    }
}
