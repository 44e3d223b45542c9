//! The release to leave: handlers on tower-sessions.

use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, session::Error};

/// The old application over a store that its nodes share.
pub fn app(store: MemoryStore) -> Router {
    let routes = Router::new().route("/cart", get(show).post(add)).route("/login/{name}", post(login)).route("/leave", post(leave));
    routes.layer(SessionManagerLayer::new(store))
}

async fn answer(session: &Session, words: &str) -> Result<String, StatusCode> {
    let user: Option<String> = session.get("user").await.map_err(failed)?;
    let count: u32 = session.get("cart").await.map_err(failed)?.unwrap_or(0);
    Ok(format!("old: {}, {count} {words}\n", user.unwrap_or_else(|| "nobody".to_owned())))
}

async fn show(session: Session) -> Result<String, StatusCode> {
    answer(&session, "in the cart").await
}

async fn add(session: Session) -> Result<String, StatusCode> {
    let count: u32 = session.get("cart").await.map_err(failed)?.unwrap_or(0);
    session.insert("cart", count + 1).await.map_err(failed)?;
    answer(&session, "in the cart").await
}

async fn login(session: Session, Path(name): Path<String>) -> Result<String, StatusCode> {
    session.cycle_id().await.map_err(failed)?;
    session.insert("user", name).await.map_err(failed)?;
    answer(&session, "in the cart").await
}

async fn leave(session: Session) -> Result<&'static str, StatusCode> {
    session.flush().await.map_err(failed)?;
    Ok("old: bye\n")
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(_: Error) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}
