//! What becomes of sessions that several requests use at a time: real requests through the same apps, in the same run.
//!
//! Nothing is left to chance: the requests meet at a barrier after they have read the session and before they change it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{HeaderValue, Response, StatusCode, Uri, header};
use tokio::{sync::Barrier, task::JoinSet};
use tower::ServiceExt;

use crate::{
    apps::{AT_A_TIME, Meeting, Subject, own_key},
    requests::{cookie_of, request},
};

/// Sessions that are ended while a request in them is under way.
pub(crate) const ENDED: usize = 8;

/// What was seen.
pub(crate) struct Seen {
    /// Of changes made at a time, each to a key of its own, those that can be read afterwards.
    pub(crate) own_keys: u64,
    /// The same, of increments of one counter.
    pub(crate) counter: u64,
    /// Of [`ENDED`] sessions those that can be read again after a request that was under way has answered.
    pub(crate) revived: u64,
    /// Bytes of the `Set-Cookie` values of an answer that starts a session.
    pub(crate) cookie_bytes: usize,
    /// `Set-Cookie` headers of an answer that has only read the session.
    pub(crate) cookies_of_a_read: usize,
}

pub(crate) fn look(subject: Subject) -> Result<Seen, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let app = subject.app(true).await?;
        let created = answer(&app, "/new", None, None).await?;
        let cookie = cookie_of(&created).ok_or("no session was created")?;
        let cookie_bytes = created.headers().get_all(header::SET_COOKIE).iter().map(HeaderValue::len).sum();
        let read = answer(&app, "/read", Some(&cookie), None).await?;
        let cookies_of_a_read = read.headers().get_all(header::SET_COOKIE).iter().count();
        meet(&app, "/own", &cookie).await?;
        let own_keys = number(&app, "/owned", &cookie).await?;
        meet(&app, "/count", &cookie).await?;
        let counter = number(&app, "/counted", &cookie).await?;
        let mut revived = 0;
        for _ in 0..ENDED {
            revived += ended_meanwhile(&app).await?;
        }
        Ok(Seen { own_keys, counter, revived, cookie_bytes, cookies_of_a_read })
    })
}

/// Sends so many requests that all of them have read the session before the first changes it.
async fn meet(app: &Router, path: &'static str, cookie: &HeaderValue) -> Result<(), String> {
    let gate = Arc::new(Barrier::new(AT_A_TIME));
    let mut requests = JoinSet::new();
    for n in 0..AT_A_TIME {
        let (app, cookie, meeting) = (app.clone(), cookie.clone(), Meeting { key: own_key(n), gate: gate.clone() });
        requests.spawn(async move { answer(&app, path, Some(&cookie), Some(meeting)).await.map(drop) });
    }
    requests.join_all().await.into_iter().collect()
}

/// Ends a session while a request in it is under way; 1 when the session can be read after that request was answered.
async fn ended_meanwhile(app: &Router) -> Result<u64, String> {
    let cookie = cookie_of(&answer(app, "/new", None, None).await?).ok_or("no session was created")?;
    let gate = Arc::new(Barrier::new(2));
    let meeting = Meeting { key: own_key(0), gate: gate.clone() };
    let (slow_app, slow_cookie) = (app.clone(), cookie.clone());
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
