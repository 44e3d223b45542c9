//! Clients without cookies: gRPC metadata and headers.

use http::{Version, header::SET_COOKIE};
use tower::Service;

use super::*;
use crate::writes::{CarryWritesLayer, HEADER};

/// A node as a service, for the client's layer to wrap.
fn service(node: &Arc<Node>) -> impl Service<Request<()>, Response = Answer, Error = Infallible, Future: Send> + Clone + use<> {
    let node = node.clone();
    service_fn(move |request: Request<()>| {
        let node = node.clone();
        async move { Ok(node.send(request.headers().clone()).await) }
    })
}

#[tokio::test]
async fn a_client_layer_carries_writes_between_nodes() {
    let clock = clock();
    let (a, b) = (Arc::new(Node::new(1, &clock)), Arc::new(Node::new(2, &clock)));
    let carry = CarryWritesLayer::custom(HEADER, Runtime::custom(clock.clone())).unwrap();
    let (to_a, to_b) = (carry.layer(service(&a)), carry.layer(service(&b)));
    for number in 1..=9 {
        let answer = to_a.clone().oneshot(Request::get("/").header("x-writes", "1").body(()).unwrap()).await.unwrap();
        assert!(answer.headers().contains_key(HEADER) && !answer.headers().contains_key(SET_COOKIE));
        assert_eq!(answer.headers()["vary"], HEADER);
        to_b.clone().oneshot(Request::new(())).await.unwrap();
        let mut numbers = b.numbers();
        numbers.dedup();
        assert_eq!(numbers, (1..=number).collect::<Vec<_>>());
    }
    clock.advance(Duration::from_secs(61));
    to_b.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(b.applied(), [], "forgotten by the client");
}

#[tokio::test]
async fn a_client_that_cannot_keep_all_of_them_bypasses_as_long_as_needed() {
    let clock = clock();
    let b = Arc::new(Node::new(2, &clock));
    let carry = CarryWritesLayer::custom(HEADER, Runtime::custom(clock.clone())).unwrap();
    let many = carry.layer(service_fn(|_: Request<()>| async {
        let mut response = Response::new(());
        for number in 0..100 {
            response.headers_mut().append(HEADER, format!("s{number}=text; max-age={}", number + 1).parse().unwrap());
        }
        Ok::<_, Infallible>(response)
    }));
    many.oneshot(Request::new(())).await.unwrap();
    for _ in 0..2 {
        assert!(bypassed(&carry.layer(service(&b)).oneshot(Request::new(())).await.unwrap()));
        clock.advance(Duration::from_secs(99));
    }
    clock.advance(Duration::from_secs(1));
    assert!(!bypassed(&carry.layer(service(&b)).oneshot(Request::new(())).await.unwrap()));
}

#[tokio::test]
async fn grpc_is_answered_in_metadata_without_asking() {
    let (clock, log) = (clock(), Node::new(2, &clock()));
    let a = Node::new(1, &clock);
    let handler = service_fn(|_: Request<()>| async {
        ClientWrites::record_current(Mark {
            id: MarkId { origin: 1, number: 1 },
            prints: [Print::All].into(),
            level_pending: false,
            bus_pending: false,
        });
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let request = Request::post("/shop.Carts/Put").version(Version::HTTP_2).header("content-type", "application/grpc+proto");
    let answer = a.layer.layer(handler).oneshot(request.body(()).unwrap()).await.unwrap();
    let value = answer.headers()[HEADER].to_str().unwrap().to_owned();
    let (pair, rest) = value.split_once("; ").unwrap();
    assert_eq!(rest, "max-age=60");

    // a client that repeats the value as it came, joined with others, is understood, too
    for sent in [pair.to_owned(), value.clone(), format!("x, {value},{value}"), format!(" {pair} ;")] {
        log.send(HeaderMap::from_iter([(HEADER.parse().unwrap(), sent.parse().unwrap())])).await;
        assert!(log.numbers().starts_with(&[1]), "{sent}");
    }
}

#[tokio::test]
async fn cookies_of_a_client_that_also_sends_the_header_are_applied_and_left_alone() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let sent = request(&jar, WRITE);
    for _ in 0..10 {
        let answer = a.send(sent.clone()).await;
        jar.receive(&uri(), answer.headers());
    }
    let answer = b.call(&mut jar, &[(HEADER, "new"), ("x-writes", "1")]).await;
    assert_eq!(b.applied().len(), 10);
    assert_eq!(jar.len(), 10);
    assert_eq!(answer.headers().get_all(HEADER).iter().count(), 1);
}
