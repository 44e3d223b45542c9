//! All releases in one process, over the stores that they share. See the README beside this crate.

use std::{error::Error, sync::Arc, time::Duration};

use axum::Router;
use example_from_tower_sessions::{
    bridge::{self, Bridge},
    moving::{Moving, Step},
    new, old,
};
use tokio::net::TcpListener;
use unstick::{Key, KeyRing, Lifetimes, memory::MemoryStore, session::SessionLayer};

async fn serve(what: &str, address: &str, app: Router) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    println!("{what} on http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (old_store, new_store) = (tower_sessions::MemoryStore::default(), Arc::new(MemoryStore::new()));
    let keys = KeyRing::new(Key::generate()?);
    let lifetimes = Lifetimes::new().idle(Duration::from_secs(14 * 24 * 3600));
    let sessions = SessionLayer::new(new_store.clone(), keys.clone()).lifetimes(lifetimes).build()?;
    let bridge = |step| {
        let moving = Moving { step, old: old_store.clone(), new: new_store.clone(), lifetimes };
        let sealer = keys.for_purpose("cookie:__Host-id");
        bridge::app(Bridge { old: old::app(old_store.clone()), new: new::app(sessions.clone()), moving, sealer })
    };
    let releases = [
        ("old", old::app(old_store.clone())),
        ("bridge, prefers the old store,", bridge(Step::PreferOld)),
        ("bridge, moves,", bridge(Step::Move)),
        ("new", new::app(sessions.clone())),
    ];
    for ((what, app), address) in releases.into_iter().zip(std::env::args().skip(1)) {
        serve(what, &address, app).await?;
    }
    std::future::pending().await
}
