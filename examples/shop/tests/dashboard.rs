//! The dashboard asks for what the shop counts.

mod common;

use std::collections::HashSet;

use common::{Shop, send};
use serde_json::Value;
use unstick::core::EventKind;

fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(include_str!("../grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let asked = panels.chain(dashboard["annotations"]["list"].as_array().expect("annotations"));
    asked.map(|target| target["expr"].as_str().expect("an expression").to_owned()).collect()
}

/// Every value of a label in the expressions, alternatives apart.
fn values(label: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for expression in expressions() {
        for part in expression.split(&format!("{label}=")).skip(1).chain(expression.split(&format!("{label}!")).skip(1)) {
            let quoted = part.trim_start_matches(['=', '~']).split('"').nth(1).expect("a quoted value");
            found.extend(quoted.split('|').map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_dashboard_names_events_that_there_are() {
    let asked = values("kind");
    assert!(asked.len() > 20, "{asked:?}");
    let unknown: Vec<_> = asked.iter().filter(|name| !EventKind::ALL.iter().any(|kind| kind.as_str() == *name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_shop_counts_what_the_dashboard_asks_for() {
    let shop = Shop::start(&["--nodes", "2"]);
    for _ in 0..4 {
        send(shop.addr, "GET", "/api/session", &[("cookie", "__Host-id=nonsense; SRV=node-1")], None).unwrap();
    }
    let text = send(shop.nodes[0].addr, "GET", "/internal/metrics", &[], None).unwrap().text;
    for wanted in [
        r#"unstick_events_total{kind="session_malformed",cause="cookie",instance="node-1"}"#,
        r#"unstick_affinity_total{product="any",what="requests",instance="node-2"}"#,
    ] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    let metrics: HashSet<_> = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split('{').next()).collect();
    for expression in expressions() {
        assert!(metrics.iter().any(|metric| !metric.is_empty() && expression.contains(*metric)), "{expression}");
    }
    assert_eq!(send(shop.addr, "GET", "/internal/metrics", &[], None).unwrap().status, 404, "not for clients");
}
