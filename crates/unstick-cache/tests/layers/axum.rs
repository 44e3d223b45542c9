//! In axum: the route's own path, the extractor, and what a failed load is answered with.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Path, State},
    routing::{get, put},
};
use http::{Request, Response, StatusCode, request::Parts};
use tower::ServiceExt;
use unstick_cache::{
    Cache, LoadError, Namespace,
    layers::{InvalidationLayer, Invalidations},
};

use crate::support::Seen;

type Carts = Cache<u64, String>;

#[derive(Debug)]
struct Secret;

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("password of the database: hunter2")
    }
}

impl std::error::Error for Secret {}

async fn read(Path(id): Path<u64>, State(carts): State<Carts>) -> Result<String, LoadError> {
    carts
        .get_or_load(id, move || async move {
            match id {
                0 => Ok(None),
                1 => panic!("a defect"),
                2 => Err(Secret),
                3 => std::future::pending().await,
                id => Ok(Some(format!("cart {id}"))),
            }
        })
        .await
}

async fn write(Path(id): Path<u64>, State(carts): State<Carts>, invalidations: Invalidations) -> StatusCode {
    invalidations.add(carts.target(&id));
    StatusCode::NO_CONTENT
}

fn shop(patience: Duration) -> (Router, Carts, Seen) {
    let shop = Namespace::local("shop").unwrap();
    let seen = Seen::by(&shop);
    let carts: Carts = shop.cache("carts").hard_timeout(patience).build().unwrap();
    let tags = shop.clone();
    let by_route = move |parts: &Parts| parts.extensions.get::<MatchedPath>().map(|path| tags.tag(path.as_str().trim_end_matches("/{id}")));
    let layer = InvalidationLayer::new(&shop).targets(by_route);
    let router = Router::new()
        .route("/carts/{id}", get(read).put(write))
        .layer(layer)
        .route("/bare/{id}", put(write))
        .route("/maybe", get(async |invalidations: Option<Invalidations>| format!("{}", invalidations.is_some())))
        .with_state(carts.clone());
    (router, carts, seen)
}

async fn ask(router: &Router, request: http::request::Builder) -> (Response<()>, String) {
    let (parts, body) = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, 4096).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_route_and_the_handler_name_what_changes() {
    let (router, carts, seen) = shop(LONG);
    assert_eq!(ask(&router, Request::get("/carts/7")).await.1, "cart 7");
    assert_eq!(carts.get(&7).as_deref(), Some("cart 7"));
    let (response, _) = ask(&router, Request::put("/carts/7")).await;
    assert_eq!((response.status(), carts.get(&7)), (StatusCode::NO_CONTENT, None));
    assert_eq!(seen.all(), ["#/carts", "carts:7"]);
}

#[tokio::test]
async fn a_handler_outside_of_the_layer_is_told() {
    let (router, _, seen) = shop(LONG);
    assert_eq!(ask(&router, Request::put("/bare/7")).await.0.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(ask(&router, Request::get("/maybe")).await.1, "false");
    assert!(seen.all().is_empty());
}

#[tokio::test]
async fn failed_loads_are_answered_without_their_reasons() {
    for (id, status, patience) in [(0, 404, LONG), (1, 500, LONG), (2, 503, LONG), (3, 503, Duration::from_millis(20))] {
        let (router, ..) = shop(patience);
        let (response, body) = ask(&router, Request::get(format!("/carts/{id}"))).await;
        assert_eq!(response.status(), status, "{id}");
        assert_eq!(response.headers()["cache-control"], "private, no-store", "{id}");
        assert_eq!(response.headers().get("retry-after").map(|after| after.to_str().unwrap()), (status == 503).then_some("1"), "{id}");
        assert!(!body.contains("hunter2") && !body.contains("defect"), "{body}");
    }
}
