use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use tokio::{sync::Barrier, task::JoinSet};
use tower::ServiceExt;

/// How many requests change a session at a time.
pub const AT_A_TIME: usize = 32;

/// Sessions that are ended while a request in them is under way.
pub const ENDED: usize = 8;

/// What a request brings along that is to meet others at a certain point: what it writes to, and where it waits for them.
#[derive(Debug, Clone)]
pub struct Meeting {
    /// The key that it writes to.
    pub key: String,
    /// Where it waits.
    pub gate: Arc<Barrier>,
}

/// The key that the request of number `n` writes to.
pub fn own_key(n: usize) -> String {
    format!("own-{n}")
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Of [`AT_A_TIME`] changes at a time, each to a key of its own, those that can be read afterwards.
    pub own_keys: u64,
    /// The same, of increments of one counter.
    pub counter: u64,
    /// Of [`ENDED`] sessions those that can be read again after a request that was under way has answered.
    pub revived: u64,
    /// Bytes of the `Set-Cookie` values of an answer that starts a session.
    pub set_cookie_bytes: usize,
    /// Bytes of the `Cookie` header of the requests after it.
    pub cookie_bytes: usize,
    /// `Set-Cookie` headers of an answer that has only read the session.
    pub cookies_of_a_read: usize,
}

impl Seen {
    /// Whether everything that was answered with success has survived, and nothing has come back.
    pub fn is_right(&self) -> bool {
        let all = AT_A_TIME as u64;
        (self.own_keys, self.counter, self.revived, self.cookies_of_a_read) == (all, all, 0, 0)
    }
}

/// Sends requests to `nodes` that share their sessions, in turns: each has the routes `/new` and `/read` and those of this crate.
///
/// Nothing is left to chance: the requests meet at a barrier after they have read the session and before they change it.
///
/// # Errors
/// When there are no nodes, and when a request is not answered as it should be.
pub async fn look(nodes: &[Router]) -> Result<Seen, String> {
    let (app, other) = nodes.first().zip(nodes.last()).ok_or("no nodes")?;
    let created = answer(app, "/new", None, None).await?;
    let cookie = cookie_of(&created).ok_or("no session was created")?;
    let set_cookie_bytes = created.headers().get_all(header::SET_COOKIE).iter().map(HeaderValue::len).sum();
    let read = answer(other, "/read", Some(&cookie), None).await?;
    let cookies_of_a_read = read.headers().get_all(header::SET_COOKIE).iter().count();
    meet(nodes, "/own", &cookie).await?;
    let own_keys = number(app, "/owned", &cookie).await?;
    meet(nodes, "/count", &cookie).await?;
    let counter = number(app, "/counted", &cookie).await?;
    let mut revived = 0;
    for _ in 0..ENDED {
        revived += ended_meanwhile(app, other).await?;
    }
    Ok(Seen { own_keys, counter, revived, set_cookie_bytes, cookie_bytes: cookie.len(), cookies_of_a_read })
}

/// The client's cookies, as a `Cookie` header would carry them.
pub fn cookie_of(response: &Response<Body>) -> Option<HeaderValue> {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs: Vec<&str> = lines.filter_map(|line| line.to_str().ok()?.split(';').next()).collect();
    HeaderValue::from_str(&pairs.join("; ")).ok().filter(|value| !value.is_empty())
}

/// A request, with a cookie or without.
#[inline]
pub fn request(uri: &Uri, cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri.clone();
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
    }
    request
}

/// Sends so many requests that all of them have read the session before the first changes it.
async fn meet(nodes: &[Router], path: &'static str, cookie: &HeaderValue) -> Result<(), String> {
    let gate = Arc::new(Barrier::new(AT_A_TIME));
    let mut requests = JoinSet::new();
    for (n, app) in nodes.iter().cycle().take(AT_A_TIME).enumerate() {
        let (app, cookie, meeting) = (app.clone(), cookie.clone(), Meeting { key: own_key(n), gate: gate.clone() });
        requests.spawn(async move { answer(&app, path, Some(&cookie), Some(meeting)).await.map(drop) });
    }
    requests.join_all().await.into_iter().collect()
}

/// Ends a session while a request in it is under way on another node; 1 when it can be read after that request was answered.
async fn ended_meanwhile(app: &Router, other: &Router) -> Result<u64, String> {
    let cookie = cookie_of(&answer(app, "/new", None, None).await?).ok_or("no session was created")?;
    let gate = Arc::new(Barrier::new(2));
    let meeting = Meeting { key: own_key(0), gate: gate.clone() };
    let (slow_app, slow_cookie) = (other.clone(), cookie.clone());
    // Whether it is told that nothing was saved is its own affair.
    let slow = tokio::spawn(async move { send(&slow_app, "/slow", Some(&slow_cookie), Some(meeting)).await });
    gate.wait().await;
    answer(app, "/end", Some(&cookie), None).await?;
    gate.wait().await;
    slow.await.map_err(|error| error.to_string())?;
    number(app, "/any", &cookie).await
}

async fn number(app: &Router, path: &'static str, cookie: &HeaderValue) -> Result<u64, String> {
    let body = answer(app, path, Some(cookie), None).await?.into_body();
    let bytes = to_bytes(body, 64).await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    text.parse().map_err(|_| format!("{path} was answered with {text:?}"))
}

async fn answer(
    app: &Router,
    path: &'static str,
    cookie: Option<&HeaderValue>,
    meeting: Option<Meeting>,
) -> Result<Response<Body>, String> {
    let response = send(app, path, cookie, meeting).await;
    let status = response.status();
    if status == StatusCode::OK { Ok(response) } else { Err(format!("{path} was answered with {status}")) }
}

async fn send(app: &Router, path: &'static str, cookie: Option<&HeaderValue>, meeting: Option<Meeting>) -> Response<Body> {
    let mut request = request(&Uri::from_static(path), cookie);
    if let Some(meeting) = meeting {
        request.extensions_mut().insert(meeting);
    }
    let Ok(response) = app.clone().oneshot(request).await;
    response
}
