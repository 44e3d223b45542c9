//! The response body: the inner service's, polled in the request's scope, so that an invalidation in it is told that it comes too late.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

use super::ClientWrites;

pin_project_lite::pin_project! {
    /// Body of [`ReadYourWrites`](super::ReadYourWrites)'s responses.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        writes: Option<ClientWrites>,
    }
}

impl<B> ResponseBody<B> {
    pub(super) const fn new(inner: B, writes: ClientWrites) -> Self {
        Self { inner, writes: Some(writes) }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        match this.writes {
            Some(writes) => writes.within(|| this.inner.poll_frame(cx)),
            None => this.inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { inner: B::default(), writes: None }
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseBody").field(&self.inner).finish()
    }
}
