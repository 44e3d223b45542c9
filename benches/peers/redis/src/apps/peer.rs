//! On tower-sessions.

use axum::{Router, body::Body, routing::get};
use fred::prelude::Client;
use http::{Request, StatusCode};
use tower::{Layer, service_fn};
use tower_sessions::{
    Expiry, Session, SessionManagerLayer,
    cookie::{Key, time},
    service::SignedCookie,
};
use tower_sessions_redis_store::RedisStore;

use super::{IDLE, Plain, answered, untouched};
use crate::cart::{Cart, STRINGS, next};

pub(crate) type Store = RedisStore<Client>;

pub(crate) fn layer(client: &Client) -> SessionManagerLayer<Store> {
    SessionManagerLayer::new(RedisStore::new(client.clone()))
        .with_expiry(Expiry::OnInactivity(time::Duration::try_from(IDLE).unwrap_or(time::Duration::HOUR)))
}

pub(crate) fn signed(client: &Client) -> SessionManagerLayer<Store, SignedCookie> {
    layer(client).with_signed(Key::from(&[7; 64]))
}

/// The routes; wrap a layer around them.
pub(crate) fn app() -> Router {
    async fn read(session: Session) -> Result<&'static str, StatusCode> {
        let found = session.get::<String>("name").await.map_err(failed)?;
        Ok(found.map_or("none", |_| "ok"))
    }
    async fn write(session: Session) -> Result<&'static str, StatusCode> {
        session.insert("counter", next()).await.map_err(failed)?;
        Ok("ok")
    }
    async fn read_then_write(session: Session) -> Result<&'static str, StatusCode> {
        read(session.clone()).await?;
        write(session).await
    }
    async fn read_cart(session: Session) -> Result<&'static str, StatusCode> {
        let cart = session.get::<Cart>("cart").await.map_err(failed)?;
        Ok(cart.filter(|cart| cart.revision < u64::MAX && !cart.lines.is_empty()).map_or("empty", |_| "ok"))
    }
    async fn write_cart(session: Session) -> Result<&'static str, StatusCode> {
        session.insert("cart", Cart::new()).await.map_err(failed)?;
        Ok("ok")
    }
    async fn new(session: Session) -> Result<&'static str, StatusCode> {
        for (key, value) in STRINGS {
            session.insert(key, value).await.map_err(failed)?;
        }
        write(session).await
    }
    async fn login(session: Session) -> Result<&'static str, StatusCode> {
        session.insert("principal", "ann").await.map_err(failed)?;
        session.cycle_id().await.map_err(failed)?;
        Ok("ok")
    }
    async fn logout(session: Session) -> Result<&'static str, StatusCode> {
        session.flush().await.map_err(failed)?;
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

fn failed(_: tower_sessions::session::Error) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}

/// `/read` without a router.
pub(crate) fn read(layer: &SessionManagerLayer<Store>) -> impl Plain {
    layer.layer(service_fn(|request: Request<Body>| async move {
        let Some(session) = request.extensions().get::<Session>() else { return answered(false) };
        answered(matches!(session.get::<String>("name").await, Ok(Some(_))))
    }))
}

/// `/write` without a router.
pub(crate) fn write(layer: &SessionManagerLayer<Store>) -> impl Plain {
    layer.layer(service_fn(|request: Request<Body>| async move {
        let Some(session) = request.extensions().get::<Session>() else { return answered(false) };
        answered(session.insert("counter", next()).await.is_ok())
    }))
}
