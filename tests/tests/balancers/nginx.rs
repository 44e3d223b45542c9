//! nginx 1.22.

use unstick_affinity::PinCookie;
use unstick_testkit::servers::balancer::Nginx;

use crate::site::{REQUESTS, Shop, assert_free, assert_pinned, walk};

const PIN: &str = "route";

/// The cookie is written before the application's lines, which come last and win.
#[tokio::test]
async fn a_cookie_in_the_phase_of_ingress_nginx_is_undone_by_the_layer() {
    let stick = Nginx::LuaCookie { path: "/".to_owned() };
    assert_pinned(walk(&Shop::off(), stick.clone()).await);
    assert_free(walk(&Shop::on(PIN), stick).await);
}

#[tokio::test]
async fn so_it_is_below_a_path_that_the_layer_is_told() {
    let stick = Nginx::LuaCookie { path: "/shop".to_owned() };
    assert_pinned(walk(&Shop::off().below("/shop/cart"), stick.clone()).await);
    let told = Shop::expiring(PinCookie::new(PIN).unwrap().path("/shop").unwrap());
    assert_free(walk(&told.below("/shop/cart"), stick).await);
}

#[tokio::test]
async fn the_address_pins_whatever_is_sent() {
    for shop in [Shop::off(), Shop::on(PIN), Shop::on(PIN).renamed()] {
        assert_pinned(walk(&shop, Nginx::IpHash).await);
    }
}

/// The first request has no session yet.
#[tokio::test]
async fn a_hash_of_the_session_ends_when_its_cookie_has_another_name() {
    for shop in [Shop::off(), Shop::on(PIN)] {
        let Some(spread) = walk(&shop, Nginx::HashSession).await else { return };
        assert!(spread.longest_run >= REQUESTS - 1, "{spread:?}");
    }
    assert_free(walk(&Shop::on(PIN).renamed(), Nginx::HashSession).await);
}
