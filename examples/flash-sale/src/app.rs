//! The shop on one node: handlers, and the layers around them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
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
    till,
};

/// Names the node, on every response.
pub(crate) const NODE: HeaderName = HeaderName::from_static("x-node");

/// Says where a note came from: [`HIT`], this node's memory, or [`MISS`], the database.
pub(crate) const CACHE: HeaderName = HeaderName::from_static("x-cache");
pub(crate) const HIT: &str = "hit";
const MISS: &str = "miss";

/// How long a note may stay in a node's memory: as long as in the incident.
const TTL: Duration = Duration::from_secs(600);

/// How long a node waits for its store. Fifty nodes on one small machine share a disk, and may have to: that shows in how long clicks take. Redis waits for
/// two seconds at most.
const DEADLINE: Duration = Duration::from_secs(20);

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
    Plain(Arc<Remembered>),
    Shared(Cache<u64, u64>),
}

/// Notes by customer, and since when they are known.
type Remembered = Mutex<HashMap<u64, (Instant, u64)>>;

/// Builds the routes with all layers.
pub(crate) async fn open(name: &str, setup: &Setup, shared: &Shared, drain: &Drain) -> Result<Router, Failure> {
    let events = Events::new(name);
    let keys = || Key::from_hex(&setup.key.0).map(KeyRing::new);
    let store = store::options(&setup.sessions.0).events(events.clone()).open().await?;
    let sessions = SessionLayer::new(store, keys()?).events(events.clone()).deadline(DEADLINE).build()?;
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
        .route("/customers/{customer}/note", get(read_note))
        .route("/customers/{customer}/note/{note}", post(write_note))
        .route("/checkout/{order}", post(check_out))
        .with_state(node)
}

/// What every handler answers. `user` is who the node takes the client for, where it asked.
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
    till::add(&session, article).await?;
    Ok(Json(Answer { user: Some(user), ..Answer::default() }))
}

async fn check_out(session: Session, Path(order): Path<u64>) -> Answered {
    let user = user(&session).await?;
    Ok(Json(Answer { user: Some(user), cart: till::pay(&session, order).await?, ..Answer::default() }))
}

type Noticed = Result<([(HeaderName, &'static str); 1], Json<Answer>), Refused>;

/// A customer's note, from whatever this node remembers. It belongs to the customer's number and to no session, so that it survives what sessions do not.
/// (Here the number is all it takes. A shop asks first who is logged in.)
async fn read_note(State(node): State<Node>, Path(customer): Path<u64>) -> Noticed {
    let (note, is_hit) = match &node.cache {
        Noted::Shared(cache) => {
            let (notes, is_loaded) = (node.notes, Arc::new(AtomicBool::new(false)));
            let loads = Arc::clone(&is_loaded);
            let load = move || async move {
                loads.store(true, Ordering::Relaxed);
                notes.load(customer).await
            };
            let note = cache.get_or_load(customer, load).await.map_err(|_| Refused::Database)?;
            (note, !is_loaded.load(Ordering::Relaxed))
        }
        Noted::Plain(map) => {
            let held = map.lock().unwrap_or_else(PoisonError::into_inner).get(&customer).copied();
            match held.filter(|(since, _)| since.elapsed() < TTL) {
                Some((_, note)) => (note, true),
                None => {
                    let note = node.notes.load(customer).await.map_err(|_| Refused::Database)?;
                    remember(map, customer, note);
                    (note, false)
                }
            }
        }
    };
    Ok(([(CACHE, if is_hit { HIT } else { MISS })], Json(Answer { note: Some(note), ..Answer::default() })))
}

async fn write_note(State(node): State<Node>, Path((customer, note)): Path<(u64, u64)>) -> Answered {
    let stored = node.notes.store(customer, note).await;
    match &node.cache {
        // Whatever the answer: the change may be in although it was lost on the way.
        Noted::Shared(cache) => drop(cache.invalidate(&customer).await),
        Noted::Plain(map) => remember(map, customer, note),
    }
    let note = stored.map_err(|_| Refused::Database)?;
    Ok(Json(Answer { note: Some(note), ..Answer::default() }))
}

fn remember(map: &Remembered, customer: u64, note: u64) {
    map.lock().unwrap_or_else(PoisonError::into_inner).insert(customer, (Instant::now(), note));
}
