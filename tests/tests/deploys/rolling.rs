//! Each node in turn is drained and replaced under load, and no request fails.

use http::StatusCode;
use unstick_affinity::{Balancer, PinCookie};
use unstick_stories::{deploy::Kind, stores::Server};
use unstick_testkit::{
    require_server,
    servers::balancer::{Apache, Caddy, HaProxy, Health, Nginx},
};

use crate::{
    clients::Crowd,
    site::{Learns, Site, spec, until},
};

async fn nobody_notices(site: Option<Site>, learns: Learns) {
    let Some(mut site) = site else { return };
    site.assert_pins().await;
    let crowd = Crowd::start(site.balancer.address());
    crowd.settled().await;
    for at in 0..3 {
        let old = site.nodes[at].instance.clone();
        site.turn_away(at, &crowd.board, learns).await;
        let drained = site.close(at).await;
        assert!(drained.is_clean(), "{drained}");
        assert!(!crowd.board.latest().contains(&old), "a user whom it answered last");
        site.start_anew(at).await;
        let new = site.nodes[at].instance.clone();
        until("the new one serves", || crowd.board.by(&new) >= 5).await;
    }
    assert!(crowd.board.moves() > 0, "users were somewhere, and are somewhere else");
    let (board, balancer) = (crowd.board.clone(), site.balancer.log());
    let (succeeded, failures) = crowd.finish().await;
    assert!(failures.is_empty(), "of {succeeded}: {failures:?}\n{balancer}");
    for node in &site.nodes {
        let place = node.instance.split('.').next().unwrap();
        assert!(board.by(&format!("{place}.0")) > 0 && board.by(&node.instance) > 0 && !node.instance.ends_with(".0"));
    }
    site.assert_continuity();
}

fn haproxy() -> Balancer {
    Balancer::haproxy("SRV").unwrap()
}

const OUT: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// The application can do nothing about this pin: users move when the check has failed.
async fn haproxy_by_checks(kind: Kind) {
    let spec = spec(HaProxy::InsertIndirect).health(Health::new("/ready"));
    nobody_notices(Site::start(kind, haproxy(), OUT, spec).await, Learns::ByChecks(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_httpchk() {
    haproxy_by_checks(Kind::Axum).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_httpchk_before_plain_services() {
    haproxy_by_checks(Kind::Hyper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_httpchk_over_redis() {
    require_server!(Server::Redis.ready());
    let spec = spec(HaProxy::Insert).health(Health::new("/ready"));
    let (sessions, folder) = (Server::Redis.place(), tempfile::tempdir().unwrap());
    nobody_notices(Site::start_over(sessions, folder, Kind::Axum, haproxy(), OUT, spec).await, Learns::ByChecks(2)).await;
}

/// Nothing new comes after a 404, while pinned users stay: they move because the draining node takes their pin away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_soft_stop() {
    let spec = spec(HaProxy::InsertPreserve).health(Health::new("/ready").soft_stop_on_404());
    nobody_notices(Site::start(Kind::Axum, haproxy(), StatusCode::NOT_FOUND, spec).await, Learns::ByChecks(2)).await;
}

/// It asks nobody: a draining node's users move because it takes their pin away, and its kept connections are used up in its readiness window, since every
/// response closes one. After that requests are refused before they are sent, so that writes may go to another node, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_retries() {
    let spec = spec(Nginx::LuaCookie { path: "/".to_owned() }).retries();
    let site = Site::start(Kind::Axum, Balancer::of("nginx-lua", [PinCookie::new("route").unwrap()]), OUT, spec).await;
    nobody_notices(site, Learns::ByFailures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_hcheck() {
    let spec = spec(Apache::HeaderAdd).health(Health::new("/ready"));
    nobody_notices(Site::start(Kind::Axum, Balancer::apache("ROUTEID").unwrap(), OUT, spec).await, Learns::ByChecks(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_health_uri() {
    let spec = spec(Caddy::Cookie).health(Health::new("/ready")).retries();
    nobody_notices(Site::start(Kind::Axum, Balancer::caddy("lb").unwrap(), OUT, spec).await, Learns::ByChecks(1)).await;
}
