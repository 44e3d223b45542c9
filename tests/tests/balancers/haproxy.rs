//! HAProxy.

use unstick_affinity::{Balancer, report::Verdict};
use unstick_testkit::servers::balancer::HaProxy;

use crate::site::{Shop, assert_free, assert_named, assert_pinned, assert_told, walk};

fn told() -> Shop {
    Shop::behind([Balancer::haproxy("SRV").unwrap()])
}

/// Where the application is not told of what it cannot see.
fn untold() -> Shop {
    Shop::behind([])
}

/// With `preserve` it lets the layer's line through and adds none of its own; without, it takes the line away.
#[tokio::test]
async fn insert_with_preserve_is_undone_by_the_layer() {
    for stick in [HaProxy::InsertPreserve, HaProxy::InsertPreserveDomain("shop.test".to_owned())] {
        assert_pinned(walk(&Shop::off(), stick.clone()).await);
        let shop = told();
        let Some(spread) = walk(&shop, stick).await else { return };
        assert_free(Some(spread));
        assert_told(&shop, "haproxy", Verdict::NotSeen);
    }
}

#[tokio::test]
async fn insert_without_preserve_is_not() {
    for (stick, verdict) in [(HaProxy::Insert, Verdict::NoEffect), (HaProxy::InsertIndirect, Verdict::Hidden)] {
        assert_pinned(walk(&Shop::off(), stick.clone()).await);
        let shop = told();
        let Some(spread) = walk(&shop, stick).await else { return };
        assert_pinned(Some(spread));
        assert_named(&shop, "haproxy", Some(verdict));
    }
}

#[tokio::test]
async fn what_goes_by_the_session_ends_when_its_cookie_has_another_name() {
    for stick in [HaProxy::Rewrite, HaProxy::Prefix, HaProxy::StickTable] {
        assert_pinned(walk(&Shop::off(), stick.clone()).await);
        let shop = untold();
        let Some(spread) = walk(&shop, stick.clone()).await else { return };
        assert_pinned(Some(spread));
        assert_named(&shop, "haproxy-session-cookie", None);
        assert_free(walk(&untold().renamed(), stick).await);
    }
}

#[tokio::test]
async fn the_address_pins_whatever_is_sent() {
    assert_pinned(walk(&Shop::off(), HaProxy::Source).await);
    for shop in [untold(), told(), told().renamed()] {
        let Some(spread) = walk(&shop, HaProxy::Source).await else { return };
        assert_pinned(Some(spread));
        assert_named(&shop, "haproxy-address", None);
    }
}
