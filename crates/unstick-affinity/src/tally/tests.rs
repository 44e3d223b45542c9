use unstick_testkit::observe::Series;

use super::{Row, Tally};

fn told(series: &Series) -> Vec<String> {
    let mut told = series.lines();
    told.sort();
    told
}

fn line(product: &str, what: &str, count: u64) -> String {
    format!("unstick_affinity_total product={product},what={what},node=n1 {count}")
}

fn lines(product: &str) -> impl Iterator<Item = String> {
    super::OF_EACH.into_iter().map(move |what| line(product, what, 0))
}

#[test]
fn what_is_counted_for_all_and_for_named_products_is_known_at_0_and_the_others_with_their_first() {
    let recorder = Series::default();
    metrics::with_local_recorder(&recorder, || {
        let layer = crate::AffinityLayer::builder().behind(crate::Balancer::haproxy("SRV").unwrap());
        let layer = layer.without_sessions().events(unstick_core::Events::new("n1")).build().unwrap();
        let told: Vec<String> = told(&recorder).into_iter().filter(|line| line.starts_with("unstick_affinity_total")).collect();
        let mut expected: Vec<String> = super::TOTALS.map(|what| line("any", what, 0)).into_iter().chain(lines("haproxy")).collect();
        expected.sort();
        assert_eq!(told, expected);

        drop(layer);
        let mut tally = Tally::of_catalogue();
        tally.name("n1");
        tally.rows.iter().find(|row| row.label == "nginx").unwrap().kept();
    });
    let nginx: Vec<String> = told(&recorder).into_iter().filter(|line| line.contains("product=nginx")).collect();
    let mut expected: Vec<String> = lines("nginx").filter(|line| !line.contains("kept")).chain([line("nginx", "kept", 1)]).collect();
    expected.sort();
    assert_eq!(nginx, expected);
}

#[test]
fn what_is_counted_has_product_what_and_node() {
    let recorder = Series::default();
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
    assert_eq!(told(&recorder), expected);
    assert_eq!(tally.totals(), [2, 1, 1]);
}
