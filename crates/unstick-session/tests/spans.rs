//! What a trace shows of sessions: a span per trip, fields on the request's span, and nothing that opens anything.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tracing::{
    Event, Instrument, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{layer::Context, prelude::*, registry::LookupSpan};
use unstick_core::{ErrorKind, Events, Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionLayer};
use unstick_testkit::faults::{Fault, FaultStore, Op};

type Fields = BTreeMap<&'static str, String>;

#[derive(Debug, Clone)]
struct Seen {
    id: u64,
    name: &'static str,
    parent: Option<&'static str>,
    fields: Fields,
}

/// Every span and event, with everything that was recorded of it.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Seen>>>);

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.name());
        let mut seen = Seen { id: id.into_u64(), name: attributes.metadata().name(), parent, fields: Fields::new() };
        attributes.record(&mut Fill(&mut seen.fields));
        self.0.lock().unwrap().push(seen);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        let mut all = self.0.lock().unwrap();
        if let Some(seen) = all.iter_mut().rev().find(|seen| seen.id == id.into_u64()) {
            values.record(&mut Fill(&mut seen.fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let parent = context.event_span(event).map(|parent| parent.name());
        let mut seen = Seen { id: 0, name: "event", parent, fields: Fields::new() };
        event.record(&mut Fill(&mut seen.fields));
        self.0.lock().unwrap().push(seen);
    }
}

impl Recorder {
    /// What was seen since the last time.
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn of<'a>(seen: &'a [Seen], name: &str) -> &'a Fields {
    let found: Vec<_> = seen.iter().filter(|seen| seen.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {seen:?}");
    &found[0].fields
}

async fn handle(request: Request<()>) -> Result<Response<Full<Bytes>>, unstick_session::SessionError> {
    let session = request.extensions().get::<Session>().expect("the layer").clone();
    match request.uri().path() {
        "/login" => {
            session.insert("cart-of-carla", "chanterelles")?;
            session.promote("carla@example.com").await?;
        }
        "/read" => _ = session.get_bytes("cart-of-carla").await?,
        "/end" => session.end()?,
        _ => {}
    }
    Ok(Response::new(Full::default()))
}

struct App {
    layer: SessionLayer,
    cookie: Option<String>,
}

impl App {
    /// One request, in a span as applications have them.
    async fn get(&mut self, path: &str, span: tracing::Span) {
        let service = self.layer.layer(service_fn(|request| async move {
            let failed = || Response::builder().status(503).body(Full::default()).unwrap();
            Ok::<_, std::convert::Infallible>(handle(request).await.unwrap_or_else(|_| failed()))
        }));
        let mut request = Request::get(path).body(()).unwrap();
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
        }
        let response = async { service.oneshot(request).await.unwrap() }.instrument(span).await;
        let pair = response.headers().get(header::SET_COOKIE).and_then(|line| line.to_str().unwrap().split(';').next());
        // a client that keeps what it was told to drop
        if let Some(pair) = pair.filter(|pair| !pair.ends_with('=')) {
            self.cookie = Some(pair.to_owned());
        }
    }
}

fn request() -> tracing::Span {
    tracing::info_span!("request", session.status = tracing::field::Empty, session.tag = tracing::field::Empty)
}

#[tokio::test]
async fn trips_are_spans_and_requests_say_what_their_session_was() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(recorder.clone()));
    let store = Arc::new(FaultStore::new(MemoryStore::new()));
    let layer = SessionLayer::new(store.clone(), KeyRing::new(Key::generate().unwrap())).events(Events::new("node-7")).build().unwrap();
    let mut app = App { layer, cookie: None };
    let mut everything = Vec::new();

    app.get("/untouched", request()).await;
    let seen = recorder.take();
    assert_eq!(of(&seen, "request")["session.status"], "new");
    assert!(!seen.iter().any(|seen| seen.name.starts_with("session.")), "no trip: {seen:?}");

    app.get("/login", request()).await;
    let seen = recorder.take();
    let tag = of(&seen, "request")["session.tag"].clone();
    assert_eq!(of(&seen, "request")["session.status"], "live");
    let commit = of(&seen, "session.commit");
    assert_eq!((&*commit["change"], &*commit["outcome"], &*commit["instance"]), ("promote", "done", "node-7"));
    assert_eq!((&*commit["otel.kind"], &*commit["backend"]), ("client", SessionLayer::backend_name(&app.layer)));
    everything.extend(seen);

    app.get("/read", request()).await;
    let seen = recorder.take();
    let load = of(&seen, "session.load");
    assert_eq!((&*load["outcome"], &load["session"]), ("live", &tag));
    assert_eq!(seen.iter().find(|seen| seen.name == "session.load").and_then(|load| load.parent), Some("request"));
    let found = seen.iter().find(|seen| seen.fields.get("kind").is_some_and(|kind| kind == "session_found")).expect("the event");
    assert_eq!((found.parent, &found.fields["session"]), (Some("request"), &tag), "the events of a session carry the same tag");
    everything.extend(seen);

    store.next(Op::Load, Fault::FailBefore(ErrorKind::Unavailable));
    app.get("/read", request()).await;
    let seen = recorder.take();
    assert_eq!(of(&seen, "session.load")["outcome"], "unavailable");
    assert_eq!((&*of(&seen, "request")["session.status"], &of(&seen, "request")["session.tag"]), ("unknown", &tag));
    everything.extend(seen);

    app.get("/end", request()).await;
    let seen = recorder.take();
    assert_eq!((&*of(&seen, "session.commit")["change"], &*of(&seen, "request")["session.status"]), ("end", "ended"));
    assert_eq!(of(&seen, "request")["session.tag"], tag, "the tag that the request came with");
    everything.extend(seen);

    app.get("/read", tracing::info_span!("request")).await;
    let seen = recorder.take();
    assert!(of(&seen, "request").is_empty(), "a span without the fields is left alone");
    assert_eq!(of(&seen, "session.load")["outcome"], "ended");
    everything.extend(seen);

    let credential = app.cookie.expect("a cookie was set");
    let credential = credential.split_once('=').unwrap().1;
    let all = format!("{everything:?}");
    assert!(all.contains(&tag));
    for secret in ["carla", "chanterelles", "__Host-", &credential[..12]] {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}
