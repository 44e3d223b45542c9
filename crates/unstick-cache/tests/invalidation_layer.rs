//! `InvalidationLayer` over answers of every kind, and inside of `ReadYourWritesLayer`.

use std::{convert::Infallible, future::pending, time::Duration};

use http::{Method, Request, Response, StatusCode, header::SET_COOKIE};
use tower::{Layer, Service, ServiceExt, service_fn};
use unstick_cache::{Cache, Invalidates, InvalidationLayer, Namespace, ReadYourWritesLayer};
use unstick_core::{Key, KeyRing};

type Prices = Cache<u64, u32>;

/// Key 1 is what the function says, tag `two` is on key 2.
async fn shop() -> (Namespace, Prices) {
    let shop = Namespace::builder("shop").clamp(Duration::from_secs(30)).build().await.unwrap();
    let prices: Prices = shop.cache("prices").tags(|key, _| if *key == 2 { vec!["two".to_owned()] } else { vec![] }).build().unwrap();
    for key in 1..=2 {
        prices.get_or_load(key, || async { Ok::<_, Infallible>(99) }).await.unwrap();
    }
    (shop, prices)
}

fn layer(shop: &Namespace, prices: &Prices) -> InvalidationLayer {
    let target = prices.target(&1);
    InvalidationLayer::new(shop).by(move |_| Invalidates::nothing().target(target.clone()))
}

fn request(method: Method) -> Request<()> {
    Request::builder().method(method).body(()).unwrap()
}

#[tokio::test]
async fn what_the_function_says_depends_on_the_answer_and_what_the_handler_says_does_not() {
    // method, status, gRPC status, only after success, whether the function's key is invalidated
    let cases = [
        (Method::PUT, 200, "", false, true),
        (Method::POST, 201, "0", true, true),
        (Method::DELETE, 303, "", true, true),
        (Method::GET, 200, "", false, false),
        (Method::HEAD, 200, "", false, false),
        (Method::PUT, 404, "", false, false),
        (Method::PUT, 500, "", false, true),
        (Method::PUT, 500, "", true, false),
        (Method::POST, 200, "14", false, true),
        (Method::POST, 200, "14", true, false),
        (Method::POST, 200, "5", false, false),
    ];
    for (method, status, grpc, only_after_success, is_due) in cases {
        for says in [false, true] {
            let (shop, prices) = shop().await;
            let mut layer = layer(&shop, &prices);
            if only_after_success {
                layer = layer.only_after_success();
            }
            let handler = service_fn(|_: Request<()>| async move {
                let mut response = Response::new(());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                if !grpc.is_empty() {
                    response.headers_mut().insert("grpc-status", grpc.parse().unwrap());
                }
                if says {
                    response.extensions_mut().insert(Invalidates::nothing().tag("two"));
                }
                Ok::<_, Infallible>(response)
            });
            layer.layer(handler).oneshot(request(method.clone())).await.unwrap();
            let held = (prices.get(&1).is_some(), prices.get(&2).is_some());
            assert_eq!(held, (!is_due, !says), "{method} {status} {grpc:?} {only_after_success}");
        }
    }
}

/// Polls, without a fixed time, until the invalidation has run in the background.
async fn gone(prices: &Prices, key: u64) -> bool {
    for _ in 0..10_000 {
        if prices.get(&key).is_none() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_request_that_fails_or_is_cut_invalidates_in_the_background() {
    let (shop, prices) = shop().await;
    let fails = layer(&shop, &prices).layer(service_fn(|_: Request<()>| async { Err::<Response<()>, _>("the connection broke") }));
    fails.oneshot(request(Method::PUT)).await.unwrap_err();
    assert!(gone(&prices, 1).await);
    assert!(prices.get(&2).is_some());

    prices.get_or_load(1, || async { Ok::<_, Infallible>(99) }).await.unwrap();
    let never = service_fn(|_: Request<()>| pending::<Result<Response<()>, Infallible>>());
    drop(layer(&shop, &prices).layer(never).call(request(Method::GET)));
    drop(layer(&shop, &prices).only_after_success().layer(never).call(request(Method::PUT)));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(prices.get(&1).is_some());
    drop(layer(&shop, &prices).layer(never).call(request(Method::PUT)));
    assert!(gone(&prices, 1).await);
}

#[tokio::test]
async fn the_client_takes_it_along() {
    let keys = KeyRing::new(Key::generate().unwrap());
    let ((here, prices), (there, held)) = (shop().await, shop().await);
    let ok = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
    let both =
        |shop: &Namespace, layer: InvalidationLayer| ReadYourWritesLayer::new(shop, keys.clone()).build().unwrap().layer(layer.layer(ok));
    let answer = both(&here, layer(&here, &prices)).oneshot(request(Method::PUT)).await.unwrap();
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert!(held.get(&1).is_some());
    let next = Request::get("/").header("cookie", cookie).body(()).unwrap();
    both(&there, layer(&there, &held)).oneshot(next).await.unwrap();
    assert!(held.get(&1).is_none() && held.get(&2).is_some());
}
