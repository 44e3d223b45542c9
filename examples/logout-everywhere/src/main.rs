//! Logins on several devices, on several nodes, and an end to all of them. See the README beside this file.

use std::{env, error::Error};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use tokio::net::TcpListener;
use unstick::{
    Key, KeyRing,
    affinity::{
        AffinityLayer,
        drain::{Drain, serve},
    },
    session::{Session, SessionError, SessionLayer, Sessions},
};

#[derive(Debug, Deserialize)]
struct Login {
    user: String,
}

/// A real login checks a password first. `promote` gives the session a new id: one that was planted in the browser before is worthless.
async fn login(session: Session, Query(login): Query<Login>) -> Result<String, SessionError> {
    let user = login.user;
    session.promote(&*user).await?;
    Ok(format!("welcome, {user}\n"))
}

async fn whoami(session: Session) -> Result<String, SessionError> {
    Ok(match session.principal().await? {
        Some(user) => format!("{user}\n"),
        None => "nobody\n".to_owned(),
    })
}

/// The signed-in user, or an answer for everybody else.
async fn user(session: &Session) -> Result<std::sync::Arc<str>, Response> {
    let user = session.principal().await.map_err(IntoResponse::into_response)?;
    user.ok_or_else(|| (StatusCode::UNAUTHORIZED, "sign in first\n").into_response())
}

async fn devices(State(sessions): State<Sessions>, session: Session) -> Result<String, Response> {
    let user = user(&session).await?;
    let devices = sessions.list(&user).await.map_err(IntoResponse::into_response)?;
    Ok(format!("{user} is signed in {} times\n", devices.len()))
}

/// For a new password, or a lost phone: every session of the user is over at once, on every node, this one included.
async fn leave_everywhere(State(sessions): State<Sessions>, session: Session) -> Result<String, Response> {
    let user = user(&session).await?;
    let ended = sessions.end_others(&user, None).await.map_err(IntoResponse::into_response)?;
    Ok(format!("{ended} sessions ended\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("SESSION_KEY").map_err(|_| "set SESSION_KEY to what `openssl rand -hex 32` prints, on every node the same")?;
    let store = unstick::store::from_url(&env::var("SESSIONS").unwrap_or_else(|_| "sqlite:sessions.sqlite".to_owned())).await?;
    let sessions = SessionLayer::new(store, KeyRing::new(Key::from_hex(&key)?)).build()?;
    // On SIGTERM: readiness fails first, and what is under way, commits included, is finished before the program ends.
    let drain = Drain::builder().build()?;
    drain.on_signals()?;
    drain.wait_for(sessions.pending());
    let affinity = AffinityLayer::builder().sessions(sessions.scope()).drain(&drain).build()?;

    let app = Router::new()
        .route("/login", post(login))
        .route("/whoami", get(whoami))
        .route("/devices", get(devices))
        .route("/leave-everywhere", post(leave_everywhere))
        .with_state(sessions.sessions())
        .layer(sessions)
        .layer(affinity)
        .route_service("/ready", drain.readiness());
    let listener = TcpListener::bind(env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned())).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, &drain).await?;
    Ok(())
}
