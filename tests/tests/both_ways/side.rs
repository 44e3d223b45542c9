//! One of the two: a layer over a store that is read at hand, or awaited, and everything that can be seen of it.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::response::IntoResponse;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use unstick_core::{Events, Key, KeyRing, Lifetimes, OpCtx, OpId, Store};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_testkit::{clock::ManualClock, faults::FaultStore, observe::EventLog};

pub(crate) const IDLE: Duration = Duration::from_secs(600);
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// What a handler does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Get(usize),
    /// Two reads beside each other.
    Both(usize, usize),
    Keys,
    Principal,
    Load,
    Insert(usize),
    Remove(usize),
    Update(usize),
    Clear,
    RenewId,
    Promote(usize),
    End,
    Save,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// With the cookie that was given so many before the newest at random, or by its number in a written history.
    Request {
        cookie: Option<usize>,
        acts: Vec<Act>,
    },
    Forged,
    Pass(Duration),
    Sweep,
    /// The store forgets everything, as one that was emptied.
    VanishAll,
    EndAllOf(usize),
}

pub(crate) struct Side {
    layer: SessionLayer,
    store: MemoryStore,
    clock: ManualClock,
    log: Arc<EventLog>,
    /// Values of the cookies that were given, in order.
    given: Mutex<Vec<String>>,
}

const NAMES: [&str; 2] = ["ann", "bob"];

impl Side {
    pub(crate) fn at_hand() -> Self {
        Self::over(|store, _| store)
    }

    /// What forwards to a store has nothing at hand, unless it says so.
    pub(crate) fn awaited() -> Self {
        Self::over(|store, clock| FaultStore::new(store).with_runtime(clock.runtime()))
    }

    fn over<S: Store>(wrap: impl FnOnce(MemoryStore, &ManualClock) -> S) -> Self {
        let clock = ManualClock::default();
        let log = Arc::new(EventLog::default());
        let store = MemoryStore::builder().runtime(clock.runtime()).build();
        let layer = SessionLayer::keyed(wrap(store.clone(), &clock), KeyRing::new(Key::from_bytes([7; 32]).unwrap()))
            .lifetimes(Lifetimes::new().idle(IDLE).absolute(4 * IDLE).grace(GRACE))
            .runtime(clock.runtime())
            .events(Events::new("node").observer(log.clone()))
            .build()
            .unwrap();
        Self { layer, store, clock, log, given: Mutex::default() }
    }

    /// Everything that there is to see: what the handler saw, what the client gets, what was told to observers, and the counts.
    pub(crate) async fn play(&self, step: &Step) -> String {
        let before = self.log.all().len();
        let mut seen = match step {
            Step::Request { cookie, acts } => self.request(cookie.and_then(|at| self.cookie(at)), acts).await,
            Step::Forged => self.request(self.cookie(0).map(|cookie| tampered(&cookie)), &[Act::Get(0)]).await,
            Step::Pass(by) => {
                self.clock.advance(*by);
                String::new()
            }
            Step::Sweep => format!(" swept {}", self.sweep(Duration::ZERO).await),
            Step::VanishAll => format!(" gone {}", self.sweep(IDLE * 1000).await),
            Step::EndAllOf(who) => format!(" ended {:?}", self.layer.sessions().end_others(NAMES[*who], None).await.map_err(|e| e.kind())),
        };
        for event in &self.log.all()[before..] {
            let _ = write!(seen, " [{:?} {} {}]", event.kind, event.session.is_some(), event.detail);
        }
        // Not how many dead records are still kept: which of those that died together goes first is by their random keys.
        let _ = write!(seen, " {:?}", self.layer.continuity());
        seen
    }

    fn cookie(&self, at: usize) -> Option<String> {
        let given = self.given.lock().unwrap();
        given.get(at % given.len().max(1)).cloned()
    }

    async fn sweep(&self, ahead: Duration) -> usize {
        let now = self.clock.now() + ahead;
        self.store.sweep(OpCtx { now, deadline: now + IDLE, op_id: OpId::from_u128(1) }, 1000).await.unwrap()
    }

    async fn request(&self, cookie: Option<String>, acts: &[Act]) -> String {
        let told = Arc::new(Mutex::new(String::new()));
        let service = self.layer.layer(service_fn(|request: Request<()>| {
            let session = request.extensions().get::<Session>().unwrap().clone();
            let told = told.clone();
            async move {
                let mut seen = String::new();
                let mut answer = Response::new(axum::body::Body::empty());
                for act in acts {
                    let outcome = carry_out(&session, act).await;
                    let _ = write!(seen, " {act:?}={:?}/{}", outcome.as_ref().map_err(SessionError::kind), session.status().as_str());
                    if let Err(error) = outcome {
                        answer = error.into_response();
                    }
                }
                *told.lock().unwrap() = format!("{}{seen}", session.status().as_str());
                Ok::<_, std::convert::Infallible>(answer)
            }
        }));
        let mut request = Request::new(());
        if let Some(cookie) = cookie {
            request.headers_mut().insert("cookie", format!("__Host-id={cookie}").parse().unwrap());
        }
        let answer = service.oneshot(request).await.unwrap();
        let mut seen = told.lock().unwrap().clone();
        let _ = write!(seen, " {}", answer.status());
        for line in answer.headers().get_all("set-cookie") {
            let (pair, attributes) = line.to_str().unwrap().split_once(';').unwrap();
            let value = pair.split_once('=').unwrap().1;
            if value.is_empty() {
                let _ = write!(seen, " taken away;{attributes}");
            } else {
                self.given.lock().unwrap().push(value.to_owned());
                let _ = write!(seen, " set;{attributes}");
            }
        }
        for header in ["cache-control", "vary"] {
            let _ = write!(seen, " {:?}", answer.headers().get(header));
        }
        seen
    }
}

async fn carry_out(session: &Session, act: &Act) -> Result<String, SessionError> {
    let key = |at: &usize| ["a", "b", "c"][*at];
    Ok(match act {
        Act::Get(at) => format!("{:?}", session.get::<u64>(key(at)).await?),
        Act::Both(one, other) => {
            let (one, other) = tokio::join!(session.get::<u64>(key(one)), session.get::<u64>(key(other)));
            format!("{:?}", (one?, other?))
        }
        Act::Keys => format!("{:?}", session.keys().await?),
        Act::Principal => format!("{:?}", session.principal().await?),
        Act::Load => format!("{:?}", session.load().await?),
        Act::Insert(at) => format!("{:?}", session.insert(key(at), at)?),
        Act::Remove(at) => format!("{:?}", session.remove(key(at))?),
        Act::Update(at) => format!("{:?}", session.update(key(at), |n: Option<u64>| Some(n.unwrap_or(0) + 1)).await?),
        Act::Clear => format!("{:?}", session.clear()?),
        Act::RenewId => format!("{:?}", session.renew_id()?),
        Act::Promote(who) => format!("{:?}", session.promote(NAMES[*who]).await?),
        Act::End => format!("{:?}", session.end()?),
        Act::Save => format!("{:?}", session.save().await?),
    })
}

/// The same with another last character but one, so that it is well-formed and not authentic.
fn tampered(cookie: &str) -> String {
    let at = cookie.len() / 2;
    let other = if cookie.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &cookie[..at], &cookie[at + 1..])
}
