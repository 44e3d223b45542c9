//! tonic, with a unary and a streaming call written out as it would be generated.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{Request, Response, uri::PathAndQuery};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc},
};
use tonic::{
    Code, Status,
    body::Body,
    client,
    server::{self, NamedService},
    service::Routes,
};
use tower::{Service, service_fn};
use unstick_affinity::drain::Phase;
use unstick_testkit::grpc::{self, Channel, Text};

use crate::support::{Course, DEADLINE, Running, running, soon, until};

/// Prices, as the test sends them.
struct Ticker(mpsc::UnboundedReceiver<String>);

impl futures_util::Stream for Ticker {
    type Item = Result<String, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|price| price.map(Ok))
    }
}

#[derive(Debug, Clone)]
struct Prices {
    gate: Arc<Semaphore>,
    tickers: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>,
}

impl Prices {
    fn new() -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), tickers: Arc::default() }
    }

    async fn get(self, request: tonic::Request<String>) -> Result<tonic::Response<String>, Status> {
        self.gate.acquire().await.map_err(|_| Status::internal("closed"))?.forget();
        Ok(tonic::Response::new(format!("price of {}", request.into_inner())))
    }

    async fn watch(self, _: tonic::Request<String>) -> Result<tonic::Response<Ticker>, Status> {
        let (sender, prices) = mpsc::unbounded_channel();
        self.tickers.lock().unwrap().push(sender);
        Ok(tonic::Response::new(Ticker(prices)))
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let mut grpc = server::Grpc::new(Text);
        let path = request.uri().path().to_owned();
        Ok(match path.as_str() {
            "/shop.Prices/Get" => grpc.unary(service_fn(move |request| self.clone().get(request)), request).await,
            "/shop.Prices/Watch" => grpc.server_streaming(service_fn(move |request| self.clone().watch(request)), request).await,
            _ => Status::unimplemented("no such call").into_http(),
        })
    }
}

impl NamedService for Prices {
    const NAME: &'static str = "shop.Prices";
}

impl Service<Request<Body>> for Prices {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

#[derive(Debug, Clone)]
struct Client(client::Grpc<Channel>);

impl Client {
    async fn of(server: &Running) -> Self {
        Self(grpc::client(TcpStream::connect(server.address).await.unwrap()).await.unwrap())
    }

    async fn get(mut self) -> Result<String, Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static("/shop.Prices/Get");
        Ok(self.0.unary(tonic::Request::new("tea".to_owned()), path, Text).await?.into_inner())
    }

    async fn watch(mut self) -> Result<tonic::Streaming<String>, Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static("/shop.Prices/Watch");
        Ok(self.0.server_streaming(tonic::Request::new("tea".to_owned()), path, Text).await?.into_inner())
    }
}

async fn serving(course: &Course, prices: &Prices, as_router: bool) -> Running {
    let routes = Routes::new(prices.clone());
    if as_router { running!(routes.into_axum_router(), &course.drain) } else { running!(routes.prepare(), &course.drain, http2_only()) }
}

#[tokio::test]
async fn nobody_notices() {
    for as_router in [false, true] {
        let (course, prices) = (Course::new(), Prices::new());
        let server = serving(&course, &prices, as_router).await;
        let client = Client::of(&server).await;
        let held = tokio::spawn(client.clone().get());
        let mut watched = client.clone().watch().await.unwrap();
        until(|| course.drain.in_flight_count() == 2).await;
        let ticker = prices.tickers.lock().unwrap().pop().unwrap();

        course.drain.begin();
        assert_eq!(course.drain.phase(), Phase::Turning);
        prices.gate.add_permits(1);
        assert_eq!(soon(held).await.unwrap().unwrap(), "price of tea");
        let held = tokio::spawn(client.clone().get());
        until(|| course.drain.in_flight_count() == 2).await;

        course.clock.advance(crate::support::WINDOW);
        server.refuses().await;
        for price in 0..100 {
            ticker.send(price.to_string()).unwrap();
            assert_eq!(soon(watched.message()).await.unwrap(), Some(price.to_string()));
        }
        drop(ticker);
        assert_eq!(soon(watched.message()).await.unwrap(), None, "it ends as it should");
        prices.gate.add_permits(1);
        assert_eq!(soon(held).await.unwrap().unwrap(), "price of tea");
        let drained = server.end().await;
        assert_eq!((drained.finished, drained.cut.len()), (3, 0));
        assert_eq!(client.get().await.unwrap_err().code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn the_stuck_ones_are_cut() {
    for as_router in [false, true] {
        let (course, prices) = (Course::new(), Prices::new());
        let server = serving(&course, &prices, as_router).await;
        let client = Client::of(&server).await;
        let held = tokio::spawn(client.clone().get());
        let mut watched = client.watch().await.unwrap();
        until(|| course.drain.in_flight_count() == 2).await;
        course.close();
        server.refuses().await;
        course.clock.advance(DEADLINE);
        let drained = server.end().await;
        let mut names: Vec<_> = drained.cut.iter().map(|cut| cut.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["POST /shop.Prices/Get", "POST /shop.Prices/Watch"]);
        assert!(soon(held).await.unwrap().is_err());
        assert!(soon(watched.message()).await.is_err());
    }
}
