//! The session's one value.

use serde::{Deserialize, Serialize};

/// A cart that is 1 KB as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cart {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    title: String,
    quantity: u32,
    cents: u64,
}

impl Cart {
    pub(crate) fn new() -> Self {
        let line = |at: u64| Line {
            sku: format!("SKU-{:08}", 4711 * at),
            title: format!("Article number {at}, blue, medium, with a long name"),
            quantity: 2,
            cents: 1999 + at,
        };
        Self { lines: (0..9).map(line).collect() }
    }
}
