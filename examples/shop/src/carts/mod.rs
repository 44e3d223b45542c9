//! Saved carts: kept in SQL, and cached on every node by customer, kind of cart and market.

mod cache;
mod model;
mod plain;
mod routes;
mod switch;
mod table;

pub(crate) use self::{
    cache::Carts,
    routes::{Answer, Key, customers, internal},
    switch::Switch,
};
