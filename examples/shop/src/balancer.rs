//! A round-robin reverse proxy for HTTP/1, with a pin cookie in mode `sticky`.
//!
//! It retries on another node only what cannot have happened yet: requests of which nothing was sent, and idempotent
//! requests without a body. Everything else is answered with 502, because a customer may have been charged already.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    cli::Mode,
    fleet::Fleet,
    pool::{Connection, Undone},
    routes::{INSTANCE, Refusal},
    slot::InFlight,
};

/// The pin of mode `sticky`: the name of the node that answered first, as in HAProxy with `cookie SRV insert preserve`. A line of the
/// application for a cookie of this name, such as its deletion, takes the place of the balancer's.
pub(crate) const PIN: &str = "SRV";

/// How many of the latest requests [`Share`] looks at.
const LATEST: usize = 20;

/// How many of the latest requests carried the pin.
#[derive(Debug, Default)]
pub(crate) struct Share(Mutex<VecDeque<bool>>);

impl Share {
    fn note(&self, is_pinned: bool) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        latest.truncate(LATEST - 1);
        latest.push_front(is_pinned);
    }

    /// Pinned ones, and all that were looked at.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (latest.iter().filter(|is_pinned| **is_pinned).count(), latest.len())
    }
}

/// Headers that are meant for one connection.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Passes a request to a node, and its response back.
pub(crate) async fn forward(fleet: &Arc<Fleet>, peer: SocketAddr, request: Request<Body>) -> Response {
    if request.uri().path().starts_with("/internal") || request.method() == Method::CONNECT {
        return Refusal::new(StatusCode::NOT_FOUND, "there is no such route").into_response();
    }
    let pins = fleet.mode() == Mode::Sticky;
    let pin = pins.then(|| pin_of(request.headers())).flatten().map(str::to_owned);
    fleet.pinned().note(pin.is_some());
    let spare = Spare::of(&request);
    let mut request = prepare(request, peer);
    for slot in fleet.candidates(pin.as_deref()) {
        let Some((addr, in_flight)) = slot.enter() else { continue };
        match slot.pool.send(addr, request).await {
            Ok((response, connection)) => {
                slot.trust();
                let mut response = response.map(|inner| Body::new(Guarded { inner, addr, connection: Some(connection), in_flight }));
                strip_hop_by_hop(response.headers_mut());
                if pins && pin.as_deref() != Some(&slot.name) && !sets_pin(response.headers()) {
                    set_pin(response.headers_mut(), &slot.name);
                }
                return response;
            }
            Err(Undone::NotSent(back)) => {
                if slot.suspect() {
                    fleet.log().note(&slot.name, "node_unreachable", true, "the balancer tries another node");
                }
                request = *back;
            }
            Err(undone) => {
                let (status, reason) = match undone {
                    Undone::TimedOut => {
                        (StatusCode::GATEWAY_TIMEOUT, "the node did not answer in time; the request may have had an effect")
                    }
                    _ => (StatusCode::BAD_GATEWAY, "the connection to the node broke; the request may have had an effect"),
                };
                match spare.as_ref().map(|spare| prepare(spare.request(), peer)) {
                    Some(again) => request = again,
                    None => return Refusal::new(status, reason).into_response(),
                }
            }
        }
    }
    Refusal::new(StatusCode::BAD_GATEWAY, "no node can be reached; nothing was done").into_response()
}

/// What it takes to send a request again.
struct Spare {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Spare {
    /// Of requests that may be repeated even if they were delivered.
    fn of(request: &Request<Body>) -> Option<Self> {
        let repeatable = request.method().is_idempotent() && request.body().is_end_stream();
        repeatable.then(|| Self { method: request.method().clone(), uri: request.uri().clone(), headers: request.headers().clone() })
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// Turns the client's request into the balancer's.
fn prepare(request: Request<Body>, peer: SocketAddr) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    // The authority of an absolute target takes the place of Host, as the standard says.
    if let Some(host) = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        parts.headers.insert(header::HOST, host);
    }
    parts.uri = parts.uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
    parts.version = Version::HTTP_11;
    strip_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::EXPECT);
    // This is the first proxy that can be trusted: what the client claims is replaced, not extended.
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"] {
        parts.headers.remove(name);
    }
    if let Ok(client) = HeaderValue::from_str(&peer.ip().to_string()) {
        parts.headers.insert("x-forwarded-for", client);
    }
    if let Some(host) = parts.headers.get(header::HOST).cloned() {
        parts.headers.insert("x-forwarded-host", host);
    } else {
        parts.headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    }
    parts.headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    Request::from_parts(parts, body)
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

fn pin_of(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find_map(|(name, value)| (name == PIN).then_some(value))
}

/// Whether the application has a line for it.
fn sets_pin(headers: &HeaderMap) -> bool {
    let mut names = headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.as_bytes().split(|byte| *byte == b'=').next());
    names.any(|name| name == PIN.as_bytes())
}

fn set_pin(headers: &mut HeaderMap, node: &str) {
    if let Ok(cookie) = HeaderValue::from_str(&format!("{PIN}={node}; Path=/; HttpOnly; SameSite=Lax")) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// Names the balancer on responses that no node has signed.
pub(crate) async fn sign(mut response: Response) -> Response {
    response.headers_mut().entry(INSTANCE).or_insert(HeaderValue::from_static("balancer"));
    response
}

/// A response's body, which keeps its request counted as in flight and gives its connection back at the end.
struct Guarded {
    inner: Incoming,
    addr: SocketAddr,
    connection: Option<Connection>,
    in_flight: InFlight,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // A connection with an unread rest of a body cannot be used again.
        if let Some(connection) = self.connection.take()
            && self.inner.is_end_stream()
        {
            self.in_flight.slot().pool.put(self.addr, connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn hop_by_hop_headers_stay_here() {
        let mut all = headers(&[
            ("connection", "close, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("x-hop", "1"),
            ("x-kept", "1"),
            ("cookie", "a=b"),
        ]);
        strip_hop_by_hop(&mut all);
        assert_eq!(all, headers(&[("x-kept", "1"), ("cookie", "a=b")]));
    }

    #[test]
    fn the_client_cannot_claim_an_address() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let request = Request::get("http://shop.example/a?b=c")
            .header("host", "other.example")
            .header("x-forwarded-for", "10.0.0.1")
            .header("forwarded", "for=10.0.0.1")
            .body(Body::empty())
            .unwrap();
        let request = prepare(request, peer);
        assert_eq!(request.uri(), "/a?b=c");
        let expected = [
            ("host", "shop.example"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-proto", "http"),
        ];
        assert_eq!(request.headers(), &headers(&expected));
    }

    #[test]
    fn only_harmless_requests_are_repeated() {
        let spare =
            |method: Method, body: &'static str| Spare::of(&Request::builder().method(method).body(Body::from(body)).unwrap()).is_some();
        assert!(spare(Method::GET, "") && spare(Method::DELETE, ""));
        assert!(!spare(Method::POST, "") && !spare(Method::PATCH, "") && !spare(Method::PUT, "x"));
    }

    #[test]
    fn the_pin_is_found_among_other_cookies() {
        assert_eq!(pin_of(&headers(&[("cookie", "a=b; SRV=node-2;c")])), Some("node-2"));
        assert_eq!(pin_of(&headers(&[("cookie", "XSRV=node-2; srv=node-3")])), None);
    }

    #[test]
    fn a_line_of_the_application_keeps_the_balancer_from_pinning() {
        assert!(sets_pin(&headers(&[("set-cookie", "a=b"), ("set-cookie", "SRV=; Path=/; Max-Age=0")])));
        assert!(!sets_pin(&headers(&[("set-cookie", "SRVX=1; Path=/"), ("set-cookie", "a=SRV")])));
    }

    #[test]
    fn the_share_is_that_of_the_latest_requests() {
        let share = Share::default();
        assert_eq!(share.counts(), (0, 0));
        (0..LATEST + 5).for_each(|_| share.note(true));
        (0..5).for_each(|_| share.note(false));
        assert_eq!(share.counts(), (LATEST - 5, LATEST));
    }
}
