//! The shop on one node: handlers, and the layers around them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use unstick::{
    Events, Key, KeyRing, Runtime,
    affinity::{AffinityLayer, Balancer, PinCookie, drain::Drain},
    bus,
    cache::{Cache, Namespace, ReadYourWritesLayer},
    memory::MemoryHub,
    session::{Session, SessionError, SessionLayer},
    store,
};

use crate::{
    Failure,
    cli::{Mode, Product, Secret},
    notes::Notes,
};

/// Names the node, on every response.
pub(crate) const NODE: HeaderName = HeaderName::from_static("x-node");

/// How long a note may stay in a node's memory: as long as in the incident.
const TTL: Duration = Duration::from_secs(600);

/// What all nodes of a fleet are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) is_unstick: bool,
    pub(crate) sessions: Secret,
    pub(crate) bus: Option<Secret>,
    /// 64 hex digits that sign the cookies.
    pub(crate) key: Secret,
    pub(crate) database: SocketAddr,
    /// What stands in front, and so which pin is ended.
    pub(crate) pin: Pin,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Pin {
    Own,
    HaProxy,
    Nginx,
}

impl Setup {
    pub(crate) fn new(mode: Mode, product: Product, sessions: Secret, bus: Option<Secret>, key: Secret, database: SocketAddr) -> Self {
        let pin = match product {
            Product::Own => Pin::Own,
            Product::HaProxy => Pin::HaProxy,
            Product::Nginx => Pin::Nginx,
        };
        Self { is_unstick: mode == Mode::Unstick, sessions, bus, key, database, pin }
    }
}

/// What the nodes of one process share: a feature flag, and the bus if it is within the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared {
    pub(crate) unpin: Arc<AtomicBool>,
    pub(crate) hub: Option<MemoryHub>,
}

#[derive(Debug, Clone)]
struct Node {
    notes: Notes,
    cache: Noted,
}

/// The delivery notes that a node remembers.
#[derive(Debug, Clone)]
enum Noted {
    /// As many shops do it: in a map, until it is old.
    Plain(Arc<Mutex<std::collections::HashMap<String, (tokio::time::Instant, u64)>>>),
    Shared(Cache<String, u64>),
}

/// Builds the routes with all layers.
pub(crate) async fn open(name: &str, setup: &Setup, shared: &Shared, drain: &Drain) -> Result<Router, Failure> {
    let events = Events::new(name);
    let keys = || Key::from_hex(&setup.key.0).map(KeyRing::new);
    let store = store::options(&setup.sessions.0).events(events.clone()).open().await?;
    let sessions = SessionLayer::new(store, keys()?).events(events.clone()).build()?;
    drain.wait_for(sessions.pending());

    let operations = Router::new().route_service("/ready", drain.readiness());
    let name = HeaderValue::from_str(name)?;
    let sign = axum::middleware::map_response(move |mut response: Response| {
        response.headers_mut().insert(NODE, name.clone());
        async { response }
    });
    let notes = Notes::at(setup.database);
    if !setup.is_unstick {
        let node = Node { notes, cache: Noted::Plain(Arc::default()) };
        return Ok(routes(node).layer(sessions).merge(operations).layer(sign));
    }

    let mut namespace = Namespace::builder("sale").events(events.clone());
    if let Some(url) = &setup.bus {
        namespace = namespace.bus(bus::from_url(&url.0).await?);
    } else if let Some(hub) = &shared.hub {
        namespace = namespace.bus(hub.bus(&Runtime::tokio()));
    }
    let namespace = namespace.build().await?;
    let cache = namespace.cache("notes").ttl(TTL).build()?;
    let writes = ReadYourWritesLayer::new(&namespace, keys()?).build()?;
    let affinity = AffinityLayer::builder().sessions(sessions.scope()).events(events).drain(drain).switch(Arc::clone(&shared.unpin));
    let affinity = match setup.pin {
        Pin::Own => affinity.expire(PinCookie::new(Product::Own.pin())?),
        Pin::HaProxy => affinity.behind(Balancer::haproxy(Product::HaProxy.pin())?),
        Pin::Nginx => affinity.behind(Balancer::nginx(Product::Nginx.pin())?),
    };
    let affinity = affinity.build()?;
    let operations = operations.route_service("/internal/report", affinity.report_service());
    let node = Node { notes, cache: Noted::Shared(cache) };
    Ok(routes(node).layer(sessions).layer(writes).layer(affinity).merge(operations).layer(sign))
}

fn routes(node: Node) -> Router {
    Router::new()
        .route("/login/{user}", post(log_in))
        .route("/look", get(look))
        .route("/add/{article}", post(add))
        .route("/note", get(read_note))
        .route("/note/{note}", post(write_note))
        .route("/checkout/{order}", post(check_out))
        .with_state(node)
}

/// What every handler answers. `user` is who the node takes the client for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cart: Vec<(u8, u32)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<u64>,
}

type Answered = Result<Json<Answer>, Refused>;

enum Refused {
    /// 401: nobody is logged in.
    Nobody,
    Session(SessionError),
    Database,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Nobody => (StatusCode::UNAUTHORIZED, Json(Answer::default())).into_response(),
            Self::Session(error) => error.into_response(),
            Self::Database => StatusCode::BAD_GATEWAY.into_response(),
        }
    }
}

impl From<SessionError> for Refused {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

async fn user(session: &Session) -> Result<String, Refused> {
    session.principal().await?.map(|user| user.to_string()).ok_or(Refused::Nobody)
}

async fn log_in(session: Session, Path(user): Path<String>) -> Answered {
    session.promote(user.as_str()).await?;
    Ok(Json(Answer { user: Some(user), ..Answer::default() }))
}

async fn look(session: Session) -> Answered {
    Ok(Json(Answer { user: Some(user(&session).await?), ..Answer::default() }))
}

async fn add(session: Session, Path(article): Path<u8>) -> Answered {
    let user = user(&session).await?;
    session.update(&format!("cart:{article}"), |held: Option<u32>| Some(held.unwrap_or(0) + 1)).await?;
    Ok(Json(Answer { user: Some(user), ..Answer::default() }))
}

/// An order that is sent again is not paid for again: its number and what was in it are kept, until the next one.
async fn check_out(session: Session, Path(order): Path<u64>) -> Answered {
    let user = user(&session).await?;
    if let Some((last, cart)) = session.get::<(u64, Vec<(u8, u32)>)>("order").await?
        && last == order
    {
        return Ok(Json(Answer { user: Some(user), cart, ..Answer::default() }));
    }
    let mut cart = Vec::new();
    for key in session.keys().await? {
        if let Some(article) = key.strip_prefix("cart:").and_then(|article| article.parse().ok())
            && let Some(count) = session.get::<u32>(&key).await?
        {
            cart.push((article, count));
            session.remove(&key)?;
        }
    }
    session.insert("order", &(order, &cart))?;
    Ok(Json(Answer { user: Some(user), cart, ..Answer::default() }))
}

async fn read_note(State(node): State<Node>, session: Session) -> Answered {
    let user = user(&session).await?;
    let note = match &node.cache {
        Noted::Shared(cache) => {
            let (notes, customer) = (node.notes, user.clone());
            let load = move || async move { notes.load(&customer).await };
            cache.get_or_load(user.clone(), load).await.map_err(|_| Refused::Database)?
        }
        Noted::Plain(map) => {
            let held = map.lock().unwrap_or_else(PoisonError::into_inner).get(&user).copied();
            match held.filter(|(since, _)| since.elapsed() < TTL) {
                Some((_, note)) => note,
                None => {
                    let note = node.notes.load(&user).await.map_err(|_| Refused::Database)?;
                    remember(map, &user, note);
                    note
                }
            }
        }
    };
    Ok(Json(Answer { user: Some(user), note: Some(note), ..Answer::default() }))
}

async fn write_note(State(node): State<Node>, session: Session, Path(note): Path<u64>) -> Answered {
    let user = user(&session).await?;
    let stored = node.notes.store(&user, note).await;
    match &node.cache {
        // Whatever the answer: the change may be in although it was lost on the way.
        Noted::Shared(cache) => drop(cache.invalidate(&user).await),
        Noted::Plain(map) => remember(map, &user, note),
    }
    let note = stored.map_err(|_| Refused::Database)?;
    Ok(Json(Answer { user: Some(user), note: Some(note), ..Answer::default() }))
}

fn remember(map: &Mutex<std::collections::HashMap<String, (tokio::time::Instant, u64)>>, user: &str, note: u64) {
    map.lock().unwrap_or_else(PoisonError::into_inner).insert(user.to_owned(), (tokio::time::Instant::now(), note));
}
