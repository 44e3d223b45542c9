//! Shows requests and responses to the audit.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{Audit, told::Told};

/// Layer made by [`Audit::layer`]. Changes neither requests nor responses.
#[derive(Debug, Clone)]
#[must_use]
pub struct AuditLayer {
    pub(super) audit: Audit,
}

impl<S> Layer<S> for AuditLayer {
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuditService { inner, audit: self.audit.clone() }
    }
}

/// The service of [`AuditLayer`]. Any bodies, any error.
#[derive(Debug, Clone)]
pub struct AuditService<S> {
    inner: S,
    audit: Audit,
}

impl<S, B, R> Service<Request<B>> for AuditService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AuditFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let told = self.audit.ask(request.method(), request.uri(), request.headers());
        AuditFuture { inner: self.inner.call(request), told, audit: self.audit.clone() }
    }
}

pin_project! {
    /// The response future of [`AuditService`].
    #[derive(Debug)]
    pub struct AuditFuture<F> {
        #[pin]
        inner: F,
        told: Option<Box<Told>>,
        audit: Audit,
    }
}

impl<F, R, E> Future for AuditFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        this.audit.answer(this.told.as_deref(), response.headers());
        Poll::Ready(Ok(response))
    }
}
