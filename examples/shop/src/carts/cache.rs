//! The carts of one node: its cache in front of the table.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use super::{
    model::{CartKey, CartLine, SavedCart},
    plain::Plain,
    table::Table,
};
use crate::{cli::Mode, error::Failure, sessions::Plan};

/// A cart, or the knowledge that there is none.
pub(crate) type Found = Option<Arc<SavedCart>>;

/// What a node's cache has done since the node started.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Answered from the node's memory.
    pub(crate) hits: u64,
    /// Read from the database.
    pub(crate) loads: u64,
    /// Loaded and not kept, as the cart was changed meanwhile.
    pub(crate) refused: u64,
    /// Notices of other nodes that were, or may have been, missed.
    pub(crate) gaps: u64,
    /// Notices of other nodes that were applied.
    pub(crate) notices: u64,
}

/// Why a cart cannot be read or written now.
#[derive(Debug)]
pub(crate) enum Unavailable {
    /// It could not be read.
    Unread,
    /// The change may or may not have been made.
    Unwritten,
}

/// One node's way to the carts.
#[derive(Debug, Clone)]
pub(crate) struct Carts {
    table: Table,
    cache: Arc<Cache>,
}

#[derive(Debug)]
enum Cache {
    Plain(Plain),
    None,
}

impl Carts {
    /// Opens the node's own connections, and its own cache in front of them.
    pub(crate) async fn open(plan: &Plan) -> Result<Self, Failure> {
        let url = &plan.carts;
        let table = Table::open(url).await.map_err(|error| Failure::start(format!("carts in {url:?} cannot be used: {error}.")))?;
        let cache = match plan.mode {
            Mode::Sticky | Mode::Broken => Cache::Plain(Plain::new()),
            Mode::Unstick => Cache::None,
        };
        Ok(Self { table, cache: Arc::new(cache) })
    }

    /// The cart, and whether it came out of this node's memory.
    pub(crate) async fn get(&self, key: CartKey) -> Result<(Found, bool), Unavailable> {
        let asked = AtomicBool::new(false);
        let load = async {
            asked.store(true, Ordering::Relaxed);
            Ok(self.table.load(key).await?.map(Arc::new))
        };
        let found = match &*self.cache {
            Cache::Plain(plain) => plain.get_or_load(key, load).await,
            Cache::None => load.await,
        };
        let found: Result<Found, sqlx::Error> = found;
        Ok((found.map_err(|_| Unavailable::Unread)?, !asked.load(Ordering::Relaxed)))
    }

    /// Replaces the cart: first where it is kept, then in what nodes remember.
    pub(crate) async fn put(&self, key: CartKey, lines: Vec<CartLine>) -> Result<SavedCart, Unavailable> {
        let cart = self.table.replace(key, lines).await.map_err(|_| Unavailable::Unwritten)?;
        match &*self.cache {
            Cache::Plain(plain) => plain.put(key, cart.clone()),
            Cache::None => {}
        }
        Ok(cart)
    }

    /// What its cache has done.
    pub(crate) fn counts(&self) -> Counts {
        match &*self.cache {
            Cache::Plain(plain) => plain.counts(),
            Cache::None => Counts::default(),
        }
    }
}
