//! The session layer on hyper's own servers, HTTP/1 and HTTP/2 over loopback, without axum.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tower::{Layer, ServiceExt, service_fn};
use unstick_core::{ErrorKind, Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_testkit::faults::{Fault, FaultStore, Op};

type Body = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Http {
    One,
    Two,
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

async fn route(request: &Request<Incoming>, session: Session) -> Result<Body, SessionError> {
    match request.uri().path() {
        "/write" => session.insert("k", request.uri().query().unwrap_or_default()).map(|()| full("written")),
        "/read" => Ok(full(session.get::<String>("k").await?.unwrap_or_default())),
        "/stream" => {
            session.insert("k", "streamed")?;
            let frames = (0..100).map(|n| Ok(Frame::data(Bytes::from(format!("{n} ")))));
            Ok(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
        }
        _ => Ok(full("untouched")),
    }
}

/// Without axum, an error is the handler's to turn into an answer.
async fn handle(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let session = request.extensions().get::<Session>().cloned().expect("behind the layer");
    Ok(match route(&request, session).await {
        Ok(body) => Response::new(body),
        Err(error) => Response::builder().status(error.status_code()).body(full(error.kind().as_str())).expect("a response"),
    })
}

/// Tells that the future of a request is gone.
struct Ending(watch::Sender<usize>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

struct Server {
    address: SocketAddr,
    store: FaultStore<MemoryStore>,
    /// Counts requests that were answered or given up.
    ended: watch::Receiver<usize>,
    http: Http,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Told {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    body: String,
}

impl Server {
    async fn start(http: Http) -> Self {
        let store = FaultStore::new(MemoryStore::new());
        let layer = SessionLayer::keyed(store.clone(), KeyRing::new(Key::from_bytes([7; 32]).unwrap()));
        let service = layer.deadline(Duration::from_secs(60)).build().unwrap().layer(service_fn(handle));
        let (end, ended) = watch::channel(0);
        let service = service_fn(move |request| {
            let (ending, answer) = (Ending(end.clone()), service.clone().oneshot(request));
            async move {
                let _ending = ending;
                answer.await
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (io, service) = (TokioIo::new(stream), TowerToHyperService::new(service.clone()));
                // A client that leaves in the middle is an error of its connection, and of nothing else.
                tokio::spawn(async move {
                    match http {
                        Http::One => drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await),
                        Http::Two => {
                            drop(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await);
                        }
                    }
                });
            }
        });
        Self { address, store, ended, http, task }
    }

    /// Sends a request on a connection of its own. The second half of the pair is that connection, to be cut.
    async fn begin(&self, path: &str, cookie: &str) -> (JoinHandle<hyper::Result<Response<Incoming>>>, std::net::TcpStream) {
        let stream = TcpStream::connect(self.address).await.unwrap().into_std().unwrap();
        let line = stream.try_clone().unwrap();
        let io = TokioIo::new(TcpStream::from_std(stream).unwrap());
        let target = match self.http {
            Http::One => path.to_owned(),
            Http::Two => format!("http://localhost{path}"),
        };
        let request = Request::get(target).header("host", "localhost").header("cookie", cookie).body(Empty::<Bytes>::new()).unwrap();
        let response = match self.http {
            Http::One => {
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                tokio::spawn(async move { sender.send_request(request).await })
            }
            Http::Two => {
                let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                tokio::spawn(async move { sender.send_request(request).await })
            }
        };
        (response, line)
    }

    async fn get(&self, path: &str, cookie: &str) -> Told {
        let (response, _line) = self.begin(path, cookie).await;
        let (parts, body) = response.await.unwrap().unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Told { status: parts.status, version: parts.version, headers: parts.headers, body: String::from_utf8(body.into()).unwrap() }
    }
}

fn cookie(told: &Told) -> String {
    let line = told.headers["set-cookie"].to_str().unwrap();
    line.split(';').next().unwrap_or_default().to_owned()
}

async fn reads_and_writes(http: Http) {
    let server = Server::start(http).await;
    let untouched = server.get("/", "").await;
    assert_eq!((untouched.body.as_str(), server.store.all_calls()), ("untouched", 0));
    assert_eq!(untouched.version, if http == Http::One { Version::HTTP_11 } else { Version::HTTP_2 });
    assert!(!untouched.headers.contains_key("set-cookie") && !untouched.headers.contains_key("vary"));

    let first = server.get("/write?one", "").await;
    let cookie = cookie(&first);
    assert!(cookie.starts_with("__Host-id="));
    let read = server.get("/read", &cookie).await;
    assert_eq!((read.body.as_str(), read.headers["cache-control"].to_str().unwrap()), ("one", "private, no-store"));
    assert!(!read.headers.contains_key("set-cookie"));
    server.get("/write?two", &cookie).await;
    assert_eq!(server.get("/read", &cookie).await.body, "two");
}

async fn a_failed_commit_is_told_as_503(http: Http) {
    let server = Server::start(http).await;
    let cookie = cookie(&server.get("/write?one", "").await);
    server.store.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    let failed = server.get("/write?two", &cookie).await;
    assert_eq!((failed.status, &failed.headers["retry-after"]), (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap()));
    assert_ne!(failed.body, "written");
    assert!(!failed.headers.contains_key("set-cookie"), "the client keeps what it has");
    assert_eq!(server.get("/read", &cookie).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/", &cookie).await.body, "untouched");
    server.store.heal();
    assert_eq!(server.get("/read", &cookie).await.body, "one");
}

async fn a_streaming_body_passes_whole(http: Http) {
    let server = Server::start(http).await;
    let streamed = server.get("/stream", "").await;
    assert!(!streamed.headers.contains_key("content-length"));
    assert_eq!(streamed.body.split_whitespace().count(), 100);
    assert!(streamed.body.starts_with("0 1 2 ") && streamed.body.ends_with("98 99 "));
    assert_eq!(server.get("/read", &cookie(&streamed)).await.body, "streamed", "saved before the headers left");
}

async fn a_client_that_hangs_up_does_not_cut_the_commit(http: Http) {
    let server = Server::start(http).await;
    let cookie = cookie(&server.get("/write?one", "").await);
    let ended = *server.ended.borrow();
    // It never reaches the store if nobody waits for it any more.
    server.store.next(Op::Apply, Fault::Hang);
    let (response, line) = server.begin("/write?two", &cookie).await;
    server.store.until_held(1).await;
    assert_eq!(server.get("/read", &cookie).await.body, "one", "not yet");
    line.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(response.await.unwrap().is_err(), "nobody waits for the answer any more");
    server.ended.clone().wait_for(|now| *now == ended + 2).await.unwrap();
    server.store.release();
    let mut read = server.get("/read", &cookie).await;
    for _ in 0..1000 {
        if read.body == "two" {
            break;
        }
        read = server.get("/read", &cookie).await;
    }
    assert_eq!(read.body, "two");
}

macro_rules! over_both {
    ($($story:ident),*) => { $(
        mod $story {
            #[tokio::test]
            async fn http1() {
                super::$story(super::Http::One).await;
            }

            #[tokio::test]
            async fn http2() {
                super::$story(super::Http::Two).await;
            }
        }
    )* };
}

over_both!(reads_and_writes, a_failed_commit_is_told_as_503, a_streaming_body_passes_whole, a_client_that_hangs_up_does_not_cut_the_commit);
