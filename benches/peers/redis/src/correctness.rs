//! What becomes of sessions that several requests use at a time, on two nodes that share the server.

use axum::Router;
use sessions::{Seen, look, tower_sessions};
use unstick_testkit::servers::RedisServer;

use crate::{
    apps::{peer, unstick},
    server,
};

/// Who is tried; the columns of all tables that are not of speed.
pub(crate) const SUBJECTS: [&str; 4] = ["unstick", "tower-sessions", "tower-sessions, signed", "tower-sessions, always_save"];

pub(crate) async fn seen(server: &RedisServer) -> Result<Vec<(&'static str, Seen)>, String> {
    let ours = [node(server).await?, node(server).await?];
    let clients = [server::client(server).await?, server::client(server).await?];
    let routes = || peer::app().merge(tower_sessions());
    let unsigned = clients.each_ref().map(|client| routes().layer(peer::layer(client)));
    let signed = clients.each_ref().map(|client| routes().layer(peer::signed(client)));
    let saving = clients.each_ref().map(|client| routes().layer(peer::layer(client).with_always_save(true)));
    let mut seen = Vec::new();
    for (name, nodes) in SUBJECTS.into_iter().zip([ours, unsigned, signed, saving]) {
        seen.push((name, look(&nodes).await.map_err(|error| format!("{name}: {error}"))?));
    }
    Ok(seen)
}

async fn node(server: &RedisServer) -> Result<Router, String> {
    Ok(unstick::node(unstick::layer(server::source(server).await?, None)?))
}

/// What is wrong with ours.
pub(crate) fn wrong(seen: &[(&'static str, Seen)]) -> Option<String> {
    seen.iter().find(|(name, _)| *name == SUBJECTS[0]).and_then(|(_, seen)| seen.missed())
}
