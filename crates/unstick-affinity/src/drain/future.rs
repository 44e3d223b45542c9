use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Method, Response, Version};
use pin_project_lite::pin_project;

use super::{body::ResponseBody, guard::Kept, handle::Drain, headers};

pin_project! {
    /// The response future of [`DrainService`](super::DrainService).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the request counts no longer; what the inner future leaves behind in
    /// [`Pending`](unstick_core::Pending) counts before that.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        // Dropped before `kept`: no moment at which neither the request nor what it leaves behind counts.
        #[pin]
        pub(super) inner: F,
        pub(super) kept: Option<Kept>,
        pub(super) drain: Drain,
        pub(super) version: Version,
        pub(super) method: Method,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if this.drain.has_begun() && headers::may_close(*this.version, this.method, response.status()) {
            headers::close(response.headers_mut());
            if *this.version == Version::HTTP_10 {
                // hyper adds `keep-alive` to an answer of HTTP/1.1 when a client of HTTP/1.0 has asked for it, whatever stands there.
                *response.version_mut() = Version::HTTP_10;
            }
        }
        let kept = this.kept.take();
        Poll::Ready(Ok(response.map(|inner| ResponseBody { inner, kept })))
    }
}
