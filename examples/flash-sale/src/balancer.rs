//! The program's own balancer: round robin, with a pin cookie where it is told to pin.
//!
//! It writes its cookie before the application's, as nginx, Caddy and Traefik do, and sends to another node only what cannot have happened yet:
//! requests of which nothing was sent, and those that only read.

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Full};

use crate::{
    app::NODE,
    cli::Product,
    fleet::node_name,
    table::{Table, Turn},
    wire::{Undone, Wire},
};

/// Epoch and turn of the request, on every response.
pub(crate) const TURN: HeaderName = HeaderName::from_static("x-turn");

#[derive(Debug, Clone)]
pub(crate) struct Balancer {
    pub(crate) table: Table,
    pub(crate) pins: bool,
    pub(crate) wire: Wire,
}

impl Balancer {
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(forward).with_state(self)
    }
}

async fn forward(State(balancer): State<Balancer>, request: Request<Body>) -> Response {
    let (mut head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST.into_response() };
    let body = body.to_bytes();
    if head.uri.path().starts_with("/internal") {
        return StatusCode::NOT_FOUND.into_response();
    }
    strip(&mut head.headers);
    let pin = balancer.pins.then(|| pin_of(&head.headers)).flatten();
    while let Some(turn) = balancer.table.choose(pin) {
        let route = turn.route;
        match balancer.wire.send(route.addr, whole(&head, &body)).await {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                strip(&mut head.headers);
                if balancer.pins && pin != Some(route.number) {
                    set_pin(&mut head.headers, route.number);
                }
                return signed(Response::from_parts(head, Body::from(body)), turn);
            }
            Err(Undone::NotSent) => {
                balancer.table.remove(route.number);
                balancer.wire.forget(route.addr);
            }
            Err(Undone::MaybeDelivered) if head.method == Method::GET => {}
            Err(Undone::MaybeDelivered) => return signed(StatusCode::BAD_GATEWAY.into_response(), turn),
        }
    }
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn whole(head: &Parts, body: &Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    request
}

fn strip(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
        headers.remove(name);
    }
}

fn signed(mut response: Response, Turn { route, epoch, turn }: Turn) -> Response {
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&format!("{epoch}.{turn}")).ok().map(|value| (TURN, value)));
    headers.extend(HeaderValue::from_str(&node_name(route.number)).ok().map(|value| (NODE, value)));
    response
}

fn pin_of(headers: &HeaderMap) -> Option<usize> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut pins = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == Product::Own.pin());
    pins.next()?.1.parse().ok()
}

/// Before the lines that are there.
fn set_pin(headers: &mut HeaderMap, number: usize) {
    let line = format!("{}={number}; Path=/; HttpOnly; SameSite=Lax", Product::Own.pin());
    let rest: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    let Ok(line) = HeaderValue::from_str(&line) else { return };
    headers.insert(header::SET_COOKIE, line);
    for line in rest {
        headers.append(header::SET_COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pin_comes_before_the_applications_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("b=2"));
        set_pin(&mut headers, 7);
        let lines: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(lines, ["SALEPIN=7; Path=/; HttpOnly; SameSite=Lax", "a=1", "b=2"]);
    }

    #[test]
    fn the_pin_is_found_among_other_cookies() {
        let headers = |text: &'static str| HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(text))]);
        assert_eq!(pin_of(&headers("a=b; SALEPIN=12")), Some(12));
        assert_eq!(pin_of(&headers("SALEPIN=x")), None);
        assert_eq!(pin_of(&headers("OTHER=1")), None);
    }
}
