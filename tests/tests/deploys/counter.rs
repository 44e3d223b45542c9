//! What happens without: the same load sees failures, so that it would see them where there must be none.

use std::time::Duration;

use http::StatusCode;
use unstick_affinity::Balancer;
use unstick_stories::deploy::Kind;
use unstick_testkit::servers::balancer::{BalancerSpec, HaProxy, Health};

use crate::{
    clients::Crowd,
    site::{Site, spec, until},
};

async fn start(spec: BalancerSpec) -> Option<(Site, Crowd)> {
    let site = Site::start(Kind::Axum, Balancer::haproxy("SRV").unwrap(), StatusCode::SERVICE_UNAVAILABLE, spec).await?;
    site.assert_pins().await;
    let crowd = Crowd::start(site.balancer.address());
    crowd.settled().await;
    until("it serves", || crowd.board.by(&site.nodes[0].instance) > 0).await;
    Some((site, crowd))
}

/// Users have noticed before the new node is there.
async fn is_noticed(mut site: Site, crowd: Crowd) {
    until("a request fails", || crowd.failed() > 0).await;
    site.start_anew(0).await;
    until("the new one serves", || crowd.board.by(&site.nodes[0].instance) >= 5).await;
    let (_, failures) = crowd.finish().await;
    assert!(failures.iter().any(|failure| failure.contains(" 502 ") || failure.contains(" 503 ")), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_just_stop_are_noticed() {
    let Some((mut site, crowd)) = start(spec(HaProxy::InsertIndirect)).await else { return };
    site.nodes[0].abort().await;
    is_noticed(site, crowd).await;
}

/// Between the close and the second check that fails, some seconds here, requests go to a node that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_without_its_readiness_window_is_noticed() {
    let health = Health::new("/ready").interval(Duration::from_secs(2));
    let Some((mut site, crowd)) = start(spec(HaProxy::InsertIndirect).health(health)).await else { return };
    site.nodes[0].drain.close_now();
    assert!(site.nodes[0].drained().await.is_clean(), "nothing that had arrived was lost");
    is_noticed(site, crowd).await;
}
