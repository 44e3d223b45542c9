//! The accept loop, and its end.

use std::{
    fmt,
    future::{IntoFuture, poll_fn},
    io,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::future::{Either, select};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinSet, yield_now},
};
use tower_service::Service;
use unstick_core::BoxFuture;

use super::{
    connection::{self, BoxError, Settings},
    listener::{Listener, is_told, pause},
    opening::Speaks,
};
use crate::drain::{Drain, Drained};

/// No system's queue is longer: whoever comes after so many came when the listener was to be closed already.
const LONGEST_QUEUE: usize = 65_536;
/// A queue waits for nothing. After each so many of it others have their turn, and the deadline its say.
const TURN: usize = 32;

/// A server that takes part in a drain; made by [`serve`], and awaited. See the [module docs](super).
///
/// # Errors
/// The future fails at once with `InvalidInput` when a setting is zero, and when the drain begins to close and the listener cannot be asked for the connections that wait in it. Nothing that
/// a client does, and no lack of descriptors, ends it.
///
/// # Panics
/// The future does when awaited outside a tokio runtime with its timer and IO enabled.
///
/// # Cancel safety
/// Dropping the future stops the server: its listener and all its connections, upgraded ones included, are closed at once.
#[must_use = "a server does nothing unless awaited"]
pub struct Serve<L, S> {
    listener: L,
    service: S,
    settings: Settings,
    max_connections: Option<usize>,
}

/// Serves `service` on `listener` until `drain` is over. See the [module docs](super).
///
/// Several servers may take part in one drain: run each in a task of its own, or join them. None of them returns before all have let their clients go.
pub fn serve<L: Listener, S>(listener: L, service: S, drain: &Drain) -> Serve<L, S> {
    let settings = Settings {
        drain: drain.clone(),
        speaks: Speaks::Both,
        header_read_timeout: Duration::from_secs(75),
        grace: Duration::from_secs(1),
    };
    Serve { listener, service, settings, max_connections: None }
}

impl<L, S> Serve<L, S> {
    /// HTTP/1 only; default is HTTP/1 and HTTP/2 on one port, told apart by the client's first bytes. For when HTTP/2 is to be kept out.
    pub fn http1_only(mut self) -> Self {
        self.settings.speaks = Speaks::Http1;
        self
    }

    /// HTTP/2 only, as gRPC needs; default is HTTP/1 and HTTP/2 on one port.
    pub fn http2_only(mut self) -> Self {
        self.settings.speaks = Speaks::Http2;
        self
    }

    /// How long a client may take until it has said which protocol it speaks, and on HTTP/1 until it has sent the whole of a
    /// request's head, the idle time since the last response included. Default 75 s. Keep it longer than the time for which
    /// the balancer keeps idle connections (60 s for AWS ALB and nginx by default), or the balancer will send
    /// requests into connections that are just being closed, and answer 502. Shorter where clients come without a balancer.
    /// An HTTP/2 connection may be idle for as long as its client likes.
    pub fn header_read_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header_read_timeout = timeout;
        self
    }

    /// How long a connection on which nothing is under way is waited for once the listener is closed: clients that have just connected and not
    /// sent their request yet, requests that have come in part, HTTP/2 clients that have not answered the GOAWAY. Default 1 s;
    /// longer for clients that are far away; not zero. HTTP/1 connections that are idle between two requests get no time: while the
    /// readiness window lasted, every response on them said `Connection: close`.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// At most so many connections at once, upgraded ones included; more wait in the system's queue. Default: as many as come. Set it below
    /// the process's limit of descriptors. Connections that wait when the listener closes are taken beyond it, since they would be reset.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = Some(most);
        self
    }
}

impl<L, S> fmt::Debug for Serve<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("settings", &self.settings).field("max_connections", &self.max_connections).finish_non_exhaustive()
    }
}

impl<L, S, B> IntoFuture for Serve<L, S>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = io::Result<Drained>;
    type IntoFuture = BoxFuture<'static, io::Result<Drained>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { listener, service, settings, max_connections } = self;
        Box::pin(run(listener, service, settings, max_connections))
    }
}

/// The connections' tasks. They are cut when it is dropped.
struct Connections<S> {
    tasks: JoinSet<()>,
    service: S,
    settings: Arc<Settings>,
    /// When a failure was last told.
    told: Option<Duration>,
}

impl<S> Connections<S> {
    /// Drives `other`, and puts away the tasks that have ended.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        poll_fn(|cx| {
            // One that has panicked has harmed its own connection.
            while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
            other.as_mut().poll(cx)
        })
        .await
    }

    /// Leaves the listener alone for as long as the error asks for.
    async fn after(&mut self, error: &io::Error, errors_in_a_row: &mut u32) {
        let Some(pause) = pause(error, *errors_in_a_row) else { return };
        *errors_in_a_row = errors_in_a_row.saturating_add(1);
        let runtime = &self.settings.drain.settings().runtime;
        if is_told(&mut self.told, runtime.monotonic()) {
            tracing::warn!(target: "unstick", error = %error, pause_ms = pause.as_millis(), "no connection can be accepted");
        }
        let sleep = runtime.sleep(pause);
        self.beside(sleep).await;
    }
}

impl<S, B> Connections<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn accept<L: Listener>(&mut self, listener: &mut L, places: Option<&Arc<Semaphore>>) -> ! {
        let mut errors = 0;
        loop {
            let place = match places {
                Some(places) => self.beside(Arc::clone(places).acquire_owned()).await.ok(),
                None => None,
            };
            match self.beside(listener.accept()).await {
                Ok(accepted) => {
                    errors = 0;
                    self.begin(accepted, place);
                }
                Err(error) => self.after(&error, &mut errors).await,
            }
        }
    }

    /// Takes what waits in the listener, and closes it.
    async fn close<L: Listener>(&mut self, listener: L) -> io::Result<()> {
        let mut errors = 0;
        for (number, next) in listener.into_queue()?.take(LONGEST_QUEUE).enumerate() {
            match next {
                Ok(accepted) => self.begin(accepted, None),
                Err(error) => self.after(&error, &mut errors).await,
            }
            if number % TURN == TURN - 1 {
                self.beside(yield_now()).await;
            }
        }
        Ok(())
    }

    fn begin<I, P>(&mut self, (io, peer): (I, P), place: Option<OwnedSemaphorePermit>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        P: Clone + Send + Sync + 'static,
    {
        self.tasks.spawn(connection::run(io, peer, self.service.clone(), Arc::clone(&self.settings), place));
    }
}

async fn run<L, S, B>(mut listener: L, service: S, settings: Settings, max_connections: Option<usize>) -> io::Result<Drained>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    if settings.header_read_timeout.is_zero() || settings.grace.is_zero() || max_connections == Some(0) {
        let why = "`header_read_timeout`, `grace` and `max_connections` must not be zero: clients would not be served";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let drain = settings.drain.clone();
    let running = drain.server();
    let mut connections = Connections { tasks: JoinSet::new(), service, settings: Arc::new(settings), told: None };
    let places = max_connections.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))));
    select(pin!(drain.closing()), pin!(connections.accept(&mut listener, places.as_ref()))).await;

    let rest = async {
        connections.close(listener).await?;
        while connections.tasks.join_next().await.is_some() {}
        Ok(())
    };
    let closed = match select(pin!(rest), pin!(drain.over())).await {
        Either::Left((closed, _)) => closed,
        Either::Right(_) => Ok(()),
    };
    drop(running);
    // Says what is in flight before `connections` is dropped, which cuts that.
    let drained = drain.finished().await;
    drop(connections);
    closed.map(|()| drained)
}
