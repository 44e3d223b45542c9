//! On axum_session.

use axum::{Extension, Router, routing::get};
use axum_session::{SessionConfig, SessionLayer, SessionNullPool, SessionNullSession as Session, SessionStore};
use http::StatusCode;
use sessions::{AT_A_TIME, Meeting, own_key};

use super::{STRINGS, next, untouched};

pub(crate) async fn app(with_meetings: bool) -> Result<Router, String> {
    async fn read(session: Session) -> Result<&'static str, StatusCode> {
        session.get::<String>("name").map(|_| "ok").ok_or(StatusCode::NOT_FOUND)
    }
    async fn write(session: Session) -> &'static str {
        session.set("counter", next());
        "ok"
    }
    async fn new(session: Session) -> &'static str {
        for (key, value) in STRINGS {
            session.set(key, value);
        }
        session.set("counter", next());
        "ok"
    }
    let store = SessionStore::<SessionNullPool>::new(None, SessionConfig::default()).await.map_err(|error| error.to_string())?;
    let router = if with_meetings { meetings() } else { Router::new() }
        .route("/untouched", get(untouched))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/new", get(new));
    Ok(router.layer(SessionLayer::new(store)))
}

/// Requests that meet others in the same session.
fn meetings() -> Router {
    async fn own(session: Session, Extension(meeting): Extension<Meeting>) -> &'static str {
        session.get::<String>("name");
        meeting.gate.wait().await;
        session.set(&meeting.key, 1);
        "ok"
    }
    async fn count(session: Session, Extension(meeting): Extension<Meeting>) -> &'static str {
        let count = session.get::<u64>("count").unwrap_or(0);
        meeting.gate.wait().await;
        session.set("count", count + 1);
        "ok"
    }
    async fn slow(session: Session, Extension(meeting): Extension<Meeting>) -> &'static str {
        session.get::<String>("name");
        meeting.gate.wait().await;
        meeting.gate.wait().await;
        session.set(&meeting.key, 1);
        "ok"
    }
    async fn end(session: Session) -> &'static str {
        session.destroy();
        "ok"
    }
    async fn owned(session: Session) -> String {
        (0..AT_A_TIME).filter_map(|n| session.get::<u64>(&own_key(n))).sum::<u64>().to_string()
    }
    async fn counted(session: Session) -> String {
        session.get::<u64>("count").unwrap_or(0).to_string()
    }
    async fn any(session: Session) -> String {
        let found = session.get::<String>("name").is_some() || session.get::<u64>(&own_key(0)).is_some();
        u64::from(found).to_string()
    }
    Router::new()
        .route("/own", get(own))
        .route("/count", get(count))
        .route("/slow", get(slow))
        .route("/end", get(end))
        .route("/owned", get(owned))
        .route("/counted", get(counted))
        .route("/any", get(any))
}
