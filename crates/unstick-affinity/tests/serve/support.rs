//! A small shop, its server, and clients of both protocols.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use unstick_affinity::drain::{Drain, DrainBuilder, Drained, Phase};
use unstick_core::{EventKind, Events};
use unstick_testkit::{clock::ManualClock, observe::EventLog};

pub(crate) const WINDOW: Duration = Duration::from_secs(10);
pub(crate) const DEADLINE: Duration = Duration::from_secs(7200);
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// For waits that end by themselves unless something is broken.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it has never come")
}

/// Waits until `condition` holds, for as long as a busy machine may take.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "it has never come true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A body: all at once, or frames as the test sends them.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Option<Bytes>),
    Frames(mpsc::UnboundedReceiver<Bytes>),
}

impl Answer {
    pub(crate) fn of(text: &'static str) -> Self {
        Self::Whole(Some(Bytes::from_static(text.as_bytes())))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Frames(frames) => frames.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }
}

/// What is served, and how the test steers it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Paths of requests whose handler has begun.
    begun: Mutex<Vec<String>>,
    /// One permit lets one held request go.
    gate: Semaphore,
    streams: Mutex<Vec<mpsc::UnboundedSender<Bytes>>>,
    dropped: AtomicUsize,
}

impl Default for Inner {
    fn default() -> Self {
        Self { begun: Mutex::default(), gate: Semaphore::new(0), streams: Mutex::default(), dropped: AtomicUsize::new(0) }
    }
}

/// Notes that a handler that never ends was dropped.
struct Dropped(Shop);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shop {
    pub(crate) async fn answer<B>(self, request: Request<B>) -> Result<Response<Answer>, Infallible> {
        self.0.begun.lock().unwrap().push(request.uri().path().to_owned());
        let body = match request.uri().path() {
            "/quick" => Answer::of("quick"),
            "/held" => {
                self.0.gate.acquire().await.unwrap().forget();
                Answer::of("held")
            }
            "/stream" => {
                let (sender, frames) = mpsc::unbounded_channel();
                self.0.streams.lock().unwrap().push(sender);
                Answer::Frames(frames)
            }
            "/stuck/report" => {
                let _dropped = Dropped(self.clone());
                std::future::pending().await
            }
            path => panic!("no such path: {path}"),
        };
        Ok(Response::new(body))
    }

    pub(crate) async fn begun(&self, path: &str) {
        until(|| self.has_begun(path)).await;
    }

    pub(crate) fn has_begun(&self, path: &str) -> bool {
        self.0.begun.lock().unwrap().iter().any(|one| one == path)
    }

    pub(crate) fn let_one_go(&self) {
        self.0.gate.add_permits(1);
    }

    pub(crate) fn stream(&self) -> mpsc::UnboundedSender<Bytes> {
        self.0.streams.lock().unwrap().pop().unwrap()
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::SeqCst)
    }
}

/// A drain on a clock of its own.
pub(crate) struct Course {
    pub(crate) clock: ManualClock,
    pub(crate) drain: Drain,
    pub(crate) log: Arc<EventLog>,
}

impl Course {
    pub(crate) fn new() -> Self {
        let (clock, log) = (ManualClock::default(), Arc::new(EventLog::default()));
        let drain = builder().runtime(clock.runtime()).events(Events::new("node-1").observer(log.clone())).build().unwrap();
        Self { clock, drain, log }
    }

    /// To the end of the readiness window.
    pub(crate) fn close(&self) {
        // From a thread without a runtime: nobody but the server concludes the drain.
        std::thread::scope(|scope| scope.spawn(|| self.drain.begin()).join()).unwrap();
        assert_eq!(self.drain.phase(), Phase::Turning);
        self.clock.advance(WINDOW);
        // Or beyond it already, when nothing was left.
        assert!(self.drain.phase() >= Phase::Closing);
    }

    pub(crate) fn cuts(&self) -> Vec<String> {
        self.log.all().into_iter().filter(|event| event.kind == EventKind::DrainCut).map(|event| event.detail).collect()
    }
}

pub(crate) fn builder() -> DrainBuilder {
    Drain::builder().readiness_window(WINDOW).deadline(DEADLINE).grace_period(DEADLINE * 2)
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<std::io::Result<Drained>>,
}

impl Running {
    pub(crate) async fn end(self) -> Drained {
        soon(self.task).await.unwrap().unwrap()
    }

    /// Until the system refuses connections.
    pub(crate) async fn refuses(&self) {
        let began = Instant::now();
        while TcpStream::connect(self.address).await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(60), "the listener stays open");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Runs a `Serve`.
macro_rules! running {
    ($service:expr, $drain:expr $(, $set:ident ( $($value:expr),* ))*) => {{
        let (listener, address) = $crate::support::listener().await;
        let serve = unstick_affinity::drain::serve(listener, $service, $drain).grace($crate::support::GRACE)$(.$set($($value),*))*;
        $crate::support::Running { address, task: tokio::spawn(std::future::IntoFuture::into_future(serve)) }
    }};
}
pub(crate) use running;

pub(crate) enum Client {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    pub(crate) async fn http1(address: SocketAddr) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(address).await.unwrap())).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self::Http1(sender)
    }

    pub(crate) async fn http2(address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    /// Sends, and says what comes back when it has come.
    pub(crate) fn get(&mut self, path: &'static str) -> JoinHandle<hyper::Result<Response<Incoming>>> {
        let uri = match self {
            Self::Http1(_) => path.to_owned(),
            Self::Http2(_) => format!("http://shop.example{path}"),
        };
        let request = Request::get(uri).header("host", "shop.example").body(Empty::new()).unwrap();
        match self {
            Self::Http1(sender) => tokio::spawn(sender.send_request(request)),
            Self::Http2(sender) => tokio::spawn(sender.send_request(request)),
        }
    }

    /// Whether the connection takes no further request.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

pub(crate) async fn text(response: JoinHandle<hyper::Result<Response<Incoming>>>) -> String {
    let response = soon(response).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    String::from_utf8(soon(response.into_body().collect()).await.unwrap().to_bytes().to_vec()).unwrap()
}

/// HTTP/1 by hand.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads up to and including `end`.
    pub(crate) async fn read_to(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let byte = soon(self.0.read_u8()).await.unwrap_or_else(|error| panic!("{error} after {text:?}"));
            text.push(char::from(byte));
        }
        text
    }

    /// Reads until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut text = String::new();
        soon(self.0.read_to_string(&mut text)).await.unwrap();
        text
    }

    /// Moves the clock by the grace again and again, until the server closes without a word.
    pub(crate) async fn closes_after(&mut self, clock: &ManualClock, by: Duration) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..3000 {
            clock.advance(by);
            match tokio::time::timeout(Duration::from_millis(20), self.0.read_buf(&mut bytes)).await {
                Err(_) => {}
                Ok(Ok(0)) => return bytes,
                Ok(read) => drop(read.unwrap()),
            }
        }
        panic!("never closed");
    }
}

pub(crate) const GET_QUICK: &str = "GET /quick HTTP/1.1\r\nhost: shop.example\r\n\r\n";
