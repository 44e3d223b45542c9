//! On tower-sessions.

use axum::{Router, routing::get};
use http::StatusCode;
use tower_sessions::{Expiry, MemoryStore, Session, SessionManagerLayer, cookie::time};

use super::{STRINGS, next, untouched};

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
    let router = if with_meetings { sessions::tower_sessions() } else { Router::new() };
    router.route("/untouched", get(untouched)).route("/read", get(read)).route("/write", get(write)).route("/new", get(new))
}
