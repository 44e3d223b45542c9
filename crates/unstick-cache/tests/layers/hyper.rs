//! On hyper's own servers over loopback: a client that hangs up in the midst of a write, and one that does not.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, service_fn};
use unstick_cache::{Namespace, layers::InvalidationLayer};

use crate::support::{Seen, until};

#[derive(Debug, Clone, Copy)]
enum Http {
    One,
    Two,
}

/// Answers `/slow` never, everything else at once. Counts the requests that have begun.
async fn serve(http: Http, layer: InvalidationLayer, begun: Arc<AtomicUsize>) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let service = layer.layer(service_fn(move |request: Request<Incoming>| {
        begun.fetch_add(1, Ordering::SeqCst);
        async move {
            if request.uri().path() == "/slow" {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
        }
    }));
    tokio::spawn(async move {
        let (io, service) = (TokioIo::new(server), TowerToHyperService::new(service));
        // the client hangs up: an error is what is expected
        match http {
            Http::One => drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await),
            Http::Two => drop(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await),
        }
    });
    client
}

async fn story(http: Http) {
    let shop = Namespace::local("shop").unwrap();
    let (seen, tags, begun) = (Seen::by(&shop), shop.clone(), Arc::new(AtomicUsize::new(0)));
    let layer = InvalidationLayer::new(&shop).targets(move |parts: &Parts| [tags.tag(parts.uri.path())]).settle(Duration::ZERO);
    let io = TokioIo::new(serve(http, layer, begun.clone()).await);
    let put = |path: &str| Request::put(format!("http://localhost{path}")).header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();

    let (answer, slow, connection) = match http {
        Http::One => {
            let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let connection = tokio::spawn(async move { drop(connection.await) });
            let answer = client.send_request(put("/quick")).await.unwrap();
            client.ready().await.unwrap_or_default();
            (answer, tokio::spawn(async move { drop(client.send_request(put("/slow")).await) }), connection)
        }
        Http::Two => {
            let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            let connection = tokio::spawn(async move { drop(connection.await) });
            let answer = client.send_request(put("/quick")).await.unwrap();
            (answer, tokio::spawn(async move { drop(client.send_request(put("/slow")).await) }), connection)
        }
    };
    assert_eq!((answer.status(), seen.all()), (StatusCode::OK, vec!["#/quick".to_owned()]), "before the headers left");

    until(|| begun.load(Ordering::SeqCst) == 2).await;
    assert_eq!(seen.all().len(), 1);
    drop(answer);
    slow.abort();
    connection.abort();
    until(|| seen.all() == ["#/quick", "#/slow"]).await;
}

#[tokio::test]
async fn over_http_1() {
    story(Http::One).await;
}

#[tokio::test]
async fn over_http_2() {
    story(Http::Two).await;
}
