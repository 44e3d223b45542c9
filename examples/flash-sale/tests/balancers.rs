//! Behind real balancers that pin: clients are pinned at first, and un-pinning is switched on while they shop.

mod common;

use common::Sale;
use unstick_testkit::{require_server, servers};

/// `nodes_see_it`: whether the balancer leaves its cookie in requests.
fn behind(product: &str, nodes_see_it: bool) {
    let args = ["--balancer", product, "--nodes", "3,6,9", "--shoppers", "150", "--seconds", "12", "--modes", "sticky,unstick"];
    let sale = Sale::hold(&args);
    sale.assert_nothing_lost();
    sale.assert_even();
    sale.assert_new_nodes_idle("sticky");
    assert!(sale.number("sticky", "logouts") > 0.0 && sale.number("sticky", "carts_lost") > 0.0, "{}", sale.printed);

    let pinned = |mode: &str| {
        let seconds = sale.run(mode)["seconds"].as_array().unwrap();
        seconds.iter().filter_map(|second| second["pinned_percent"].as_f64()).collect::<Vec<_>>()
    };
    let (sticky, unstick) = (pinned("sticky"), pinned("unstick"));
    assert!(*sticky.last().unwrap() > 90.0, "who is pinned stays so: {sticky:?}");
    // A balancer that answers for a node that was killed pins with its own answer, and that pin ends with the next one.
    let is_gone = |percent: f64| percent < 5.0;
    assert!(unstick.iter().any(|percent| *percent > 10.0) && is_gone(*unstick.last().unwrap()), "{unstick:?}");

    // The nodes' own reports say the same, as far as they can.
    let unpinned = &sale.run("unstick")["unpinned"];
    let asked = unpinned["asked"].as_array().unwrap();
    let share = |asked: Option<&serde_json::Value>| asked.unwrap()["pinned_percent"].as_f64().unwrap();
    let sum = &unpinned["sum"];
    assert!(sum["told"].as_u64().unwrap() > 0, "{unpinned}");
    if nodes_see_it {
        assert!(share(asked.first()) > 10.0 && is_gone(share(asked.last())), "{unpinned}");
        assert!(sum["pinned"].as_u64().unwrap() > 0 && sum["gone"].as_u64().unwrap() > 0, "{unpinned}");
    }
    assert_eq!(sum["kept"], 0, "{unpinned}");
    assert!(sum["again"].as_f64().unwrap() <= sale.number("unstick", "failed"), "{unpinned}");
}

#[test]
fn haproxy() {
    require_server!(servers::missing("haproxy").map_or(Ok(()), Err));
    behind("haproxy", false);
}

#[test]
fn nginx() {
    use servers::balancer::{BalancerSpec, Nginx};
    // Only to know that the program and its Lua module are there.
    let nobody = [std::net::SocketAddr::from(([127, 0, 0, 1], 1))];
    drop(require_server!(BalancerSpec::new(nobody, Nginx::LuaCookie { path: "/".to_owned() }).start()));
    behind("nginx", true);
}
