//! Nodes as processes: one of them killed under load, and all of them after the shop was.

mod common;

use std::{
    collections::BTreeSet,
    net::TcpStream,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{Browser, PATIENCE, Shop, eventually, signal};
use serde_json::json;

const CUSTOMERS: usize = 4;
/// Requests of one customer at most, so that a test that hangs does not fill the disk.
const MOST: usize = 600;

/// What one customer was told.
struct Visit {
    browser: Browser,
    acknowledged: BTreeSet<String>,
    refused: usize,
}

/// Puts one new article after the other into the cart, each once, until told to stop. Says who acknowledged.
fn shop_on(mut browser: Browser, customer: usize, stop: &AtomicBool, acknowledged_by: &mpsc::Sender<String>) -> Visit {
    let mut visit = Visit { browser: browser.clone(), acknowledged: BTreeSet::new(), refused: 0 };
    for index in 0..MOST {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let sku = format!("c{customer}-{index}");
        match browser.try_send("POST", "/api/cart", Some(&format!("{{\"sku\":\"{sku}\",\"qty\":1}}"))) {
            Ok(answer) if answer.status == 200 => {
                visit.acknowledged.insert(sku);
                let _ = acknowledged_by.send(answer.instance().to_owned());
            }
            Ok(answer) => {
                assert_eq!((answer.status, answer.instance()), (502, "balancer"), "{answer:?}");
                visit.refused += 1;
            }
            Err(error) => panic!("the balancer itself must answer: {error}"),
        }
    }
    visit.browser = browser;
    visit
}

#[test]
fn a_node_killed_under_load_takes_nothing_with_it() {
    let shop = Shop::start(&["--nodes", "3", "--process-per-node"]);
    let victim = &shop.nodes[1];
    let pids: BTreeSet<u32> = shop.nodes.iter().filter_map(|node| node.pid).collect();
    assert_eq!(pids.len(), 3);
    assert!(!pids.contains(&shop.pid()), "processes of their own");

    let stop = AtomicBool::new(false);
    let (says, heard) = mpsc::channel::<String>();
    let hear = |what: &str| heard.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"));
    let visits: Vec<Visit> = thread::scope(|scope| {
        let customers: Vec<_> = (0..CUSTOMERS)
            .map(|customer| {
                let (browser, stop, says) = (shop.browser(), &stop, says.clone());
                scope.spawn(move || shop_on(browser, customer, stop, &says))
            })
            .collect();
        let before: Vec<String> = (0..60).map(|_| hear("acknowledgements before the kill")).collect();
        assert!(before.contains(&victim.name), "the victim had work");
        signal(victim.pid.unwrap(), "KILL");
        eventually("the news of its death", || (shop.admin("GET", "/admin/nodes").json()["nodes"][1]["state"] == "died").then_some(()));
        // What was acknowledged until now may still name the victim.
        while heard.try_recv().is_ok() {}
        let after: BTreeSet<String> = (0..60).map(|_| hear("acknowledgements after the kill")).collect();
        assert_eq!(after, BTreeSet::from(["node-1".to_owned(), "node-3".to_owned()]), "the others serve on");
        stop.store(true, Ordering::Relaxed);
        customers.into_iter().map(|customer| customer.join().unwrap()).collect()
    });

    for mut visit in visits {
        assert!(visit.refused <= 1, "at most the request that was under way: {}", visit.refused);
        for _ in 0..2 {
            let session = visit.browser.session();
            assert_eq!(session["status"], "live");
            let lines = session["cart"]["lines"].as_array().unwrap();
            let held: BTreeSet<String> = lines.iter().map(|line| line["sku"].as_str().unwrap().to_owned()).collect();
            let missing: Vec<_> = visit.acknowledged.difference(&held).collect();
            assert!(missing.is_empty(), "acknowledged and gone: {missing:?}");
            assert!(held.len() <= visit.acknowledged.len() + visit.refused);
            assert!(lines.iter().all(|line| line["qty"] == 1), "nothing was done twice: {lines:?}");
        }
    }
    let continuity = &shop.admin("GET", "/admin/events").json()["continuity"];
    assert_eq!(continuity["lost"], json!(0), "{continuity}");

    let nodes = shop.admin("POST", "/admin/nodes/2/start").json();
    assert_eq!(nodes["nodes"][1]["state"], "running");
    assert!(!pids.contains(&u32::try_from(nodes["nodes"][1]["pid"].as_u64().unwrap()).unwrap()), "a new process");
    let mut browser = shop.browser();
    eventually("the new node's turn", || (browser.session()["instance"] == "node-2").then_some(()));
}

#[test]
fn nodes_do_not_outlive_a_killed_shop() {
    let mut shop = Shop::start(&["--nodes", "2", "--process-per-node"]);
    signal(shop.pid(), "KILL");
    shop.wait();
    for node in &shop.nodes {
        eventually("the end of its nodes", || TcpStream::connect_timeout(&node.addr, Duration::from_secs(1)).is_err().then_some(()));
    }
    let file = shop.sessions.strip_prefix("sqlite:").unwrap();
    // Nobody was left to remove it.
    std::fs::remove_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
}

#[test]
fn a_child_that_is_told_to_end_drains() {
    let shop = Shop::start(&["--nodes", "2", "--process-per-node"]);
    let mut browser = shop.browser();
    browser.add("tea", 1);
    let slow = thread::spawn({
        let mut browser = browser.clone();
        move || browser.poke("/api/slow?ms=500&key=cart:late")
    });
    eventually("the slow request", || (shop.admin("GET", "/admin/events").json()["continuity"]["found"].as_u64() >= Some(1)).then_some(()));
    for node in &shop.nodes {
        signal(node.pid.unwrap(), "TERM");
    }
    assert_eq!(slow.join().unwrap().status, 200);
    eventually("both ends", || {
        let nodes = shop.admin("GET", "/admin/nodes").json();
        nodes["nodes"].as_array().unwrap().iter().all(|node| node["state"] == "died").then_some(())
    });
    assert_eq!(browser.get("/api/session").status, 502);
    assert_eq!(shop.admin("POST", "/admin/nodes/1/start").status, 200);
    assert_eq!(browser.session()["cart"]["count"], 2);
}
