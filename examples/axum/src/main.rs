//! A cart in an axum app, on as many nodes as you like. See the README beside this file.

use std::{env, error::Error};

use axum::{
    Router,
    routing::{get, post},
};
use tokio::net::TcpListener;
use unstick::{
    Key, KeyRing,
    affinity::{
        AffinityLayer,
        drain::{Drain, serve},
    },
    session::{Session, SessionError, SessionLayer},
};

/// `update` is atomic: of 32 parallel requests on any nodes, all 32 count.
async fn add(session: Session) -> Result<String, SessionError> {
    let count = session.update("cart", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(format!("{} in the cart\n", count.unwrap_or(0)))
}

async fn show(session: Session) -> Result<String, SessionError> {
    Ok(format!("{} in the cart\n", session.get::<u32>("cart").await?.unwrap_or(0)))
}

/// Ends the session: copies of its cookie are worthless from now on, on every node.
async fn leave(session: Session) -> Result<&'static str, SessionError> {
    session.end()?;
    Ok("bye\n")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("SESSION_KEY").map_err(|_| "set SESSION_KEY to what `openssl rand -hex 32` prints, on every node the same")?;
    // The only line that knows where sessions are.
    let store = unstick::store::from_url(&env::var("SESSIONS").unwrap_or_else(|_| "sqlite:sessions.sqlite".to_owned())).await?;
    let sessions = SessionLayer::new(store, KeyRing::new(Key::from_hex(&key)?)).build()?;
    // On SIGTERM: readiness fails first, and what is under way, commits included, is finished before the program ends.
    let drain = Drain::builder().build()?;
    drain.on_signals()?;
    drain.wait_for(sessions.pending());
    let affinity = AffinityLayer::builder().sessions(sessions.scope()).drain(&drain).build()?;

    let app = Router::new().route("/cart", get(show).post(add)).route("/leave", post(leave)).layer(sessions).layer(affinity);
    let app = app.route_service("/ready", drain.readiness());
    let listener = TcpListener::bind(env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, &drain).await?;
    Ok(())
}
