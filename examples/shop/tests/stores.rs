//! The shop on every kind of store, each a real server: five nodes, and a cart and a login that all of them know.

mod common;

use common::{Shop, eventually};
use unstick_testkit::{
    require_server,
    servers::{MariaDbServer, PostgresServer, RedisCluster, RedisSentinel, RedisServer},
};

const NODES: usize = 5;

/// A customer fills a cart and logs in, on one node after the other; then all but one node are stopped.
fn the_shop_keeps_its_customers(url: &str, shown: &str) {
    let shop = Shop::start_in(url, &["--nodes", "5"]);
    assert_eq!((shop.nodes.len(), shop.sessions.as_str()), (NODES, shown));
    let mut browser = shop.browser();
    for turn in 1..=NODES {
        assert_eq!(browser.add("tea", 1).status, 200);
        assert_eq!(browser.session()["cart"]["count"], turn);
    }
    assert_eq!(browser.post("/api/login", r#"{"user":"ann"}"#).status, 200);
    let mut instances = std::collections::BTreeSet::new();
    eventually("an answer of every node", || {
        let session = browser.session();
        assert_eq!((&session["user"], &session["cart"]["count"]), (&"ann".into(), &NODES.into()));
        instances.insert(session["instance"].to_string());
        (instances.len() == NODES).then_some(())
    });
    for node in 1..NODES {
        assert_eq!(shop.admin("POST", &format!("/admin/nodes/{node}/stop")).status, 200);
    }
    let session = browser.session();
    assert_eq!((&session["user"], &session["cart"]["count"]), (&"ann".into(), &NODES.into()));
    let continuity = &shop.admin("GET", "/admin/events").json()["continuity"];
    assert_eq!(continuity["lost"], 0, "{continuity}");

    let old = browser.clone();
    assert_eq!(browser.poke("/api/logout").status, 200);
    assert_eq!(browser.session()["user"], serde_json::Value::Null);
    if !url.starts_with("token:") {
        assert_eq!(old.clone().session()["user"], serde_json::Value::Null, "a copy of the cookie is worth nothing after the logout");
    }
}

fn without_login(url: &str) -> String {
    unstick::store::shown(url)
}

#[test]
fn postgres() {
    let server = require_server!(PostgresServer::start());
    let url = server.fresh_database();
    the_shop_keeps_its_customers(&url, &without_login(&url));
}

#[test]
fn mariadb() {
    let server = require_server!(MariaDbServer::start());
    let url = server.fresh_database();
    the_shop_keeps_its_customers(&url, &without_login(&url));
}

#[test]
fn redis() {
    let server = require_server!(RedisServer::builder().user("shop", "hunter2").start());
    let url = format!("redis://shop:hunter2@{}", server.address());
    the_shop_keeps_its_customers(&url, &format!("redis://{}", server.address()));
}

#[test]
fn redis_with_tls() {
    let server = require_server!(RedisServer::builder().tls().start());
    let (Some(url), Some(authority)) = (server.tls_url(), server.tls_authority()) else { panic!("a server with TLS") };
    the_shop_keeps_its_customers(&format!("{url}?ca={}", authority.display()), &url);
}

#[test]
fn redis_behind_sentinels() {
    let servers = require_server!(RedisSentinel::start());
    the_shop_keeps_its_customers(&servers.url(), &without_login(&servers.url()));
}

#[test]
fn redis_cluster() {
    let cluster = require_server!(RedisCluster::start());
    the_shop_keeps_its_customers(&cluster.url(), &without_login(&cluster.url()));
}

#[test]
fn tokens_that_the_customers_carry() {
    the_shop_keeps_its_customers("token:", "token:");
    the_shop_keeps_its_customers("token:?sealing=signed", "token:");
}

/// Whoever lists the processes of the machine reads no password.
#[test]
fn the_process_list_holds_no_url() {
    let server = require_server!(RedisServer::builder().user("shop", "hunter2").start());
    let shop = Shop::start_in(&format!("redis://shop:hunter2@{}", server.address()), &["--nodes", "2", "--process-per-node"]);
    let pids: Vec<u32> = shop.nodes.iter().filter_map(|node| node.pid).chain([shop.pid()]).collect();
    assert_eq!(pids.len(), 3);
    for pid in pids {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(line.contains("example-shop") && !line.contains("hunter2"), "{line}");
    }
    assert_eq!(shop.browser().add("tea", 1).status, 200);
}
