//! The store hangs while people shop: the sale has to say that it went wrong.

mod common;

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
};

use common::{Running, eventually};
use serde_json::Value;
use unstick_testkit::{client::Browser, require_server, servers::RedisServer};

fn get(address: SocketAddr, path: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Browser::new(address).get(path)).unwrap().text().into_owned()
}

#[test]
fn a_store_that_hangs_is_a_failure() {
    let redis = require_server!(RedisServer::start());
    let _alone = common::alone();
    let mut command = common::program(&["--quick", "--modes", "unstick", "--page", "0"]);
    let mut sale = Running(command.env("FLASH_SALE_SESSIONS", redis.url()).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(sale.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("watch it on http://").map(str::to_owned)).expect("the page's address");
    let address: SocketAddr = address.parse().unwrap();
    assert!(lines.any(|line| line.ends_with("scale-out to 6 nodes")));
    let rest = std::thread::spawn(move || lines.take_while(|line| !line.starts_with("the page stays")).collect::<Vec<_>>());
    let run = || serde_json::from_str::<Value>(&get(address, "/report.json")).unwrap()["runs"][0].clone();

    redis.stop();
    eventually("somebody who could not pay", || (run()["summary"]["carts_lost"] != 0).then_some(()));
    redis.cont();

    let printed = rest.join().unwrap().join("\n");
    let run = run();
    let number = |name: &str| run["summary"][name].as_u64().unwrap_or_else(|| panic!("{name}"));
    assert!(number("carts_lost") > 0 && number("failed_otherwise") > 0, "{printed}");
    assert!(number("orders_whole") < number("orders") && number("carts") <= number("orders"), "{printed}");
    assert_eq!(number("logouts"), 0, "a store that does not answer logs nobody out: {printed}");
    assert_eq!(run["has_lost"], Value::Bool(true));
    let page = get(address, "/body");
    assert!(!page.contains("<b data-testid=\"failed-unstick\">0</b>") && page.contains("data-testid=\"failed-unstick\""), "{printed}");
    assert!(printed.contains("unstick: something was lost"), "{printed}");
    assert!(Command::new("kill").args(["-INT", &sale.0.id().to_string()]).status().unwrap().success());
    assert_eq!(sale.0.wait().unwrap().code(), Some(1));
}
