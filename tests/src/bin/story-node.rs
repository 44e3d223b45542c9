//! One node as a process of its own: serves the stories' application, over the store that `SESSIONS` names, until it is killed.

use std::{error::Error, io::Write, time::Duration};

use axum::routing::get;
use unstick_core::{Events, Key, KeyRing};
use unstick_session::SessionLayer;
use unstick_stories::App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(key), Ok(sessions)) = (arguments.next(), arguments.next(), std::env::var("SESSIONS")) else {
        return Err("usage: SESSIONS=URL story-node NAME KEY".into());
    };
    let events = Events::new(&name);
    let store = unstick::store::options(&sessions).events(events.clone()).open().await?;
    let keys = KeyRing::new(Key::from_hex(&key)?);
    let layer = SessionLayer::new(store, keys).deadline(Duration::from_secs(5)).events(events).build()?;
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
