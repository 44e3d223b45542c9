//! Connections that break, stall and lie, and servers that stop.

use bytes::Bytes;
use unstick_core::*;
use unstick_sql::postgres::bus::{PostgresBus, PostgresSubscription};
use unstick_testkit::{
    require_server,
    servers::{Direction, Mode, PostgresServer, Proxy},
};

use super::{App, connections, end_connections, next, publish, says, until};
use crate::common::{SECOND, op, postgres::SERVER};

/// Takes events until the subscription is up again, and checks what it told on the way.
async fn restored(events: &mut PostgresSubscription) {
    let seen = until(events, |event| *event == BusEvent::Restored).await;
    let place = |wanted: &BusEvent| seen.iter().position(|event| event == wanted);
    assert!(place(&BusEvent::Cut).is_some(), "{seen:?}");
    assert!(place(&BusEvent::Cut) < place(&BusEvent::Gap), "{seen:?}");
    assert_eq!(seen[seen.len() - 2..], [BusEvent::Gap, BusEvent::Restored], "the gap is told before");
}

/// One notice gets through, and a sign of life comes.
async fn works(from: &PostgresBus, to: &mut PostgresSubscription, text: &str) {
    let end = std::time::Instant::now() + super::PATIENCE;
    while from.publish(op(), Bytes::copy_from_slice(text.as_bytes())).await.ok() != Some(Published::Confirmed) {
        assert!(std::time::Instant::now() < end, "cannot be published");
        tokio::time::sleep(SECOND / 100).await;
    }
    until(to, |event| says(event, text)).await;
    until(to, |event| matches!(event, BusEvent::Alive { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_whose_connection_was_ended_says_so_and_comes_back() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let (ann, bob) = (app.brisk().await, app.brisk().await);
    let mut events = bob.subscribe().await.unwrap();
    for round in 0..3 {
        works(&ann, &mut events, &format!("before {round}")).await;
        assert_eq!(end_connections(server, &app, "%LISTEN %").await, 1);
        restored(&mut events).await;
        works(&ann, &mut events, &format!("after {round}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_whose_connection_was_ended_sends_again_and_nobody_misses_anything() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let (ann, bob) = (app.bus().await, app.bus().await);
    let mut events = bob.subscribe().await.unwrap();
    publish(&ann, "0").await;
    connections(server, &app, "%pg_notify(%", 2).await;
    for round in 1..=5 {
        assert_eq!(end_connections(server, &app, "%pg_notify(%").await, 2);
        publish(&ann, &round.to_string()).await;
        // bob's own messages to himself need his connection, too
        publish(&bob, &round.to_string()).await;
        connections(server, &app, "%pg_notify(%", 2).await;
    }
    let seen = until(&mut events, |event| says(event, "5")).await;
    let numbers: Vec<_> = seen.iter().map(|event| if let BusEvent::Notice(notice) = event { notice.seq } else { None }).collect();
    assert_eq!(numbers, (1..=6).map(Some).collect::<Vec<_>>(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_silent_is_noticed_and_replaced() {
    let server = require_server!(SERVER.get());
    for mode in [Mode::BlackHole, Mode::HalfOpen(Direction::ToClient), Mode::HalfOpen(Direction::ToServer)] {
        let app = App::new(server.url());
        let proxy = Proxy::start(server.port()).unwrap();
        let behind = App { url: proxy.url(&app.url), ..app.clone() };
        let (ann, bob) = (app.brisk().await, behind.brisk().await);
        let mut events = bob.subscribe().await.unwrap();
        works(&ann, &mut events, "before").await;
        proxy.set(mode);
        until(&mut events, |event| *event == BusEvent::Cut).await;
        publish(&ann, "missed").await;
        let brief = OpCtx { deadline: op().now + SECOND, ..op() };
        match bob.publish(brief, Bytes::from_static(b"into the dark")).await {
            Ok(published) => assert_eq!(published, Published::Unknown),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
        }
        proxy.set(Mode::Pass);
        let seen = until(&mut events, |event| *event == BusEvent::Restored).await;
        assert_eq!(seen[seen.len() - 2..], [BusEvent::Gap, BusEvent::Restored], "{seen:?}");
        works(&ann, &mut events, "after").await;
    }
}

/// A process of the server that stands still until this is dropped.
struct Stopped(String);

impl Stopped {
    fn new(pid: &str) -> Self {
        signal("-STOP", pid);
        Self(pid.to_owned())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pid: &str) {
    assert!(std::process::Command::new("kill").args([signal, pid]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_answers_again_is_replaced() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let (ann, bob) = (app.brisk().await, app.brisk().await);
    let mut events = bob.subscribe().await.unwrap();
    works(&ann, &mut events, "before").await;
    let who = format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{}' AND query LIKE '%LISTEN %'", app.name);
    let stopped = Stopped::new(server.sql("postgres", &who).unwrap().trim());
    restored(&mut events).await;
    works(&ann, &mut events, "after").await;
    drop(stopped);
    connections(server, &app, "%LISTEN %", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_for_a_while_is_a_cut() {
    let server = require_server!(PostgresServer::builder().without_fsync().start());
    let app = App::new(server.url());
    let (ann, bob) = (app.brisk().await, app.brisk().await);
    let mut events = bob.subscribe().await.unwrap();
    works(&ann, &mut events, "before").await;
    server.stop();
    until(&mut events, |event| *event == BusEvent::Cut).await;
    let brief = OpCtx { deadline: op().now + SECOND / 2, ..op() };
    match ann.publish(brief, Bytes::from_static(b"into the dark")).await {
        Ok(published) => assert_eq!(published, Published::Unknown),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
    }
    server.cont();
    let seen = until(&mut events, |event| *event == BusEvent::Restored).await;
    assert_eq!(seen[seen.len() - 2..], [BusEvent::Gap, BusEvent::Restored], "{seen:?}");
    works(&ann, &mut events, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_a_cut_and_heals_by_itself() {
    let server = require_server!(PostgresServer::builder().without_fsync().start());
    let app = App::new(server.url());
    let (ann, bob) = (app.brisk().await, app.brisk().await);
    let mut events = bob.subscribe().await.unwrap();
    works(&ann, &mut events, "before").await;
    for (round, end) in [PostgresServer::terminate as fn(&PostgresServer), PostgresServer::kill].into_iter().enumerate() {
        tokio::task::block_in_place(|| end(&server));
        until(&mut events, |event| *event == BusEvent::Cut).await;
        let refused = loop {
            match ann.publish(OpCtx { deadline: op().now + SECOND, ..op() }, Bytes::from_static(b"nobody is there")).await {
                Ok(published) => assert_eq!(published, Published::Unknown),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert!(bob.subscribe().await.is_err());
        tokio::task::block_in_place(|| server.restart());
        let seen = until(&mut events, |event| *event == BusEvent::Restored).await;
        assert_eq!(seen[seen.len() - 2..], [BusEvent::Gap, BusEvent::Restored], "{seen:?}");
        works(&ann, &mut events, &format!("after {round}")).await;
    }
}

/// Somebody else's notification on the channel: it may have been of a release that this one cannot read.
#[tokio::test]
async fn what_cannot_be_read_is_a_gap() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let bus = app.bus().await;
    let mut events = bus.subscribe().await.unwrap();
    for strange in ["", "hello", "BAAA"] {
        server.sql("app", &format!("SELECT pg_notify('{}', '{strange}')", bus.channel())).unwrap();
        let event = loop {
            match next(&mut events).await.unwrap() {
                BusEvent::Alive { .. } => {}
                event => break event,
            }
        };
        assert_eq!(event, BusEvent::Gap);
    }
}
