//! On Fly.io, a node that drains can hand each request to another machine instead of answering it.
//!
//! The proxy replays the request, body included, when the answer says `fly-replay: elsewhere=true`; bodies up to 1 MB only, so larger ones
//! and those of unknown length are served here. So are requests that were replayed already, which could otherwise go in circles, and upgrades.
//! Nothing but Fly.io's proxy understands this: do not use it behind anything else.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use unstick_affinity::{drain::Drain, elsewhere::FlyElsewhereLayer};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let drain = Drain::builder().build()?;
//! let handler = service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new("served")) });
//! let service = FlyElsewhereLayer::new(&drain).layer(handler);
//!
//! assert_eq!(service.clone().oneshot(Request::new(())).await?.into_body(), "served");
//! drain.begin();
//! assert_eq!(service.clone().oneshot(Request::new(())).await?.headers()["fly-replay"], "elsewhere=true");
//!
//! let replayed = Request::get("/").header("fly-replay-src", "instance=9080e6f3a12345").body(())?;
//! assert_eq!(service.oneshot(replayed).await?.into_body(), "served");
//! # Ok(()) }
//! ```

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{drain::Drain, fly};

const REPLAY: HeaderName = HeaderName::from_static("fly-replay");
const ELSEWHERE: HeaderValue = HeaderValue::from_static("elsewhere=true");
/// Bytes of a body that the proxy replays.
const MAX_BODY: u64 = 1_000_000;

/// Hands requests to other machines while a drain goes on. See the [module docs](self). Put it inside the drain's layer, outside everything else.
#[derive(Debug, Clone)]
#[must_use]
pub struct FlyElsewhereLayer {
    drain: Drain,
}

impl FlyElsewhereLayer {
    /// Acts from the moment on at which this drain begins.
    pub fn new(drain: &Drain) -> Self {
        Self { drain: drain.clone() }
    }
}

impl<S> Layer<S> for FlyElsewhereLayer {
    type Service = FlyElsewhere<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FlyElsewhere { inner, drain: self.drain.clone() }
    }
}

/// The service of [`FlyElsewhereLayer`]. Response bodies must have an empty one, as those of axum and tonic do.
#[derive(Debug, Clone)]
pub struct FlyElsewhere<S> {
    inner: S,
    drain: Drain,
}

impl<S, B, R> Service<Request<B>> for FlyElsewhere<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.drain.has_begun() && may_go(request.method(), request.headers()) {
            return ResponseFuture { inner: None };
        }
        ResponseFuture { inner: Some(self.inner.call(request)) }
    }
}

/// Whether the proxy can replay a request, and has not done so.
fn may_go(method: &Method, headers: &HeaderMap) -> bool {
    let is_fresh = fly::route(headers) != fly::Route::Replayed && !headers.contains_key(UPGRADE) && *method != Method::CONNECT;
    let length = headers.get(CONTENT_LENGTH).map(|length| length.to_str().ok().and_then(|length| length.parse::<u64>().ok()));
    let fits = match length {
        Some(length) => length.is_some_and(|length| length <= MAX_BODY),
        None => {
            matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE) && !headers.contains_key(TRANSFER_ENCODING)
        }
    };
    is_fresh && fits
}

pin_project! {
    /// The response future of [`FlyElsewhere`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(inner) = self.project().inner.as_pin_mut() {
            return inner.poll(cx);
        }
        let mut response = Response::new(R::default());
        response.headers_mut().insert(REPLAY, ELSEWHERE);
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::may_go;

    fn goes(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        may_go(method, &HeaderMap::from_iter(headers))
    }

    #[test]
    fn only_what_the_proxy_can_replay_goes_and_only_once() {
        assert!(goes(&Method::GET, &[]) && goes(&Method::POST, &[("content-length", "1000000")]));
        assert!(goes(&Method::GET, &[("fly-replay-cache-status", "miss")]));
        for headers in [
            &[("fly-replay-src", "instance=a")][..],
            &[("upgrade", "websocket")],
            &[("transfer-encoding", "chunked")],
            &[("content-length", "1000001")],
            &[("content-length", "x")],
        ] {
            assert!(!goes(&Method::GET, headers), "{headers:?}");
        }
        assert!(!goes(&Method::POST, &[]), "its body may be of any length");
        assert!(!goes(&Method::CONNECT, &[]));
    }
}
