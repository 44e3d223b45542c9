//! What balancers are told.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::{StatusCode, header::CACHE_CONTROL};
use http_body_util::BodyExt;
use tower::ServiceExt;
use unstick_affinity::drain::Readiness;

use crate::support::{Node, get};

async fn ask(readiness: &Readiness) -> (u16, String) {
    let response = readiness.clone().oneshot(get("/ready")).await.unwrap();
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let status = response.status().as_u16();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn fails_from_the_begin_to_the_end() {
    let node = Node::new();
    let readiness = node.drain.readiness();
    assert_eq!(ask(&readiness).await, (200, "ready".to_owned()));
    node.drain.begin();
    for seconds in [0, 5, 20] {
        node.pass(seconds).await;
        assert_eq!(ask(&readiness).await, (503, "draining".to_owned()));
    }
}

#[tokio::test]
async fn the_status_of_draining_is_not_that_of_a_failed_check() {
    let node = Node::with(|builder| builder.not_ready_status(StatusCode::NOT_FOUND));
    let (warm, reachable) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let (is_warm, is_reachable) = (warm.clone(), reachable.clone());
    let readiness = node.drain.readiness().and(move || is_warm.load(Ordering::Relaxed)).and(move || is_reachable.load(Ordering::Relaxed));
    assert_eq!(ask(&readiness).await.0, 200);
    for check in [&warm, &reachable] {
        check.store(false, Ordering::Relaxed);
        assert_eq!(ask(&readiness).await, (503, "unavailable".to_owned()), "404 would have HAProxy keep the pinned clients here");
        check.store(true, Ordering::Relaxed);
    }
    node.drain.begin();
    assert_eq!(ask(&readiness).await, (404, "draining".to_owned()));
}
