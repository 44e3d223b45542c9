//! One node.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use unstick_cache::{Cache, Invalidated, Namespace, ReadYourWritesLayer};
use unstick_core::{ConfigError, Key, KeyRing};
use unstick_sql::postgres::PostgresBus;

use super::counts::Counts;
use super::source::{Changed, Source, Written};

/// A cart as it is cached. It says whose it is, so that a mix-up would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Whose.
    pub customer: u64,
    /// Which.
    pub kind: u64,
    /// After how many writes.
    pub version: u64,
}

/// How a node caches.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a cart is fresh.
    pub ttl: Duration,
    /// Whether carts are kept in the namespace's level, too.
    pub is_shared: bool,
    /// Whether clients carry their writes to the next node.
    pub reads_own_writes: bool,
    /// Of the cart's encoding.
    pub schema: u32,
    /// How long the right to load for all nodes lasts.
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(60), is_shared: false, reads_own_writes: true, schema: 1, lease: Duration::from_secs(2) }
    }
}

/// When a write's invalidation had returned: in the extensions of its response.
#[derive(Debug, Clone, Copy)]
pub struct Settled(pub Instant);

/// The node's service.
pub type Service = BoxCloneSyncService<Request<Bytes>, Response<Body>, Infallible>;

/// A node: a namespace, a cache of carts, and the service that clients ask.
///
/// | request | does |
/// |---|---|
/// | `GET /carts/{customer}/{kind}` | answers the version, through the cache |
/// | `PUT /carts/{customer}/{kind}` | writes, then invalidates the cart |
/// | `PUT /customers/{customer}` | writes all of the customer's carts, then invalidates the tag |
/// | `PUT /everything/{customer}/{kind}` | writes, then invalidates everything |
/// | `PUT /transactions/{customer}/{kind}` | writes and tells the nodes in one transaction |
/// | `PUT /unfinished/{customer}/{kind}` | the same, and hangs right after the commit |
/// | `PUT /hang` | from here on loads hang |
/// | `GET /status` | its counters, as JSON |
#[derive(Debug, Clone)]
pub struct Node {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its cache.
    pub carts: Cache<(u64, u64), Cart>,
    source: Source,
    /// For writes that are told in their transactions.
    transactions: Option<PostgresBus>,
    hung: Arc<AtomicU64>,
    hangs: Arc<AtomicU64>,
    service: Service,
}

/// The key that all nodes sign with.
///
/// # Errors
/// Never: the bytes are fine.
pub fn keys() -> Result<KeyRing, ConfigError> {
    Ok(KeyRing::new(Key::from_bytes([7; 32])?))
}

impl Node {
    /// A node over a source.
    ///
    /// # Errors
    /// When namespace and settings contradict each other.
    pub fn new(namespace: &Namespace, source: &Source, settings: &Settings) -> Result<Self, ConfigError> {
        let cache = namespace.cache("carts").ttl(settings.ttl).schema(settings.schema).lease(settings.lease);
        let cache = cache.tags(|(customer, _), _| vec![format!("customer:{customer}")]);
        let carts = if settings.is_shared { cache.shared() } else { cache }.build()?;
        let (namespace, source) = (namespace.clone(), source.clone());
        let nobody = service_fn(|_| async { Ok(answer(StatusCode::NOT_FOUND, "")) });
        let service = BoxCloneSyncService::new(nobody);
        let mut node = Self { namespace, carts, source, transactions: None, hung: Arc::default(), hangs: Arc::default(), service };
        node.service = node.serve(settings)?;
        Ok(node)
    }

    /// The same with a bus that sends notices in transactions.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_transactions(mut self, bus: PostgresBus, settings: &Settings) -> Result<Self, ConfigError> {
        self.transactions = Some(bus);
        self.service = self.serve(settings)?;
        Ok(self)
    }

    fn serve(&self, settings: &Settings) -> Result<Service, ConfigError> {
        let node = Self { service: self.service.clone(), ..self.clone() };
        let handler = service_fn(move |request: Request<Bytes>| {
            let node = node.clone();
            async move { Ok::<_, Infallible>(node.handle(request.method(), request.uri().path()).await) }
        });
        if !settings.reads_own_writes {
            return Ok(BoxCloneSyncService::new(handler));
        }
        let layered = ReadYourWritesLayer::new(&self.namespace, keys()?).build()?.layer(handler);
        Ok(BoxCloneSyncService::new(layered.map_response(|response| response.map(Body::new))))
    }

    /// The service that clients ask.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// Counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { hung: self.hung.load(Ordering::SeqCst), ..Counts::of(&self.carts.stats(), &self.namespace.stats()) }
    }

    async fn handle(&self, method: &Method, path: &str) -> Response<Body> {
        let mut parts = path.trim_start_matches('/').split('/');
        let what = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        match (method, what, number(), number()) {
            (&Method::GET, "carts", Some(customer), Some(kind)) => self.read(customer, kind).await,
            (&Method::GET, "status", ..) => answer(StatusCode::OK, &serde_json::json!(self.counts()).to_string()),
            (&Method::PUT, "hang", ..) => {
                self.hangs.store(1, Ordering::SeqCst);
                answer(StatusCode::OK, "")
            }
            (&Method::PUT, what, Some(customer), kind) => self.write(what, Changed { customer, kind }).await,
            _ => answer(StatusCode::NOT_FOUND, ""),
        }
    }

    async fn read(&self, customer: u64, kind: u64) -> Response<Body> {
        let (source, hangs, hung) = (self.source.clone(), self.hangs.clone(), self.hung.clone());
        let load = move || async move {
            if hangs.load(Ordering::SeqCst) > 0 {
                hung.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            }
            let version = source.read(customer, kind).await?;
            Ok::<_, std::io::Error>(Cart { customer, kind, version })
        };
        match self.carts.get_or_load((customer, kind), load).await {
            Ok(cart) if (cart.customer, cart.kind) == (customer, kind) => answer(StatusCode::OK, &cart.version.to_string()),
            Ok(_) => answer(StatusCode::CONFLICT, "another's cart"),
            Err(error) => answer(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        }
    }

    async fn write(&self, what: &str, changed: Changed) -> Response<Body> {
        let Changed { customer, kind } = changed;
        let key = (customer, kind.unwrap_or_default());
        if let ("transactions" | "unfinished", Some(bus)) = (what, &self.transactions) {
            let staged = self.namespace.stage([self.carts.target(&key)]);
            let written = match self.source.write_with(changed, bus, &staged.payload()).await {
                Ok(written) => written,
                Err(error) => return answer(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
            };
            if what == "unfinished" {
                self.hung.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            }
            return acknowledged(&written, staged.committed().await);
        }
        let written = match self.source.write(changed).await {
            Ok(written) => written,
            Err(error) => return answer(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        };
        let invalidated = match what {
            "carts" => self.carts.invalidate(&key).await,
            "customers" => self.namespace.invalidate_tag(&format!("customer:{customer}")).await,
            "everything" => self.namespace.clear().await,
            _ => return answer(StatusCode::NOT_FOUND, ""),
        };
        acknowledged(&written, invalidated)
    }
}

fn acknowledged(written: &[Written], _: Invalidated) -> Response<Body> {
    let settled = Settled(Instant::now());
    let lines: Vec<String> = written.iter().map(|(customer, kind, version)| format!("{customer} {kind} {version}")).collect();
    let mut response = answer(StatusCode::OK, &lines.join("\n"));
    response.extensions_mut().insert(settled);
    response
}

fn answer(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = status;
    response
}
