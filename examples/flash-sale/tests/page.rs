//! The page in a real browser, while the sale goes on and after it.

mod common;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use common::{PATIENCE, Running, eventually};
use serde_json::json;
use unstick_testkit::{require_server, webdriver::Chromium};

#[test]
fn the_page_shows_the_sale() {
    let _alone = common::alone();
    let browser = require_server!(Chromium::start()).patience(PATIENCE);
    let mut sale = Running(common::program(&["--quick", "--page", "0"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(sale.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("watch it on ").map(str::to_owned)).expect("the page's address");
    let rest = std::thread::spawn(move || lines.any(|line| line.starts_with("the page stays")));
    browser.open(&format!("{address}/"));
    browser.wait_for("state-sticky", "over");
    eventually("the first losses", || (browser.text("lost-sticky") != "0").then_some(()));
    browser.wait_for("state-unstick", "over");
    browser.wait_for("live", "over");
    for (mode, is_whole) in [("sticky", false), ("round-robin", false), ("unstick", true)] {
        assert_eq!(browser.text(&format!("continuity-{mode}")) == "100 %", is_whole, "{mode}");
        assert_eq!(browser.text(&format!("lost-{mode}")) == "0", is_whole, "{mode}");
        assert_eq!(browser.text(&format!("logouts-{mode}")) == "0", is_whole, "{mode}");
        assert!(browser.text(&format!("events-{mode}")).contains("scale-out to 9 nodes"), "{mode}");
        assert!(
            browser.script("return document.querySelectorAll(`[data-testid='load-${arguments[0]}'] rect`).length", &json!([mode])).as_u64()
                > Some(9)
        );
    }
    for chart in ["continuity", "carts", "logouts", "p50", "p99", "pinned"] {
        let drawn = "return [...document.querySelectorAll(`[data-testid='chart-${arguments[0]}'] path.line`)].filter(path => path.getTotalLength() > 0).length";
        assert_eq!(browser.script(drawn, &json!([chart])), 3, "{chart}");
    }
    let marks = "return document.querySelectorAll(\"[data-testid='chart-continuity'] .mark\").length";
    assert_eq!(browser.script(marks, &json!([])), 6);
    assert!(browser.text("totals").contains("carts lost"));
    assert!(browser.text("unpinned").contains("nodes report"));

    // A table that is open stays open while the page is refreshed, which replaces what is on it.
    browser.script("const table = document.getElementById('table-carts'); table.open = true; table.dataset.old = '1'", &json!([]));
    let refreshed = "const table = document.getElementById('table-carts'); return !table.dataset.old && table.open";
    eventually("the next refresh", || (browser.script(refreshed, &json!([])) == true).then_some(()));

    let elsewhere = "return performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith(location.origin) && !name.startsWith('data:'))";
    assert_eq!(browser.script(elsewhere, &json!([])), json!([]));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    assert!(rest.join().unwrap());

    let colours = "return ['--bg', '--unstick'].map(name => getComputedStyle(document.documentElement).getPropertyValue(name))";
    let light = browser.script(colours, &json!([]));
    assert!(light.as_array().unwrap().iter().all(|colour| colour.as_str().is_some_and(|colour| colour.contains('#'))), "{light}");

    let stopped = Command::new("kill").args(["-INT", &sale.0.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(sale.0.wait().unwrap().code(), Some(0));
    browser.wait_for("live", "the program has ended");
}
