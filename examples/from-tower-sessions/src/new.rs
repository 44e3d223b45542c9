//! The release to arrive at: the same handlers on unstick.

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use unstick::session::{Session, SessionError, SessionLayer};

/// The new application. Names and types of the values are those of the old one.
pub fn app(sessions: SessionLayer) -> Router {
    let routes = Router::new().route("/cart", get(show).post(add)).route("/login/{name}", post(login)).route("/leave", post(leave));
    routes.layer(sessions)
}

async fn answer(session: &Session, words: &str) -> Result<String, SessionError> {
    let user = session.principal().await?;
    let count: u32 = session.get("cart").await?.unwrap_or(0);
    Ok(format!("new: {}, {count} {words}\n", user.as_deref().unwrap_or("nobody")))
}

async fn show(session: Session) -> Result<String, SessionError> {
    answer(&session, "in the cart").await
}

async fn add(session: Session) -> Result<String, SessionError> {
    session.update("cart", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    answer(&session, "in the cart").await
}

async fn login(session: Session, Path(name): Path<String>) -> Result<String, SessionError> {
    session.promote(name).await?;
    answer(&session, "in the cart").await
}

async fn leave(session: Session) -> Result<&'static str, SessionError> {
    session.end()?;
    Ok("new: bye\n")
}
