//! Layers to compare with.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::extract::Request;
use http::{HeaderName, HeaderValue, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("arr-disable-session-affinity");
pub(crate) const VALUE: HeaderValue = HeaderValue::from_static("true");

/// Does nothing.
#[derive(Clone, Copy)]
pub(crate) struct Identity<S = ()>(pub(crate) S);

impl<S> Layer<S> for Identity {
    type Service = Identity<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Identity(inner)
    }
}

impl<S: Service<Request>> Service<Request> for Identity<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request)
    }
}

/// Puts the header into every response, and does nothing else.
#[derive(Clone, Copy)]
pub(crate) struct Header<S = ()>(pub(crate) S);

impl<S> Layer<S> for Header {
    type Service = Header<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Header(inner)
    }
}

impl<S: Service<Request, Response = Response<R>>, R> Service<Request> for Header<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = HeaderFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        HeaderFuture { inner: self.0.call(request) }
    }
}

pin_project! {
    pub(crate) struct HeaderFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future<Output = Result<Response<R>, E>>, R, E> Future for HeaderFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut polled = self.project().inner.poll(cx);
        if let Poll::Ready(Ok(response)) = &mut polled {
            response.headers_mut().insert(HEADER, VALUE);
        }
        polled
    }
}
