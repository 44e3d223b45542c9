//! On our own layer.

use axum::{Router, routing::get};
use unstick_core::{Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};

use super::{STRINGS, next, untouched};

pub(crate) fn app(with_meetings: bool) -> Router {
    async fn read(session: Session) -> Result<&'static str, SessionError> {
        let found = session.get::<String>("name").await?;
        Ok(found.map_or("none", |_| "ok"))
    }
    async fn write(session: Session) -> Result<&'static str, SessionError> {
        session.insert("counter", &next())?;
        Ok("ok")
    }
    async fn new(session: Session) -> Result<&'static str, SessionError> {
        for (key, value) in STRINGS {
            session.insert(key, value)?;
        }
        session.insert("counter", &next())?;
        Ok("ok")
    }
    let router = if with_meetings { sessions::unstick() } else { Router::new() }
        .route("/untouched", get(untouched))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/new", get(new));
    let key = Key::from_bytes([7; 32]).expect("a key");
    let layer = SessionLayer::keyed(MemoryStore::new(), KeyRing::new(key)).build().expect("the defaults");
    router.layer(layer)
}
