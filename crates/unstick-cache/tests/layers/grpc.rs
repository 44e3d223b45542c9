//! Unary gRPC calls over HTTP/2 on loopback: the client keeps answers, the server's layer invalidates.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, request::Parts, uri::PathAndQuery};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, Status, body::Body, client, server};
use tower::{Layer, service_fn};
use unstick_cache::{
    Cache, LoadErrorKind, Namespace,
    layers::{InvalidationLayer, Invalidations, unary::Unary},
};
use unstick_testkit::grpc::{self, Channel, Text};

use crate::support::{Seen, until};

/// A price list: what is asked for it answers, or fails with the code that it is set to.
#[derive(Debug, Clone, Default)]
struct Source {
    calls: Arc<AtomicUsize>,
    code: Arc<AtomicU32>,
}

impl Source {
    async fn get(self, request: tonic::Request<String>) -> Result<tonic::Response<String>, Status> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let code = Code::from(i32::try_from(self.code.load(Ordering::SeqCst)).unwrap());
        if code != Code::Ok {
            return Err(Status::with_details(code, "as set", "details".into()));
        }
        let mut response = tonic::Response::new(format!("price of {}: {call}", request.into_inner()));
        response.metadata_mut().insert("x-currency", "sek".parse().unwrap());
        response.metadata_mut().insert_bin("x-raw-bin", tonic::metadata::MetadataValue::from_bytes(b"\0\xff"));
        response.metadata_mut().insert("set-cookie", "of=one client".parse().unwrap());
        Ok(response)
    }

    async fn put(self, request: tonic::Request<String>) -> Result<tonic::Response<String>, Status> {
        let invalidations = request.extensions().get::<Invalidations>().ok_or_else(|| Status::internal("no layer"))?;
        invalidations.add_tag(request.get_ref());
        Ok(tonic::Response::new(String::new()))
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, std::convert::Infallible> {
        let mut grpc = server::Grpc::new(Text);
        let path = request.uri().path().to_owned();
        Ok(match path.as_str() {
            "/shop.Prices/Get" => grpc.unary(service_fn(move |request| self.clone().get(request)), request).await,
            "/shop.Prices/Put" => grpc.unary(service_fn(move |request| self.clone().put(request)), request).await,
            _ => Status::unimplemented("no such call").into_http(),
        })
    }

    /// A client of this source, behind the layer.
    async fn serve(&self, layer: &InvalidationLayer) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let source = self.clone();
        let service = TowerToHyperService::new(layer.layer(service_fn(move |request| source.clone().answer(request))));
        tokio::spawn(async move {
            drop(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(server), service).await);
        });
        Client(grpc::client(client).await.unwrap())
    }
}

/// As it would be generated.
#[derive(Debug, Clone)]
struct Client(client::Grpc<Channel>);

impl Client {
    async fn call(mut self, path: &'static str, text: &str) -> Result<tonic::Response<String>, Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        self.0.unary(tonic::Request::new(text.to_owned()), PathAndQuery::from_static(path), Text).await
    }
}

struct Story {
    source: Source,
    client: Client,
    prices: Cache<String, Unary<String>>,
    seen: Seen,
}

impl Story {
    async fn begin(
        set: impl FnOnce(unstick_cache::CacheBuilder<String, Unary<String>>) -> unstick_cache::CacheBuilder<String, Unary<String>>,
    ) -> Self {
        let shop = Namespace::local("shop").unwrap();
        let (seen, tags) = (Seen::by(&shop), shop.clone());
        // reads are POST, too: only the path tells them apart
        let by_path = move |parts: &Parts| parts.uri.path().ends_with("/Put").then(|| tags.tag("prices"));
        let source = Source::default();
        let client = source.serve(&InvalidationLayer::new(&shop).targets(by_path)).await;
        Self { source, client, prices: set(shop.cache("prices")).build().unwrap(), seen }
    }

    async fn get(&self, of: &'static str) -> Result<tonic::Response<String>, Status> {
        let client = self.client.clone();
        self.prices.call(of.to_owned(), move || client.call("/shop.Prices/Get", of)).await
    }

    fn fail(&self, code: Code) {
        self.source.code.store(u32::try_from(i32::from(code)).unwrap(), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn message_and_metadata_are_kept_but_not_what_belongs_to_one_client() {
    let story = Story::begin(|prices| prices.tags(|_, _| vec!["prices".to_owned()])).await;
    for _ in 0..2 {
        let response = story.get("tea").await.unwrap();
        assert_eq!(response.metadata().get("x-currency").unwrap(), "sek");
        assert_eq!(response.metadata().get_bin("x-raw-bin").unwrap().to_bytes().unwrap(), &b"\0\xff"[..]);
        for private in ["set-cookie", "date", "grpc-status", "content-type"] {
            assert!(response.metadata().get(private).is_none(), "{private}");
        }
        assert_eq!(response.into_inner(), "price of tea: 1");
    }
    assert_eq!((story.seen.take(), story.prices.stats().hits), (vec![], 1));

    story.client.clone().call("/shop.Prices/Put", "coffee").await.unwrap();
    assert_eq!(story.seen.take(), ["#prices", "#coffee"], "by the path, and by the handler");
    assert_eq!(story.get("tea").await.unwrap().into_inner(), "price of tea: 2");
}

#[tokio::test]
async fn a_status_goes_through_to_all_as_it_is() {
    for (code, is_answer) in [(Code::NotFound, true), (Code::PermissionDenied, true), (Code::Unavailable, false), (Code::Internal, false)] {
        let story = Story::begin(|prices| prices.back_off(Duration::from_secs(60))).await;
        story.fail(code);
        let answers = futures_util::future::join_all((0..10).map(|_| story.get("tea"))).await;
        for answer in answers {
            let status = answer.unwrap_err();
            assert_eq!((status.code(), status.message(), status.details()), (code, "as set", &b"details"[..]));
        }
        assert_eq!(story.source.calls.load(Ordering::SeqCst), 1, "{code:?}");
        // who could not answer is left alone for a moment; what was answered is kept nowhere
        story.fail(Code::Ok);
        assert_eq!(
            story.get("tea").await.map(tonic::Response::into_inner).ok().as_deref(),
            is_answer.then_some("price of tea: 2"),
            "{code:?}"
        );
    }
    let story = Story::begin(|prices| prices).await;
    let unimplemented = story.client.clone().call("/shop.Prices/Nothing", "").await.unwrap_err();
    assert_eq!(unimplemented.code(), Code::Unimplemented);
}

#[tokio::test]
async fn an_old_value_stands_in_when_the_source_fails_but_not_when_it_answers() {
    let short = Duration::from_millis(1);
    let story = Story::begin(|prices| prices.ttl(short).stale_if_error(Duration::from_secs(60)).throttle(short).back_off(short)).await;
    assert_eq!(story.get("tea").await.unwrap().into_inner(), "price of tea: 1");
    until(|| story.prices.get(&"tea".to_owned()).is_none()).await;
    story.fail(Code::Unavailable);
    assert_eq!(story.get("tea").await.unwrap().into_inner(), "price of tea: 1");
    story.fail(Code::PermissionDenied);
    let began = std::time::Instant::now();
    let status = loop {
        match story.get("tea").await {
            Ok(response) => assert_eq!(response.into_inner(), "price of tea: 1", "for a moment after the failure"),
            Err(status) => break status,
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the source was not asked again");
    };
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn failed_loads_have_codes_that_fit() {
    let story = Story::begin(|prices| prices.hard_timeout(Duration::from_millis(20))).await;
    let never = || std::future::pending::<Result<tonic::Response<String>, Status>>();
    assert_eq!(story.prices.call("slow".to_owned(), never).await.unwrap_err().code(), Code::DeadlineExceeded);
    let story = Story::begin(|prices| prices).await;
    let panics = || async { if story_is_over() { panic!("a defect") } else { Ok(tonic::Response::new(String::new())) } };
    let status = story.prices.call("broken".to_owned(), panics).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "the loader panicked"));

    let names = Namespace::local("shop").unwrap().cache::<u64, String>("names").build().unwrap();
    let absent = names.get_or_load(1, || async { Ok::<_, Status>(None) }).await.unwrap_err();
    assert_eq!((absent.kind(), Status::from(absent).code()), (LoadErrorKind::Absent, Code::NotFound));
    let secret = names.get_or_load(2, || async { Err::<String, _>("hunter2") }).await.unwrap_err();
    let status = Status::from(secret);
    assert_eq!(status.code(), Code::Unavailable);
    assert!(!format!("{status:?}").contains("hunter2"));
}

fn story_is_over() -> bool {
    true
}

#[tokio::test]
async fn nodes_share_what_they_keep() {
    let (level, source) = (unstick_memory::MemoryLevel::new(), Source::default());
    for node in 0..2 {
        let shop = Namespace::builder("shop").level(level.clone()).build().await.unwrap();
        let client = source.serve(&InvalidationLayer::new(&shop)).await;
        let prices = shop.cache::<String, Unary<String>>("prices").shared().build().unwrap();
        let response = prices.call("tea".to_owned(), move || client.call("/shop.Prices/Get", "tea")).await.unwrap();
        assert_eq!(response.metadata().get("x-currency").unwrap(), "sek", "{node}");
        assert_eq!(response.metadata().get_bin("x-raw-bin").unwrap().to_bytes().unwrap(), &b"\0\xff"[..]);
        assert_eq!((response.into_inner(), prices.stats().level_hits), ("price of tea: 1".to_owned(), node));
    }
}
