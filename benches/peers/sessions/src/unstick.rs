//! The requests, on our own layer.

use axum::{Extension, Router, routing::get};
use unstick_session::{Session, SessionError};

use crate::{AT_A_TIME, Meeting, own_key};

/// Routes of requests that meet others in the same session.
pub fn unstick() -> Router {
    async fn own(session: Session, Extension(meeting): Extension<Meeting>) -> Result<&'static str, SessionError> {
        session.load().await?;
        meeting.gate.wait().await;
        session.insert(&meeting.key, &1)?;
        Ok("ok")
    }
    async fn count(session: Session, Extension(meeting): Extension<Meeting>) -> Result<&'static str, SessionError> {
        session.load().await?;
        meeting.gate.wait().await;
        session.update("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).await?;
        Ok("ok")
    }
    async fn slow(session: Session, Extension(meeting): Extension<Meeting>) -> Result<&'static str, SessionError> {
        session.load().await?;
        meeting.gate.wait().await;
        meeting.gate.wait().await;
        session.insert(&meeting.key, &1)?;
        Ok("ok")
    }
    async fn end(session: Session) -> Result<&'static str, SessionError> {
        session.end()?;
        Ok("ok")
    }
    async fn owned(session: Session) -> Result<String, SessionError> {
        let mut owned = 0;
        for n in 0..AT_A_TIME {
            owned += session.get::<u64>(&own_key(n)).await?.unwrap_or(0);
        }
        Ok(owned.to_string())
    }
    async fn counted(session: Session) -> Result<String, SessionError> {
        Ok(session.get::<u64>("count").await?.unwrap_or(0).to_string())
    }
    async fn any(session: Session) -> Result<String, SessionError> {
        let found = session.get_bytes("name").await?.is_some() || session.get::<u64>(&own_key(0)).await?.is_some();
        Ok(u64::from(found).to_string())
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
