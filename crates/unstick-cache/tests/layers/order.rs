//! As it is recommended: read-your-writes outside, session, invalidation, handler.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use unstick_cache::{
    Carried, Invalidated, Namespace, ReadYourWritesLayer,
    layers::{Invalidates, InvalidationLayer},
};
use unstick_core::{ErrorKind, Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionLayer};
use unstick_testkit::faults::{Fault, FaultStore, Op};

use crate::support::Seen;

type Body = Empty<bytes::Bytes>;

/// The status, how the client was told of the invalidation, what was invalidated, and the names of the cookies.
async fn ask(store: FaultStore<MemoryStore>) -> (u16, Option<Carried>, Vec<String>, Vec<String>) {
    let shop = Namespace::builder("shop").build().await.unwrap();
    let (seen, tag) = (Seen::by(&shop), shop.tag("carts"));
    let keys = || KeyRing::new(Key::generate().unwrap());
    let service = ServiceBuilder::new()
        .layer(ReadYourWritesLayer::new(&shop, keys()).build().unwrap())
        .layer(SessionLayer::keyed(store, keys()).build().unwrap())
        .layer(InvalidationLayer::new(&shop))
        .service(service_fn(move |request: Request<Body>| {
            let tag = tag.clone();
            async move {
                request.extensions().get::<Session>().unwrap().insert("visits", &1).unwrap();
                let mut response = Response::new(Body::new());
                response.extensions_mut().insert(Invalidates::new([tag]));
                Ok::<_, Infallible>(response)
            }
        }));
    let response = service.oneshot(Request::put("/").body(Body::new()).unwrap()).await.unwrap();
    let told = response.extensions().get::<Invalidated>().map(|told| told.client);
    let lines = response.headers().get_all("set-cookie").iter();
    let mut names: Vec<_> = lines.map(|line| line.to_str().unwrap().split(['=', '.']).next().unwrap()[..9].to_owned()).collect();
    names.sort();
    (response.status().as_u16(), told, seen.all(), names)
}

#[tokio::test]
async fn the_client_takes_its_session_and_its_writes_along() {
    let (status, told, seen, cookies) = ask(FaultStore::new(MemoryStore::new())).await;
    assert_eq!((status, told, seen), (200, Some(Carried::Yes), vec!["#carts".to_owned()]));
    assert_eq!(cookies, ["__Host-id", "__Host-us"]);
}

#[tokio::test]
async fn a_session_that_cannot_be_saved_replaces_the_answer_and_loses_no_invalidation() {
    let store = FaultStore::new(MemoryStore::new());
    store.always(Op::Create, Fault::FailBefore(ErrorKind::Unavailable));
    let (status, told, seen, cookies) = ask(store).await;
    assert_eq!((status, told, seen), (503, None, vec!["#carts".to_owned()]));
    assert_eq!(cookies, ["__Host-us"], "the source was changed all the same");
}
