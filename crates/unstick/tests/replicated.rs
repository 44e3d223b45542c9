//! Session layers of two nodes over replicated stores: updates go on while a store goes down and comes back.
#![cfg(all(feature = "axum-08", feature = "memory", feature = "replicated", feature = "sqlite"))]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing};
use common::send;
use unstick::{
    Key, KeyRing, Scope,
    core::{ErrorKind, Store},
    memory::MemoryStore,
    replicated::Replicated,
    session::{Session, SessionError, SessionLayer},
    store::from_url,
};
use unstick_testkit::{
    client::Jar,
    faults::{Fault, FaultStore},
};

const AWAY: Fault = Fault::FailBefore(ErrorKind::Unavailable);

fn shop(store: impl Store, key: &Key) -> Router {
    let add = async |session: Session| {
        session.update("cart", |cart: Option<u32>| Some(cart.unwrap_or(0) + 1)).await?;
        Ok::<_, SessionError>("added")
    };
    let show = async |session: Session| Ok::<_, SessionError>(session.get::<u32>("cart").await?.unwrap_or(0).to_string());
    let routes = Router::new().route("/cart", routing::get(show).post(add)).route("/about", routing::get(async || "a shop"));
    routes.layer(SessionLayer::new(store, KeyRing::new(key.clone())).deadline(Duration::from_secs(20)).build().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_additions_on_two_nodes_while_a_store_goes_down_and_comes_back() {
    let key = Key::generate().unwrap();
    let [a, b, w] = [(); 3].map(|()| FaultStore::new(MemoryStore::new()));
    let node = || shop(Replicated::builder(a.clone(), b.clone()).witness(w.clone()).build(), &key);
    let nodes = [node(), node()];
    let mut jar = Jar::new();
    assert_eq!(send(&mut jar, &nodes[0], "POST", "/cart").await.0, StatusCode::OK);

    let done = Arc::new(AtomicU32::new(1));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (node, mut jar, done) = (nodes[client % 2].clone(), jar.clone(), done.clone());
            tokio::spawn(async move {
                for _ in 0..8 {
                    assert_eq!(send(&mut jar, &node, "POST", "/cart").await.0, StatusCode::OK);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for (at, store, is_away) in [(4, &a, true), (10, &a, false), (18, &b, true), (26, &b, false)] {
        while done.load(Ordering::Relaxed) < at {
            tokio::task::yield_now().await;
        }
        if is_away { store.always_all(AWAY) } else { store.heal() }
    }
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(send(&mut jar, &nodes[1], "GET", "/cart").await, (StatusCode::OK, "33".to_owned()));
}

#[tokio::test]
async fn without_a_witness_reading_goes_on_and_writing_is_503() {
    let key = Key::generate().unwrap();
    let [a, b] = [(); 2].map(|()| FaultStore::new(MemoryStore::new()));
    let node = shop(Replicated::builder(a.clone(), b.clone()).build(), &key);
    let mut jar = Jar::new();
    assert_eq!(send(&mut jar, &node, "POST", "/cart").await.0, StatusCode::OK);
    for store in [&a, &b] {
        store.always_all(AWAY);
        assert_eq!(send(&mut jar, &node, "GET", "/cart").await, (StatusCode::OK, "1".to_owned()));
        assert_eq!(send(&mut jar, &node, "POST", "/cart").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(send(&mut jar, &node, "GET", "/about").await.0, StatusCode::OK);
        store.heal();
    }
    assert_eq!(send(&mut jar, &node, "GET", "/cart").await, (StatusCode::OK, "1".to_owned()));
}

#[tokio::test]
async fn stores_by_url() {
    let directory = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", directory.path().join("sessions.sqlite").display());
    let [a, b] = [from_url("memory:").await.unwrap(), from_url(&file).await.unwrap()].map(|source| source.into_store().unwrap());
    let pair = Replicated::builder(a, b).build();
    assert_eq!((pair.scope(), pair.principal_index().is_some()), (Scope::Process, true));
    let node = shop(pair, &Key::generate().unwrap());
    let mut jar = Jar::new();
    for count in 1..4 {
        assert_eq!(send(&mut jar, &node, "POST", "/cart").await.0, StatusCode::OK);
        assert_eq!(send(&mut jar, &node, "GET", "/cart").await.1, count.to_string());
    }
}
