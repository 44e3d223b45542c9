//! The incident: each node keeps carts in its own memory for ten minutes, and no node hears of what others change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    cache::{Counts, Found},
    model::{CartKey, SavedCart},
    table::Table,
};

/// How long a node believes what it has read.
const TTL: Duration = Duration::from_secs(600);

/// An in-process cache as many services have one.
#[derive(Debug)]
pub(crate) struct Plain {
    held: moka::sync::Cache<CartKey, Found>,
    hits: AtomicU64,
    loads: AtomicU64,
}

impl Plain {
    pub(crate) fn new() -> Self {
        let held = moka::sync::Cache::builder().max_capacity(10_000).time_to_live(TTL).build();
        Self { held, hits: AtomicU64::new(0), loads: AtomicU64::new(0) }
    }

    /// What this node believes, or else what the table says; and whether it was the former.
    pub(crate) async fn get(&self, key: CartKey, table: &Table) -> Result<(Found, bool), sqlx::Error> {
        if let Some(found) = self.held.get(&key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok((found, true));
        }
        self.loads.fetch_add(1, Ordering::Relaxed);
        let found = table.load(key).await?.map(Arc::new);
        self.held.insert(key, found.clone());
        Ok((found, false))
    }

    /// This node has written the cart. The others have not.
    pub(crate) fn put(&self, key: CartKey, cart: SavedCart) {
        self.held.insert(key, Some(Arc::new(cart)));
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { hits: self.hits.load(Ordering::Relaxed), loads: self.loads.load(Ordering::Relaxed), ..Counts::default() }
    }
}
