//! Saved carts: kept in SQL, and cached on every node by customer, kind of cart and market.

mod bus;
mod cache;
mod model;
mod plain;
mod routes;
mod shared;
mod table;

pub(crate) use self::{
    bus::LocalBus,
    cache::Carts,
    routes::{Answer, Key, customers, internal},
};
