//! Events as counters of the `metrics` facade.
#![cfg(feature = "metrics")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use unstick_core::{EventKind, Events};

#[derive(Debug, Default)]
struct Recorded(Mutex<Vec<(Key, Arc<AtomicU64>)>>);

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let counter = Arc::new(AtomicU64::new(0));
        self.0.lock().unwrap().push((key.clone(), counter.clone()));
        Counter::from_arc(counter)
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn events_are_counted_by_kind_and_instance() {
    let recorder = Recorded::default();
    metrics::with_local_recorder(&recorder, || {
        let events = Events::new("node-1");
        for _ in 0..3 {
            events.emit_with(EventKind::SessionFound, || panic!("nobody looks at the tag"), "");
        }
        events.emit(EventKind::BackendEvicted, None, "");
        events.clone().emit(EventKind::DrainEnded, None, "the last kind has a counter too");
    });
    let recorded = recorder.0.lock().unwrap();
    let told: Vec<String> = recorded
        .iter()
        .map(|(key, count)| {
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            format!("{} {} {}", key.name(), labels.join(","), count.load(Ordering::Relaxed))
        })
        .collect();
    assert_eq!(
        told,
        [
            "unstick_events_total kind=session_found,cause=none,instance=node-1 3",
            "unstick_events_total kind=backend_evicted,cause=eviction,instance=node-1 1",
            "unstick_events_total kind=drain_ended,cause=none,instance=node-1 1",
        ]
    );
}
