//! The carts of one node: its cache in front of the table.

use std::{fmt, sync::Arc};

use axum::Router;
use serde::{Deserialize, Serialize};
use unstick::{Events, Runtime, core::Pending};

use super::{
    bus::LocalBus,
    model::{CartKey, CartLine, SavedCart},
    plain::Plain,
    shared::Shared,
    table::Table,
};
use crate::{cli::Mode, error::Failure, events::Ring, sessions::Plan};

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
    /// Changes that clients brought along before the bus did.
    pub(crate) brought: u64,
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
    Shared(Shared),
}

impl Carts {
    /// Opens the node's own connections, and its own cache in front of them.
    pub(crate) async fn open(name: &str, plan: &Plan, bus: Option<&LocalBus>, ring: Arc<Ring>) -> Result<Self, Failure> {
        let url = &plan.carts;
        let refused = |error: &dyn fmt::Display| Failure::start(format!("carts in {url:?} cannot be used: {error}."));
        let table = Table::open(url).await.map_err(|error| refused(&error))?;
        let cache = match plan.mode {
            Mode::Sticky | Mode::Broken => Cache::Plain(Plain::new()),
            Mode::Unstick => {
                let keys = plan.key.ring().map_err(|error| refused(&error))?;
                let (runtime, events) = (Runtime::tokio(), Events::new(name).observer(ring));
                let bus = bus.map(|bus| bus.of_node(&runtime));
                Cache::Shared(Shared::open(bus, keys, runtime, events).await.map_err(|error| refused(&error))?)
            }
        };
        Ok(Self { table, cache: Arc::new(cache) })
    }

    /// Wraps the routes of customers.
    pub(crate) fn wrap(&self, routes: Router) -> Router {
        match &*self.cache {
            Cache::Plain(_) => routes,
            Cache::Shared(shared) => routes.layer(shared.layer()),
        }
    }

    /// The cart, and whether it came out of this node's memory.
    pub(crate) async fn get(&self, key: CartKey) -> Result<(Found, bool), Unavailable> {
        match &*self.cache {
            Cache::Plain(plain) => plain.get(key, &self.table).await.map_err(|_| Unavailable::Unread),
            Cache::Shared(shared) => shared.get(key, &self.table).await.map_err(|_| Unavailable::Unread),
        }
    }

    /// Replaces the cart: first where it is kept, then in what nodes remember.
    pub(crate) async fn put(&self, key: CartKey, lines: Vec<CartLine>) -> Result<SavedCart, Unavailable> {
        match &*self.cache {
            Cache::Plain(plain) => {
                let cart = self.table.replace(key, lines).await.map_err(|_| Unavailable::Unwritten)?;
                plain.put(key, cart.clone());
                Ok(cart)
            }
            Cache::Shared(shared) => shared.replace(key, lines, &self.table).await.ok_or(Unavailable::Unwritten),
        }
    }

    /// What the process must not exit before.
    pub(crate) fn pending(&self) -> Option<Pending> {
        match &*self.cache {
            Cache::Plain(_) => None,
            Cache::Shared(shared) => Some(shared.pending()),
        }
    }

    /// What its cache has done.
    pub(crate) fn counts(&self) -> Counts {
        match &*self.cache {
            Cache::Plain(plain) => plain.counts(),
            Cache::Shared(shared) => shared.counts(),
        }
    }
}
