//! Starting: over a pool, and everything that must be refused with one sentence.

use std::time::Duration;

use unstick_core::Bus;
use unstick_sql::{
    postgres::bus::PostgresBus,
    sqlx::postgres::{PgListener, PgPoolOptions},
};
use unstick_testkit::require_server;

use super::{App, notice, publish};
use crate::common::postgres::SERVER;

async fn refused(address: &str, words: &[&str]) {
    let sentence = PostgresBus::connect(address).await.unwrap_err().to_string();
    for word in words {
        assert!(sentence.contains(word), "{word:?} is not in: {sentence}");
    }
    assert!(!sentence.contains('\n') && !sentence.ends_with('.') && !sentence.contains("secret"), "{sentence}");
}

#[tokio::test]
async fn what_cannot_work_is_one_sentence() {
    let url = require_server!(SERVER.get()).url();
    refused(&url.replace(":secret@", ":topsecret@"), &["the bus", "\"app\"", "refused the user name or the password"]).await;
    refused("postgres://app:secret@127.0.0.1:1/app", &["127.0.0.1:1", "cannot be reached"]).await;
    refused(&format!("{url}?prefix=a;b"), &["`prefix`", "a;b"]).await;
    refused(&format!("{url}?prefx=a"), &["prefx", "prefix, "]).await;
    refused(&format!("{url}?connect_timeout_ms=0"), &["`connect_timeout`", "over 0"]).await;
    refused(&format!("{url}?connect_timeout_ms=x"), &["`connect_timeout_ms`", "whole number"]).await;
    refused("sqlite:secret.db", &["postgres://"]).await;
    let builder = PostgresBus::builder(&url);
    assert!(!format!("{builder:?}").contains("secret"));
    assert!(!format!("{:?}", builder.connect().await.unwrap()).contains("secret"));
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up() {
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("postgres://app:secret@127.0.0.1:{}/app?connect_timeout_ms=100", silent.local_addr().unwrap().port());
    refused(&address, &["did not answer", "100ms"]).await;
}

#[tokio::test]
async fn beside_a_pool_of_the_application() {
    let app = App::new(require_server!(SERVER.get()).url());
    let pool = PgPoolOptions::new().max_connections(1).connect(&app.url).await.unwrap();
    let bus = PostgresBus::builder("").prefix(&app.name).connect_pool(pool.clone()).await.unwrap();
    let mut events = bus.subscribe().await.unwrap();
    publish(&app.bus().await, "hello").await;
    assert_eq!(notice(&mut events).await.payload, "hello");
    bus.notify_in(&pool, b"of the pool").await.unwrap();
    assert_eq!(notice(&mut events).await.payload, "of the pool");
    pool.acquire().await.expect("its one connection is its own");
    assert_eq!(PostgresBus::from_pool(pool).await.unwrap().channel(), "unstick_bus");
}

/// The texts of notifications are what the documentation says.
#[tokio::test]
async fn on_the_wire() {
    let app = App::new(require_server!(SERVER.get()).url());
    let bus = app.bus().await;
    let mut listener = PgListener::connect(&app.url).await.unwrap();
    listener.listen(bus.channel()).await.unwrap();
    bus.notify_in(&mut app.connection().await, b"k:shop:carts:7").await.unwrap();
    let text = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let text = listener.recv().await.unwrap().payload().to_owned();
            if !text.starts_with('A') {
                return text; // the others are frames: beats, greetings
            }
        }
    });
    assert_eq!(text.await.unwrap(), "k:shop:carts:7");
}
