//! One node with a cache as a process of its own: reads through to the carts at `SOURCE` until it is killed. `BUS` and `LEVEL` are URLs.

use std::{error::Error, io::Write, path::Path};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::Request;
use tower::ServiceExt;
use unstick_cache::Namespace;
use unstick_core::{Events, Runtime};
use unstick_sql::postgres::PostgresBus;
use unstick_stories::cache::{
    app::{Node, Settings},
    source::Source,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("usage: SOURCE=.. BUS=.. [LEVEL=..] [SCHEMA=..] cache-node NAME")?;
    let (source, bus) = (std::env::var("SOURCE")?, std::env::var("BUS")?);
    let source = match source.strip_prefix("sqlite:") {
        Some(path) => Source::sqlite(Path::new(path)).await?,
        None => Source::postgres(&source).await?,
    };
    let (events, runtime) = (Events::new(&name), Runtime::tokio());
    let mut builder = Namespace::builder("shop").events(events.clone()).runtime(runtime.clone());
    let mut transactions = None;
    if bus.starts_with("postgres:") {
        let bus = PostgresBus::builder(&bus).runtime(runtime.clone()).connect().await?;
        transactions = Some(bus.clone());
        builder = builder.bus(bus);
    } else {
        builder = builder.bus(unstick::bus::open(&bus, &runtime, &events).await?);
    }
    let level = std::env::var("LEVEL").ok();
    if let Some(url) = &level {
        builder = builder.level(unstick::level::open(url, &runtime, &events).await?);
    }
    let schema = std::env::var("SCHEMA").ok().map_or(Ok(1), |schema| schema.parse())?;
    let settings = Settings { is_shared: level.is_some(), schema, ..Settings::default() };
    let mut node = Node::new(&builder.build().await?, &source, &settings)?;
    if let Some(bus) = transactions {
        node = node.with_transactions(bus, &settings)?;
    }
    let service = node.service();
    let service = service.map_request(|request: Request<Body>| request.map(|_| Bytes::new())); // requests here have no bodies
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    tokio::spawn(async {
        // The test holds the other end: when it is gone, so is this process.
        let mut nothing = [0; 1];
        let _ = tokio::io::AsyncReadExt::read(&mut tokio::io::stdin(), &mut nothing).await;
        std::process::exit(0);
    });
    axum::serve(listener, Router::new().fallback_service(service)).await?;
    Ok(())
}
