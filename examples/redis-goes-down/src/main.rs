//! A cart in Redis, and what is left of the app while Redis is away. See the README beside this file.

use std::{env, error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use tokio::net::TcpListener;
use unstick::{
    Events, Key, KeyRing,
    affinity::drain::{Drain, serve},
    core::{Event, EventKind, Observer},
    session::{Session, SessionError, SessionLayer},
    store,
};

/// What an operator wants to read.
#[derive(Debug)]
struct Print;

impl Observer for Print {
    fn on_event(&self, event: &Event<'_>) {
        if matches!(event.kind, EventKind::BackendDown | EventKind::BackendHealed | EventKind::SessionLost) {
            println!("{}", event.kind.as_str());
        }
    }
}

async fn add(session: Session) -> Result<String, SessionError> {
    let count = session.update("cart", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(format!("{} in the cart\n", count.unwrap_or(0)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("SESSION_KEY").map_err(|_| "set SESSION_KEY to what `openssl rand -hex 32` prints, on every node the same")?;
    let events = Events::new("node-1").observer(Arc::new(Print));
    let redis = env::var("SESSIONS").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let store = store::options(&redis).events(events.clone()).open().await?;
    // How long a request may wait for Redis before it is answered without.
    let sessions = SessionLayer::new(store, KeyRing::new(Key::from_hex(&key)?)).deadline(Duration::from_secs(1)).events(events).build()?;
    // On SIGTERM what is under way, commits included, is finished before the program ends.
    let drain = Drain::builder().build()?;
    drain.on_signals()?;
    drain.wait_for(sessions.pending());

    // Pages that do not ask for the session never wait for it, although they are behind the layer.
    let app = Router::new().route("/", get(|| async { "welcome\n" })).route("/cart", post(add)).layer(sessions);
    let listener = TcpListener::bind(env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, &drain).await?;
    Ok(())
}
