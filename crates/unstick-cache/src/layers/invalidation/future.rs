//! The response future: the handler's answer, then the invalidation, then the headers.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use unstick_core::BoxFuture;

use super::Invalidates;
use crate::Namespace;

/// What the request's function said.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) what: Invalidates,
    pub(super) after_server_errors: bool,
}

/// Invalidates in the background when the request is cut: nobody knows then whether the source was written.
#[derive(Debug)]
pub(super) struct Guard {
    namespace: Namespace,
    due: Due,
}

impl Guard {
    pub(super) const fn new(namespace: Namespace, due: Due) -> Self {
        Self { namespace, due }
    }

    /// What an answer asks for.
    fn after<B>(&mut self, response: &mut Response<B>) -> Invalidates {
        let Due { what, after_server_errors } = mem::take(&mut self.due);
        let is_due = match outcome(response) {
            Outcome::Success => true,
            Outcome::Refused => false,
            Outcome::Failed => after_server_errors,
        };
        let said = response.extensions_mut().remove::<Invalidates>().unwrap_or_default();
        if is_due { what.join(said) } else { said }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Due { what, after_server_errors } = mem::take(&mut self.due);
        if after_server_errors && !what.is_empty() {
            let namespace = self.namespace.clone();
            let runtime = namespace.shared.runtime.clone();
            runtime.spawn(Box::pin(async move {
                namespace.invalidate(what.into_targets(&namespace)).await;
            }));
        }
    }
}

enum Outcome {
    Success,
    Refused,
    Failed,
}

fn outcome<B>(response: &Response<B>) -> Outcome {
    let status = response.status();
    if status.is_client_error() {
        return Outcome::Refused;
    }
    if status.is_server_error() {
        return Outcome::Failed;
    }
    match response.headers().get("grpc-status").map(http::HeaderValue::as_bytes) {
        None | Some(b"0") => Outcome::Success,
        // unknown, deadline exceeded, internal, unavailable, data loss
        Some(b"2" | b"4" | b"13" | b"14" | b"15") => Outcome::Failed,
        Some(_) => Outcome::Refused,
    }
}

pin_project_lite::pin_project! {
    #[project = StepProj]
    enum Step<F, B> {
        Handler { #[pin] inner: F },
        Invalidating { invalidation: BoxFuture<'static, ()>, response: Option<Response<B>> },
        Answered,
    }
}

pin_project_lite::pin_project! {
    /// Future of [`Invalidation`](super::Invalidation).
    ///
    /// # Cancel safety
    /// Dropped before the handler answers, what the layer's function said is invalidated in the background. Dropped later, the
    /// invalidation is in effect and completed in the background.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        step: Step<F, B>,
        guard: Guard,
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) const fn new(inner: F, guard: Guard) -> Self {
        Self { step: Step::Handler { inner }, guard }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StepProj::Handler { inner } = this.step.as_mut().project() {
            let mut response = ready!(inner.poll(cx))?;
            let what = this.guard.after(&mut response);
            if what.is_empty() {
                this.step.set(Step::Answered);
                return Poll::Ready(Ok(response));
            }
            let namespace = this.guard.namespace.clone();
            let invalidation: BoxFuture<'static, ()> = Box::pin(async move {
                namespace.invalidate(what.into_targets(&namespace)).await;
            });
            this.step.set(Step::Invalidating { invalidation, response: Some(response) });
        }
        let StepProj::Invalidating { invalidation, response } = this.step.as_mut().project() else {
            return Poll::Pending; // polled again after completion
        };
        ready!(invalidation.as_mut().poll(cx));
        let Some(response) = response.take() else { return Poll::Pending };
        this.step.set(Step::Answered);
        Poll::Ready(Ok(response))
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("guard", &self.guard).finish_non_exhaustive()
    }
}
