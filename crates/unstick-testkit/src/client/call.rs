//! One request to a service in this process.

use std::future::poll_fn;

use http::{Request, Response};
use tower_service::Service;

use super::Jar;

/// Sends a request with the jar's cookies, and takes the response's cookies into it.
///
/// Cookies belong to the request's host and path; a request without a host goes to `localhost`. A `Cookie` header that the request
/// has already is left alone, and the jar's are not added. For requests that overlap, use [`Jar::attach`] and [`Jar::receive`].
///
/// # Errors
/// What the service returns.
pub async fn call<S, B, R>(jar: &mut Jar, mut service: S, mut request: Request<B>) -> Result<Response<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    let uri = request.uri().clone();
    jar.attach(&mut request);
    poll_fn(|cx| service.poll_ready(cx)).await?;
    let response = service.call(request).await?;
    jar.receive(&uri, response.headers());
    Ok(response)
}
