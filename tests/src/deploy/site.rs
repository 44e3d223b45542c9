//! What a node serves, as an axum router and as a plain service.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use unstick_affinity::{
    AffinityLayer, AffinityLayerBuilder, Balancer,
    drain::{Drain, Drained, serve},
};
use unstick_core::{Events, Key, KeyRing, Store};
use unstick_session::{Session, SessionError, SessionLayer};

use crate::{Gate, stores};

/// Of drains whose clock the test moves.
pub const WINDOW: Duration = Duration::from_secs(3600);

/// A shop whose users have a counter each.
#[derive(Debug, Clone)]
pub struct Site {
    instance: String,
    drain: Drain,
    sessions: SessionLayer,
    affinity: AffinityLayer,
    gate: Gate,
    refused: Arc<AtomicUsize>,
}

impl Site {
    /// The site on one node: it is called `instance`, keeps its sessions at `url`, and un-pins while it drains, and only then.
    ///
    /// # Panics
    /// When something is not there, or is set up wrong.
    pub async fn open(instance: &str, url: &str, behind: Option<Balancer>, drain: &Drain, events: Events) -> Self {
        let store = stores::open(url, events.clone()).await;
        let scope = store.scope();
        let keys = KeyRing::new(Key::from_bytes([9; 32]).expect("a key"));
        let sessions = SessionLayer::new(store, keys).deadline(Duration::from_secs(30)).events(events.clone()).build().expect("sessions");
        drain.wait_for(sessions.pending());
        let builder = AffinityLayer::builder().sessions(scope).switch(false).events(events).drain(drain);
        let affinity = behind.into_iter().fold(builder, AffinityLayerBuilder::behind).build().expect("un-pinning");
        Self { instance: instance.to_owned(), drain: drain.clone(), sessions, affinity, gate: Gate::default(), refused: Arc::default() }
    }

    /// Sessions, for their continuity.
    #[must_use]
    pub fn sessions(&self) -> &SessionLayer {
        &self.sessions
    }

    /// Where the second half of a stream waits.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How often the balancer was told that this node drains.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// As most have it: a router, and layers around it.
    pub fn router(&self) -> Router {
        let (gate, ready, watched, instance) = (self.gate.clone(), self.clone(), self.sessions.clone(), self.instance.clone());
        Router::new()
            .route("/count", get(read).post(count))
            .route("/upload", post(upload))
            .route("/stuck", post(async || std::future::pending::<()>().await))
            .route("/stream", get(move |session| stream_with(gate.clone(), session)))
            .layer(self.sessions.clone())
            .layer(self.affinity.clone())
            .layer(axum::middleware::map_response(move |response| named(response, instance.clone())))
            .layer(self.drain.layer())
            .route("/ready", get(async move || ready.ready().await.map(Body::new)))
            .route("/continuity", get(async move || format!("{} {}", watched.continuity().found, watched.continuity().lost)))
    }

    /// Serves without a framework.
    ///
    /// # Errors
    /// As [`serve()`].
    pub async fn serve_plain(self, listener: tokio::net::TcpListener) -> std::io::Result<Drained> {
        let shop = self.drain.layer().layer(self.affinity.clone().layer(self.sessions.clone().layer(service_fn(plain))));
        let drain = self.drain.clone();
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let (site, shop) = (self.clone(), shop.clone());
            async move {
                let response = if request.uri().path() == "/ready" {
                    site.ready().await.map(Body::new)
                } else {
                    shop.oneshot(request).await?.map(Body::new)
                };
                Ok::<_, Infallible>(named(response, site.instance).await)
            }
        });
        serve(listener, service, &drain).await
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        let answer = self.drain.readiness().oneshot(Request::new(())).await.unwrap_or_else(|never| match never {});
        if !answer.status().is_success() {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        answer
    }
}

async fn named<B>(mut response: Response<B>, instance: String) -> Response<B> {
    if let Ok(instance) = HeaderValue::try_from(instance) {
        response.headers_mut().insert("x-node", instance);
    }
    response
}

async fn read(session: Session) -> Result<String, SessionError> {
    Ok(session.get::<u64>("count").await?.unwrap_or_default().to_string())
}

async fn count(session: Session) -> Result<String, SessionError> {
    let count = session.update("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(count.unwrap_or(0).to_string())
}

/// Says how much came, once all has.
async fn upload(session: Session, body: Body) -> Result<String, SessionError> {
    session.insert("uploaded", &true)?;
    let mut frames = body.into_data_stream();
    let mut length = 0;
    while let Some(Ok(frame)) = frames.next().await {
        length += frame.len();
    }
    Ok(length.to_string())
}

async fn stream_with(gate: Gate, session: Session) -> Result<impl IntoResponse, SessionError> {
    session.load().await?;
    let second = async move {
        gate.wait().await;
        Ok::<_, Infallible>(Bytes::from_static(b"second"))
    };
    let first = stream::iter([Ok(Bytes::from_static(b"first "))]);
    Ok(Body::from_stream(first.chain(stream::once(second))))
}

/// The counter, without a framework.
async fn plain<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let session = request.extensions().get::<Session>().cloned();
    let told = match (session, request.method(), request.uri().path()) {
        (Some(session), &Method::GET, "/count") => read(session).await,
        (Some(session), &Method::POST, "/count") => count(session).await,
        _ => Ok("no such page".to_owned()),
    };
    Ok(match told {
        Ok(told) => Response::new(Full::from(told)),
        Err(_) => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
    })
}
