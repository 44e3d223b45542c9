//! Values of sessions: five short strings and a counter, or a cart of 1 KB.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// What every session holds, besides a counter.
pub(crate) const STRINGS: [(&str, &str); 5] =
    [("name", "Ann Example"), ("locale", "en-GB"), ("market", "eu-west"), ("theme", "dark"), ("basket", "c-20931")];

/// A new value for every write: writing the same value again may count as no change.
pub(crate) fn next() -> u64 {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A cart that is 1 KB as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cart {
    pub(crate) revision: u64,
    pub(crate) lines: Vec<Line>,
}

/// A line of a cart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    sku: String,
    title: String,
    quantity: u32,
    cents: u64,
}

impl Cart {
    /// Never the same twice.
    pub(crate) fn new() -> Self {
        let line = |at: u64| Line {
            sku: format!("SKU-{:08}", 4711 * at),
            title: format!("Article number {at}, blue, medium, with a long name"),
            quantity: 2,
            cents: 1999 + at,
        };
        Self { revision: next(), lines: (0..9).map(line).collect() }
    }
}
