use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::{Row, Tally};

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
fn what_is_counted_has_product_what_and_instance() {
    let recorder = Recorded::default();
    let mut tally = Tally::of_catalogue();
    tally.rows.push(Row::new("EDGE", None));
    tally.name("n1");
    metrics::with_local_recorder(&recorder, || {
        let haproxy = tally.rows.iter().find(|row| row.label == "haproxy").unwrap();
        let edge = tally.rows.last().unwrap();
        tally.request();
        tally.request();
        tally.pinned();
        tally.route_run();
        for count in [Row::seen, Row::told, Row::dropped, Row::gone, Row::kept, Row::again] {
            count(haproxy);
            count(edge);
            count(edge);
        }
    });
    let recorded = recorder.0.lock().unwrap();
    let mut told: Vec<String> = recorded
        .iter()
        .map(|(key, count)| {
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            format!("{} {} {}", key.name(), labels.join(","), count.load(Ordering::Relaxed))
        })
        .collect();
    told.sort();
    let line = |product: &str, what: &str, count: u64| format!("unstick_affinity_total product={product},what={what},instance=n1 {count}");
    let mut expected = vec![line("any", "requests", 2), line("any", "pinned", 1), line("any", "route_runs", 1)];
    for what in ["seen", "told", "dropped", "gone", "kept", "again"] {
        expected.extend([line("haproxy", what, 1), line("EDGE", what, 2)]);
    }
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(tally.totals(), [2, 1, 1]);
}
