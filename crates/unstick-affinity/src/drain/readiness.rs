//! The answer to health checks.

use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use tower_service::Service;

use super::handle::Drain;

type Check = Arc<dyn Fn() -> bool + Send + Sync>;

/// A service for readiness checks: 200 `ready`, and once the drain has begun 503 `draining`, or the status that
/// [`not_ready_status`](super::DrainBuilder::not_ready_status) says. Made by [`Drain::readiness`]. Any request body; it never fails.
///
/// Not for liveness checks, which would have a draining node killed.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
/// use http::{Request, StatusCode};
/// use tower::ServiceExt;
/// use unstick_affinity::drain::Drain;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let drain = Drain::builder().build()?;
/// let is_warm = Arc::new(AtomicBool::new(false));
/// let check = is_warm.clone();
/// let readiness = drain.readiness().and(move || check.load(Ordering::Relaxed));
///
/// assert_eq!(readiness.clone().oneshot(Request::new(())).await?.status(), StatusCode::SERVICE_UNAVAILABLE);
/// is_warm.store(true, Ordering::Relaxed);
/// assert_eq!(readiness.clone().oneshot(Request::new(())).await?.status(), StatusCode::OK);
/// drain.begin();
/// assert_eq!(readiness.oneshot(Request::new(())).await?.status(), StatusCode::SERVICE_UNAVAILABLE);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Readiness {
    drain: Drain,
    checks: Arc<[Check]>,
}

impl Drain {
    /// The answer to the balancer's health check, to be mounted where it asks.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness { drain: self.clone(), checks: Arc::new([]) }
    }
}

impl Readiness {
    /// Is ready only if `check` says so, too: 503 `unavailable` otherwise, whatever status stands for draining. It runs with every
    /// check of the balancer: return what is known, and never block. Checking a store that all nodes share takes all of them out at
    /// once when it fails, which helps nobody: check what another node might do better.
    #[must_use]
    pub fn and(mut self, check: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let check: Check = Arc::new(check);
        self.checks = self.checks.iter().cloned().chain([check]).collect();
        self
    }

    /// Status and text of an answer given now.
    fn answer(&self) -> (StatusCode, &'static str) {
        if self.drain.has_begun() {
            (self.drain.settings().status, "draining")
        } else if self.checks.iter().all(|check| check()) {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }
}

impl<B> Service<Request<B>> for Readiness {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let (status, text) = self.answer();
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        ready(Ok(response))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("drain", &self.drain).field("checks", &self.checks.len()).finish()
    }
}
