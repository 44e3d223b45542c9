//! What the layer has counted since it was built.
//!
//! Counting is a relaxed addition; with feature `metrics`, each count is also one of `unstick_affinity_total`. What is counted for all
//! products, and for those that the operator named, is known at 0 from the start, so that rates show the first of them. The others are
//! some fifty, of which a node meets one or two: all counts of such a product are known from its first on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::{
    catalogue::{self, Product},
    report::{PinCounts, Pinned},
};

/// The product, in metrics, of what is counted for all of them.
const ANY: &str = "any";

/// What is counted for all products.
const TOTALS: [&str; 3] = ["requests", "pinned", "route_runs"];

/// What is counted for each.
const OF_EACH: [&str; 6] = ["seen", "told", "dropped", "gone", "kept", "again"];

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Count {
    count: AtomicU64,
    /// Looked up at its first count: a recorder may be installed after the layer is built.
    #[cfg(feature = "metrics")]
    handle: std::sync::OnceLock<Handle>,
}

#[cfg(feature = "metrics")]
struct Handle(metrics::Counter);

#[cfg(feature = "metrics")]
impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

#[cfg(feature = "metrics")]
impl Handle {
    fn new(product: &str, what: &'static str, node: &str) -> Self {
        let (product, node) = (product.to_owned(), node.to_owned());
        Self(metrics::counter!("unstick_affinity_total", "product" => product, "what" => what, "node" => node))
    }
}

impl Count {
    fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    #[cfg(feature = "metrics")]
    fn add(&self, product: &str, what: &'static str, all: &[&'static str], node: &Arc<str>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let handle = self.handle.get_or_init(|| {
            register(product, all, node);
            Handle::new(product, what, node)
        });
        handle.0.increment(1);
    }

    #[cfg(not(feature = "metrics"))]
    fn add(&self, _: &str, _: &'static str, _: &[&'static str], _: &Arc<str>) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes counts known, at 0 until something is counted.
#[cfg(feature = "metrics")]
fn register(product: &str, all: &[&'static str], node: &str) {
    all.iter().for_each(|what| drop(Handle::new(product, what, node)));
}

#[cfg(not(feature = "metrics"))]
fn register(_: &str, _: &[&'static str], _: &str) {}

/// One pin that is told apart from others: a product of the catalogue, or a cookie that the operator named without a product.
#[derive(Debug)]
pub(crate) struct Row {
    /// The product's name, or the cookie's.
    pub(crate) label: String,
    pub(crate) product: Option<&'static Product>,
    /// The operator said that it stands in front, or named its cookie.
    pub(crate) is_configured: bool,
    /// The names that the operator gave.
    pub(crate) cookies: Vec<String>,
    /// One of them is set by the application itself, and is not deleted any more.
    is_left: AtomicBool,
    instance: Arc<str>,
    counts: Counts,
}

/// Requests and responses of one row.
#[derive(Debug, Default)]
struct Counts {
    seen: Count,
    told: Count,
    dropped: Count,
    gone: Count,
    kept: Count,
    again: Count,
}

impl Row {
    pub(crate) fn new(label: &str, product: Option<&'static Product>) -> Self {
        let (instance, counts) = (Arc::default(), Counts::default());
        Self {
            label: label.to_owned(),
            product,
            is_configured: false,
            cookies: Vec::new(),
            is_left: AtomicBool::new(false),
            instance,
            counts,
        }
    }

    /// The application sets a cookie of it.
    pub(crate) fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    fn add(&self, count: &Count, what: &'static str) {
        count.add(&self.label, what, &OF_EACH, &self.instance);
    }

    /// A request carried the pin.
    pub(crate) fn seen(&self) {
        self.add(&self.counts.seen, "seen");
    }

    /// A response told the client to delete it.
    pub(crate) fn told(&self) {
        self.add(&self.counts.told, "told");
    }

    /// Some line for it had no room in a response.
    pub(crate) fn dropped(&self) {
        self.add(&self.counts.dropped, "dropped");
    }

    /// A client that was told came without it.
    pub(crate) fn gone(&self) {
        self.add(&self.counts.gone, "gone");
    }

    /// A client that was told came with it, and was never seen without.
    pub(crate) fn kept(&self) {
        self.add(&self.counts.kept, "kept");
    }

    /// A client that had lost it came with it: it was set anew.
    pub(crate) fn again(&self) {
        self.add(&self.counts.again, "again");
    }

    /// What a report says of it is made from this.
    pub(crate) fn pinned(&self) -> Pinned<'_> {
        let Counts { seen, told, dropped, gone, kept, again } = &self.counts;
        let counts = PinCounts {
            seen: seen.get(),
            told: told.get(),
            dropped: dropped.get(),
            gone: gone.get(),
            kept: kept.get(),
            again: again.get(),
        };
        let is_left = self.is_left.load(Ordering::Relaxed);
        Pinned { label: &self.label, product: self.product, is_configured: self.is_configured, cookies: &self.cookies, is_left, counts }
    }
}

/// All counters of a layer. Rows are those of the catalogue, in its order, and then the operator's own cookies.
#[derive(Debug)]
pub(crate) struct Tally {
    requests: Count,
    pinned: Count,
    route_runs: Count,
    pub(crate) rows: Vec<Row>,
    instance: Arc<str>,
}

impl Tally {
    /// Rows for the catalogue alone.
    pub(crate) fn of_catalogue() -> Self {
        let rows = catalogue::products().iter().map(|product| Row::new(product.name, Some(product))).collect();
        Self { requests: Count::default(), pinned: Count::default(), route_runs: Count::default(), rows, instance: Arc::default() }
    }

    /// The node's name, a label of the metrics. Call it once the rows are complete.
    pub(crate) fn name(&mut self, instance: &str) {
        self.instance = instance.into();
        self.rows.iter_mut().for_each(|row| row.instance = self.instance.clone());
        register(ANY, &TOTALS, instance);
        for row in self.rows.iter().filter(|row| row.is_configured) {
            register(&row.label, &OF_EACH, instance);
        }
    }

    fn add(&self, count: &Count, what: &'static str) {
        count.add(ANY, what, &TOTALS, &self.instance);
    }

    /// A request that was looked at.
    pub(crate) fn request(&self) {
        self.add(&self.requests, "requests");
    }

    /// One that carried any pin.
    pub(crate) fn pinned(&self) {
        self.add(&self.pinned, "pinned");
    }

    /// A client stayed on this node for so long that chance is no explanation, without a pin that is seen.
    pub(crate) fn route_run(&self) {
        self.add(&self.route_runs, "route_runs");
    }

    /// Requests looked at, those of them with a pin, and clients that stayed.
    pub(crate) fn totals(&self) -> [u64; 3] {
        [self.requests.get(), self.pinned.get(), self.route_runs.get()]
    }

    /// The row at `index`.
    pub(crate) fn row(&self, index: usize) -> Option<&Row> {
        self.rows.get(index)
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
