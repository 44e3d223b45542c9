use unstick_testkit::observe::Counters;

use super::{Row, Tally};

#[test]
fn what_is_counted_has_product_what_and_instance() {
    let recorder = Counters::default();
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
    let mut told = recorder.lines();
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
