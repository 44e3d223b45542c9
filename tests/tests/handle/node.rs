//! One node over a store with faults, and handlers written where they are used.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{body::Body, response::IntoResponse};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use unstick_core::{Events, Key, KeyRing, Lifetimes, Runtime};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_stories::{cookies, keep};
use unstick_testkit::{
    client::Jar,
    clock::ManualClock,
    faults::{Fault, FaultStore},
    observe::EventLog,
};

pub(crate) const IDLE: Duration = Duration::from_secs(600);
pub(crate) const GRACE: Duration = Duration::from_secs(30);

pub(crate) struct Node {
    pub(crate) layer: SessionLayer,
    pub(crate) faults: FaultStore<MemoryStore>,
    pub(crate) clock: ManualClock,
    pub(crate) log: Arc<EventLog>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    pub(crate) fn with(max_sessions: Option<u32>) -> Self {
        let clock = ManualClock::default();
        let log = Arc::new(EventLog::default());
        let store = FaultStore::new(MemoryStore::builder().runtime(clock.runtime()).build());
        let faults = store.clone();
        let builder = SessionLayer::keyed(store, KeyRing::new(Key::from_bytes([7; 32]).unwrap()));
        let builder = match max_sessions.and_then(NonZeroU32::new) {
            Some(max) => builder.max_sessions_per_principal(max),
            None => builder,
        };
        let layer = builder
            .lifetimes(Lifetimes::new().idle(IDLE).absolute(Duration::from_secs(7200)).grace(GRACE))
            .runtime(Runtime::custom(StillTime(clock.clone())))
            .events(Events::new("node").observer(log.clone()))
            .max_size(10_000)
            .build()
            .unwrap();
        Self { layer, faults, clock, log }
    }

    /// From now on every operation takes more than one poll, so that what runs beside it overlaps.
    pub(crate) fn slow(&self) {
        self.faults.always_all(Fault::Delay(Duration::from_millis(1)));
    }

    pub(crate) fn fast(&self) {
        self.faults.heal();
    }

    /// One request; the answer's cookies are left to the caller.
    pub(crate) async fn send<F>(&self, jar: &Jar, handler: impl FnOnce(Session) -> F) -> Response<()>
    where
        F: Future<Output = Result<(), SessionError>>,
    {
        let mut handler = Some(handler);
        let service = self.layer.layer(service_fn(move |request: Request<()>| {
            let session = request.extensions().get::<Session>().unwrap().clone();
            let answer = handler.take().map(|handler| handler(session));
            async move {
                Ok::<_, std::convert::Infallible>(match answer.unwrap().await {
                    Ok(()) => Response::new(Body::empty()),
                    Err(error) => error.into_response(),
                })
            }
        }));
        let request = Request::builder().header("cookie", cookies(jar)).body(()).unwrap();
        service.oneshot(request).await.unwrap().map(drop)
    }

    pub(crate) async fn get<F>(&self, jar: &mut Jar, handler: impl FnOnce(Session) -> F) -> StatusCode
    where
        F: Future<Output = Result<(), SessionError>>,
    {
        let answer = self.send(jar, handler).await;
        keep(jar, answer.headers());
        answer.status()
    }

    /// What the session holds under each of `keys`.
    pub(crate) async fn values<const N: usize>(&self, jar: &Jar, keys: [&str; N]) -> [Option<u64>; N] {
        let mut values = [None; N];
        let answer = self.send(jar, async |session: Session| {
            for (value, key) in values.iter_mut().zip(keys) {
                *value = session.get(key).await?;
            }
            Ok(())
        });
        assert_eq!(answer.await.status(), 200);
        values
    }

    pub(crate) async fn status(&self, jar: &Jar) -> String {
        let mut told = String::new();
        let answer = self.send(jar, async |session: Session| {
            let status = session.load().await?;
            told = format!("{} {}", status.as_str(), session.principal().await?.as_deref().unwrap_or("-"));
            Ok(())
        });
        assert_eq!(answer.await.status(), 200);
        told
    }

    pub(crate) async fn visited(&self) -> Jar {
        let mut jar = Jar::default();
        assert_eq!(self.get(&mut jar, async |session: Session| session.insert("first", &1)).await, 200);
        jar
    }
}

/// Calendar time that the test moves, and timers that run by themselves.
#[derive(Debug)]
pub(crate) struct StillTime(pub(crate) ManualClock);

impl unstick_core::RuntimeOps for StillTime {
    fn wall(&self) -> unstick_core::Timestamp {
        self.0.now()
    }
    fn monotonic(&self) -> Duration {
        Runtime::tokio().monotonic()
    }
    fn sleep(&self, duration: Duration) -> unstick_core::BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
    fn spawn(&self, task: unstick_core::BoxFuture<'static, ()>) {
        drop(tokio::spawn(task));
    }
}
