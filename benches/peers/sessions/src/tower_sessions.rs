//! The requests, on tower-sessions, whatever its store.

use axum::{Extension, Router, routing::get};
use http::StatusCode;
use tower_sessions::Session;

use crate::{AT_A_TIME, Meeting, own_key};

/// Routes of requests that meet others in the same session.
pub fn tower_sessions() -> Router {
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
