//! The response future: from the cache, by a load, or past both.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tower_service::Service;
use unstick_core::BoxFuture;

use crate::{Cache, CacheKey, LoadError, LoadErrorKind, cache::Answer, entry::Content};

/// A request with a key, before anybody has looked.
struct Question<S, Req, K, V> {
    inner: S,
    request: Req,
    cache: Cache<K, V>,
    key: K,
}

pin_project_lite::pin_project! {
    #[project = StepProj]
    enum Step<S, Req, K>
    where
        S: Service<Req>,
    {
        Asking { question: Option<Question<S, Req, K, S::Response>> },
        Loading { load: BoxFuture<'static, Result<Content<S::Response>, LoadError>> },
        Readying { inner: S, request: Option<Req> },
        Passing { #[pin] call: S::Future },
    }
}

pin_project_lite::pin_project! {
    /// Future of [`ReadThroughService`](super::ReadThroughService). Looks at the cache when it is first polled.
    ///
    /// # Cancel safety
    /// Dropped, it stops the waiting; a load that has begun goes on. A request that goes past the cache is cancelled as by the
    /// inner service's own future.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Req, K>
    where
        S: Service<Req>,
    {
        #[pin]
        step: Step<S, Req, K>,
    }
}

impl<S: Service<Req>, Req, K> ResponseFuture<S, Req, K> {
    pub(super) const fn reading(inner: S, request: Req, cache: Cache<K, S::Response>, key: K) -> Self {
        Self { step: Step::Asking { question: Some(Question { inner, request, cache, key }) } }
    }

    pub(super) const fn passing(inner: S, request: Req) -> Self {
        Self { step: Step::Readying { inner, request: Some(request) } }
    }
}

impl<S, Req, K> Future for ResponseFuture<S, Req, K>
where
    S: Service<Req> + Send + 'static,
    S::Response: Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + 'static,
    S::Future: Send,
    Req: Send + 'static,
    K: CacheKey,
{
    type Output = Result<S::Response, LoadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            match step.as_mut().project() {
                StepProj::Asking { question } => match question.take().map(Question::ask) {
                    Some(Answer::Now(content)) => return Poll::Ready(value(content)),
                    Some(Answer::Later(load)) => step.set(Step::Loading { load }),
                    None => return Poll::Ready(Err(polled_again())),
                },
                StepProj::Loading { load } => return load.as_mut().poll(cx).map(|content| value(content?)),
                StepProj::Readying { inner, request } => {
                    ready!(inner.poll_ready(cx)).map_err(own)?;
                    let Some(request) = request.take() else { return Poll::Ready(Err(polled_again())) };
                    let call = inner.call(request);
                    step.set(Step::Passing { call });
                }
                StepProj::Passing { call } => return call.poll(cx).map_err(own),
            }
        }
    }
}

impl<S, Req, K> Question<S, Req, K, S::Response>
where
    S: Service<Req> + Send + 'static,
    S::Response: Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + 'static,
    S::Future: Send,
    Req: Send + 'static,
    K: CacheKey,
{
    fn ask(self) -> Answer<S::Response> {
        let Self { mut inner, request, cache, key } = self;
        cache.answer(key, || async move {
            poll_fn(|cx| inner.poll_ready(cx)).await?;
            inner.call(request).await
        })
    }
}

fn value<V>(content: Content<V>) -> Result<V, LoadError> {
    match content {
        Content::Value(value) => Ok(value),
        Content::Absent => Err(LoadError::new(LoadErrorKind::Absent)),
        Content::Failed(error) => Err(*error),
    }
}

fn own(error: impl Into<Box<dyn Error + Send + Sync>>) -> LoadError {
    LoadError::failed(error.into())
}

/// After its end a future answers anything but a panic.
const fn polled_again() -> LoadError {
    LoadError::new(LoadErrorKind::Abandoned)
}

impl<S: Service<Req>, Req, K> fmt::Debug for ResponseFuture<S, Req, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match &self.step {
            Step::Asking { .. } => "asking",
            Step::Loading { .. } => "loading",
            Step::Readying { .. } => "readying",
            Step::Passing { .. } => "passing",
        };
        f.debug_struct("ResponseFuture").field("step", &step).finish_non_exhaustive()
    }
}
