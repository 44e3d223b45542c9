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
        let mut series = self.0.lock().unwrap();
        let known = series.iter().find(|(known, _)| known == key).map(|(_, counter)| counter.clone());
        Counter::from_arc(known.unwrap_or_else(|| {
            let counter = Arc::new(AtomicU64::new(0));
            series.push((key.clone(), counter.clone()));
            counter
        }))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Recorded {
    fn told(&self) -> Vec<String> {
        let told = |(key, count): &(Key, Arc<AtomicU64>)| {
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            format!("{} {} {}", key.name(), labels.join(","), count.load(Ordering::Relaxed))
        };
        let mut told: Vec<String> = self.0.lock().unwrap().iter().map(told).collect();
        told.sort();
        told
    }
}

fn line(product: &str, what: &str, count: u64) -> String {
    format!("unstick_affinity_total product={product},what={what},node=n1 {count}")
}

fn lines(product: &str) -> impl Iterator<Item = String> {
    super::OF_EACH.into_iter().map(move |what| line(product, what, 0))
}

#[test]
fn what_is_counted_for_all_and_for_named_products_is_known_at_0_and_the_others_with_their_first() {
    let recorder = Recorded::default();
    metrics::with_local_recorder(&recorder, || {
        let layer = crate::AffinityLayer::builder().behind(crate::Balancer::haproxy("SRV").unwrap());
        let layer = layer.without_sessions().events(unstick_core::Events::new("n1")).build().unwrap();
        let told: Vec<String> = recorder.told().into_iter().filter(|line| line.starts_with("unstick_affinity_total")).collect();
        let mut expected: Vec<String> = super::TOTALS.map(|what| line("any", what, 0)).into_iter().chain(lines("haproxy")).collect();
        expected.sort();
        assert_eq!(told, expected);

        drop(layer);
        let mut tally = Tally::of_catalogue();
        tally.name("n1");
        tally.rows.iter().find(|row| row.label == "nginx").unwrap().kept();
    });
    let nginx: Vec<String> = recorder.told().into_iter().filter(|line| line.contains("product=nginx")).collect();
    let mut expected: Vec<String> = lines("nginx").filter(|line| !line.contains("kept")).chain([line("nginx", "kept", 1)]).collect();
    expected.sort();
    assert_eq!(nginx, expected);
}

#[test]
fn what_is_counted_has_product_what_and_node() {
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
    let mut expected = vec![line("any", "requests", 2), line("any", "pinned", 1), line("any", "route_runs", 1)];
    for what in ["seen", "told", "dropped", "gone", "kept", "again"] {
        expected.extend([line("haproxy", what, 1), line("EDGE", what, 2)]);
    }
    expected.sort();
    assert_eq!(recorder.told(), expected);
    assert_eq!(tally.totals(), [2, 1, 1]);
}
