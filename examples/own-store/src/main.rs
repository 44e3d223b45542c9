//! A counter whose sessions are files. See the README beside this file.

use std::{env, error::Error, time::Duration};

use axum::{Router, routing::post};
use example_own_store::FileStore;
use unstick::{
    Key, KeyRing,
    affinity::{
        AffinityLayer,
        drain::{Drain, serve},
    },
    core::{OpCtx, OpId, Store, Timestamp},
    session::{Session, SessionError, SessionLayer},
};

async fn count(session: Session) -> Result<String, SessionError> {
    let count = session.update("count", |count: Option<u32>| Some(count.unwrap_or(0) + 1)).await?;
    Ok(format!("{}\n", count.unwrap_or(0)))
}

/// Deletes what is over, every minute. The stores of the family see to it by themselves.
async fn sweep(store: FileStore) {
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let now = Timestamp::system_now();
        let op = OpCtx { now, deadline: now + Duration::from_secs(10), op_id: OpId::from_u128(0) };
        if let Err(error) = store.sweep(op, 1000).await {
            eprintln!("not swept: {error}");
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("SESSION_KEY").map_err(|_| "set SESSION_KEY to what `openssl rand -hex 32` prints")?;
    let store = FileStore::open("sessions")?;
    tokio::spawn(sweep(store.clone()));
    let sessions = SessionLayer::new(store, KeyRing::new(Key::from_hex(&key)?)).build()?;
    // On SIGTERM: readiness fails first, and what is under way, commits included, is finished before the program ends.
    let drain = Drain::builder().readiness_window(Duration::from_secs(1)).build()?;
    drain.on_signals()?;
    drain.wait_for(sessions.pending());
    let affinity = AffinityLayer::builder().sessions(sessions.scope()).drain(&drain).build()?;
    let listener = tokio::net::TcpListener::bind(env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = Router::new().route("/count", post(count)).layer(sessions).layer(affinity).route_service("/ready", drain.readiness());
    serve(listener, app, &drain).await?;
    Ok(())
}
