//! Sessions and bus in real servers, and nodes in processes of their own.

mod common;

use common::Sale;
use unstick_testkit::{
    require_server,
    servers::{PostgresServer, RedisServer},
};

#[test]
fn redis() {
    let redis = require_server!(RedisServer::start());
    let variables = [("FLASH_SALE_SESSIONS", redis.url()), ("FLASH_SALE_BUS", redis.url())];
    let before = redis.command_counts().unwrap();
    let sale = Sale::hold_with(&["--quick", "--modes", "unstick"], &variables.each_ref().map(|(name, url)| (*name, url.as_str())));
    sale.assert_nothing_lost();
    sale.assert_even();
    let used = redis.command_counts().unwrap().since(&before);
    assert!(used.contains_key("publish") && used.len() > 1, "sessions and notices were there: {used:?}");
}

#[test]
fn postgres() {
    let postgres = require_server!(PostgresServer::start());
    let sale = Sale::hold(&["--quick", "--modes", "unstick", "--sessions", &postgres.url(), "--bus", &postgres.url()]);
    sale.assert_nothing_lost();
    sale.assert_even();
}

/// Without a bus: what people change themselves travels with them.
#[test]
fn processes_that_are_killed() {
    let sale = Sale::hold(&["--quick", "--processes", "3", "--modes", "sticky,unstick"]);
    sale.assert_nothing_lost();
    sale.assert_even();
    sale.assert_new_nodes_idle("sticky");
    assert!(sale.number("sticky", "logouts") > 0.0 && sale.number("sticky", "carts_lost") > 0.0, "{}", sale.printed);
    for mode in ["sticky", "unstick"] {
        let events = sale.run(mode)["events"].as_array().unwrap();
        let kills: Vec<_> = events.iter().filter(|event| event["kind"] == "kill").collect();
        assert_eq!(kills.len(), 2);
        for kill in kills {
            assert!(kill["about"].as_array().unwrap().len() > 1, "with all its nodes: {kill}");
        }
    }
}

#[test]
fn processes_share_redis() {
    let redis = require_server!(RedisServer::start());
    let sale = Sale::hold(&["--quick", "--processes", "3", "--modes", "unstick", "--sessions", &redis.url(), "--bus", &redis.url()]);
    sale.assert_nothing_lost();
    sale.assert_even();
}
