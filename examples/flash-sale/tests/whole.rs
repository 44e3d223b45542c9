//! The sale as the README quotes it, 10, 30 and 50 nodes: minutes on a small machine, and so only under `cargo xtask test --long`.

mod common;

use std::io::Write;

use common::Sale;
use unstick_testkit::{
    require_server,
    servers::{
        self,
        balancer::{BalancerSpec, Nginx},
    },
};

/// Whether such tests are wanted. Says so if not, past the test harness, which would keep it to itself.
fn is_long(name: &str) -> bool {
    let is_long = std::env::var_os("UNSTICK_LONG").is_some();
    if !is_long {
        let _ = writeln!(std::io::stdout(), "SKIPPED {name}: minutes long, `cargo xtask test --long` runs it");
    }
    is_long
}

/// Continuity 100 %, no cart lost, no logout, and the load even within a tenth after each scale-out, on as many nodes as the incident had.
fn is_as_promised(sale: &Sale, people: u64) {
    sale.assert_nothing_lost();
    sale.assert_even();
    assert_eq!(sale.report["options"]["nodes"], serde_json::json!([10, 30, 50]));
    let evenness = sale.run("unstick")["summary"]["evenness"].as_array().unwrap();
    assert_eq!((&evenness[0]["nodes"], &evenness[1]["nodes"]), (&30.into(), &50.into()));
    assert!(sale.run("unstick")["summary"]["orders"].as_u64() >= Some(people * 2), "{}", sale.printed);
}

#[test]
fn all_three_runs() {
    if is_long("all_three_runs") {
        let sale = Sale::hold(&[]);
        is_as_promised(&sale, 300);
        sale.assert_new_nodes_idle("sticky");
        assert!(sale.number("sticky", "logouts") > 0.0 && sale.number("sticky", "carts_lost") > 0.0, "{}", sale.printed);
        assert!(sale.number("round-robin", "continuity") < 60.0, "{}", sale.printed);
        assert!(sale.number("round-robin", "notes_stale") > 0.0, "{}", sale.printed);
    }
}

#[test]
fn six_processes() {
    if is_long("six_processes") {
        let sale = Sale::hold(&["--processes", "6", "--modes", "unstick"]);
        is_as_promised(&sale, 300);
        let events = sale.run("unstick")["events"].as_array().unwrap();
        let mut kills = events.iter().filter(|event| event["kind"] == "kill");
        assert!(kills.all(|kill| kill["about"].as_array().unwrap().len() > 1), "with all its nodes: {events:?}");
    }
}

#[test]
fn haproxy() {
    if is_long("haproxy") {
        require_server!(servers::missing("haproxy").map_or(Ok(()), Err));
        is_as_promised(&Sale::hold(&["--balancer", "haproxy", "--shoppers", "900", "--seconds", "66", "--modes", "unstick"]), 900);
    }
}

#[test]
fn nginx() {
    if is_long("nginx") {
        // Only to know that the program and its Lua module are there.
        let nobody = [std::net::SocketAddr::from(([127, 0, 0, 1], 1))];
        drop(require_server!(BalancerSpec::new(nobody, Nginx::LuaCookie { path: "/".to_owned() }).start()));
        is_as_promised(&Sale::hold(&["--balancer", "nginx", "--shoppers", "900", "--seconds", "66", "--modes", "unstick"]), 900);
    }
}
