//! What counts as in flight, and what responses are told.

use std::{convert::Infallible, panic::AssertUnwindSafe, pin::pin, task::Poll};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, UPGRADE},
};
use http_body_util::{BodyExt, Empty};
use tower::{Layer, Service, ServiceExt, service_fn};
use unstick_affinity::drain::{DrainGuard, ResponseBody};
use unstick_core::{Pending, PendingGuard};

use crate::support::{Broken, Node, Stream, get, is_pending, settle, versioned};

async fn empty(_: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

#[tokio::test]
async fn a_request_counts_until_its_stream_ends() {
    let node = Node::new();
    let (sender, stream) = Stream::new();
    let mut response = Some(Ok::<_, Infallible>(Response::new(stream)));
    let service = node.drain.layer().layer(service_fn(move |_| std::future::ready(response.take().unwrap())));
    let mut body = service.oneshot(get("/events?user=4")).await.unwrap().into_body();
    assert_eq!(node.names(), ["GET /events"]);
    sender.send(Ok("one")).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    assert_eq!(node.drain.in_flight_count(), 1);
    drop(sender);
    assert!(body.frame().await.is_none());
    assert_eq!(node.drain.in_flight_count(), 0, "although the body is still there");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_failed_body_and_a_dropped_body_count_no_longer() {
    let node = Node::new();
    for fails in [true, false] {
        let (sender, stream) = Stream::new();
        let mut response = Some(Ok::<_, Infallible>(Response::new(stream)));
        let service = node.drain.layer().layer(service_fn(move |_| std::future::ready(response.take().unwrap())));
        let mut body = service.oneshot(get("/")).await.unwrap().into_body();
        assert_eq!(node.drain.in_flight_count(), 1);
        if fails {
            sender.send(Err(Broken)).unwrap();
            assert_eq!(body.frame().await.unwrap().unwrap_err(), Broken);
        } else {
            drop(body);
        }
        assert_eq!(node.drain.in_flight_count(), 0);
    }
}

#[tokio::test]
async fn failures_panics_and_cancelled_calls_count_no_longer() {
    let node = Node::new();
    let layer = node.drain.layer();
    let failing = layer.layer(service_fn(|_: Request<()>| async { Err::<Response<()>, _>(Broken) }));
    assert_eq!(failing.oneshot(get("/")).await.unwrap_err(), Broken);
    assert_eq!(node.drain.in_flight_count(), 0);

    let panicking = layer.layer(service_fn(|_: Request<()>| async { panic!("a handler's own") }));
    let call = tokio::spawn(panicking.oneshot(get("/")));
    let answer: Result<Result<Response<ResponseBody<()>>, Infallible>, _> = call.await;
    assert!(answer.unwrap_err().is_panic());
    assert_eq!(node.drain.in_flight_count(), 0);

    let mut early =
        layer.layer(service_fn(|_: Request<()>| -> std::future::Ready<Result<Response<()>, Infallible>> { panic!("in the call") }));
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| drop(early.call(get("/"))))).is_err());
    assert_eq!(node.drain.in_flight_count(), 0);

    let mut hanging = layer.layer(service_fn(|_: Request<()>| std::future::pending::<Result<Response<()>, Infallible>>()));
    let unpolled = hanging.call(get("/unpolled"));
    let mut polled = Box::pin(hanging.call(get("/polled")));
    assert!(is_pending(polled.as_mut()));
    assert_eq!(node.drain.in_flight_count(), 2);
    drop((unpolled, polled));
    assert_eq!(node.drain.in_flight_count(), 0);
}

#[tokio::test]
async fn no_gap_between_a_request_and_the_work_that_it_leaves_behind() {
    struct Leaves(Pending, tokio::sync::mpsc::UnboundedSender<(PendingGuard, usize)>, unstick_affinity::drain::Drain);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.1.send((self.0.enter(), self.2.in_flight_count())).unwrap();
        }
    }
    let node = Node::new();
    let (pending, (counts, mut seen)) = (Pending::default(), tokio::sync::mpsc::unbounded_channel());
    node.drain.wait_for(pending.clone());
    let (drain, work) = (node.drain.clone(), pending.clone());
    let mut service = node.drain.layer().layer(service_fn(move |_: Request<()>| {
        let leaves = Leaves(work.clone(), counts.clone(), drain.clone());
        async move {
            let _leaves = leaves;
            std::future::pending::<Result<Response<()>, Infallible>>().await
        }
    }));
    drop(service.call(get("/")));
    let (_work, in_flight) = seen.try_recv().unwrap();
    assert_eq!((in_flight, node.drain.in_flight_count(), node.drain.pending()), (1, 0, 1));
}

#[tokio::test]
async fn responses_of_http_1_close_their_connection_while_draining() {
    let node = Node::new();
    let service = node.drain.layer().layer(service_fn(empty));
    let answer = async |version| service.clone().oneshot(versioned("/", version)).await.unwrap();
    assert!(!answer(Version::HTTP_11).await.headers().contains_key(CONNECTION));
    // One that began before counts, too.
    let before = service.clone().oneshot(get("/"));
    node.drain.begin();
    assert_eq!(before.await.unwrap().headers()[CONNECTION], "close");
    for (version, closes) in [(Version::HTTP_10, true), (Version::HTTP_11, true), (Version::HTTP_2, false), (Version::HTTP_3, false)] {
        assert_eq!(answer(version).await.headers().contains_key(CONNECTION), closes, "{version:?}");
    }
}

#[tokio::test]
async fn an_upgrade_keeps_its_connection() {
    let node = Node::new();
    node.drain.begin();
    let upgrade = async |_: Request<()>| {
        let response =
            Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header(CONNECTION, "upgrade").header(UPGRADE, "websocket");
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    };
    let response = node.drain.layer().layer(service_fn(upgrade)).oneshot(get("/ws")).await.unwrap();
    assert_eq!(response.headers().get_all(CONNECTION).iter().collect::<Vec<_>>(), ["upgrade"]);
}

#[tokio::test]
async fn an_upgraded_connection_is_awaited_and_can_say_goodbye() {
    let node = Node::new();
    let (farewells, mut said) = tokio::sync::mpsc::unbounded_channel();
    let service = node.drain.layer().layer(service_fn(move |mut request: Request<()>| {
        let (guard, farewells) = (request.extensions_mut().remove::<DrainGuard>().unwrap(), farewells.clone());
        tokio::spawn(async move {
            guard.closing().await;
            farewells.send("going away").unwrap();
            drop(guard);
        });
        async { Ok::<_, Infallible>(Response::builder().status(101).body(Empty::<Bytes>::new()).unwrap()) }
    }));
    for request in [
        Request::get("/chat/7").header(CONNECTION, "upgrade").header(UPGRADE, "websocket"),
        Request::builder().method(Method::CONNECT).uri("/chat/8").version(Version::HTTP_2),
    ] {
        drop(service.clone().oneshot(request.body(()).unwrap()).await.unwrap());
    }
    assert_eq!(node.names(), ["GET /chat/…", "CONNECT /chat/…"]);
    node.drain.begin();
    node.pass(4).await;
    assert!(said.try_recv().is_err());
    node.pass(1).await;
    assert!(node.drain.finished().await.is_clean());
    assert_eq!((said.try_recv(), said.try_recv()), (Ok("going away"), Ok("going away")));
}

#[tokio::test]
async fn a_guard_that_nobody_takes_goes_with_the_response() {
    let node = Node::new();
    let request = Request::get("/").header(UPGRADE, "h2c").body(()).unwrap();
    let response = node.drain.layer().layer(service_fn(empty)).oneshot(request).await.unwrap();
    assert_eq!(node.drain.in_flight_count(), 1);
    drop(response);
    assert_eq!(node.drain.in_flight_count(), 0);
    let plain = service_fn(|request: Request<()>| async move {
        assert!(request.extensions().is_empty(), "an ordinary request costs no extension");
        Ok::<_, Infallible>(Response::new(()))
    });
    node.drain.layer().layer(plain).oneshot(get("/")).await.unwrap();
}

#[tokio::test]
async fn the_stuck_request_is_named_and_the_others_finish() {
    let node = Node::new();
    let (go, gone) = tokio::sync::watch::channel(false);
    let service = node.drain.layer().layer(service_fn(move |request: Request<()>| {
        let mut gone = gone.clone();
        async move {
            if request.uri().path().starts_with("/stuck") {
                std::future::pending::<()>().await;
            }
            gone.wait_for(|gone| *gone).await.unwrap();
            Ok::<_, Infallible>(Response::new(()))
        }
    }));
    let calls = ["/stuck/88412?secret=x", "/a", "/b"].map(|path| {
        let call = service.clone().oneshot(get(path));
        tokio::spawn(async move { drop(call.await) })
    });
    node.pass(3).await;
    node.drain.begin();
    node.pass(5).await;
    go.send(true).unwrap();
    settle().await;
    {
        let mut finished = pin!(node.drain.finished());
        assert!(is_pending(finished.as_mut()));
    }
    node.pass(20).await;
    let drained = node.drain.finished().await;
    let cut: Vec<_> = drained.cut.iter().map(|one| (one.name.as_str(), one.age.as_secs())).collect();
    assert_eq!((drained.finished, cut), (2, vec![("GET /stuck/…", 28)]));
    assert!(!node.log.mentions("secret") && !node.log.mentions("88412"));
    calls[0].abort();
    settle().await;
    assert_eq!(node.drain.finished().await, drained, "what is cut was cut, though it ends afterwards");
}

#[test]
fn size_and_end_of_a_body_are_the_inner_ones() {
    use http_body::Body;
    assert!(ResponseBody::<Empty<Bytes>>::default().is_end_stream());
    let node = Node::new();
    let full =
        service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(http_body_util::Full::new(Bytes::from("abc"))))));
    let mut call = pin!(node.drain.layer().layer(full).oneshot(get("/")));
    let Poll::Ready(Ok(response)) = call.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) else { panic!() };
    assert_eq!((response.body().size_hint().exact(), response.body().is_end_stream()), (Some(3), false));
}
