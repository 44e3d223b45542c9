//! One node as a process of its own: serves the stories' application over an SQLite file until it is killed.

use std::{error::Error, io::Write, time::Duration};

use axum::routing::get;
use unstick_core::{Events, Key, KeyRing};
use unstick_session::SessionLayer;
use unstick_sql::sqlite::SqliteStore;
use unstick_stories::App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(file), Some(key)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: story-node NAME FILE KEY".into());
    };
    let store = SqliteStore::builder(&file).busy_timeout(Duration::from_secs(4)).connect().await?;
    let layer = SessionLayer::keyed(store, KeyRing::new(Key::from_hex(&key)?))
        .deadline(Duration::from_secs(5))
        .events(Events::new(&name))
        .build()?;
    let watched = layer.clone();
    let continuity = get(async move || {
        let counts = watched.continuity();
        format!("{} {}", counts.found, counts.lost)
    });
    let app = App::default().router().layer(layer).route("/continuity", continuity);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    tokio::spawn(async {
        // The test holds the other end: when it is gone, so is this process.
        let mut nothing = [0; 1];
        let _ = tokio::io::AsyncReadExt::read(&mut tokio::io::stdin(), &mut nothing).await;
        std::process::exit(0);
    });
    axum::serve(listener, app).await?;
    Ok(())
}
