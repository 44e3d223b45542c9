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

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// 200 requests of one client, each to any node, while others read the same cart. Returns how many were answered from memory.
fn the_writer_reads_its_writes(shop: &Shop, seed: u64) -> usize {
    let (mut dice, mut writer) = (Dice(seed), shop.browser());
    let (mut saved, mut hits, mut turns) = (0, 0, [0; 5]);
    for request in 0..200 {
        let node = dice.below(shop.nodes.len());
        turns[node] += 1;
        let case = format!("seed {seed}, request {request} on node {}", node + 1);
        let stranger = send(shop.nodes[dice.below(shop.nodes.len())].addr, "GET", CART, &[], None).unwrap();
        assert!(matches!(stranger.status, 200 | 404), "{case}: {stranger:?}");
        writer.addr = shop.nodes[node].addr;
        if saved == 0 || dice.below(5) == 0 {
            let version = put(&mut writer, 1 + request % 999).json()["version"].as_u64().unwrap();
            assert!(version > saved, "{case}: {version} after {saved}");
            saved = version;
        } else {
            let cart = writer.get(CART).json();
            assert_eq!(cart["version"], saved, "{case}");
            hits += usize::from(cart["from"] == "memory");
        }
    }
    assert!(turns.iter().filter(|turns| **turns > 0).count() >= shop.nodes.len().min(5), "{turns:?}");
    hits
}

/// All nodes' counts together.
fn counts(shop: &Shop, which: &str) -> u64 {
    overview(shop).iter().map(|node| node["answer"]["counts"][which].as_u64().unwrap()).sum()
}

/// How many events of a kind the fleet has reported.
fn events(shop: &Shop, kind: &str) -> usize {
    let news = shop.admin("GET", "/admin/events").json();
    news["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind).count()
}

fn all_nodes_tell(shop: &Shop, version: &Value) {
    eventually("one cart on all nodes", || told(shop).iter().all(|told| told == version).then_some(()));
}

#[test]
fn the_writer_never_sees_an_old_cart_with_the_bus_on_and_off() {
    let shop = Shop::start(&["--nodes", "5"]);
    assert_eq!(shop.admin("GET", OVERVIEW).json()["bus"], "on");
    assert!(the_writer_reads_its_writes(&shop, 4) > 0, "a cache that is never used shows nothing");
    assert!(counts(&shop, "notices") > 0, "the others were told");
    let (loads, hits) = (counts(&shop, "loads"), counts(&shop, "hits"));
    assert!(hits > loads, "{hits} hits, {loads} loads");

    assert_eq!(shop.admin("POST", "/admin/bus/off").json()["bus"], "off");
    eventually("the cut on every node", || (events(&shop, "cache_cut") == 5).then_some(()));
    let (notices, gaps) = (counts(&shop, "notices"), counts(&shop, "gaps"));
    assert!(the_writer_reads_its_writes(&shop, 5) > 0, "a cache that is never used shows nothing");
    assert_eq!(counts(&shop, "notices"), notices, "nobody was told");
    assert!(counts(&shop, "brought") > 0, "but by the client");
    let mut writer = shop.browser();
    let version = put(&mut writer, 1).json()["version"].clone();
    all_nodes_tell(&shop, &version);

    assert_eq!(shop.admin("POST", "/admin/bus/on").json()["bus"], "on");
    eventually("the gap on every node", || (counts(&shop, "gaps") >= gaps + 5).then_some(()));
    let version = put(&mut writer, 2).json()["version"].clone();
    all_nodes_tell(&shop, &version);
    eventually("notices", || (counts(&shop, "notices") > notices).then_some(()));
    eventually("every node's word on it", || (events(&shop, "cache_restored") == 5).then_some(()));
    assert_eq!((events(&shop, "bus_off"), events(&shop, "bus_on")), (1, 1));
}

#[test]
fn processes_without_a_bus_keep_the_writer_and_soon_the_others_up_to_date() {
    let shop = Shop::start(&["--nodes", "3", "--process-per-node"]);
    assert_eq!(shop.admin("GET", OVERVIEW).json()["bus"], "none");
    assert!(the_writer_reads_its_writes(&shop, 6) > 0, "a cache that is never used shows nothing");
    let version = put(&mut shop.browser(), 1).json()["version"].clone();
    all_nodes_tell(&shop, &version);
}

#[test]
fn the_bus_is_switched_by_the_machine_alone() {
    let shop = Shop::start(&["--nodes", "2"]);
    assert_eq!(send(shop.addr, "POST", "/admin/bus/off", &[], None).unwrap().status, 403);
    assert_eq!(send(shop.nodes[0].addr, "POST", "/admin/bus/off", &[("x-shop-admin", "1")], None).unwrap().status, 404);
    assert_eq!(shop.admin("POST", "/admin/bus/sometimes").status, 404);
    assert_eq!(shop.admin("GET", "/admin/bus/off").status, 405);
    assert_eq!(shop.admin("GET", OVERVIEW).json()["bus"], "on");
    for mode in ["broken", "sticky"] {
        let shop = Shop::start(&["--nodes", "2", "--mode", mode]);
        assert_eq!(shop.admin("POST", "/admin/bus/off").status, 409);
    }
}
