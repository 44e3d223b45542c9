//! What the balancer answers by itself: the page, and administration for the machine it runs on.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension, Json, Router,
    extract::{
        Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, map_response},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use unstick::affinity::drain::serve::Peer;

use crate::{
    balancer,
    carts::{Answer, Key},
    cli::Mode,
    fleet::Fleet,
    routes::{Refusal, wrong_method},
};

/// Nothing from elsewhere, nothing inline, no frames.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Another site's page cannot send it without asking first, and is never allowed to.
const ADMIN_HEADER: &str = "x-shop-admin";

/// Everything that listens on the balancer's address.
pub(crate) fn router(fleet: Arc<Fleet>) -> Router {
    let admin = Router::new()
        .route("/admin/nodes", get(nodes))
        .route("/admin/nodes/{id}/stop", post(stop))
        .route("/admin/nodes/{id}/start", post(start))
        .route("/admin/events", get(events))
        .route("/admin/bus/{state}", post(bus))
        .route("/admin/affinity", get(affinity))
        .route("/admin/unpinning/{state}", post(unpinning))
        .route("/admin/customers/{customer}/carts/{kind}", get(carts))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(only_from_here));
    Router::new()
        .route("/", get(async || asset("text/html; charset=utf-8", include_str!("../page/index.html"))))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", include_str!("../page/style.css"))))
        .route("/app.js", get(async || asset("text/javascript; charset=utf-8", include_str!("../page/app.js"))))
        .route("/carts.js", get(async || asset("text/javascript; charset=utf-8", include_str!("../page/carts.js"))))
        .route("/affinity.js", get(async || asset("text/javascript; charset=utf-8", include_str!("../page/affinity.js"))))
        .merge(admin)
        .fallback(forward)
        .method_not_allowed_fallback(wrong_method)
        .layer(map_response(balancer::sign))
        .with_state(fleet)
}

async fn forward(State(fleet): State<Arc<Fleet>>, Extension(Peer(peer)): Extension<Peer<SocketAddr>>, request: Request) -> Response {
    balancer::forward(&fleet, peer, request).await
}

fn asset(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text)
}

/// Lets programs and pages of this machine in, and no page of another site, under whatever name it reaches this address.
async fn only_from_here(Extension(Peer(peer)): Extension<Peer<SocketAddr>>, request: Request, next: Next) -> Response {
    match is_from_here(peer, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => Refusal::new(StatusCode::FORBIDDEN, reason).into_response(),
    }
}

fn is_from_here(peer: SocketAddr, method: &Method, headers: &HeaderMap) -> Result<(), &'static str> {
    if !peer.ip().to_canonical().is_loopback() {
        return Err("administration is for the machine that the shop runs on");
    }
    // Behind a proxy, every client's address is the proxy's.
    if ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name)) {
        return Err("administration is not reached through a proxy");
    }
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // A name that an attacker's DNS points at this address would be in Host.
    let host = text(header::HOST).unwrap_or("?");
    if !is_local_name(host) {
        return Err("administration is reached as localhost, 127.0.0.1 or [::1] only");
    }
    if text(header::ORIGIN).is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
        return Err("the request comes from another site's page");
    }
    if text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err("the request comes from another site's page");
    }
    if !method.is_safe() && text(HeaderName::from_static(ADMIN_HEADER)) != Some("1") {
        return Err("the request needs the header x-shop-admin: 1");
    }
    Ok(())
}

fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn listing(fleet: &Fleet) -> Json<Value> {
    Json(json!({ "mode": fleet.mode().as_str(), "nodes": fleet.nodes() }))
}

async fn nodes(State(fleet): State<Arc<Fleet>>) -> Json<Value> {
    listing(&fleet)
}

async fn stop(State(fleet): State<Arc<Fleet>>, id: Result<Path<usize>, PathRejection>) -> Result<Json<Value>, Refusal> {
    let Path(id) = id?;
    // A task of its own: a browser that leaves must not leave a node half stopped.
    let stopping = tokio::spawn({
        let fleet = Arc::clone(&fleet);
        async move { fleet.stop_node(id).await }
    });
    if matches!(stopping.await, Ok(true)) { Ok(listing(&fleet)) } else { Err(no_such_node()) }
}

async fn start(State(fleet): State<Arc<Fleet>>, id: Result<Path<usize>, PathRejection>) -> Result<Json<Value>, Refusal> {
    let Path(id) = id?;
    let starting = tokio::spawn({
        let fleet = Arc::clone(&fleet);
        async move { fleet.start_node(id).await }
    });
    match starting.await {
        Ok(Ok(true)) => Ok(listing(&fleet)),
        Ok(Err(failure)) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, failure.to_string())),
        _ => Err(no_such_node()),
    }
}

fn no_such_node() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such node")
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn events(State(fleet): State<Arc<Fleet>>, query: Result<Query<After>, QueryRejection>) -> Result<Json<Value>, Refusal> {
    let Query(After { after }) = query?;
    fleet.collect().await;
    Ok(Json(
        json!({ "events": fleet.log().after(after), "continuity": fleet.continuity(), "nodes": fleet.nodes(), "mode": fleet.mode().as_str() }),
    ))
}

/// What each node would answer right now to a client that comes with nothing.
async fn carts(State(fleet): State<Arc<Fleet>>, Key(key): Key) -> Json<Value> {
    let mut answers = fleet.ask::<Answer>(&Answer::path(key)).await;
    let nodes: Vec<Value> =
        fleet.nodes().into_iter().map(|node| json!({ "answer": answers.remove(&node.name), "name": node.name })).collect();
    Json(json!({ "nodes": nodes, "bus": fleet.bus() }))
}

/// Switches the bus between the nodes on or off.
async fn bus(State(fleet): State<Arc<Fleet>>, state: Result<Path<String>, PathRejection>) -> Result<Json<Value>, Refusal> {
    let on = is_on(state)?;
    if fleet.switch_bus(on) {
        Ok(Json(json!({ "bus": fleet.bus() })))
    } else {
        Err(Refusal::new(StatusCode::CONFLICT, "these nodes have no bus that could be switched"))
    }
}

/// What each node knows of pins, and how many of the latest requests were pinned.
async fn affinity(State(fleet): State<Arc<Fleet>>) -> Json<Value> {
    let mut reports = fleet.ask::<Value>("/internal/affinity?format=json").await;
    let nodes: Vec<Value> =
        fleet.nodes().into_iter().map(|node| json!({ "report": reports.remove(&node.name), "name": node.name })).collect();
    let (pinned, of) = fleet.pinned().counts();
    let pins = fleet.mode() == Mode::Sticky;
    let keeps = fleet.has_shared_sessions();
    Json(json!({ "pins": pins, "unpinning": fleet.is_unpinning(), "pinned": pinned, "of": of, "shared_sessions": keeps, "nodes": nodes }))
}

/// Switches un-pinning on all nodes.
async fn unpinning(State(fleet): State<Arc<Fleet>>, state: Result<Path<String>, PathRejection>) -> Result<Json<Value>, Refusal> {
    let on = is_on(state)?;
    if fleet.switch_unpinning(on).await {
        Ok(affinity(State(fleet)).await)
    } else {
        Err(Refusal::new(StatusCode::CONFLICT, "this balancer pins nobody"))
    }
}

fn is_on(state: Result<Path<String>, PathRejection>) -> Result<bool, Refusal> {
    let Path(state) = state?;
    match state.as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "it is switched on or off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(peer: [u8; 4], method: &Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        is_from_here(SocketAddr::from((peer, 5)), method, &headers).is_ok()
    }

    #[test]
    fn administration_is_local() {
        let here = [127, 0, 0, 1];
        let host = ("host", "127.0.0.1:8080");
        let own = [host, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin"), ("x-shop-admin", "1")];
        assert!(judge(here, &Method::POST, &own));
        assert!(judge(here, &Method::GET, &[("host", "localhost")]));
        assert!(judge(here, &Method::GET, &[("host", "[::1]:8080")]));
        assert!(!judge([10, 0, 0, 1], &Method::GET, &[host]), "another machine");
        assert!(!judge(here, &Method::GET, &[("host", "evil.example:8080")]), "DNS rebinding");
        assert!(!judge(here, &Method::GET, &[]), "no name at all");
        assert!(!judge(here, &Method::POST, &[host]), "no header");
        assert!(!judge(here, &Method::POST, &[host, ("x-shop-admin", "1"), ("origin", "http://evil.example")]), "another site");
        assert!(!judge(here, &Method::POST, &[host, ("x-shop-admin", "1"), ("origin", "null")]), "a sandboxed frame");
        assert!(!judge(here, &Method::GET, &[host, ("sec-fetch-site", "cross-site")]), "another site's image");
        assert!(!judge(here, &Method::GET, &[host, ("sec-fetch-site", "same-site")]), "a page on another port");
        assert!(!judge(here, &Method::POST, &[host, ("x-shop-admin", "1"), ("x-forwarded-for", "203.0.113.7")]), "a proxy's client");
    }
}
