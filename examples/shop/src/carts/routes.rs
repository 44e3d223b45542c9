//! The routes of saved carts on one node.

use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use super::{
    cache::{Counts, Unavailable},
    model::{CartKey, CartLine, NewCart, SavedCart, Wanted},
};
use crate::routes::{Body, NodeState, Refusal};

/// For customers.
pub(crate) fn customers() -> Router<NodeState> {
    Router::new().route("/api/customers/{customer}/carts/{kind}", get(read).put(replace))
}

/// For the balancer: what this node would answer to a client that comes with nothing, and what its cache has done.
pub(crate) fn internal() -> Router<NodeState> {
    Router::new().route("/internal/customers/{customer}/carts/{kind}", get(look))
}

#[derive(Serialize)]
struct View<'a> {
    instance: &'a str,
    /// `memory` or `database`.
    from: &'static str,
    version: u64,
    lines: &'a [CartLine],
}

impl View<'_> {
    fn of(instance: &str, from: &'static str, cart: &SavedCart) -> Response {
        let view = View { instance, from, version: cart.version, lines: &cart.lines };
        // What belongs to one customer is nothing for caches on the way.
        ([(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"))], Json(view)).into_response()
    }
}

const fn origin(from_memory: bool) -> &'static str {
    if from_memory { "memory" } else { "database" }
}

async fn read(State(node): State<NodeState>, Key(key): Key) -> Result<Response, Refusal> {
    match node.carts.get(key).await? {
        (Some(cart), from_memory) => Ok(View::of(&node.name, origin(from_memory), &cart)),
        (None, _) => Err(Refusal::new(StatusCode::NOT_FOUND, "there is no such cart")),
    }
}

async fn replace(State(node): State<NodeState>, Key(key): Key, body: Result<Body<NewCart>, Refusal>) -> Result<Response, Refusal> {
    let lines = body.map_err(Refusal::or_bad_request)?.0.check().map_err(bad_request)?;
    let cart = node.carts.put(key, lines).await?;
    Ok(View::of(&node.name, "database", &cart))
}

/// What one node says about a cart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Nothing: there is no such cart.
    version: Option<u64>,
    from: String,
    counts: Counts,
}

impl Answer {
    /// Where a node is asked for it.
    pub(crate) fn path((customer, kind, market): CartKey) -> String {
        format!("/internal/customers/{customer}/carts/{}?market={market}", kind.as_str())
    }
}

async fn look(State(node): State<NodeState>, Key(key): Key) -> Result<Json<Answer>, Refusal> {
    let (cart, from_memory) = node.carts.get(key).await?;
    Ok(Json(Answer { version: cart.map(|cart| cart.version), from: origin(from_memory).to_owned(), counts: node.carts.counts() }))
}

/// The cart that the address names.
pub(crate) struct Key(pub(crate) CartKey);

#[derive(Deserialize)]
struct InMarket {
    market: Option<String>,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, Refusal> {
        let path: Result<Path<(String, String)>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path((customer, kind)) = path?;
        let query: Result<Query<InMarket>, QueryRejection> = Query::from_request_parts(parts, state).await;
        let Query(InMarket { market }) = query?;
        Wanted { customer: &customer, kind: &kind, market: market.as_deref() }.check().map(Self).map_err(bad_request)
    }
}

fn bad_request(reason: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, reason)
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        let reason = match unavailable {
            Unavailable::Unread => "the carts cannot be read now",
            Unavailable::Unwritten => "the carts cannot be written now; the change may have had an effect",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason)
    }
}
