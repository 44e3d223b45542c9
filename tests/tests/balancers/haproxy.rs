//! HAProxy.

use unstick_testkit::servers::balancer::HaProxy;

use crate::site::{Shop, assert_free, assert_pinned, walk};

const PIN: &str = "SRV";

/// With `preserve` it lets the layer's line through and adds none of its own; without, it takes the line away.
#[tokio::test]
async fn insert_with_preserve_is_undone_by_the_layer() {
    for stick in [HaProxy::InsertPreserve, HaProxy::InsertPreserveDomain("shop.test".to_owned())] {
        assert_pinned(walk(&Shop::off(), stick.clone()).await);
        assert_free(walk(&Shop::on(PIN), stick).await);
    }
}

#[tokio::test]
async fn insert_without_preserve_is_not() {
    for stick in [HaProxy::Insert, HaProxy::InsertIndirect] {
        assert_pinned(walk(&Shop::off(), stick.clone()).await);
        assert_pinned(walk(&Shop::on(PIN), stick).await);
    }
}

#[tokio::test]
async fn what_goes_by_the_session_ends_when_its_cookie_has_another_name() {
    for stick in [HaProxy::Rewrite, HaProxy::Prefix, HaProxy::StickTable] {
        assert_pinned(walk(&Shop::off(), stick.clone()).await);
        assert_pinned(walk(&Shop::on(PIN), stick.clone()).await);
        assert_free(walk(&Shop::on(PIN).renamed(), stick).await);
    }
}

#[tokio::test]
async fn the_address_pins_whatever_is_sent() {
    for shop in [Shop::off(), Shop::on(PIN), Shop::on(PIN).renamed()] {
        assert_pinned(walk(&shop, HaProxy::Source).await);
    }
}
