//! Counts the requests of one connection, from the call until the end of the response's body, and keeps upgraded ones in flight.
//!
//! It stands between a drain's layer of the server's own and the user's service.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    link::{Link, UnderWay},
    listener::Peer,
};
use crate::drain::{Drain, DrainGuard, guard};

/// A connection's service.
#[derive(Debug, Clone)]
pub(super) struct Counted<S, P> {
    inner: S,
    peer: Peer<P>,
    link: Arc<Link>,
    drain: Drain,
}

impl<S, P> Counted<S, P> {
    pub(super) fn new(inner: S, peer: Peer<P>, link: Arc<Link>, drain: Drain) -> Self {
        Self { inner, peer, link, drain }
    }
}

impl<S, P, Q, B> Service<Request<Q>> for Counted<S, P>
where
    P: Clone + Send + Sync + 'static,
    S: Service<Request<Q>, Response = Response<B>>,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let under_way = Some(UnderWay::begin(&self.link));
        let may_become = match request.extensions().get::<DrainGuard>() {
            Some(_) if request.version() == Version::HTTP_2 => MayBecome::Tunnel,
            Some(guard) => MayBecome::Upgraded { guard: guard.clone(), connects: request.method() == Method::CONNECT },
            None => MayBecome::Nothing,
        };
        request.extensions_mut().insert(guard::Counted(self.drain.clone()));
        request.extensions_mut().insert(self.peer.clone());
        CountedFuture { inner: self.inner.call(request), under_way, link: Arc::clone(&self.link), may_become }
    }
}

/// What a request may make of its connection.
#[derive(Debug)]
enum MayBecome {
    Nothing,
    /// A stream among others, which lasts for as long as its handler likes.
    Tunnel,
    /// All of it.
    Upgraded {
        guard: DrainGuard,
        connects: bool,
    },
}

impl MayBecome {
    fn answered(self, status: StatusCode, link: &Link) {
        match self {
            Self::Tunnel if status.is_success() => link.set_tunnel(),
            Self::Upgraded { guard, connects } if status == StatusCode::SWITCHING_PROTOCOLS || connects && status.is_success() => {
                link.keep(guard);
            }
            Self::Nothing | Self::Tunnel | Self::Upgraded { .. } => {}
        }
    }
}

pin_project! {
    /// A request's future.
    pub(super) struct CountedFuture<F> {
        #[pin]
        inner: F,
        under_way: Option<UnderWay>,
        link: Arc<Link>,
        may_become: MayBecome,
    }
}

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        std::mem::replace(this.may_become, MayBecome::Nothing).answered(response.status(), this.link);
        let under_way = this.under_way.take();
        Poll::Ready(Ok(response.map(|inner| CountedBody { inner, _under_way: under_way })))
    }
}

pin_project! {
    /// A response's body.
    pub(super) struct CountedBody<B> {
        #[pin]
        inner: B,
        _under_way: Option<UnderWay>,
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
