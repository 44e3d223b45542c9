//! The client's response future.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;

use super::slots::Slots;

pin_project_lite::pin_project! {
    /// Future of [`CarryWrites`](super::CarryWrites).
    #[must_use = "futures do nothing unless polled"]
    pub struct CarryFuture<F> {
        #[pin]
        inner: F,
        slots: Arc<Slots>,
    }
}

impl<F> CarryFuture<F> {
    pub(super) const fn new(inner: F, slots: Arc<Slots>) -> Self {
        Self { inner, slots }
    }
}

impl<F, B, E> Future for CarryFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        this.slots.receive(response.headers());
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for CarryFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarryFuture").field("slots", &self.slots).finish_non_exhaustive()
    }
}
