//! The routes of one node.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, FromRequest, Path, Query, State,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{delete, get, get_service, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use unstick::affinity::{AffinityLayer, drain::Drain};

use crate::{
    cart::{self, Addition, Cart, Line, Sku},
    carts::{self, Carts},
    events::{News, Ring},
    metrics,
    sessions::{Session, SessionError, Stats},
};

/// Names the node that answered, on every response.
pub(crate) const INSTANCE: HeaderName = HeaderName::from_static("x-instance");

/// The longest wait of `POST /api/slow`.
const SLOWEST_MS: u64 = 10_000;

/// What the handlers of one node share.
#[derive(Debug, Clone)]
pub(crate) struct NodeState {
    /// The node's name.
    pub(crate) name: Arc<str>,
    /// What its layers reported.
    pub(crate) events: Arc<Ring>,
    /// How many sessions it found and lost.
    pub(crate) stats: Stats,
    /// The saved carts.
    pub(crate) carts: Carts,
    /// What this process counts.
    pub(crate) metrics: PrometheusHandle,
}

impl NodeState {
    /// What the node says about itself, with its events after `seq`.
    pub(crate) fn news(&self, seq: u64) -> News {
        let (found, lost) = self.stats.found_and_lost();
        News { found, lost, events: self.events.after(seq) }
    }
}

/// The routes for customers.
pub(crate) fn shop(state: NodeState) -> Router {
    Router::new()
        .route("/api/session", get(session))
        .route("/api/login", post(login))
        .route("/api/logout", post(logout))
        .route("/api/cart", post(add))
        .route("/api/cart/{sku}", delete(remove))
        .route("/api/counter", post(counter))
        .route("/api/slow", post(slow))
        .merge(carts::customers())
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(16 * 1024))
        .with_state(state)
}

/// The routes for balancers and operators, which never touch a session.
pub(crate) fn operations(state: NodeState, drain: &Drain, affinity: &AffinityLayer) -> Router {
    Router::new()
        .route("/healthz", get_service(drain.readiness()))
        .route("/internal/affinity", get_service(affinity.report_service()))
        .route("/internal/events", get(internal_events))
        .merge(carts::internal())
        .merge(metrics::route(state.metrics.clone()))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is no such route"))
        .method_not_allowed_fallback(wrong_method)
        .with_state(state)
}

/// 405 with a reason in JSON.
pub(crate) async fn wrong_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "the route does not take this method")
}

/// Names the node on every response, including those of layers and fallbacks.
pub(crate) fn signed_by(router: Router, name: &str) -> Router {
    let name = HeaderValue::from_str(name).unwrap_or(HeaderValue::from_static("unnamed"));
    router.layer(axum::middleware::map_response(move |mut response: Response| {
        response.headers_mut().insert(INSTANCE, name.clone());
        async { response }
    }))
}

#[derive(Serialize)]
struct View {
    instance: String,
    status: &'static str,
    user: Option<String>,
    cart: Cart,
}

async fn session(State(node): State<NodeState>, session: Session) -> Result<Json<View>, Refusal> {
    let status = session.load().await?.as_str();
    let (user, cart) = (session.principal().await?, Cart::read(&session).await?);
    Ok(Json(View { instance: node.name.to_string(), status, user: user.map(|user| user.to_string()), cart }))
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

async fn login(session: Session, Body(Login { user }): Body<Login>) -> Result<Json<Value>, Refusal> {
    let length = user.chars().count();
    if !(1..=64).contains(&length) || user.trim().is_empty() || user.chars().any(char::is_control) {
        return Err(Refusal::invalid("user must be 1 to 64 characters and not blank"));
    }
    session.promote(user.as_str()).await?;
    Ok(Json(json!({ "user": user })))
}

async fn logout(session: Session) -> Result<Json<Value>, Refusal> {
    session.end()?;
    Ok(Json(json!({ "user": null })))
}

async fn add(session: Session, Body(addition): Body<Addition>) -> Result<Json<Line>, Refusal> {
    let (sku, qty) = addition.check().map_err(Refusal::invalid)?;
    let qty = cart::add(&session, &sku, qty).await?;
    Ok(Json(sku.line(qty)))
}

async fn remove(session: Session, sku: Result<Path<String>, PathRejection>) -> Result<Json<Value>, Refusal> {
    let Path(sku) = sku?;
    let sku = Sku::parse(&sku).map_err(Refusal::invalid)?;
    session.remove(&sku.key())?;
    Ok(Json(json!({ "sku": sku.as_str() })))
}

async fn counter(session: Session) -> Result<Json<Value>, Refusal> {
    let value = session.update("counter", |value: Option<u64>| Some(value.unwrap_or(0).saturating_add(1))).await?;
    Ok(Json(json!({ "value": value })))
}

#[derive(Deserialize)]
struct Slow {
    #[serde(default)]
    ms: u64,
    key: Option<String>,
}

/// Reads, waits, writes: a request that is overtaken by others. A key `cart:<sku>` makes its write visible in the cart.
async fn slow(session: Session, query: Result<Query<Slow>, QueryRejection>) -> Result<Json<Value>, Refusal> {
    let Query(Slow { ms, key }) = query?;
    if ms > SLOWEST_MS {
        return Err(Refusal::invalid("ms must be a whole number from 0 to 10000"));
    }
    let key = cart::slow_key(key.as_deref().unwrap_or("slow")).map_err(Refusal::invalid)?;
    session.load().await?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    session.insert(&key, &1_u64)?;
    Ok(Json(json!({ "key": key, "ms": ms })))
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn internal_events(State(node): State<NodeState>, query: Result<Query<After>, QueryRejection>) -> Result<Json<News>, Refusal> {
    Ok(Json(node.news(query?.after)))
}

/// A request that is refused with a reason in JSON, or a session that could not be read or written.
#[derive(Debug)]
pub(crate) enum Refusal {
    Bad(StatusCode, String),
    Session(SessionError),
}

impl Refusal {
    /// Refuses with `status` and a reason.
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self::Bad(status, reason.into())
    }

    /// A body that cannot be understood is a bad request, in whatever way.
    pub(crate) fn or_bad_request(self) -> Self {
        match self {
            Self::Bad(StatusCode::UNPROCESSABLE_ENTITY, reason) => Self::Bad(StatusCode::BAD_REQUEST, reason),
            other => other,
        }
    }

    fn invalid(reason: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(status, reason) => (status, Json(json!({ "error": reason }))).into_response(),
            Self::Session(error) => error.into_response(),
        }
    }
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

/// A JSON body whose rejection is JSON, too.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Refusal> {
        let Json(value) = Json::from_request(request, state).await?;
        Ok(Self(value))
    }
}
