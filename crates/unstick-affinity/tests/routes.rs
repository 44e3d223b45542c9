//! Use on a part of the routes, shares of the clients, the watch over routes, Fly.io.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, routing::get};
use http::{
    HeaderMap, Request, Response,
    header::{CACHE_CONTROL, COOKIE, SET_COOKIE},
};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneService};
use unstick_affinity::{AffinityLayer, AffinityLayerBuilder, Balancer, Percent};
use unstick_core::{Event, EventKind, Events, Observer, Scope};
use unstick_testkit::client::Jar;

const ARR: &str = "arr-disable-session-affinity";

#[derive(Debug, Default)]
struct Log(Mutex<Vec<(EventKind, String)>>);

impl Observer for Log {
    fn on_event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push((event.kind, event.detail.to_owned()));
    }
}

impl Log {
    fn count(&self, kind: EventKind) -> usize {
        self.0.lock().unwrap().iter().filter(|(one, _)| *one == kind).count()
    }
}

fn named(name: &str) -> (Arc<Log>, AffinityLayerBuilder) {
    let log = Arc::new(Log::default());
    (log.clone(), AffinityLayer::builder().sessions(Scope::Shared).events(Events::new(name).observer(log)))
}

async fn answer(layer: &AffinityLayer, request: Request<()>) -> Response<()> {
    answer_with(layer, request, Response::new(())).await
}

async fn answer_with(layer: &AffinityLayer, request: Request<()>, response: Response<()>) -> Response<()> {
    let service = service_fn(move |_: Request<()>| std::future::ready(Ok::<_, Infallible>(response.clone())));
    layer.layer(service).oneshot(request).await.unwrap()
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_warm_up_path_of_an_axum_router_stays_pinned() {
    let layer = AffinityLayer::new(Scope::Shared, [Balancer::azure_app_service()]).unwrap();
    let shop = Router::new().route("/cart", get(|| async { "cart" })).layer(layer);
    let app = Router::new().nest("/shop", shop).route("/warmup", get(|| async { "warm" }));
    for (path, is_unpinned) in [("/warmup", false), ("/shop/cart", true)] {
        let request = Request::get(path).header("host", "example.com").header(COOKIE, "ARRAffinity=a").body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers().contains_key(ARR), is_unpinned, "{path}");
        assert_eq!(
            cookies(response.headers()).iter().filter(|line| line.starts_with("ARRAffinity=;")).count(),
            if is_unpinned { 2 } else { 0 }
        );
        assert_eq!(response.headers().contains_key(SET_COOKIE), is_unpinned, "{path}");
    }
}

#[tokio::test]
async fn a_warm_up_path_of_plain_services_stays_pinned() {
    type Service = BoxCloneService<Request<()>, Response<()>, Infallible>;
    let layer = AffinityLayer::new(Scope::Shared, []).unwrap();
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
    let (pinned, unpinned): (Service, Service) = (BoxCloneService::new(handler), BoxCloneService::new(layer.layer(handler)));
    let router = service_fn(move |request: Request<()>| {
        let route = if request.uri().path() == "/warmup" { pinned.clone() } else { unpinned.clone() };
        route.oneshot(request)
    });
    for (path, is_unpinned) in [("/warmup", false), ("/", true)] {
        let response = router.clone().oneshot(Request::get(path).header(COOKIE, "GCLB=1").body(()).unwrap()).await.unwrap();
        assert_eq!(response.headers().is_empty(), !is_unpinned, "{path}");
    }
}

#[tokio::test]
async fn a_share_of_the_clients_is_the_same_on_every_node_and_grows() {
    let nodes = [0, 1].map(|_| {
        let share = Percent::of_clients(40);
        (share.clone(), AffinityLayer::builder().sessions(Scope::Shared).switch(share).build().unwrap())
    });
    let mut jars: Vec<Jar> = vec![Jar::new(); 200];
    let uri = http::Uri::from_static("https://example.com/");
    let mut ins = Vec::new();
    for jar in &mut jars {
        let mut is_in = Vec::new();
        for (_, layer) in nodes.iter().cycle().take(4) {
            let mut request = Request::get(uri.clone()).body(()).unwrap();
            jar.attach(&mut request);
            let response = answer(layer, request).await;
            assert!(jar.receive(&uri, response.headers()).is_empty());
            is_in.push(response.headers().contains_key(ARR));
            let count = usize::from(is_in.len() == 1);
            assert_eq!(cookies(response.headers()).len(), count, "the bucket is told once");
        }
        assert!(is_in.iter().all(|one| *one == is_in[0]));
        let bucket = jar.get("unstick-bucket").expect("a bucket").text().parse::<u8>().unwrap();
        assert_eq!(is_in[0], bucket < 40);
        ins.push((is_in[0], bucket));
    }
    nodes[0].0.set(70);
    for (jar, (was_in, bucket)) in jars.iter().zip(ins) {
        let mut request = Request::get(uri.clone()).body(()).unwrap();
        jar.attach(&mut request);
        let is_in = answer(&nodes[0].1, request).await.headers().contains_key(ARR);
        assert_eq!(is_in, bucket < 70);
        assert!(is_in || !was_in, "nobody falls out");
    }
}

#[tokio::test]
async fn a_client_out_of_the_share_gets_its_bucket_and_nothing_else() {
    let layer = AffinityLayer::builder().sessions(Scope::Shared).switch(Percent::of_clients(1)).build().unwrap();
    let out = Request::get("/").header(COOKIE, "GCLB=1; unstick-bucket=1").body(()).unwrap();
    let response = answer(&layer, out).await;
    assert!(response.headers().is_empty() && response.extensions().is_empty());
    let public = Response::builder().header(CACHE_CONTROL, "public").body(()).unwrap();
    let response = answer_with(&layer, Request::get("/").body(()).unwrap(), public).await;
    assert!(cookies(response.headers()).is_empty(), "a cache would give it to everybody");
}

#[tokio::test]
async fn a_client_that_stays_without_a_visible_pin_is_reported_once_per_run() {
    let (log, builder) = named("node-a");
    let here = builder.watch_routes(Percent::of_clients(100)).build().unwrap();
    let (_, builder) = named("node-b");
    let there = builder.watch_routes(Percent::of_clients(100)).build().unwrap();
    let uri = http::Uri::from_static("https://example.com/");
    let mut jar = Jar::new();
    let mut ask = async |layer: &AffinityLayer, times: usize| {
        for _ in 0..times {
            let mut request = Request::get(uri.clone()).body(()).unwrap();
            jar.attach(&mut request);
            let response = answer(layer, request).await;
            assert_eq!(cookies(response.headers()).len(), 1);
            assert!(jar.receive(&uri, response.headers()).is_empty());
        }
    };
    ask(&here, 7).await;
    assert_eq!(log.count(EventKind::RoutePinned), 0);
    ask(&here, 20).await;
    assert_eq!(log.count(EventKind::RoutePinned), 1);
    ask(&there, 1).await;
    ask(&here, 7).await;
    assert_eq!(log.count(EventKind::RoutePinned), 1);
    ask(&here, 1).await;
    assert_eq!(log.count(EventKind::RoutePinned), 2);
}

#[tokio::test]
async fn a_pin_that_is_seen_explains_a_run() {
    let (log, builder) = named("node-a");
    let layer = builder.watch_routes(Percent::of_clients(100)).build().unwrap();
    let uri = http::Uri::from_static("https://example.com/");
    let mut jar = Jar::new();
    for _ in 0..20 {
        jar.set(&uri, "AWSALB=x; Path=/").unwrap();
        let mut request = Request::get(uri.clone()).body(()).unwrap();
        jar.attach(&mut request);
        let response = answer(&layer, request).await;
        assert!(jar.receive(&uri, response.headers()).is_empty());
    }
    assert_eq!((log.count(EventKind::RoutePinned), log.count(EventKind::PinSeen)), (0, 20));
}

#[test]
fn a_watched_node_needs_a_name() {
    let watched = || AffinityLayer::builder().sessions(Scope::Shared).watch_routes(Percent::of_clients(1));
    let error = watched().build().unwrap_err().to_string();
    assert!(error.contains("watch_routes") && error.contains("Events::new"), "{error}");
    assert!(watched().events(Events::new("n1")).build().is_ok());
}

#[tokio::test]
async fn a_cached_replay_of_fly_is_ended() {
    let (log, builder) = named("n1");
    let layer = builder.behind(Balancer::fly()).build().unwrap();
    let request = |name: &str, value: &str| Request::get("/").header(name, value).body(()).unwrap();
    let response = answer(&layer, request("fly-replay-cache-status", "hit")).await;
    assert_eq!(response.headers()["fly-replay-cache"], "invalidate");
    assert_eq!((log.count(EventKind::PinSeen), log.count(EventKind::PinExpired)), (1, 1));
    for (name, value) in [("fly-replay-cache-status", "miss"), ("fly-replay-src", "instance=a"), ("accept", "*/*")] {
        assert!(!answer(&layer, request(name, value)).await.headers().contains_key("fly-replay-cache"), "{name}");
    }
    assert_eq!(log.count(EventKind::PinSeen), 2, "a replay is seen");
    let elsewhere = AffinityLayer::new(Scope::Shared, []).unwrap();
    assert!(!answer(&elsewhere, request("fly-replay-cache-status", "hit")).await.headers().contains_key("fly-replay-cache"));
}

#[cfg(feature = "drain")]
#[tokio::test]
async fn a_draining_node_lets_its_clients_go_whatever_the_switch_says() {
    let drain = unstick_affinity::drain::Drain::builder().build().unwrap();
    let layer = AffinityLayer::builder()
        .sessions(Scope::Shared)
        .switch(false)
        .behind(Balancer::haproxy("SRV").unwrap())
        .drain(&drain)
        .build()
        .unwrap();
    let request = || Request::get("/").header(COOKIE, "GCLB=1").body(()).unwrap();
    assert!(answer(&layer, request()).await.headers().is_empty());
    drain.begin();
    let response = answer(&layer, request()).await;
    let names: Vec<_> = cookies(response.headers()).iter().map(|line| line.split('=').next().unwrap_or_default()).collect();
    assert_eq!(names, ["SRV", "GCLB", "unstick-pins"]);
}
