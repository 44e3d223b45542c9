//! The session layer on an in-process store, against the same router without it. Signed cookies.

use axum::{Router, body::Body, routing::get};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use tokio::runtime::Runtime;
use tower::Service;
use unstick_benches::compare;
use unstick_core::{Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};

const REQUESTS: usize = 500;
const PAIRS: usize = 60;

/// Sessions that the requests of a run go round, so that they write to different ones as clients do.
const SESSIONS: usize = 500;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut bare = router();
    let layer = SessionLayer::keyed(MemoryStore::new(), KeyRing::new(Key::generate().expect("randomness"))).build().expect("the defaults");
    let mut ours = router_with_sessions().layer(layer);
    let cookies: Vec<HeaderValue> = (0..SESSIONS).map(|_| new_session(&runtime, &mut ours)).collect();

    println!("| request | bare router | with sessions, times bare: median (quartiles) |\n|---|---:|---:|");
    for (name, path, with_cookie) in
        [("anonymous", "/untouched", false), ("cookie, untouched", "/untouched", true), ("read", "/read", true), ("write", "/write", true)]
    {
        let cookies = if with_cookie { &cookies[..] } else { &[] };
        let path = Uri::from_static(path);
        let ratio = compare(PAIRS, || run(&runtime, &mut bare, &path, cookies), || run(&runtime, &mut ours, &path, cookies));
        println!("| {name} | {:.2} us | {ratio} |", ratio.base.as_secs_f64() * 1e6 / REQUESTS as f64);
    }
}

fn run(runtime: &Runtime, app: &mut Router, path: &Uri, cookies: &[HeaderValue]) {
    runtime.block_on(async {
        for at in 0..REQUESTS {
            let Ok(response) = app.call(request(path, cookies.get(at % SESSIONS))).await;
            assert_eq!(response.status(), StatusCode::OK);
        }
    });
}

fn request(path: &Uri, cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.clone();
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    request
}

fn new_session(runtime: &Runtime, app: &mut Router) -> HeaderValue {
    let Ok(response) = runtime.block_on(app.call(request(&Uri::from_static("/write"), None)));
    let line = response.headers()[header::SET_COOKIE].to_str().expect("text");
    HeaderValue::from_str(line.split(';').next().unwrap_or(line)).expect("a cookie")
}

async fn ok() -> &'static str {
    "ok"
}

fn router() -> Router {
    Router::new().route("/untouched", get(ok)).route("/read", get(ok)).route("/write", get(ok))
}

fn router_with_sessions() -> Router {
    async fn read(session: Session) -> Result<&'static str, SessionError> {
        let name: Option<String> = session.get("name").await?;
        Ok(name.map_or("nobody", |_| "ok"))
    }
    async fn write(session: Session) -> Result<&'static str, SessionError> {
        session.insert("name", "Ann Example")?;
        Ok("ok")
    }
    Router::new().route("/untouched", get(ok)).route("/read", get(read)).route("/write", get(write))
}
