//! The same small application on each layer: axum routers, and for two of the requests a plain service.

pub(crate) mod peer;
pub(crate) mod unstick;

use std::{convert::Infallible, future::Future, time::Duration};

use axum::{Router, body::Body, response::Response};
use http::{HeaderValue, Request, StatusCode, Uri};
use sessions::{cookie_of, request};
use tower::Service;

/// How long sessions live without requests.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);

pub(crate) async fn untouched() -> &'static str {
    "ok"
}

/// A service that tasks can clone, whatever bodies it answers with.
pub(crate) trait Plain: Clone + Send + 'static {
    /// The status of its answer.
    fn status(&mut self, request: Request<Body>) -> impl Future<Output = StatusCode> + Send;
}

impl<S, B> Plain for S
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    fn status(&mut self, request: Request<Body>) -> impl Future<Output = StatusCode> + Send {
        let answer = self.call(request);
        async move {
            let Ok(response) = answer.await;
            response.status()
        }
    }
}

/// What the services inside answer.
pub(crate) fn answered(is_ok: bool) -> Result<Response, Infallible> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(response)
}

/// Sends one request and expects success.
pub(crate) async fn send(app: &mut Router, path: &'static str, cookie: Option<&HeaderValue>) -> Result<Response, String> {
    let Ok(response) = app.call(request(&Uri::from_static(path), cookie)).await;
    if response.status() == StatusCode::OK { Ok(response) } else { Err(format!("{path} was answered with {}", response.status())) }
}

/// Cookies of `count` new sessions made by `path`.
pub(crate) async fn sessions(app: &mut Router, path: &'static str, count: usize) -> Result<Vec<HeaderValue>, String> {
    let mut cookies = Vec::with_capacity(count);
    for _ in 0..count {
        cookies.push(cookie_of(&send(app, path, None).await?).ok_or("no session was created")?);
    }
    Ok(cookies)
}
