//! A draining node lets its pinned clients go, whatever the switch says.

use std::convert::Infallible;

use bytes::Bytes;
use http::{
    Request, Response,
    header::{COOKIE, SET_COOKIE},
};
use http_body_util::Empty;
use tower::{Layer, ServiceExt, service_fn};
use unstick_affinity::{AffinityLayer, Balancer, Percent};

use crate::support::Node;

/// The `Set-Cookie` lines of an answer to a client that is pinned by HAProxy.
async fn lines(layer: &AffinityLayer) -> usize {
    let service = layer.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }));
    let request = Request::get("/").header(COOKIE, "SRV=n1").body(()).unwrap();
    service.oneshot(request).await.unwrap().headers().get_all(SET_COOKIE).iter().count()
}

#[tokio::test]
async fn pins_are_ended_while_a_drain_goes_on_though_the_switch_is_off() {
    for by_percent in [false, true] {
        let node = Node::new();
        let builder = AffinityLayer::builder().without_sessions().behind(Balancer::haproxy("SRV").unwrap()).drain(&node.drain);
        let layer = if by_percent { builder.switch(Percent::of_clients(0)) } else { builder.switch(false) }.build().unwrap();
        assert_eq!((lines(&layer).await, layer.report().requests), (0, 0));
        node.drain.begin();
        assert!(lines(&layer).await > 1);
        assert_eq!((layer.report().requests, layer.report().pinned), (1, 1));
        node.pass(5).await;
        assert!(lines(&layer).await > 1, "those that were under way when the listener closed");
    }
}
