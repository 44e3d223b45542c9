//! Counters and gauges of the `metrics` facade.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// A recorder that keeps counters and gauges by name and labels, whoever registered them and however often; histograms are dropped. Feature `metrics`.
///
/// ```
/// use unstick_testkit::observe::Series;
///
/// let series = Series::default();
/// metrics::with_local_recorder(&series, || {
///     metrics::counter!("carts", "of" => "ann").increment(2);
///     metrics::gauge!("down").set(1.0);
/// });
/// assert_eq!(series.lines(), ["carts of=ann 2", "down  1"]);
/// ```
#[derive(Debug, Default)]
pub struct Series(Mutex<Vec<One>>);

#[derive(Debug)]
struct One {
    key: Key,
    is_gauge: bool,
    /// A number; of a gauge the bits of a float.
    value: Arc<AtomicU64>,
}

impl One {
    fn line(&self) -> String {
        let labels: Vec<String> = self.key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let bits = self.value.load(Ordering::Relaxed);
        let value = if self.is_gauge { f64::from_bits(bits).to_string() } else { bits.to_string() };
        format!("{} {} {value}", self.key.name(), labels.join(","))
    }
}

impl Series {
    /// A line for each, in the order in which they were first registered: name, labels and value.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(One::line).collect()
    }

    fn register(&self, key: &Key, is_gauge: bool) -> Arc<AtomicU64> {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = series.iter().find(|known| known.key == *key && known.is_gauge == is_gauge) {
            return known.value.clone();
        }
        let value = Arc::new(AtomicU64::new(0));
        series.push(One { key: key.clone(), is_gauge, value: value.clone() });
        value
    }
}

impl Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key, false))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key, true))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
