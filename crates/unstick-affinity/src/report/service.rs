//! The report on a route.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};
use http_body_util::Full;
use tower_service::Service;

use crate::AffinityLayer;

/// Answers `GET` and `HEAD` with the layer's [`Report`](super::Report), whatever the path: as text, or as JSON if `Accept` prefers
/// `application/json` or the query says `format=json` (`format=text` for text). Other methods get 405. Nothing may keep the answer.
///
/// **Mount it on an internal route only**: a report names your balancers, your cookies and your nodes. It holds no cookie's value. Keep it outside
/// the affinity layer, or its own requests are counted.
///
/// With axum: `Router::new().route_service("/internal/affinity", layer.report_service())`. With tonic: give that router to
/// `tonic::service::Routes::from`, as its HTTP routes and the gRPC ones share one server. With hyper: wrap it in `TowerToHyperService`.
///
/// ```
/// use http::{Request, header::{ACCEPT, CONTENT_TYPE}};
/// use tower::ServiceExt;
/// use unstick_affinity::AffinityLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = AffinityLayer::builder().without_sessions().build()?;
/// let request = Request::get("/internal/affinity").header(ACCEPT, "application/json").body(())?;
/// let response = layer.report_service().oneshot(request).await?;
/// assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ReportService(AffinityLayer);

impl ReportService {
    /// Answers with the reports of this layer.
    #[must_use]
    pub fn new(layer: &AffinityLayer) -> Self {
        Self(layer.clone())
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let (status, kind, text) = if method != Method::GET && method != Method::HEAD {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "The report answers GET and HEAD.\n".to_owned())
        } else if is_json(uri.query(), headers) {
            (StatusCode::OK, JSON, self.0.report().to_json())
        } else {
            (StatusCode::OK, TEXT, self.0.report().to_string())
        };
        let length = HeaderValue::from(text.len());
        let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from(text) };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The query decides, then `Accept`; text if neither does.
fn is_json(query: Option<&str>, headers: &HeaderMap) -> bool {
    let mut formats = query.into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.strip_prefix("format="));
    match formats.next_back() {
        Some("json") => true,
        Some("text") => false,
        _ => quality(headers, "application", "json") > quality(headers, "text", "plain"),
    }
}

/// How much a client wants a media type, in thousandths. The most specific range counts (RFC 9110, 12.5.1); one that is garbled does not.
fn quality(headers: &HeaderMap, kind: &str, subtype: &str) -> u16 {
    let lines = headers.get_all(ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let (left, right) = parts.next()?.split_once('/')?;
        let rank = match (left, right) {
            ("*", "*") => 0,
            (left, "*") if left.eq_ignore_ascii_case(kind) => 1,
            (left, right) if left.eq_ignore_ascii_case(kind) && right.eq_ignore_ascii_case(subtype) => 2,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((rank, weight.map_or(Some(1000), thousandths)?))
    });
    ranges.max_by_key(|(rank, _)| *rank).map_or(0, |(_, weight)| weight)
}

/// `0.5` as 500.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let is_fine = matches!(whole, "0" | "1") && decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let weight: u16 = is_fine.then(|| format!("{whole}{decimals:0<3}").parse().ok())??;
    (weight <= 1000).then_some(weight)
}

impl<B> Service<Request<B>> for ReportService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.uri(), request.headers())))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::ACCEPT};
    use proptest::prelude::*;

    use super::{is_json, quality, thousandths};

    fn accept(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (ACCEPT, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn the_format_is_the_one_that_is_wanted_more() {
        for json in [
            "application/json",
            "Application/JSON;q=0.2",
            "text/html, application/json",
            "text/*;q=0.1, application/*",
            "*/*;q=0.1, application/json",
        ] {
            assert!(is_json(None, &accept(&[json])), "{json}");
        }
        for text in [
            "",
            "*/*",
            "text/plain, application/json",
            "application/json;q=0.5, text/plain",
            "application/json;q=0, */*",
            "json",
            "application/json;q=2",
        ] {
            assert!(!is_json(None, &accept(&[text])), "{text}");
        }
        assert!(is_json(None, &accept(&["text/html", "application/json"])), "over two lines");
        assert!(
            is_json(Some("a=b&format=json"), &accept(&["text/plain"])) && !is_json(Some("format=text"), &accept(&["application/json"]))
        );
        assert!(is_json(Some("format=xml"), &accept(&["application/json"])), "an unknown format leaves it to Accept");
    }

    #[test]
    fn weights_are_those_of_the_standard() {
        for (weight, read) in [("1", Some(1000)), ("0.5", Some(500)), ("1.000", Some(1000)), ("0.001", Some(1)), ("0.", Some(0))] {
            assert_eq!(thousandths(weight), read, "{weight}");
        }
        for garbled in ["", "2", "1.001", "0.1234", "-1", "0,5", ".5", "0.5x"] {
            assert_eq!(thousandths(garbled), None, "{garbled}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(line in "[ -~]{0,60}", query in "[ -~]{0,30}") {
            let headers = accept(&[&line]);
            prop_assert!(quality(&headers, "application", "json") <= 1000);
            let _ = is_json(Some(&query), &headers);
        }
    }
}
