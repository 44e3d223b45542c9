//! The rules, raised by Prometheus' own tool over the series that the shop exports.

mod common;

use std::{fs, process::Command};

use common::{
    Shop,
    prometheus::{ALERTS, Series, all, dashboard, exported, panel, rules},
};
use serde_json::{Value, json};
use unstick_testkit::{require_server, servers::missing};

/// What happens to some series, beside sessions that are found once a second on each node and everything else that stays at 0.
struct Story {
    alarm: &'static str,
    what: fn(&Series) -> bool,
    /// Samples, one a minute.
    values: &'static str,
    /// The minute at which it is not raised yet, and the one at which it is.
    minutes: [u32; 2],
}

fn is(series: &Series, kind: &str) -> bool {
    series.label("kind") == kind && series.label("node") == "node-2"
}

/// Once, in minute 30.
const ONCE: &str = "0x29 1x100";

const STORIES: &[Story] = &[
    Story { alarm: "SessionsLost", what: |s| is(s, "session_lost"), values: ONCE, minutes: [29, 30] },
    Story {
        alarm: "BackendDown",
        what: |s| s.metric == "unstick_backends_down" && s.label("node") == "node-2",
        values: ONCE,
        minutes: [30, 31],
    },
    Story { alarm: "ChangesFail", what: |s| is(s, "commit_unknown"), values: ONCE, minutes: [29, 30] },
    Story { alarm: "KeysDiffer", what: |s| is(s, "session_unknown_key"), values: "0x29 20x100", minutes: [29, 30] },
    // told before the first scrape
    Story { alarm: "EvictionPolicy", what: |s| is(s, "eviction_policy"), values: "_x2 1x100", minutes: [1, 2] },
    Story { alarm: "BackendEvicts", what: |s| is(s, "backend_evicted"), values: ONCE, minutes: [29, 30] },
    Story { alarm: "ClockSkew", what: |s| is(s, "clock_skew"), values: ONCE, minutes: [29, 30] },
    Story { alarm: "SweepFails", what: |s| is(s, "sweep_failed"), values: "0x29 1+1x100", minutes: [89, 90] },
    Story { alarm: "PinsAreBack", what: |s| is(s, "pin_came_back"), values: ONCE, minutes: [29, 30] },
    Story { alarm: "PinsAreBack", what: |s| is(s, "route_pinned"), values: ONCE, minutes: [29, 30] },
    Story { alarm: "RequestsCut", what: |s| is(s, "drain_cut"), values: ONCE, minutes: [29, 30] },
];

/// Sessions that are found once a second, and nothing else; a story may say something else of some.
fn input(exported: &[Series], story: Option<&Story>) -> Vec<Value> {
    let values = |series: &Series| match story {
        Some(story) if (story.what)(series) => story.values,
        _ if series.label("kind") == "session_found" => "0+60x130",
        _ => "0x130",
    };
    exported.iter().map(|series| json!({"series": series.shown(), "values": values(series)})).collect()
}

/// Expects these alarms and no others at a minute.
fn firing(minute: u32, alarms: &[&str]) -> Value {
    let samples: Vec<Value> = alarms.iter().map(|alarm| json!({"labels": format!("{{alertname={alarm:?}}}"), "value": 1})).collect();
    json!({"expr": "count by (alertname) (ALERTS{alertstate=\"firing\"})", "eval_time": format!("{minute}m"), "exp_samples": samples})
}

fn group(step: &str, name: &str, series: &[Value], expected: &[Value]) -> Value {
    json!({"name": name, "interval": step, "input_series": series, "promql_expr_test": expected})
}

fn export() -> Vec<Series> {
    let shop = Shop::start(&["--nodes", "2", "--mode", "sticky"]);
    exported(&shop).into_iter().map(|(series, _)| series).collect()
}

/// Runs the tool over files that it is given, the last of which is named to it.
fn promtool(args: &[&str], files: &[(&str, &str)]) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let last = files.last().expect("a file").0;
    let output = Command::new("promtool").args(args).arg(last).current_dir(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

fn evaluate(step: &str, groups: &[Value]) {
    let tests = json!({"rule_files": ["alerts.yml"], "evaluation_interval": step, "tests": groups}).to_string();
    promtool(&["test", "rules"], &[("alerts.yml", ALERTS), ("tests.yml", &tests)]);
}

fn tool() -> Result<(), unstick_testkit::servers::StartError> {
    missing("promtool").map_or(Ok(()), Err)
}

/// As Grafana would fill them in.
fn filled(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m").replace("$node", ".*")
}

#[test]
fn everything_that_is_asked_for_is_promql() {
    require_server!(tool());
    let asked = all().into_iter().filter(|(_, expression)| !expression.starts_with("label_values"));
    let records: Vec<Value> =
        asked.enumerate().map(|(n, (_, expression))| json!({"record": format!("r{n}"), "expr": filled(&expression)})).collect();
    assert!(records.len() > 30, "{}", records.len());
    promtool(&["check", "rules"], &[("rules.yml", &json!({"groups": [{"name": "all", "rules": records}]}).to_string())]);
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &[("alerts.yml", ALERTS)]);
    let config = include_str!("../prometheus.yml");
    promtool(&["check", "config"], &[("alerts.yml", ALERTS), ("prometheus.yml", config)]);
}

#[test]
fn each_alarm_is_raised_by_what_it_is_for_and_by_nothing_else() {
    require_server!(tool());
    let exported = export();
    let mut groups = vec![
        group("1m", "all is well", &input(&exported, None), &[firing(10, &[]), firing(120, &[])]),
        group("1m", "nothing is scraped", &[], &[firing(4, &[]), firing(5, &["NothingIsCounted"])]),
    ];
    for story in STORIES {
        assert!(exported.iter().any(story.what), "{}", story.alarm);
        let [before, after] = story.minutes;
        groups.push(group("1m", story.alarm, &input(&exported, Some(story)), &[firing(before, &[]), firing(after, &[story.alarm])]));
    }
    evaluate("1m", &groups);
    let apart = ["NothingIsCounted", "OldCredentials"];
    let without: Vec<_> =
        rules().into_iter().filter(|(name, _)| !apart.contains(&&**name) && !STORIES.iter().any(|story| story.alarm == name)).collect();
    assert!(without.is_empty(), "{without:?}");
}

/// Nine days and an hour, in steps of ten minutes.
#[test]
fn old_credentials_are_compared_with_last_week() {
    require_server!(tool());
    let old = export().into_iter().find(|series| is(series, "session_superseded")).unwrap();
    let series = |values: &str| [json!({"series": old.shown(), "values": values})];
    let (before, after) = (1295 * 10, 1302 * 10);
    let steep = series("0+1x1295 1296+30x6"); // 6 an hour, and then 180
    let flat = series("0+30x1302");
    let few = series("0x1295 1+1x6");
    evaluate(
        "10m",
        &[
            group("10m", "more than ten times", &steep, &[firing(before, &[]), firing(after, &["OldCredentials"])]),
            group("10m", "as ever", &flat, &[firing(after, &[])]),
            group("10m", "few", &few, &[firing(after, &[])]),
        ],
    );
}

/// All is well, nothing happens, and all is gone: each is a number, and nothing that is scraped is none.
#[test]
fn the_first_panels_say_so_when_all_is_well_and_when_all_is_gone() {
    require_server!(tool());
    let exported = export();
    let samples = |values: &dyn Fn(&Series) -> &'static str| -> Vec<Value> {
        exported.iter().map(|series| json!({"series": series.shown(), "values": values(series)})).collect()
    };
    let says = |title: &str, value: Option<f64>| {
        let samples: Vec<Value> = value.iter().map(|value| json!({"labels": "{}", "value": value})).collect();
        json!({"expr": filled(&panel(title)), "eval_time": "20m", "exp_samples": samples})
    };
    let counts = |series: &Series, what: &str| series.label("product") == "any" && series.label("what") == what;
    let quiet = samples(&|_| "0x30");
    let well = samples(&|series| if is(series, "session_found") || counts(series, "requests") { "0+60x30" } else { "0x30" });
    let gone = samples(&|series| {
        let is_moving = is(series, "session_lost") || counts(series, "requests") || counts(series, "pinned");
        if is_moving { "0+60x30" } else { "0x30" }
    });
    evaluate(
        "1m",
        &[
            group("1m", "quiet", &quiet, &[says("Continuity", Some(1.0)), says("Pinned", Some(0.0))]),
            group("1m", "well", &well, &[says("Continuity", Some(1.0)), says("Pinned", Some(0.0))]),
            group("1m", "gone", &gone, &[says("Continuity", Some(0.0)), says("Pinned", Some(1.0))]),
            group("1m", "not scraped", &[], &[says("Continuity", None), says("Pinned", None)]),
        ],
    );
    assert_eq!(dashboard().iter().filter(|(title, _)| title == "Continuity" || title == "Pinned").count(), 2);
}
