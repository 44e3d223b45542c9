//! On our own layer.

use axum::{Router, body::Body, routing::get};
use http::Request;
use tower::{Layer, service_fn};
use unstick::{
    Key, KeyRing,
    session::{Session, SessionError, SessionLayer},
    store::Source,
};
use unstick_core::{Lifetimes, Runtime};

use super::{IDLE, Plain, answered, untouched};
use crate::cart::{Cart, STRINGS, next};

pub(crate) fn layer(source: Source, runtime: Option<Runtime>) -> Result<SessionLayer, String> {
    let key = Key::from_bytes([7; 32]).map_err(|error| error.to_string())?;
    let builder = SessionLayer::new(source, KeyRing::new(key)).lifetimes(Lifetimes::new().idle(IDLE));
    match runtime {
        Some(runtime) => builder.runtime(runtime),
        None => builder,
    }
    .build()
    .map_err(|error| error.to_string())
}

pub(crate) fn app(layer: SessionLayer) -> Router {
    routes().layer(layer)
}

/// One of several, with the requests that meet others.
pub(crate) fn node(layer: SessionLayer) -> Router {
    routes().merge(sessions::unstick()).layer(layer)
}

fn routes() -> Router {
    async fn read(session: Session) -> Result<&'static str, SessionError> {
        let found = session.get::<String>("name").await?;
        Ok(found.map_or("none", |_| "ok"))
    }
    async fn write(session: Session) -> Result<&'static str, SessionError> {
        session.insert("counter", &next())?;
        Ok("ok")
    }
    async fn read_then_write(session: Session) -> Result<&'static str, SessionError> {
        read(session.clone()).await?;
        write(session).await
    }
    async fn read_cart(session: Session) -> Result<&'static str, SessionError> {
        let cart = session.get::<Cart>("cart").await?;
        Ok(cart.filter(|cart| cart.revision < u64::MAX && !cart.lines.is_empty()).map_or("empty", |_| "ok"))
    }
    async fn write_cart(session: Session) -> Result<&'static str, SessionError> {
        session.insert("cart", &Cart::new())?;
        Ok("ok")
    }
    async fn new(session: Session) -> Result<&'static str, SessionError> {
        for (key, value) in STRINGS {
            session.insert(key, value)?;
        }
        write(session).await
    }
    async fn login(session: Session) -> Result<&'static str, SessionError> {
        session.promote("ann").await?;
        Ok("ok")
    }
    async fn logout(session: Session) -> Result<&'static str, SessionError> {
        session.end()?;
        Ok("ok")
    }
    Router::new()
        .route("/untouched", get(untouched))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/read-write", get(read_then_write))
        .route("/read-cart", get(read_cart))
        .route("/write-cart", get(write_cart))
        .route("/new", get(new))
        .route("/login", get(login))
        .route("/logout", get(logout))
}

/// `/read` without a router.
pub(crate) fn read(layer: &SessionLayer) -> impl Plain {
    layer.layer(service_fn(|request: Request<Body>| async move {
        let Some(session) = request.extensions().get::<Session>() else { return answered(false) };
        answered(matches!(session.get::<String>("name").await, Ok(Some(_))))
    }))
}

/// `/write` without a router.
pub(crate) fn write(layer: &SessionLayer) -> impl Plain {
    layer.layer(service_fn(|request: Request<Body>| async move {
        let session = request.extensions().get::<Session>();
        answered(session.is_some_and(|session| session.insert("counter", &next()).is_ok()))
    }))
}
