//! Requests of which nobody knows what became: panics, clients that hang up, 5xx.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use http::{Request, Response, StatusCode, request::Parts};
use tower::{Layer, Service, ServiceExt, service_fn};
use unstick_cache::{
    Namespace,
    layers::{InvalidationLayer, Invalidations},
};
use unstick_testkit::sim::{Gate, Sim};

use crate::support::{Seen, until};

const SETTLE: Duration = Duration::from_secs(5);

/// Repeats nothing.
fn by_path(shop: &Namespace) -> InvalidationLayer {
    let tags = shop.clone();
    InvalidationLayer::new(shop).targets(move |parts: &Parts| [tags.tag(parts.uri.path())]).settle(Duration::ZERO)
}

fn put(path: &str) -> Request<()> {
    Request::put(path).body(()).unwrap()
}

fn answering(status: StatusCode) -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone {
    service_fn(move |_: Request<()>| async move {
        let mut response = Response::new(());
        *response.status_mut() = status;
        Ok(response)
    })
}

/// What the handler names, and then never answers.
fn hanging() -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone {
    service_fn(|request: Request<()>| async move {
        request.extensions().get::<Invalidations>().unwrap().add_tag("named");
        std::future::pending().await
    })
}

#[tokio::test]
async fn a_panic_invalidates_in_the_background() {
    let shop = Namespace::local("shop").unwrap();
    let seen = Seen::by(&shop);
    let service = by_path(&shop).layer(service_fn(|request: Request<()>| async move {
        request.extensions().get::<Invalidations>().unwrap().add_tag("named");
        assert!(request.uri().path().is_empty(), "a defect");
        Ok::<_, Infallible>(Response::new(()))
    }));
    AssertUnwindSafe(service.oneshot(put("/carts"))).catch_unwind().await.unwrap_err();
    until(|| seen.all() == ["#/carts", "#named"]).await;

    // before there is a future
    let mut service = by_path(&shop).layer(service_fn(|request: Request<()>| -> std::future::Ready<Result<Response<()>, Infallible>> {
        assert!(request.uri().path().is_empty(), "a defect");
        std::future::ready(Ok(Response::new(())))
    }));
    seen.take();
    std::panic::catch_unwind(AssertUnwindSafe(|| service.call(put("/orders")))).unwrap_err();
    until(|| seen.all() == ["#/orders"]).await;
}

#[tokio::test]
async fn who_hangs_up_midway_has_maybe_changed_something() {
    let shop = Namespace::local("shop").unwrap();
    let seen = Seen::by(&shop);
    let mut service = by_path(&shop).layer(hanging());
    let answer = Box::pin(service.call(put("/carts")));
    assert!(answer.now_or_never().is_none(), "which also drops it");
    until(|| seen.all() == ["#/carts", "#named"]).await;

    seen.take();
    drop(service.call(put("/orders")));
    until(|| seen.all() == ["#/orders"]).await;

    seen.take();
    let read = Box::pin(service.call(Request::get("/carts").body(()).unwrap()));
    assert!(read.now_or_never().is_none());
    until(|| seen.all() == ["#named"]).await;
}

/// A process that ends in order waits for what is pending: there is no moment at which the request is over and this not counted.
#[tokio::test]
async fn what_is_left_to_the_background_is_pending_at_once() {
    let shop = Namespace::local("shop").unwrap();
    let seen = Seen::by(&shop);
    drop(by_path(&shop).layer(hanging()).call(put("/carts")));
    assert_eq!((shop.pending().count(), seen.all().len()), (1, 0));
    shop.pending().idle().await;
    assert_eq!(seen.take(), ["#/carts"]);

    let (told, mut telling) = tokio::sync::mpsc::unbounded_channel();
    let handing_out = service_fn(move |request: Request<()>| {
        told.send(request.extensions().get::<Invalidations>().unwrap().clone()).unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    });
    by_path(&shop).layer(handing_out).oneshot(put("/carts")).await.unwrap();
    telling.recv().await.unwrap().add_tag("late");
    assert_eq!(shop.pending().count(), 1);
    shop.pending().idle().await;
    assert_eq!(seen.all(), ["#/carts", "#late"]);
}

#[test]
fn what_is_to_be_repeated_is_pending_until_it_is() {
    let sim = Sim::new(7);
    let at = sim.handle();
    sim.run(async {
        let shop = Namespace::builder("shop").runtime(at.runtime()).build().await.unwrap();
        let seen = Seen::by(&shop);
        let service = by_path(&shop).settle(SETTLE).layer(answering(StatusCode::INTERNAL_SERVER_ERROR));
        for times in [2, 4] {
            service.clone().oneshot(put("/carts")).await.unwrap();
            assert_eq!(shop.pending().count(), 1);
            shop.pending().idle().await;
            assert_eq!(seen.all().len(), times);
        }
        at.sleep(SETTLE * 10).await;
        assert_eq!((seen.all().len(), shop.pending().count()), (4, 0));
    });
}

#[test]
fn an_unknown_outcome_is_invalidated_again_later_and_a_known_one_is_not() {
    for (status, times) in [(200, 1), (404, 0), (500, 2), (408, 2)] {
        let sim = Sim::new(7);
        let at = sim.handle();
        sim.run(async {
            let shop = Namespace::builder("shop").runtime(at.runtime()).build().await.unwrap();
            let seen = Seen::by(&shop);
            let service = by_path(&shop).settle(SETTLE).layer(answering(StatusCode::from_u16(status).unwrap()));
            service.oneshot(put("/carts")).await.unwrap();
            assert_eq!(seen.all().len(), times.min(1), "{status}, before the response");
            at.sleep(SETTLE - Duration::from_millis(1)).await;
            assert_eq!(seen.all().len(), times.min(1), "{status}, not yet");
            at.sleep(SETTLE * 10).await;
            assert_eq!(seen.all().len(), times, "{status}");
        });
    }
}

#[test]
fn a_commit_that_overtakes_nobody_is_still_seen() {
    let sim = Sim::new(11);
    let at = sim.handle();
    sim.run(async {
        let shop = Namespace::builder("shop").runtime(at.runtime()).clamp(SETTLE * 100).build().await.unwrap();
        let carts = shop.cache::<u64, bool>("carts").ttl(SETTLE * 100).tags(|_, _| vec!["/carts".to_owned()]).build().unwrap();
        let committed = Arc::new(AtomicBool::new(false));
        let read = {
            let (carts, committed) = (carts.clone(), committed.clone());
            async move || {
                let committed = committed.clone();
                carts.get_or_load(7, || async move { Ok::<_, Infallible>(committed.load(Ordering::SeqCst)) }).await.unwrap()
            }
        };
        // the client goes away while the database commits
        let mut service = by_path(&shop).settle(SETTLE).layer(hanging());
        assert!(Box::pin(service.call(put("/carts"))).now_or_never().is_none());
        at.sleep(Duration::from_millis(10)).await;
        assert!(!read().await, "read after the invalidation, before the commit");
        committed.store(true, Ordering::SeqCst);
        assert!(!read().await, "an old value, then");
        at.sleep(SETTLE * 2).await;
        assert!(read().await, "but not for long");
    });
}

#[test]
fn repeating_stops_and_starts_again_and_can_be_off() {
    let sim = Sim::new(13);
    let at = sim.handle();
    sim.run(async {
        let shop = Namespace::builder("shop").runtime(at.runtime()).build().await.unwrap();
        let seen = Seen::by(&shop);
        let layer = by_path(&shop).settle(SETTLE);
        for round in 0..3 {
            for _ in 0..50 {
                layer.layer(answering(StatusCode::BAD_GATEWAY)).oneshot(put("/carts")).await.unwrap();
            }
            assert_eq!(seen.take().len(), 50, "{round}");
            at.sleep(SETTLE * 10).await;
            assert_eq!(seen.take(), ["#/carts"], "{round}: once for all of them, and all routes of the layer");
        }
        by_path(&shop).layer(answering(StatusCode::BAD_GATEWAY)).oneshot(put("/carts")).await.unwrap();
        at.sleep(SETTLE * 10).await;
        assert_eq!(seen.take().len(), 1);
    });
}

#[test]
fn what_ends_where_no_task_can_run_keeps_nothing_from_being_repeated_later() {
    let shop = Namespace::local("shop").unwrap();
    let seen = Seen::by(&shop);
    let layer = by_path(&shop).settle(Duration::from_millis(1));
    drop(layer.layer(hanging()).call(put("/orders")));
    assert!(seen.all().is_empty(), "there is no runtime");
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        layer.layer(answering(StatusCode::BAD_GATEWAY)).oneshot(put("/carts")).await.unwrap();
        until(|| seen.all().iter().filter(|what| *what == "#/carts").count() == 2).await;
    });
    assert!(seen.all().contains(&"#/orders".to_owned()), "nor was it forgotten");
}

#[test]
fn a_client_that_hangs_up_during_the_invalidation_stops_nothing() {
    let sim = Sim::new(17);
    let at = sim.handle();
    sim.run(async {
        let hub = unstick_memory::MemoryHub::new();
        let [here, there] = [at.runtime(), at.runtime()].map(|runtime| Namespace::builder("shop").bus(hub.bus(&runtime)).runtime(runtime));
        let (here, there) = (here.build().await.unwrap(), there.build().await.unwrap());
        let seen = Seen::by(&there);
        let gate = Gate::default();
        let opened = gate.clone();
        let mut service = by_path(&here).layer(service_fn(move |_: Request<()>| {
            let gate = opened.clone();
            async move {
                gate.pass().await;
                Ok::<_, Infallible>(Response::new(()))
            }
        }));
        let mut answer = Box::pin(service.call(put("/carts")));
        assert!((&mut answer).now_or_never().is_none());
        gate.open();
        assert!((&mut answer).now_or_never().is_none(), "it waits for the bus");
        drop(answer);
        at.sleep(Duration::from_secs(1)).await;
        assert_eq!(seen.all(), ["#/carts"], "once: what has begun is not begun again");
    });
}
