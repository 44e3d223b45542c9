//! The application of the stories: one route per thing that can be done with a session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{Response, StatusCode},
    response::IntoResponse,
    routing::get,
};
use tokio::sync::Semaphore;
use unstick_session::{Session, SessionError};

type Params = Query<HashMap<String, String>>;

/// Holds requests inside their handler until the test lets them go.
#[derive(Debug, Clone)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }
}

impl Gate {
    async fn pass(&self) {
        self.arrived.add_permits(1);
        if let Ok(permit) = self.open.acquire().await {
            permit.forget();
        }
    }

    /// Waits until a request stands at the gate.
    pub async fn arrived(&self) {
        if let Ok(permit) = self.arrived.acquire().await {
            permit.forget();
        }
    }

    /// Lets one request through, as soon as it stands at the gate.
    pub async fn release(&self) {
        self.arrived().await;
        self.open(1);
    }

    /// Stands at the gate until let through.
    pub async fn wait(&self) {
        self.pass().await;
    }

    /// Lets `count` requests through.
    pub fn open(&self, count: usize) {
        self.open.add_permits(count);
    }
}

/// What the application's handlers share with the test.
#[derive(Debug, Clone, Default)]
pub struct App {
    gates: Arc<Mutex<HashMap<String, Gate>>>,
}

impl App {
    /// The gate called `name`.
    #[must_use]
    pub fn gate(&self, name: &str) -> Gate {
        self.gates.lock().unwrap_or_else(std::sync::PoisonError::into_inner).entry(name.to_owned()).or_default().clone()
    }

    /// The routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/none", get(async || "nothing"))
            .route("/get", get(read))
            .route("/status", get(status))
            .route("/set", get(set))
            .route("/remove", get(remove))
            .route("/clear", get(async |session: Session| session.clear().map(|()| "ok")))
            .route("/count", get(count))
            .route("/slow", get(slow))
            .route("/login", get(login))
            .route("/logout", get(async |session: Session| session.end().map(|()| "bye")))
            .route("/renew", get(async |session: Session| session.renew_id().map(|()| "renewed")))
            .route("/all-at-once", get(all_at_once))
            .route("/fail", get(fail))
            .route("/panic", get(panics))
            .route("/public", get(public))
            .route("/stream", get(stream))
            .route("/tolerant", get(tolerant))
            .with_state(self.clone())
    }
}

fn param<'a>(params: &'a Params, name: &str) -> &'a str {
    params.get(name).map_or("", String::as_str)
}

async fn read(session: Session, params: Params) -> Result<String, SessionError> {
    Ok(session.get::<String>(param(&params, "k")).await?.unwrap_or_default())
}

async fn status(session: Session) -> Result<String, SessionError> {
    let status = session.load().await?;
    let user = session.principal().await?;
    Ok(format!("{} {} {}", status.as_str(), user.as_deref().unwrap_or("-"), session.keys().await?.join(",")))
}

async fn set(session: Session, params: Params) -> Result<&'static str, SessionError> {
    for (key, value) in &params.0 {
        session.insert(key, value)?;
    }
    Ok("set")
}

async fn remove(session: Session, params: Params) -> Result<&'static str, SessionError> {
    session.remove(param(&params, "k"))?;
    Ok("removed")
}

async fn count(session: Session) -> Result<String, SessionError> {
    let count = session.update("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(count.unwrap_or(0).to_string())
}

/// Reads or not, waits at a gate, then writes one way or another.
async fn slow(State(app): State<App>, session: Session, params: Params) -> Result<&'static str, SessionError> {
    if params.contains_key("read") {
        session.load().await?;
    }
    if let Some(name) = params.get("gate") {
        app.gate(name).pass().await;
    }
    if let Some(millis) = params.get("ms").and_then(|text| text.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let key = param(&params, "k");
    if params.contains_key("update") {
        session.update(key, |_: Option<String>| Some("late".to_owned())).await?;
    } else {
        session.insert(key, param(&params, "v"))?;
    }
    if params.contains_key("save") {
        session.save().await?;
    }
    Ok("written")
}

async fn login(session: Session, params: Params) -> Result<&'static str, SessionError> {
    session.promote(param(&params, "user")).await?;
    Ok("hello")
}

async fn all_at_once(session: Session) -> Result<&'static str, SessionError> {
    session.insert("a", "1")?;
    session.renew_id()?;
    session.promote("ann").await?;
    session.save().await?;
    session.insert("b", "2")?;
    session.renew_id()?;
    session.end()?;
    Ok("all")
}

async fn fail(session: Session, params: Params) -> Result<Response<Body>, SessionError> {
    session.insert("lost", "1")?;
    if params.contains_key("end") {
        session.end()?;
    }
    Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn panics(session: Session) -> &'static str {
    assert!(session.insert("lost", "1").is_err(), "a handler panics after a change");
    "unreachable"
}

async fn public(session: Session) -> Result<impl IntoResponse, SessionError> {
    session.get::<String>("k").await?;
    Ok(([("cache-control", "public, s-maxage=600"), ("cdn-cache-control", "max-age=600"), ("surrogate-control", "max-age=9")], "shared"))
}

/// A body that changes the session after the headers have left, and says what came of it.
async fn stream(session: Session) -> Response<Body> {
    let late = async move {
        let told = match session.insert("late", "1") {
            Ok(()) => "accepted".to_owned(),
            Err(error) => error.kind().as_str().to_owned(),
        };
        Ok::<_, std::convert::Infallible>(bytes::Bytes::from(told))
    };
    Response::new(Body::from_stream(futures_util::stream::once(late)))
}

/// Answers for itself when the session cannot be read.
async fn tolerant(session: Session) -> String {
    match session.get::<String>("k").await {
        Ok(value) => format!("read {}", value.unwrap_or_default()),
        Err(error) => format!("without session: {}", error.kind().as_str()),
    }
}
