//! The program's own balancer: round robin, with a pin cookie where it is told to pin.
//!
//! It writes its cookie before the application's, as nginx, Caddy and Traefik do, and sends to another node only what cannot have happened yet:
//! requests of which nothing was sent, and those that only read. No node gets the same request twice.

use std::time::Instant;

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

/// How many nodes may break off one request that only reads.
const BREAKS: usize = 3;

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
    let (mut tried, mut breaks) = (Vec::new(), 0);
    while let Some(turn) = balancer.table.choose(pin, &tried, Instant::now()) {
        let route = turn.route;
        tried.push(route.number);
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
                balancer.table.put_aside(route.number, Instant::now());
                balancer.wire.forget(route.addr);
            }
            Err(Undone::MaybeDelivered) => {
                breaks += 1;
                if head.method != Method::GET || breaks == BREAKS {
                    return signed(StatusCode::BAD_GATEWAY.into_response(), turn);
                }
            }
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
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::net::TcpListener;
    use unstick_testkit::client::{Jar, call};

    use super::*;
    use crate::table::Route;

    /// Nodes that accept and break off, and how often they did.
    async fn breaking(numbers: std::ops::RangeInclusive<usize>) -> (Vec<Route>, Arc<AtomicUsize>) {
        let (mut routes, accepted) = (Vec::new(), Arc::new(AtomicUsize::new(0)));
        for number in numbers {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            routes.push(Route { number, addr: listener.local_addr().unwrap() });
            let accepted = Arc::clone(&accepted);
            tokio::spawn(async move {
                use tokio::io::AsyncReadExt;
                while let Ok((mut socket, _)) = listener.accept().await {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    let _ = socket.read(&mut [0; 1024]).await;
                }
            });
        }
        (routes, accepted)
    }

    async fn ask(routes: Vec<Route>, method: Method, jar: &mut Jar) -> Response {
        let balancer = Balancer { table: Table::default(), pins: true, wire: Wire::default() };
        balancer.table.replace(routes);
        let request = Request::builder().method(method).uri("/look").body(Body::empty()).unwrap();
        call(jar, balancer.router(), request).await.unwrap()
    }

    fn pinned_to(number: usize) -> Jar {
        let mut jar = Jar::new();
        jar.set(&"http://localhost/".parse().unwrap(), format!("{}={number}", Product::Own.pin())).unwrap();
        jar
    }

    #[tokio::test]
    async fn whoever_is_pinned_to_a_node_that_breaks_off_is_served_by_another_one() {
        let (mut routes, accepted) = breaking(1..=1).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        routes.push(Route { number: 2, addr: listener.local_addr().unwrap() });
        tokio::spawn(axum::serve(listener, Router::new().fallback(async || "well")).into_future());
        let mut jar = pinned_to(1);
        let response = ask(routes.clone(), Method::GET, &mut jar).await;
        assert_eq!((response.status(), accepted.load(Ordering::SeqCst)), (StatusCode::OK, 1));
        assert_eq!(jar.get(Product::Own.pin()).unwrap().text(), "2");
        assert_eq!(ask(routes, Method::POST, &mut pinned_to(1)).await.status(), StatusCode::BAD_GATEWAY, "it may have happened");
    }

    #[tokio::test]
    async fn tries_are_bounded() {
        let (routes, accepted) = breaking(1..=5).await;
        let response = ask(routes, Method::GET, &mut pinned_to(4)).await;
        assert_eq!((response.status(), accepted.load(Ordering::SeqCst)), (StatusCode::BAD_GATEWAY, BREAKS));
        let nobody = Route { number: 1, addr: TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
        assert_eq!(ask(vec![nobody], Method::POST, &mut Jar::new()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

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
