//! With namespaces instead of recorders.

use http::header::COOKIE;
use unstick_memory::{MemoryHub, MemoryLevel};
use unstick_testkit::client::{Jar, call};

use super::*;
use crate::{Cache, Namespace, ReadYourWritesLayer};

type Prices = Cache<u32, u64>;

/// A node of a shop whose prices come from a shared source.
async fn node(source: &Arc<AtomicU64>, level: Option<&MemoryLevel>) -> (Namespace, Prices, ReadYourWritesLayer) {
    let builder = Namespace::builder("shop").clamp(Duration::from_secs(30));
    let builder = if let Some(level) = level { builder.level(level.clone()) } else { builder };
    let shop = builder.build().await.unwrap();
    let prices = shop.cache("prices");
    let prices = if level.is_some() { prices.shared() } else { prices }.build().unwrap();
    let layer = ReadYourWritesLayer::new(&shop, ring()).build().unwrap();
    read(&prices, source).await;
    (shop, prices, layer)
}

async fn read(prices: &Prices, source: &Arc<AtomicU64>) -> u64 {
    let source = source.clone();
    prices.get_or_load(7, || async move { Ok::<_, Infallible>(source.load(Ordering::SeqCst)) }).await.unwrap()
}

/// `PUT` writes the source and invalidates so many keys; every request answers with what it reads.
async fn ask(jar: &mut Jar, node: &(Namespace, Prices, ReadYourWritesLayer), source: &Arc<AtomicU64>, writes: Option<u32>) -> u64 {
    let (shop, prices, layer) = node;
    let handler = service_fn(|_: Request<()>| async {
        if let Some(keys) = writes {
            source.fetch_add(1, Ordering::SeqCst);
            let told = shop.invalidate((7..7 + keys).map(|key| prices.target(&key))).await;
            assert_eq!(told.client, Carried::Yes);
        }
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(read(prices, source).await.to_string()))))
    });
    let request = Request::get("https://shop.example/").body(()).unwrap();
    let answer = call(jar, layer.layer(handler), request).await.unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    std::str::from_utf8(&body).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_reads_its_writes_on_every_node_and_others_wait_for_the_bus() {
    for level in [None, Some(MemoryLevel::new())] {
        let source = Arc::new(AtomicU64::new(1));
        let nodes = [node(&source, level.as_ref()).await, node(&source, level.as_ref()).await, node(&source, level.as_ref()).await];
        let (mut writer, mut other) = (Jar::new(), Jar::new());
        for round in 0..12_usize {
            let expected = ask(&mut writer, &nodes[round % 3], &source, Some(1)).await;
            assert_eq!(ask(&mut other, &nodes[(round + 2) % 3], &source, None).await, expected - 1, "nobody has told that node");
            for node in &nodes {
                assert_eq!(ask(&mut writer, node, &source, None).await, expected);
            }
        }
        assert!(nodes.iter().all(|(shop, ..)| shop.stats().marks >= 8));
    }
}

#[tokio::test]
async fn a_client_that_wrote_too_much_reads_its_writes_past_the_cache() {
    let source = Arc::new(AtomicU64::new(1));
    let nodes = [node(&source, None).await, node(&source, None).await];
    let mut writer = Jar::new();
    let expected = ask(&mut writer, &nodes[0], &source, Some(2000)).await;
    assert_eq!(ask(&mut writer, &nodes[1], &source, None).await, expected);
    assert_eq!(nodes[1].1.stats().bypassed, 1);
}

#[tokio::test]
async fn replayed_slots_cost_only_their_sender() {
    let source = Arc::new(AtomicU64::new(1));
    let nodes = [node(&source, None).await, node(&source, None).await];
    let mut writer = Jar::new();
    ask(&mut writer, &nodes[0], &source, Some(1)).await;
    let (mut replayed, mut other) = (writer, Jar::new());
    ask(&mut replayed, &nodes[1], &source, None).await;
    let before = nodes[1].1.stats();
    for _ in 0..2000 {
        ask(&mut replayed, &nodes[1], &source, None).await;
        ask(&mut other, &nodes[1], &source, None).await;
    }
    let after = nodes[1].1.stats();
    assert_eq!(after.loads, before.loads, "nobody's value was thrown away again");
    assert_eq!(nodes[1].0.stats().marks, 1);
    assert_eq!(nodes[1].0.stats().marks_repeated, 2000);
}

#[tokio::test]
async fn the_age_limit_must_cover_what_the_namespace_says() {
    let shop = Namespace::builder("shop").clamp(2 * MINUTE).build().await.unwrap();
    let refused = ReadYourWritesLayer::new(&shop, ring()).build().unwrap_err().to_string();
    assert!(refused.contains("age_limit") && refused.contains("120s"), "{refused}");
    assert!(ReadYourWritesLayer::new(&shop, ring()).age_limit(2 * MINUTE).build().is_ok());
    let bus = Namespace::builder("shop").bus(MemoryHub::new().bus(&Runtime::tokio())).alive_for(2 * MINUTE).build().await.unwrap();
    assert!(ReadYourWritesLayer::new(&bus, ring()).build().is_err());
}

#[tokio::test]
async fn one_layer_serves_several_namespaces() {
    let source = Arc::new(AtomicU64::new(1));
    let (here, there) = (node(&source, None).await, node(&source, None).await);
    let plain = Namespace::local("plain").unwrap();
    let layer = |shop: &Namespace| ReadYourWritesLayer::new(&plain, ring()).also(shop).build().unwrap();
    let (mut jar, here, there) = (Jar::new(), (here.0.clone(), here.1, layer(&here.0)), (there.0.clone(), there.1, layer(&there.0)));
    let expected = ask(&mut jar, &here, &source, Some(1)).await;
    assert_eq!(ask(&mut jar, &there, &source, None).await, expected);
}

#[cfg(feature = "axum-08")]
#[tokio::test]
async fn axum_handlers_find_the_scope() {
    use axum::{Router, body::Body, routing::get};
    let shop = Namespace::local("shop").unwrap();
    let handler = |writes: ClientWrites, maybe: Option<ClientWrites>| async move { format!("{} {}", writes.bypasses(), maybe.is_some()) };
    let app = Router::new().route("/", get(handler));
    let ask = |app: Router| async {
        let request = Request::get("/").header(COOKIE, "a=b").body(Body::empty()).unwrap();
        let answer = app.oneshot(request).await.unwrap();
        (answer.status(), axum::body::to_bytes(answer.into_body(), 100).await.unwrap())
    };
    assert_eq!(ask(app.clone()).await.0, 500, "without the layer");
    let layer = ReadYourWritesLayer::new(&shop, ring()).build().unwrap();
    assert_eq!(ask(app.layer(layer)).await, (StatusCode::OK, Bytes::from_static(b"false true")));
}
