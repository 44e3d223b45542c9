//! The three ways side by side, and the report of them.

mod common;

use std::sync::LazyLock;

use common::Sale;

static SALE: LazyLock<Sale> = LazyLock::new(|| Sale::hold(&["--quick"]));

#[test]
fn unstick_loses_nothing_and_uses_every_node() {
    SALE.assert_nothing_lost();
    SALE.assert_even();
}

#[test]
fn sticky_loses_with_its_nodes_and_leaves_new_ones_idle() {
    assert!(SALE.number("sticky", "logouts") > 0.0 && SALE.number("sticky", "carts_lost") > 0.0, "{}", SALE.printed);
    SALE.assert_new_nodes_idle("sticky");
    let recoveries = SALE.run("sticky")["summary"]["recoveries"].as_array().unwrap();
    assert!(recoveries.iter().any(|one| one["logged_out"].as_u64().unwrap() > 0), "{recoveries:?}");
}

#[test]
fn round_robin_over_sessions_per_node_loses_at_once() {
    assert!(SALE.number("round-robin", "carts_lost") > 0.0, "{}", SALE.printed);
    assert!(SALE.number("round-robin", "continuity") < 60.0, "{}", SALE.printed);
    // Before anything was taken away from the fleet.
    let kill = SALE.run("round-robin")["events"].as_array().unwrap().iter().find(|event| event["kind"] == "kill").unwrap();
    let seconds = SALE.run("round-robin")["seconds"].as_array().unwrap().iter();
    let mut before = seconds.filter(|second| second["second"].as_f64().unwrap() + 1.0 <= kill["begun_s"].as_f64().unwrap());
    assert!(before.next_back().is_some_and(|second| second["logouts"].as_u64().unwrap() > 0), "{kill}");
}

/// A cache in each process, for ten minutes: with stickiness off, people see old notes of their own; unstick's caches remember notes too, and never old ones.
#[test]
fn caches_per_node_show_old_notes_to_those_who_wander() {
    assert!(SALE.number("round-robin", "notes_stale") > 0.0, "{}", SALE.printed);
    assert!(SALE.number("unstick", "notes_hit") > 0.0, "{}", SALE.printed);
    assert_eq!(SALE.number("unstick", "notes_stale"), 0.0, "{}", SALE.printed);
    let read = |mode| SALE.number(mode, "notes_read");
    assert!(read("round-robin") == read("unstick") && read("unstick") >= 60.0 * 2.0 * 3.0, "{}", SALE.printed);
}

#[test]
fn the_report_is_for_programs() {
    let report = &SALE.report;
    assert_eq!((&report["version"], &report["failure"]), (&serde_json::json!(2), &serde_json::Value::Null));
    assert_eq!(report["options"]["nodes"], serde_json::json!([3, 6, 9]));
    let modes: Vec<_> = report["runs"].as_array().unwrap().iter().map(|run| run["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["sticky", "round-robin", "unstick"]);
    for run in report["runs"].as_array().unwrap() {
        let summary = run["summary"].as_object().unwrap();
        for (name, value) in summary {
            assert!(value.is_number() || value.is_array(), "{name}: {value}");
        }
        let counted: u64 = run["seconds"].as_array().unwrap().iter().map(|second| second["requests"].as_u64().unwrap()).sum();
        assert_eq!(counted, summary["requests"].as_u64().unwrap(), "every request is in some second");
        let last = run["seconds"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["logouts"], &last["carts_lost"]), (&summary["logouts"], &summary["carts_lost"]));
        for event in run["events"].as_array().unwrap() {
            assert!(event["done_s"].as_f64() >= event["begun_s"].as_f64() && event["text"].is_string(), "{event}");
            assert!(event["serving"].as_array().is_some_and(|nodes| nodes.len() >= 3), "{event}");
        }
    }
    let nodes = |index: usize| SALE.run("unstick")["events"][index]["serving"].as_array().map(Vec::len);
    assert_eq!((nodes(0), nodes(2), nodes(3), nodes(4)), (Some(3), Some(6), Some(5), Some(9)));
}

#[test]
fn the_report_for_people_needs_nothing_else() {
    let html = &SALE.html;
    assert!(html.starts_with("<!doctype html>") && html.contains("<style>"));
    for foreign in ["http://", "https://", " src=", " href=", "<script", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert_eq!((html.matches("<svg").count(), html.matches("</svg>").count()), (10, 10));
    assert_eq!(html.matches("role=\"img\" aria-label=").count(), 10);
    assert_eq!(html.matches("<details").count(), 10, "a table beside every chart");
    assert!(html.contains("data-testid=\"chart-recovery\"") && html.matches("class=\"bar ").count() == 6, "two kills, three runs");
    assert!(!html.contains("NaN") && !html.contains("inf "));
}

#[test]
fn the_terminal_says_the_same() {
    let row = |name: &str| SALE.printed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {}", SALE.printed));
    assert_eq!(row("logouts").split_whitespace().last(), Some("0"));
    assert!(row("continuity").ends_with("100 %"), "{}", SALE.printed);
    assert!(row("orders paid in full").ends_with("120 of 120"), "{}", SALE.printed);
    let requests: Vec<u64> = row("requests ").split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let told: Vec<u64> = SALE.report["runs"].as_array().unwrap().iter().filter_map(|run| run["summary"]["requests"].as_u64()).collect();
    assert_eq!(requests, told);
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let refused = common::program(&["--nodes", "9,6,3"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--nodes must be three whole numbers that grow"));
}

/// The fleet of one run cannot start; what happened before is told all the same. The few people of this sale are not enough for a full window, so more come.
#[test]
fn a_sale_that_cannot_go_on_is_reported() {
    let sale = Sale::hold(&[
        "--nodes",
        "3,4,5",
        "--shoppers",
        "4",
        "--seconds",
        "1",
        "--modes",
        "sticky,unstick",
        "--sessions",
        "mongodb://127.0.0.1",
    ]);
    assert_eq!(sale.code, Some(2));
    assert!(sale.said.contains("cannot start") && sale.said.contains("write `memory:`"), "{}", sale.said);
    assert!(sale.report["failure"].as_str().unwrap().contains("cannot start"), "{}", sale.report["failure"]);
    assert!(sale.html.contains("The sale could not go on"));
    assert!(sale.number("sticky", "requests") > 4.0 * 16.0 && sale.number("unstick", "requests") == 0.0, "{}", sale.printed);
    for one in sale.run("sticky")["summary"]["evenness"].as_array().unwrap() {
        assert!(one["windows"].as_u64().unwrap() > 0, "{one}");
    }
}
