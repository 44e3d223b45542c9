//! Carts in a source, cached on every node: what the stories of the cache are told with.
//!
//! | module | what is in it |
//! |---|---|
//! | [`source`] | carts with a version each, in memory or in a database |
//! | [`app`] | one node: a namespace, a cache, and the service that reads and writes carts |
//! | [`counts`] | what nodes have counted |
//! | [`load`] | clients with cookie jars that read and write at random nodes, and what they saw |
//! | [`wire`] | nodes that are processes of their own |

pub mod app;
pub mod counts;
pub mod load;
pub mod source;
pub mod wire;

/// Customers, each with [`KINDS`] carts.
pub const CUSTOMERS: u64 = 8;

/// Carts of a customer.
pub const KINDS: u64 = 4;

/// All carts, as `(customer, kind)`.
pub fn carts() -> impl Iterator<Item = (u64, u64)> {
    (0..CUSTOMERS).flat_map(|customer| (0..KINDS).map(move |kind| (customer, kind)))
}
