//! Caddy.

use unstick_affinity::{Balancer, report::Verdict};
use unstick_testkit::servers::balancer::Caddy;

use crate::site::{Shop, assert_named, assert_pinned, assert_told, walk};

fn told() -> Shop {
    Shop::behind([Balancer::caddy("lb").unwrap()])
}

/// The cookie is written before the application's lines. Newcomers are sent to a node at random, so that the spread is not even.
#[tokio::test]
async fn its_cookie_is_undone_by_the_layer() {
    assert_pinned(walk(&Shop::off(), Caddy::Cookie).await);
    let shop = told();
    let Some(spread) = walk(&shop, Caddy::Cookie).await else { return };
    // That 60 choices at random among three all fall on one happens once in 10^28.
    assert!(spread.pinned == 0 && !spread.is_on_one(), "{spread:?}");
    assert_told(&shop, "caddy", Verdict::NotSeen);
}

#[tokio::test]
async fn the_address_pins_whatever_is_sent() {
    assert_pinned(walk(&Shop::off(), Caddy::IpHash).await);
    for shop in [Shop::behind([]), told(), told().renamed()] {
        let Some(spread) = walk(&shop, Caddy::IpHash).await else { return };
        assert_pinned(Some(spread));
        assert_named(&shop, "caddy-address", None);
    }
}
