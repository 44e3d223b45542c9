//! What the layer has counted since it was built.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::catalogue::{self, Product};

/// One pin that is told apart from others: a product of the catalogue, or a cookie that the operator named without a product.
#[derive(Debug)]
pub(crate) struct Row {
    /// The product's name, or the cookie's.
    pub(crate) label: String,
    pub(crate) product: Option<&'static Product>,
    /// The operator said that it stands in front, or named its cookie.
    pub(crate) is_configured: bool,
    pub(crate) counts: Counts,
}

/// Requests and responses of one row.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) seen: AtomicU64,
    pub(crate) told: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) gone: AtomicU64,
    pub(crate) kept: AtomicU64,
    pub(crate) again: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Row {
    pub(crate) fn new(label: &str, product: Option<&'static Product>) -> Self {
        Self { label: label.to_owned(), product, is_configured: false, counts: Counts::default() }
    }

    /// A request carried the pin.
    pub(crate) fn seen(&self) {
        count(&self.counts.seen);
    }

    /// A response told the client to delete it.
    pub(crate) fn told(&self) {
        count(&self.counts.told);
    }

    /// Some line for it had no room in a response.
    pub(crate) fn dropped(&self) {
        count(&self.counts.dropped);
    }

    /// A client that was told came without it.
    pub(crate) fn gone(&self) {
        count(&self.counts.gone);
    }

    /// A client that was told came with it, and was never seen without.
    pub(crate) fn kept(&self) {
        count(&self.counts.kept);
    }

    /// A client that had lost it came with it: it was set anew.
    pub(crate) fn again(&self) {
        count(&self.counts.again);
    }
}

/// All counters of a layer. Rows are those of the catalogue, in its order, and then the operator's own cookies.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: AtomicU64,
    pub(crate) pinned: AtomicU64,
    pub(crate) route_runs: AtomicU64,
    pub(crate) rows: Vec<Row>,
}

impl Tally {
    /// Rows for the catalogue alone.
    pub(crate) fn of_catalogue() -> Self {
        let rows = catalogue::products().iter().map(|product| Row::new(product.name, Some(product))).collect();
        Self { requests: AtomicU64::new(0), pinned: AtomicU64::new(0), route_runs: AtomicU64::new(0), rows }
    }

    /// A request that was looked at.
    pub(crate) fn request(&self) {
        count(&self.requests);
    }

    /// One that carried any pin.
    pub(crate) fn pinned(&self) {
        count(&self.pinned);
    }

    /// A client stayed on this node for so long that chance is no explanation, without a pin that is seen.
    pub(crate) fn route_run(&self) {
        count(&self.route_runs);
    }

    /// The row at `index`.
    pub(crate) fn row(&self, index: usize) -> Option<&Row> {
        self.rows.get(index)
    }
}
