//! Dashboard, rules and guides ask for what the shop exports.

mod common;

use std::collections::BTreeSet;

use common::{
    Shop,
    prometheus::{self, Series, all, exported, queries, read, rules},
    send,
};
use unstick::core::{Cause, EventKind};

const ARGS: &[&str] = &["--nodes", "2", "--mode", "sticky"];

#[test]
fn every_metric_label_and_value_that_is_asked_for_is_exported() {
    let shop = Shop::start(ARGS);
    let exported: Vec<Series> = exported(&shop).into_iter().map(|(series, _)| series).collect();
    let (mut kinds, mut problems) = (BTreeSet::new(), Vec::new());
    for (place, expression) in all() {
        let (selectors, groups) = read(&expression);
        assert!(!selectors.is_empty(), "{place}: {expression}");
        for selector in &selectors {
            if !exported.iter().any(|series| selector.takes(series)) {
                problems.push(format!("{place}: nothing is {selector:?}"));
            }
            let of_metric = || exported.iter().filter(|series| series.metric == selector.metric);
            for matcher in &selector.matchers {
                for value in matcher.values().filter(|value| !of_metric().any(|series| series.label(&matcher.label) == *value)) {
                    problems.push(format!("{place}: no {}{{{}={value:?}}}", selector.metric, matcher.label));
                }
                kinds.extend(matcher.values().filter(|_| matcher.label == "kind").map(str::to_owned));
            }
            for label in groups.iter().filter(|label| !of_metric().all(|series| series.labels.contains_key(*label))) {
                problems.push(format!("{place}: {} has no {label:?}", selector.metric));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(kinds.len() > 20, "{kinds:?}");
}

#[test]
fn a_wrong_word_is_found() {
    let (selectors, labels) = read(r#"sum by (nod) (rate(unstick_events{kind=~"a|b", node!="c"}[5m] offset 1w)) > 0.5"#);
    let [selector] = &selectors[..] else { panic!("{selectors:?}") };
    assert_eq!((selector.metric.as_str(), labels), ("unstick_events", vec!["nod".to_owned()]));
    let matchers: Vec<_> =
        selector.matchers.iter().map(|one| (one.label.as_str(), one.op.as_str(), one.values().collect::<Vec<_>>())).collect();
    assert_eq!(matchers, [("kind", "=~", vec!["a", "b"]), ("node", "!=", vec!["c"])]);
    assert_eq!(read("sum(unstik_events_total)").1, ["unstik_events_total"]);
}

#[test]
fn all_events_of_all_nodes_are_there_before_anything_happens_and_one_is_counted_then() {
    let shop = Shop::start(ARGS);
    let count = |kind: &str, node: &str| {
        let found: Vec<f64> = exported(&shop)
            .into_iter()
            .filter(|(series, _)| series.metric == "unstick_events_total" && series.label("kind") == kind && series.label("node") == node)
            .map(|(_, value)| value)
            .collect();
        let [value] = found[..] else { panic!("{kind} of {node}: {found:?}") };
        value
    };
    let at_start = exported(&shop);
    for node in ["node-1", "node-2"] {
        for kind in EventKind::ALL {
            let is_it = |series: &Series| {
                let labels = [series.label("kind"), series.label("cause"), series.label("node")];
                series.labels.len() == 3 && labels == [kind.as_str(), kind.cause().map_or("none", Cause::as_str), node]
            };
            assert_eq!(at_start.iter().filter(|(series, _)| is_it(series)).count(), 1, "{kind:?} of {node}");
        }
        assert_eq!(count("backend_down", node) + count("drain_began", node) + count("session_malformed", node), 0.0);
    }
    send(shop.nodes[1].addr, "GET", "/api/session", &[("cookie", "__Host-id=nonsense; SRV=node-1")], None).unwrap();
    assert_eq!((count("session_malformed", "node-1"), count("session_malformed", "node-2")), (0.0, 1.0));
    assert_eq!(send(shop.addr, "GET", "/internal/metrics", &[], None).unwrap().status, 404, "not for clients");
}

#[test]
fn rules_are_the_alarms_of_the_guide() {
    let (rules, guide) = (rules(), queries(prometheus::OPERATIONS));
    assert!(rules.len() > 8);
    assert_eq!(rules.iter().map(|(_, rule)| rule).collect::<Vec<_>>(), guide.iter().map(|(_, query)| query).collect::<Vec<_>>());
    // the table before them has the same rows
    let table = prometheus::OPERATIONS.split("| alarm | when |").nth(1).expect("the table").split("\n\n").next().expect("its end");
    let rows: Vec<&str> = table.lines().skip(2).map(|row| row.split('|').nth(1).expect("a cell").trim()).collect();
    assert_eq!(rows, guide.iter().map(|(name, _)| name.split(", for ").next().unwrap()).collect::<Vec<_>>());
}

#[test]
fn the_guide_puts_each_event_under_its_cause() {
    let mut told = BTreeSet::new();
    for part in prometheus::DISAPPEARING.split("\n## ").skip(2) {
        let (title, part) = part.split_once('\n').expect("a heading");
        let cause = title.to_lowercase().replace(' ', "_").replace("no_cause", "none");
        for row in part.lines().filter(|line| line.starts_with("| `")) {
            let cell = row.split('|').nth(1).expect("a cell");
            told.extend(
                cell.split('`')
                    .skip(1)
                    .step_by(2)
                    .filter(|name| !row.contains(&format!("until `{name}`")))
                    .map(|name| (cause.clone(), name.to_owned())),
            );
        }
    }
    let cause = |kind: &EventKind| kind.cause().map_or("none", Cause::as_str).to_owned();
    let known: BTreeSet<_> = EventKind::ALL.iter().map(|kind| (cause(kind), kind.as_str().to_owned())).collect();
    assert_eq!(told, known, "\nonly told: {:?}\nonly known: {:?}", told.difference(&known), known.difference(&told));
}
