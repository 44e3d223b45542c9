//! One connection, from its first byte until its socket is gone, through the phases of a drain.
//!
//! What hyper's own ending of a connection leaves out is here: a client that has connected and not yet spoken is waited for a
//! moment rather than dropped or waited for without end, a request that has come in part is no idle connection, bytes that the system has and the
//! runtime has not told of yet are read first, and an HTTP/2 client that does not answer is not waited for until the deadline.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::future::{Either, select};
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
    task::yield_now,
};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    counted::Counted,
    link::{CutOnDrop, Link},
    listener::Peer,
    opening::{self, Protocol, Speaks},
    socket::Socket,
};
use crate::drain::Drain;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What all connections of a server share.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) drain: Drain,
    pub(super) speaks: Speaks,
    pub(super) header_read_timeout: Duration,
    pub(super) grace: Duration,
}

impl Settings {
    /// The moment at which a connection that has not said what it wants is no longer waited for.
    async fn patience(&self) {
        let runtime = &self.drain.settings().runtime;
        let grace = async {
            self.drain.closing().await;
            runtime.sleep(self.grace).await;
        };
        select(pin!(runtime.sleep(self.header_read_timeout)), pin!(grace)).await;
    }
}

/// A connection that hyper serves, told to end.
trait Ending: Future<Output = hyper::Result<()>> {
    fn end(self: Pin<&mut Self>);
}

impl<I, S, B> Ending for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Ending for http2::Connection<I, S, TokioExecutor>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    TokioExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves until the socket is gone, wherever an upgrade took it. Dropping the future cuts the socket off.
pub(super) async fn run<I, P, S, B>(io: I, peer: P, service: S, settings: Arc<Settings>, place: Option<OwnedSemaphorePermit>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Clone + Send + Sync + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let link = Arc::new(Link::default());
    let _cut = CutOnDrop(Arc::clone(&link));
    let (mut socket, gone) = Socket::new(io, Arc::clone(&link), place);
    let opened = match select(pin!(opening::read(&mut socket, settings.speaks)), pin!(settings.patience())).await {
        Either::Left((Ok(Some(opened)), _)) => opened,
        // It went, failed, or said nothing in time.
        Either::Left(_) | Either::Right(_) => return,
    };
    let (protocol, prefix) = opened;
    socket.rewind(prefix);
    // The drain's layer is outside, so that what it puts into the request is seen; one of the user's own counts nothing twice.
    let service = settings.drain.layer().layer(Counted::new(service, Peer(peer), Arc::clone(&link), settings.drain.clone()));
    let (io, service) = (TokioIo::new(socket), TowerToHyperService::new(service));
    match protocol {
        Protocol::Http1 => {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(settings.header_read_timeout);
            http1(pin!(builder.serve_connection(io, service).with_upgrades()), &link, &settings).await;
        }
        Protocol::Http2 => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new()).enable_connect_protocol();
            http2(pin!(builder.serve_connection(io, service)), &link, &settings).await;
        }
    }
    // There is one only if an upgrade took it, or else it has just been dropped. Fails when it is, which is all that ever happens.
    _ = gone.await;
}

/// Until the listener closes; then lets the connection read what the system has. Whether it goes on after that.
async fn until_closing(mut connection: Pin<&mut impl Ending>, drain: &Drain) -> bool {
    if let Either::Left(_) = select(connection.as_mut(), pin!(drain.closing())).await {
        return false;
    }
    // The runtime asks the system for news between two of its rounds.
    for _ in 0..2 {
        if let Either::Left(_) = select(connection.as_mut(), pin!(yield_now())).await {
            return false;
        }
    }
    true
}

async fn http1(mut connection: Pin<&mut impl Ending>, link: &Link, settings: &Settings) {
    if !until_closing(connection.as_mut(), &settings.drain).await {
        return;
    }
    // hyper takes a connection for idle also when it has read half a request, and would drop it.
    let begun = link.begun();
    while link.is_half_read() && link.begun() == begun {
        let read = link.read();
        let progress = poll_fn(|cx| {
            let is_done = connection.as_mut().poll(cx).is_ready();
            if is_done || link.begun() != begun { Poll::Ready(is_done) } else { Poll::Pending }
        });
        match select(progress, pin!(settings.drain.settings().runtime.sleep(settings.grace))).await {
            Either::Left((true, _)) => return,
            Either::Left((false, _)) => break,
            Either::Right(_) if link.read() == read => return,
            Either::Right(_) => {}
        }
    }
    // Closes it now if it is idle; else with the response, which says so.
    connection.as_mut().end();
    _ = connection.await;
}

async fn http2(mut connection: Pin<&mut impl Ending>, link: &Link, settings: &Settings) {
    if !until_closing(connection.as_mut(), &settings.drain).await {
        return;
    }
    // GOAWAY; streams that the client begins before it has seen that are served.
    connection.as_mut().end();
    loop {
        let read = link.read();
        match select(connection.as_mut(), pin!(settings.drain.settings().runtime.sleep(settings.grace))).await {
            Either::Left(_) => return,
            // A client that has nothing under way and does not answer is waited for no longer.
            Either::Right(_) if !link.is_busy() && link.read() == read => return,
            Either::Right(_) => {}
        }
    }
}
