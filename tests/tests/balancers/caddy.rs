//! Caddy.

use unstick_testkit::servers::balancer::Caddy;

use crate::site::{Shop, assert_pinned, walk};

const PIN: &str = "lb";

/// The cookie is written before the application's lines. Newcomers are sent to a node at random, so that the spread is not even.
#[tokio::test]
async fn its_cookie_is_undone_by_the_layer() {
    assert_pinned(walk(&Shop::off(), Caddy::Cookie).await);
    let Some(spread) = walk(&Shop::on(PIN), Caddy::Cookie).await else { return };
    // That 60 choices at random among three all fall on one happens once in 10^28.
    assert!(spread.pinned == 0 && !spread.is_on_one(), "{spread:?}");
}

#[tokio::test]
async fn the_address_pins_whatever_is_sent() {
    for shop in [Shop::off(), Shop::on(PIN), Shop::on(PIN).renamed()] {
        assert_pinned(walk(&shop, Caddy::IpHash).await);
    }
}
