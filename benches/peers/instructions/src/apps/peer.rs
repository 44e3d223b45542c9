//! On tower-sessions.

use axum::{Extension, Router, routing::get};
use http::StatusCode;
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer, cookie::time};

use super::{AT_A_TIME, Meeting, STRINGS, next, own_key, untouched};

pub(crate) fn layer() -> SessionManagerLayer<MemoryStore> {
    SessionManagerLayer::new(MemoryStore::default()).with_expiry(Expiry::OnInactivity(time::Duration::days(1)))
}

pub(crate) fn app(with_meetings: bool) -> Router {
    async fn read(session: Session) -> Result<&'static str, StatusCode> {
        let found = session.get::<String>("name").await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        found.map(|_| "ok").ok_or(StatusCode::NOT_FOUND)
    }
    async fn write(session: Session) -> Result<&'static str, StatusCode> {
        session.insert("counter", next()).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        Ok("ok")
    }
    async fn new(session: Session) -> Result<&'static str, StatusCode> {
        for (key, value) in STRINGS {
            session.insert(key, value).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        }
        session.insert("counter", next()).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        Ok("ok")
    }
    let router = if with_meetings { meetings() } else { Router::new() };
    router.route("/untouched", get(untouched)).route("/read", get(read)).route("/write", get(write)).route("/new", get(new))
}

/// Requests that meet others in the same session.
fn meetings() -> Router {
    type Answer<T> = Result<T, StatusCode>;
    fn failed<E>(_: E) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }
    async fn own(session: Session, Extension(meeting): Extension<Meeting>) -> Answer<&'static str> {
        session.load().await.map_err(failed)?;
        meeting.gate.wait().await;
        session.insert(&meeting.key, 1).await.map_err(failed)?;
        Ok("ok")
    }
    async fn count(session: Session, Extension(meeting): Extension<Meeting>) -> Answer<&'static str> {
        let count = session.get::<u64>("count").await.map_err(failed)?.unwrap_or(0);
        meeting.gate.wait().await;
        session.insert("count", count + 1).await.map_err(failed)?;
        Ok("ok")
    }
    async fn slow(session: Session, Extension(meeting): Extension<Meeting>) -> Answer<&'static str> {
        session.load().await.map_err(failed)?;
        meeting.gate.wait().await;
        meeting.gate.wait().await;
        session.insert(&meeting.key, 1).await.map_err(failed)?;
        Ok("ok")
    }
    async fn end(session: Session) -> Answer<&'static str> {
        session.flush().await.map_err(failed)?;
        Ok("ok")
    }
    async fn owned(session: Session) -> Answer<String> {
        let mut owned = 0;
        for n in 0..AT_A_TIME {
            owned += session.get::<u64>(&own_key(n)).await.map_err(failed)?.unwrap_or(0);
        }
        Ok(owned.to_string())
    }
    async fn counted(session: Session) -> Answer<String> {
        Ok(session.get::<u64>("count").await.map_err(failed)?.unwrap_or(0).to_string())
    }
    async fn any(session: Session) -> Answer<String> {
        let name = session.get::<String>("name").await.map_err(failed)?;
        let late = session.get::<u64>(&own_key(0)).await.map_err(failed)?;
        Ok(u64::from(name.is_some() || late.is_some()).to_string())
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
