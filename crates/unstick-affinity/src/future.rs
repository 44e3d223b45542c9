use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::unpin::Unpinning;

pin_project! {
    /// The response future of [`Affinity`](crate::Affinity).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        pub(crate) inner: F,
        pub(crate) unpinning: Unpinning,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut polled = this.inner.poll(cx);
        // In its place: moving a response costs more than all that is done to most of them.
        if let Poll::Ready(Ok(response)) = &mut polled {
            this.unpinning.finish(response);
        }
        polled
    }
}
