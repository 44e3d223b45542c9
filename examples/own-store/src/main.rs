//! A counter whose sessions are files. See the README beside this file.

use std::{env, error::Error};

use axum::{Router, routing::post};
use example_own_store::FileStore;
use unstick::{
    Key, KeyRing,
    affinity::AffinityLayer,
    session::{Session, SessionError, SessionLayer},
};

async fn count(session: Session) -> Result<String, SessionError> {
    let count = session.update("count", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(format!("{}\n", count.unwrap_or(0)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("SESSION_KEY").map_err(|_| "set SESSION_KEY to what `openssl rand -hex 32` prints")?;
    let sessions = SessionLayer::new(FileStore::open("sessions")?, KeyRing::new(Key::from_hex(&key)?)).build()?;
    let affinity = AffinityLayer::builder().sessions(sessions.scope()).build()?;
    let listener = tokio::net::TcpListener::bind(env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/count", post(count)).layer(sessions).layer(affinity)).await?;
    Ok(())
}
