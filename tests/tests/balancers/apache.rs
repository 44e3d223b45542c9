//! Apache's `mod_proxy_balancer`.

use unstick_affinity::{Balancer, report::Verdict};
use unstick_testkit::{client::Spread, servers::balancer::Apache};

use crate::site::{REQUESTS, Shop, assert_free, assert_named, assert_pinned, assert_told, walk, walks};

fn told() -> Shop {
    Shop::behind([Balancer::apache("ROUTEID").unwrap()])
}

/// The cookie is written after the application's lines: it goes with the next response, so that every second request is pinned.
#[tokio::test]
async fn its_cookie_lives_for_one_request() {
    // `Header set` takes the application's own lines away, and with them what the layer wants to remember: half of the answers look as if the deletion did
    // not arrive.
    for (stick, verdict) in [(Apache::HeaderAdd, Verdict::EverySecondRequest), (Apache::HeaderSet, Verdict::Partly)] {
        assert_pinned(walk(&Shop::off(), stick.clone()).await);
        let Some(alone) = walk(&told(), stick.clone()).await else { return };
        // Pinned requests count as turns of their nodes, so that one client alone may see two of three.
        assert!(alone.longest_run <= 2 && alone.pinned == REQUESTS / 2 && !alone.is_on_one(), "{alone:?}");
        // Together they are spread over all. (Were it three in turns, each would see one node always, as behind any round robin.)
        let shop = told();
        let Some(spreads) = walks(&shop, stick, 5).await else { return };
        for spread in &spreads {
            assert!(spread.pinned == REQUESTS / 2 && !spread.is_on_one(), "{spread:?}");
        }
        let all = spreads.iter().fold(Spread::default(), |all, spread| all.and(spread));
        assert!(all.is_even(3, 3), "{all:?}");
        assert_told(&shop, "apache", verdict);
    }
}

/// As with servlet containers: the pin is a part of the session's id, which the application leaves out.
#[tokio::test]
async fn a_route_in_the_session_ends_when_it_is_left_out() {
    for shop in [Shop::off(), Shop::behind([])] {
        let suffixed = shop.clone().with_suffix();
        let Some(spread) = walk(&suffixed, Apache::SessionSuffix).await else { return };
        assert_pinned(Some(spread));
        if shop.is_on() {
            assert_named(&suffixed, "apache-session-cookie", None);
        }
        assert_free(walk(&shop, Apache::SessionSuffix).await);
        assert_free(walk(&shop.with_suffix().renamed(), Apache::SessionSuffix).await);
    }
}
