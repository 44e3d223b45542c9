//! The part that this example is about: one session store and two layers for each node.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
pub(crate) use unstick::session::{Session, SessionError};
use unstick::{
    Events, Key, KeyRing,
    affinity::{AffinityLayer, Audit, Balancer, drain::Drain},
    core::{ConfigError, OpCtx, OpId, Pending, Store, Timestamp},
    session::{SessionLayer, failure::Failure as Failed},
    store::{self, Source, shown},
};

use crate::{
    balancer::PIN,
    carts::Carts,
    cli::{Mode, NodeOptions, Options},
    error::Failure,
    events::Ring,
    metrics,
};

/// Names the key that signs the session cookie; also how children are told.
pub(crate) const KEY_VARIABLE: &str = "UNSTICK_SHOP_KEY";

/// Names the URL of the sessions; also how children are told, as a command line can be read by everybody on the machine.
pub(crate) const SESSIONS_VARIABLE: &str = "UNSTICK_SHOP_SESSIONS";

/// Names the URL of saved carts; also how children are told.
pub(crate) const CARTS_VARIABLE: &str = "UNSTICK_SHOP_CARTS";

/// The URL of sessions in each node's memory.
const IN_MEMORY: &str = "memory:";

/// What all nodes are told: the same URLs and the same key, and nothing else in common.
#[derive(Clone)]
pub(crate) struct Plan {
    /// Where sessions live and whether the balancer pins.
    pub(crate) mode: Mode,
    /// Where sessions live.
    pub(crate) sessions: String,
    /// Where saved carts are kept.
    pub(crate) carts: String,
    /// What signs the cookie.
    pub(crate) key: SigningKey,
    /// What this process counts.
    pub(crate) metrics: PrometheusHandle,
}

/// Redacts: the URL of a server may hold a password.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("mode", &self.mode)
            .field("sessions", &shown(&self.sessions))
            .field("carts", &self.carts)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// For the shop. The directory, if any, holds the files of this run and goes with it.
    pub(crate) fn of_shop(options: &Options) -> Result<(Self, Option<Scratch>), Failure> {
        let mut scratch = None;
        let mut fresh = |name| match &mut scratch {
            Some(scratch) => Ok(Scratch::url(scratch, name)),
            none => Scratch::new().map(|new| none.insert(new).url(name)),
        };
        let sessions = match (&options.sessions, options.mode) {
            (Some(url), _) => url.clone(),
            (None, Mode::Sticky | Mode::Broken) => IN_MEMORY.to_owned(),
            (None, Mode::Unstick) => fresh("sessions.sqlite")?,
        };
        let carts = options.carts.clone().map_or_else(|| fresh("carts.sqlite"), Ok)?;
        let key = match SigningKey::from_environment()? {
            Some(key) => key,
            None => SigningKey::generate()?,
        };
        Ok((Self { mode: options.mode, sessions, carts, key, metrics: metrics::install()? }, scratch))
    }

    /// Whether all nodes find a session.
    pub(crate) fn has_shared_sessions(&self) -> bool {
        self.sessions != IN_MEMORY
    }

    /// For a child node.
    pub(crate) fn of_child(options: &NodeOptions) -> Result<Self, Failure> {
        let key = SigningKey::from_environment()?.ok_or_else(|| Failure::Usage(format!("{KEY_VARIABLE} is not set.")))?;
        Ok(Self { mode: options.mode, sessions: options.sessions.clone(), carts: options.carts.clone(), key, metrics: metrics::install()? })
    }
}

/// The layers of one node.
#[derive(Debug)]
pub(crate) struct Stack {
    sessions: SessionLayer,
    audit: Audit,
    affinity: AffinityLayer,
}

/// Opens a node's own store and builds its layers. Un-pinning is on while `unpinning` says so, and while the node drains.
pub(crate) async fn open(
    name: &str,
    plan: &Plan,
    drain: &Drain,
    unpinning: watch::Receiver<bool>,
    ring: Arc<Ring>,
) -> Result<Stack, Failure> {
    let refused = |error: &dyn fmt::Display| Failure::start(format!("sessions in {:?} cannot be used: {error}.", shown(&plan.sessions)));
    let events = Events::new(name).observer(ring);
    // Names the reason when sessions disappear, from what it sees of their cookie and from the session layer's events.
    let audit = Audit::builder("__Host-id").events(events.clone()).build().map_err(|error| refused(&error))?;
    let events = events.observer(Arc::new(audit.clone()));
    let source = store::options(&plan.sessions).events(events.clone()).open().await.map_err(|error| refused(&error))?;
    probe(&source).await.map_err(|error| refused(&error))?;

    let keys = plan.key.ring().map_err(|error| refused(&error))?;
    let affinity = AffinityLayer::builder().sessions(source.scope()).events(events.clone());
    let affinity = affinity.switch(unpinning).audit(&audit).drain(drain);
    let affinity = in_front_of(plan.mode).and_then(|balancers| {
        let affinity = balancers.into_iter().fold(affinity, |affinity, balancer| affinity.behind(balancer));
        match plan.mode {
            Mode::Unstick => affinity.build(),
            // The guardrail refuses sessions in memory unless the risk is called by its name; these modes show the risk.
            Mode::Sticky | Mode::Broken => affinity.allow_sessions_lost_on_other_nodes().build(),
        }
    });
    let affinity = affinity.map_err(|error| refused(&error))?;
    let sessions = SessionLayer::new(source, keys).events(events).on_failure(in_json).build();
    Ok(Stack { sessions: sessions.map_err(|error| refused(&error))?, audit, affinity })
}

/// What pins in front of the nodes. The shop's balancer behaves as HAProxy does with `cookie SRV insert preserve`.
fn in_front_of(mode: Mode) -> Result<Vec<Balancer>, ConfigError> {
    match mode {
        Mode::Sticky => Ok(vec![Balancer::haproxy(PIN)?]),
        Mode::Unstick | Mode::Broken => Ok(Vec::new()),
    }
}

/// Writes once before anybody shops, so that a database that is locked or read-only is told at the start and not to the first customer.
async fn probe(source: &Source) -> Result<(), unstick::core::Error> {
    let Some(store) = source.store() else { return Ok(()) }; // the clients carry the sessions
    let now = Timestamp::system_now();
    store.sweep(OpCtx { now, deadline: now + Duration::from_secs(5), op_id: OpId::from_u128(0) }, 1).await.map(drop)
}

/// A session that cannot be read or saved, as this shop's clients expect errors.
fn in_json(failure: &Failed) -> http::Response<bytes::Bytes> {
    let error = failure.error();
    let reason = serde_json::json!({ "error": error.to_string() }).to_string();
    let mut response = http::Response::new(reason.into());
    *response.status_mut() = error.status_code();
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if failure.is_retryable() {
        headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    response
}

impl Stack {
    /// Wraps the routes of customers: affinity outside the audit outside the caches' layer outside session.
    pub(crate) fn wrap(&self, routes: Router, carts: &Carts) -> Router {
        carts.wrap(routes.layer(self.sessions.clone())).layer(self.audit.layer()).layer(self.affinity.clone())
    }

    /// What knows of pins.
    pub(crate) const fn affinity(&self) -> &AffinityLayer {
        &self.affinity
    }

    /// Commits whose client has gone.
    pub(crate) fn pending(&self) -> Pending {
        self.sessions.pending()
    }

    /// How many sessions were found and lost.
    pub(crate) fn stats(&self) -> Stats {
        Stats(self.sessions.clone())
    }
}

/// Counts of found and lost sessions.
#[derive(Debug, Clone)]
pub(crate) struct Stats(SessionLayer);

impl Stats {
    /// Since the node started.
    pub(crate) fn found_and_lost(&self) -> (u64, u64) {
        let continuity = self.0.continuity();
        (continuity.found, continuity.lost)
    }
}

/// 64 hex digits.
#[derive(Clone)]
pub(crate) struct SigningKey(String);

impl SigningKey {
    fn from_environment() -> Result<Option<Self>, Failure> {
        let Some(hex) = std::env::var(KEY_VARIABLE).ok().filter(|hex| !hex.is_empty()) else { return Ok(None) };
        match Key::from_hex(&hex) {
            Ok(_) => Ok(Some(Self(hex))),
            Err(error) => Err(Failure::Usage(format!("{KEY_VARIABLE} cannot be used: {error}."))),
        }
    }

    fn generate() -> Result<Self, Failure> {
        random_hex::<32>().map(Self)
    }

    /// The key itself.
    pub(crate) fn ring(&self) -> Result<KeyRing, ConfigError> {
        Key::from_hex(&self.0).map(KeyRing::new)
    }

    /// The digits.
    pub(crate) fn hex(&self) -> &str {
        &self.0
    }
}

/// Redacts: whoever knows the key can make cookies.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// A fresh directory that is removed with everything in it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("unstick-shop-{}", random_hex::<6>()?));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| {
            let path = path.display();
            Failure::start(format!(
                "the directory {path} for files of this run cannot be made: {error}; name files with --sessions sqlite:PATH and --carts sqlite:PATH."
            ))
        })?;
        Ok(Self(path))
    }

    fn url(&self, name: &str) -> String {
        let path = self.0.join(name);
        format!("sqlite:{}", path.display().to_string().replace('%', "%25").replace('?', "%3F"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in the temporary directory does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn random_hex<const N: usize>() -> Result<String, Failure> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::start(format!("the operating system gives no random bytes: {error}.")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
