//! nginx 1.22.

use unstick_affinity::{Balancer, PinCookie, report::Verdict};
use unstick_testkit::servers::balancer::Nginx;

use crate::site::{REQUESTS, Shop, assert_free, assert_named, assert_pinned, assert_told, walk};

fn told(path: &str) -> Shop {
    Shop::behind([Balancer::of("nginx-lua", [PinCookie::new("route").unwrap().path(path).unwrap()])])
}

/// Where the application is not told of what it cannot see.
fn untold() -> Shop {
    Shop::behind([])
}

/// The cookie is written before the application's lines, which come last and win.
#[tokio::test]
async fn a_cookie_in_the_phase_of_ingress_nginx_is_undone_by_the_layer() {
    let stick = Nginx::LuaCookie { path: "/".to_owned() };
    assert_pinned(walk(&Shop::off(), stick.clone()).await);
    let shop = told("/");
    let Some(spread) = walk(&shop, stick).await else { return };
    assert_free(Some(spread));
    assert_told(&shop, "nginx-lua", Verdict::NotSeen);
}

#[tokio::test]
async fn so_it_is_below_a_path_that_the_layer_is_told() {
    let stick = Nginx::LuaCookie { path: "/shop".to_owned() };
    assert_pinned(walk(&Shop::off().below("/shop/cart"), stick.clone()).await);
    assert_free(walk(&told("/shop").below("/shop/cart"), stick).await);
}

#[tokio::test]
async fn the_address_pins_whatever_is_sent() {
    assert_pinned(walk(&Shop::off(), Nginx::IpHash).await);
    for shop in [untold(), told("/"), told("/").renamed()] {
        let Some(spread) = walk(&shop, Nginx::IpHash).await else { return };
        assert_pinned(Some(spread));
        assert_named(&shop, "nginx-address", None);
    }
}

/// The first request has no session yet.
#[tokio::test]
async fn a_hash_of_the_session_ends_when_its_cookie_has_another_name() {
    let shop = untold();
    for shop in [&Shop::off(), &shop] {
        let Some(spread) = walk(shop, Nginx::HashSession).await else { return };
        assert!(spread.longest_run >= REQUESTS - 1, "{spread:?}");
    }
    assert_named(&shop, "nginx-session-cookie", None);
    assert_free(walk(&untold().renamed(), Nginx::HashSession).await);
}
