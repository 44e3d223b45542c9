//! The page in a real browser.

mod common;

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use common::{Shop, eventually, send};
use serde_json::json;
use unstick_testkit::{require_server, servers::StartError, webdriver::Chromium};

/// One browser at a time is enough for a small machine.
static ONE: Mutex<()> = Mutex::new(());

/// The shop in a mode and a browser that shows it.
fn visit(mode: &str) -> Result<(MutexGuard<'static, ()>, Shop, Chromium), StartError> {
    visit_with(mode, &[])
}

fn visit_with(mode: &str, more: &[&str]) -> Result<(MutexGuard<'static, ()>, Shop, Chromium), StartError> {
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let browser = Chromium::start()?;
    let shop = Shop::start(&[&["--nodes", "3", "--mode", mode][..], more].concat());
    browser.open(&format!("http://{}/", shop.addr));
    browser.wait_for("mode", mode);
    browser.wait_for("status", "new");
    Ok((guard, shop, browser))
}

/// The path of node names on the page, newest first.
fn chips(browser: &Chromium) -> Vec<String> {
    let script = "return [...document.querySelectorAll(\"[data-testid='chip']\")].map(chip => chip.firstChild.textContent)";
    serde_json::from_value(browser.script(script, &json!([]))).unwrap()
}

fn number(node: &str) -> &str {
    node.strip_prefix("node-").unwrap()
}

#[test]
fn unstick_keeps_the_cart_when_a_node_stops() {
    let (_guard, _shop, browser) = require_server!(visit("unstick"));
    browser.click("add-tea");
    browser.wait_for("count", "1");
    browser.type_into("user", "ann");
    browser.click("login");
    browser.wait_for("who", "ann");
    browser.click("add-mug");
    browser.wait_for("count", "2");

    let answered = browser.text("instance");
    let stop = format!("stop-{}", number(&answered));
    browser.click(&stop);
    browser.wait_for(&format!("state-{}", number(&answered)), "stopped");
    eventually("another node's answer", || (browser.text("instance") != answered).then_some(()));
    assert_eq!(browser.text("count"), "2", "the cart is still there");
    for count in 3..=6 {
        browser.click("add-tea");
        browser.wait_for("count", &count.to_string());
        assert_ne!(browser.text("instance"), answered);
    }
    assert_eq!(browser.text("who"), "ann");
    assert_eq!(browser.text("cart-lost"), "");
    eventually("the counts", || (browser.text("found").parse::<u32>().unwrap() >= 8).then_some(()));
    assert_eq!((browser.text("lost"), browser.text("rate")), ("0".to_owned(), "100 %".to_owned()));
    assert_eq!(BTreeSet::from_iter(chips(&browser)).len(), 3, "every node answered some click");

    browser.click(&format!("start-{}", number(&answered)));
    browser.wait_for(&format!("state-{}", number(&answered)), "running");
    browser.click("remove-mug");
    browser.wait_for("count", "5");
    browser.click("logout");
    browser.wait_for("count", "0");
    assert_eq!(browser.text("cart-lost"), "", "logging out is no loss");
    assert!(browser.text("events").contains("session promoted"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn broken_visibly_loses_the_cart() {
    let (_guard, _shop, browser) = require_server!(visit("broken"));
    browser.click("add-tea");
    eventually("the alarm", || browser.text("cart-lost").contains("Cart lost").then_some(()));
    assert_eq!((browser.text("count"), browser.text("status")), ("0".to_owned(), "lost".to_owned()));
    eventually("the rate", || (browser.text("lost") != "0" && browser.text("rate") != "100 %").then_some(()));
    browser.click("dismiss");
    browser.wait_for("cart-lost", "");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn sticky_loses_the_cart_when_its_node_stops() {
    let (_guard, shop, browser) = require_server!(visit("sticky"));
    browser.click("add-tea");
    browser.wait_for("count", "1");
    browser.click("add-lamp");
    browser.wait_for("count", "2");
    let pinned = browser.text("instance");
    assert_eq!(BTreeSet::from_iter(chips(&browser)), BTreeSet::from([pinned.clone()]), "pinned");
    assert_eq!(browser.text("cart-lost"), "");

    browser.click(&format!("stop-{}", number(&pinned)));
    eventually("the alarm", || browser.text("cart-lost").contains("2 items").then_some(()));
    assert_eq!(browser.text("count"), "0");
    assert_ne!(browser.text("instance"), pinned);
    let nodes = send(shop.addr, "GET", "/admin/nodes", &[], None).unwrap().json();
    assert_eq!(nodes["nodes"].as_array().unwrap().iter().filter(|node| node["state"] == "running").count(), 2);
}

#[test]
fn un_pinning_frees_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = format!("sqlite:{}", dir.path().join("shop.sqlite").display());
    let (_guard, _shop, browser) = require_server!(visit_with("sticky", &["--sessions", &sessions]));
    for count in 1..=3 {
        browser.click("add-tea");
        browser.wait_for("count", &count.to_string());
    }
    assert_eq!(BTreeSet::from_iter(chips(&browser)).len(), 1, "pinned");
    eventually("the pin's name", || browser.text("pin-haproxy").contains("HAProxy, `cookie … insert` (SRV)").then_some(()));
    let share = || browser.text("pinned").trim_end_matches(" %").parse::<u32>().unwrap();
    let before = eventually("the share of pinned requests", || Some(share()).filter(|share| *share > 0));
    assert_eq!((browser.text("unpinning").as_str(), browser.text("unpinning-switch").as_str()), ("off", "Switch un-pinning on"));

    browser.click("unpinning-switch");
    browser.wait_for("unpinning", "on");
    for count in 4..=9 {
        browser.click("add-tea");
        browser.wait_for("count", &count.to_string());
    }
    assert_eq!(BTreeSet::from_iter(chips(&browser)).len(), 3, "every node answered");
    eventually("the share to fall", || (share() < before).then_some(()));
    eventually("the report", || browser.text("pin-haproxy").contains("gone 1, back 0").then_some(()));
    assert_eq!((browser.text("cart-lost").as_str(), browser.text("lost").as_str(), browser.text("findings").as_str()), ("", "0", ""));

    browser.click("unpinning-switch");
    browser.wait_for("unpinning", "off");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// What the three nodes would tell another client, as the page shows it.
fn told(browser: &Chromium) -> [String; 3] {
    [1, 2, 3].map(|node| browser.text(&format!("version-{node}")))
}

fn wait_for_all(browser: &Chromium, version: &str) {
    eventually(&format!("all nodes to tell {version}"), || told(browser).iter().all(|told| told == version).then_some(()));
}

#[test]
fn broken_tells_different_saved_carts() {
    let (_guard, _shop, browser) = require_server!(visit("broken"));
    wait_for_all(&browser, "none");
    browser.click("save");
    browser.wait_for("saved", "v1");
    eventually("the page to be told something older", || (browser.text("stale") != "0").then_some(()));
    let told = told(&browser);
    assert_eq!(told.iter().filter(|told| *told == "v1").count(), 1, "the node that took it: {told:?}");
    eventually("the disagreement", || browser.text("agreement").contains("2 of 3 nodes tell other clients an older cart").then_some(()));
    browser.click("read");
    eventually("more of it", || (browser.text("stale").parse::<u32>().unwrap() >= 8).then_some(()));
    assert_eq!((browser.text("bus").as_str(), browser.text("bus-switch").as_str()), ("none", ""));
    // Reading a cart that is not there is an answer, which the browser's console reports as a failed request.
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("404")), "{errors:?}");
}

#[test]
fn unstick_tells_one_saved_cart_with_the_bus_on_and_off() {
    let (_guard, _shop, browser) = require_server!(visit("unstick"));
    wait_for_all(&browser, "none");
    browser.wait_for("bus", "on");
    let number = |testid: &str| browser.text(testid).parse::<u32>().unwrap();
    let save = |version: &str| {
        browser.click("save");
        browser.wait_for("saved", version);
        browser.wait_for("own", version);
        wait_for_all(&browser, version);
        eventually("the nodes to agree", || browser.text("agreement").contains("all nodes tell the same cart").then_some(()));
    };
    save("v1");
    save("v2");
    eventually("notices", || (number("carts-notices") > 0).then_some(()));

    browser.click("bus-switch");
    browser.wait_for("bus", "off");
    eventually("the cut on every node", || (browser.text("events").matches("cache cut").count() == 3).then_some(()));
    let (notices, gaps) = (number("carts-notices"), number("carts-gaps"));
    save("v3");
    browser.click("read");
    save("v4");
    assert_eq!(number("carts-notices"), notices, "nobody was told");

    browser.click("bus-switch");
    browser.wait_for("bus", "on");
    eventually("a gap on every node", || (number("carts-gaps") >= gaps + 3).then_some(()));
    save("v5");
    eventually("notices", || (number("carts-notices") > notices).then_some(()));
    assert!(number("carts-hits") > 0 && number("carts-loads") > 0);
    assert_eq!(number("stale"), 0, "{}", browser.text("stale-text"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
