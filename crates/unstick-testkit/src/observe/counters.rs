//! Counters of the `metrics` facade.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// A recorder that keeps counters, in the order in which they were registered; gauges and histograms are dropped. Feature `metrics`.
///
/// ```
/// use unstick_testkit::observe::Counters;
///
/// let counters = Counters::default();
/// metrics::with_local_recorder(&counters, || metrics::counter!("carts", "of" => "ann").increment(2));
/// assert_eq!(counters.lines(), ["carts of=ann 2"]);
/// ```
#[derive(Debug, Default)]
pub struct Counters(Mutex<Vec<(Key, Arc<AtomicU64>)>>);

impl Counters {
    /// A line for each: name, labels and count.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(key, count): &(Key, Arc<AtomicU64>)| {
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            format!("{} {} {}", key.name(), labels.join(","), count.load(Ordering::Relaxed))
        };
        counters.iter().map(line).collect()
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let counter = Arc::new(AtomicU64::new(0));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), counter.clone()));
        Counter::from_arc(counter)
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
