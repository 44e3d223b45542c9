//! Which requests invalidate what, and what their responses say.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode, request::Parts};
use tower::{Layer, Service, ServiceExt, service_fn};
use unstick_cache::{
    Confirmation, Invalidated, Namespace,
    layers::{Invalidates, InvalidationLayer, Invalidations, Outcome},
};

use crate::support::Seen;

fn shop() -> (Namespace, Seen) {
    let shop = Namespace::local("shop").unwrap();
    let seen = Seen::by(&shop);
    (shop, seen)
}

/// The tag of the path, for all requests that come that far.
fn by_path(shop: &Namespace) -> InvalidationLayer {
    let tags = shop.clone();
    InvalidationLayer::new(shop).targets(move |parts: &Parts| [tags.tag(parts.uri.path())])
}

async fn ask(
    layer: &InvalidationLayer,
    method: Method,
    status: u16,
    handler: impl Fn(&Request<()>, &mut Response<()>) + Clone,
) -> Response<()> {
    let service = layer.layer(service_fn(move |request: Request<()>| {
        let handler = handler.clone();
        async move {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            handler(&request, &mut response);
            Ok::<_, Infallible>(response)
        }
    }));
    let request = Request::builder().method(method).uri("/carts").body(()).unwrap();
    service.oneshot(request).await.unwrap()
}

fn says_nothing(_: &Request<()>, _: &mut Response<()>) {}

#[tokio::test]
async fn method_and_status_decide_on_what_the_function_names() {
    let (shop, seen) = shop();
    let layer = by_path(&shop);
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        let response = ask(&layer, method.clone(), 200, says_nothing).await;
        assert!(seen.take().is_empty() && response.extensions().get::<Invalidated>().is_none(), "{method}");
    }
    let unsafe_ones = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::CONNECT, Method::from_bytes(b"MOVE").unwrap()];
    for method in unsafe_ones {
        for status in [200, 201, 204, 301, 303, 101, 500, 503, 408] {
            let response = ask(&layer, method.clone(), status, says_nothing).await;
            assert_eq!(seen.take(), ["#/carts"], "{method} {status}");
            assert_eq!(response.status(), status, "as it was");
            let told = response.extensions().get::<Invalidated>().expect("told");
            assert_eq!((told.level, told.bus), (Confirmation::Absent, Confirmation::Absent));
        }
        for status in [400, 403, 404, 409, 412, 429] {
            let response = ask(&layer, method.clone(), status, says_nothing).await;
            assert!(seen.take().is_empty() && response.extensions().get::<Invalidated>().is_none(), "{method} {status}");
        }
    }
}

#[tokio::test]
async fn what_the_handler_names_counts_whatever_it_answers_and_leaves_no_trace() {
    let (shop, seen) = shop();
    let layer = InvalidationLayer::new(&shop);
    let tag = shop.tag("by-response");
    let handler = move |request: &Request<()>, response: &mut Response<()>| {
        let invalidations = request.extensions().get::<Invalidations>().unwrap();
        invalidations.add_tag("by-request");
        invalidations.clone().add_tag("by-request");
        response.extensions_mut().insert(Invalidates::new([tag.clone()]));
    };
    for method in [Method::GET, Method::POST] {
        for status in [200, 302, 404, 500] {
            let response = ask(&layer, method.clone(), status, handler.clone()).await;
            assert_eq!(seen.take(), ["#by-request", "#by-response"], "{method} {status}");
            assert!(response.extensions().get::<Invalidates>().is_none() && response.extensions().get::<Invalidated>().is_some());
        }
    }
}

#[tokio::test]
async fn the_line_can_be_drawn_elsewhere() {
    let (shop, seen) = shop();
    let layer = by_path(&shop).on_status(|status| match status.as_u16() {
        409 => Outcome::Changed,
        503 => Outcome::Unchanged,
        _ => Outcome::of(status),
    });
    for (status, expected) in [(409, 1), (503, 0), (404, 0), (200, 1)] {
        ask(&layer, Method::PUT, status, says_nothing).await;
        assert_eq!(seen.take().len(), expected, "{status}");
    }
}

#[tokio::test]
async fn everything_and_keys_can_be_named() {
    let (shop, seen) = shop();
    let carts = shop.cache::<u64, &str>("carts").build().unwrap();
    let (seven, eight) = (carts.target(&7), carts.target(&8));
    let layer = InvalidationLayer::new(&shop).targets(move |_: &Parts| vec![seven.clone(), eight.clone(), seven.clone()]);
    ask(&layer, Method::PUT, 200, says_nothing).await;
    assert_eq!(seen.take(), ["carts:7", "carts:8"], "once each");
    let everything = |_: &Request<()>, response: &mut Response<()>| {
        response.extensions_mut().insert(Invalidates::new([unstick_core::Target::All]));
    };
    ask(&layer, Method::PUT, 200, everything).await;
    assert_eq!(seen.take(), ["*"]);
}

#[tokio::test]
async fn an_error_of_the_inner_service_goes_through_after_the_invalidation() {
    let (shop, seen) = shop();
    let service = by_path(&shop).layer(service_fn(|_: Request<()>| async { Err::<Response<()>, _>("broken pipe") }));
    let put = Request::put("/carts").body(()).unwrap();
    assert_eq!(service.clone().oneshot(put).await.unwrap_err(), "broken pipe");
    assert_eq!(seen.take(), ["#/carts"]);
    service.oneshot(Request::get("/carts").body(()).unwrap()).await.unwrap_err();
    assert!(seen.take().is_empty());
}

#[tokio::test]
async fn what_is_added_after_the_response_is_invalidated_at_once() {
    let (shop, seen) = shop();
    let (sender, mut kept) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |request: &Request<()>, _: &mut Response<()>| {
        sender.send(request.extensions().get::<Invalidations>().unwrap().clone()).unwrap();
    };
    ask(&InvalidationLayer::new(&shop), Method::GET, 200, handler).await;
    assert!(seen.take().is_empty());
    let invalidations = kept.recv().await.unwrap();
    invalidations.add_tag("late");
    crate::support::until(|| seen.all() == ["#late"]).await;
}

#[tokio::test]
async fn a_hook_that_panics_does_not_touch_the_response() {
    let (shop, _) = shop();
    shop.on_invalidate(|_| panic!("a hook's own mistake"));
    let seen = Seen::by(&shop);
    let response = ask(&by_path(&shop), Method::PUT, 200, says_nothing).await;
    assert_eq!((response.status(), seen.all().len()), (StatusCode::OK, 1), "the next hook is told");
}

/// A service that is ready when told to.
#[derive(Debug, Clone)]
struct Gated(bool);

impl Service<Request<()>> for Gated {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        if self.0 { Poll::Ready(Err("closed")) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[test]
fn readiness_is_that_of_the_inner_service() {
    let (shop, _) = shop();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let layer = InvalidationLayer::new(&shop);
    assert_eq!(layer.layer(Gated(false)).poll_ready(&mut cx), Poll::Pending);
    assert_eq!(layer.layer(Gated(true)).poll_ready(&mut cx), Poll::Ready(Err("closed")));
}
