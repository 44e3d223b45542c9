//! Saved carts: kept in SQL, cached on every node.

mod common;

use common::{Answer, Browser, Shop, eventually, send};
use serde_json::{Value, json};

const CART: &str = "/api/customers/7/carts/saved?market=se";
const OVERVIEW: &str = "/admin/customers/7/carts/saved?market=se";

fn lines(qty: u32) -> String {
    json!({ "lines": [{ "sku": "tea", "qty": qty }] }).to_string()
}

fn put(browser: &mut Browser, qty: u32) -> Answer {
    let answer = browser.send("PUT", CART, Some(&lines(qty)));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Every node, with what it would tell a client that comes with nothing.
fn overview(shop: &Shop) -> Vec<Value> {
    eventually("an answer of every node", || {
        let nodes = shop.admin("GET", OVERVIEW).json()["nodes"].as_array().unwrap().clone();
        nodes.iter().all(|node| node["answer"].is_object()).then_some(nodes)
    })
}

fn told(shop: &Shop) -> Vec<Value> {
    overview(shop).iter().map(|node| node["answer"]["version"].clone()).collect()
}

#[test]
fn versions_count_and_every_cart_is_its_own() {
    let shop = Shop::start(&["--nodes", "5"]);
    let mut browser = shop.browser();
    assert_eq!(browser.get(CART).status, 404);
    for version in 1..=6 {
        let answer = put(&mut browser, version);
        assert_eq!((&answer.json()["version"], answer.instance()), (&json!(version), answer.json()["instance"].as_str().unwrap()));
        let answer = browser.get(CART);
        assert_eq!((answer.status, answer.header("cache-control")), (200, "private, no-store"), "{answer:?}");
        let cart = answer.json();
        assert_eq!((&cart["version"], &cart["lines"]), (&json!(version), &json!([{ "sku": "tea", "qty": version }])));
        assert!(cart["from"] == "memory" || cart["from"] == "database", "{cart}");
        assert_eq!(cart["instance"], answer.instance());
    }
    for other in [
        "/api/customers/8/carts/saved?market=se",
        "/api/customers/7/carts/basket?market=se",
        "/api/customers/7/carts/wishlist?market=se",
        "/api/customers/7/carts/saved?market=de",
    ] {
        assert_eq!(browser.get(other).status, 404, "{other}");
        assert_eq!(browser.send("PUT", other, Some(r#"{"lines":[]}"#)).json()["version"], 1, "{other}");
        assert_eq!(browser.get(other).json()["lines"], json!([]), "{other}");
    }
    assert_eq!(browser.get("/api/customers/007/carts/saved?market=SE").json()["version"], 6, "the same cart, written otherwise");
}

#[test]
fn bad_input_has_a_reason() {
    let shop = Shop::start(&["--nodes", "1"]);
    let json = [("content-type", "application/json")];
    let many = json!({ "lines": (0..51).map(|index| json!({ "sku": format!("sku-{index}"), "qty": 1 })).collect::<Vec<_>>() }).to_string();
    let huge = json!({ "lines": [{ "sku": "x".repeat(20_000), "qty": 1 }] }).to_string();
    let cart = "/api/customers/7/carts/saved";
    for path in [
        "/api/customers/0/carts/saved?market=se".to_owned(),
        "/api/customers/ann/carts/saved?market=se".to_owned(),
        "/api/customers/-1/carts/saved?market=se".to_owned(),
        "/api/customers/9007199254740992/carts/saved?market=se".to_owned(),
        "/api/customers/%ff/carts/saved?market=se".to_owned(),
        "/api/customers/7/carts/stolen?market=se".to_owned(),
        cart.to_owned(),
        format!("{cart}?market="),
        format!("{cart}?market=swe"),
        format!("{cart}?market=s1"),
        format!("{cart}?market=se&market=de"),
    ] {
        for (method, body) in [("GET", None), ("PUT", Some(r#"{"lines":[]}"#))] {
            let answer = send(shop.addr, method, &path, &json, body).unwrap();
            assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
            assert!(answer.json()["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer:?}");
        }
    }
    for (status, body) in [
        (400, "{"),
        (400, "[]"),
        (400, "{}"),
        (400, r#"{"lines":[{"sku":"tea"}]}"#),
        (400, r#"{"lines":[{"sku":"tea","qty":0}]}"#),
        (400, r#"{"lines":[{"sku":"tea","qty":1000}]}"#),
        (400, r#"{"lines":[{"sku":"tea","qty":-1}]}"#),
        (400, r#"{"lines":[{"sku":"a b","qty":1}]}"#),
        (400, r#"{"lines":[{"sku":"tea","qty":1},{"sku":"tea","qty":1}]}"#),
        (400, r#"{"lines":[],"version":9}"#),
        (400, &many),
        (413, &huge),
    ] {
        let answer = send(shop.addr, "PUT", CART, &json, Some(body)).unwrap();
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.json()["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{answer:?}");
    }
    assert_eq!(send(shop.addr, "PUT", CART, &[], Some(&lines(1))).unwrap().status, 415);
    assert_eq!(send(shop.addr, "DELETE", CART, &[], None).unwrap().status, 405);
    assert_eq!(send(shop.addr, "GET", "/internal/customers/7/carts/saved?market=se", &[], None).unwrap().status, 404);
    assert_eq!(shop.admin("GET", "/admin/customers/7/carts/saved").status, 400);
    assert_eq!(send(shop.addr, "GET", OVERVIEW, &[("x-forwarded-for", "203.0.113.7")], None).unwrap().status, 403);
    assert_eq!(told(&shop), [Value::Null], "nothing of this was saved");
}

#[test]
fn carts_in_a_kept_file_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("kept.sqlite").display());
    for version in 1..=2 {
        for more in [&[][..], &["--process-per-node"]] {
            let shop = Shop::start(&[&["--nodes", "2", "--carts", &url][..], more].concat());
            let expected = (version - 1) * 2 + 1 + u32::from(!more.is_empty());
            assert_eq!(put(&mut shop.browser(), 1).json()["version"], expected);
        }
    }
}

#[test]
fn broken_nodes_tell_different_carts() {
    let shop = Shop::start(&["--nodes", "5", "--mode", "broken"]);
    let mut browser = shop.browser();
    put(&mut browser, 1);
    let before = told(&shop);
    assert_eq!(before, vec![json!(1); 5], "every node has read it");
    let writer = put(&mut browser, 2).instance().to_owned();
    for _ in 0..2 {
        for node in overview(&shop) {
            let expected = if node["name"] == writer.as_str() { 2 } else { 1 };
            assert_eq!((&node["answer"]["version"], &node["answer"]["from"]), (&json!(expected), &json!("memory")), "{node}");
        }
    }
    let seen: Vec<Value> = (0..5).map(|_| browser.get(CART).json()["version"].clone()).collect();
    assert_eq!(seen.iter().filter(|version| **version == json!(2)).count(), 1, "the writer itself: {seen:?}");
}
