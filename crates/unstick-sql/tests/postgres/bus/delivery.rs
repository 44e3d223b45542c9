//! What arrives where nothing breaks.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use unstick_core::*;
use unstick_sql::postgres::bus::{LONGEST_PAYLOAD, PostgresBus};
use unstick_testkit::require_server;

use super::{App, connections, next, notice, publish};
use crate::common::{op, postgres::SERVER};

#[tokio::test(flavor = "multi_thread")]
async fn others_get_everything_in_order_and_nobody_gets_its_own() {
    let app = App::new(require_server!(SERVER.get()).url());
    let (ann, bob) = (app.bus().await, app.bus().await);
    assert!(ann.is_transactional());
    let (mut of_ann, mut of_bob) = (ann.subscribe().await.unwrap(), bob.subscribe().await.unwrap());
    for n in 1..=200 {
        publish(&ann, &n.to_string()).await;
    }
    publish(&bob, "bob").await;
    let mut publishers = BTreeSet::new();
    for n in 1..=200 {
        let notice = notice(&mut of_bob).await;
        assert_eq!((notice.seq, &*notice.payload), (Some(n), n.to_string().as_bytes()));
        publishers.insert((notice.publisher.0, notice.incarnation));
    }
    assert_eq!(publishers.len(), 1);
    let first = notice(&mut of_ann).await;
    assert_eq!((first.seq, &*first.payload), (Some(1), &b"bob"[..]), "and none of ann's");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_are_numbered_without_a_gap() {
    let app = App::new(require_server!(SERVER.get()).url());
    let (ann, bob) = (Arc::new(app.bus().await), app.bus().await);
    let mut events = bob.subscribe().await.unwrap();
    let callers = (0..64).map(|caller| {
        let ann = ann.clone();
        tokio::spawn(async move {
            for n in 0..20 {
                publish(&ann, &format!("{caller}.{n}")).await;
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let (mut seen, mut last) = (BTreeSet::new(), std::collections::HashMap::new());
    for seq in 1..=64 * 20 {
        let notice = notice(&mut events).await;
        assert_eq!(notice.seq, Some(seq));
        let text = String::from_utf8(notice.payload.to_vec()).unwrap();
        let (caller, n) = text.split_once('.').map(|(caller, n)| (caller.to_owned(), n.parse::<i32>().unwrap())).unwrap();
        assert!(last.insert(caller, n).unwrap_or(-1) < n, "each caller's in its order");
        assert!(seen.insert(text));
    }
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn a_subscription_proves_that_it_lives() {
    let app = App::new(require_server!(SERVER.get()).url());
    let runtime = Runtime::tokio();
    let bus = app.builder().runtime(runtime.clone()).pace(bus::Pace::default()).connect().await.unwrap();
    let begin = runtime.monotonic();
    let mut events = bus.subscribe().await.unwrap();
    let mut proven = begin;
    let mut seen = 0;
    while seen < 3 {
        if let Some(BusEvent::Alive { as_of }) = next(&mut events).await {
            assert!(as_of > proven && as_of <= runtime.monotonic());
            proven = as_of;
            seen += 1;
        }
    }
}

#[tokio::test]
async fn applications_are_apart() {
    let url = require_server!(SERVER.get()).url();
    let (shop, cms) = (App::new(url.clone()), App::new(url));
    let (ann, bob, carl) = (shop.bus().await, shop.bus().await, cms.bus().await);
    assert_ne!(ann.channel(), carl.channel());
    let mut events = bob.subscribe().await.unwrap();
    publish(&carl, "of another application").await;
    publish(&ann, "ours").await;
    assert_eq!(notice(&mut events).await.payload, "ours");
}

#[tokio::test]
async fn the_longest_payload_arrives_and_a_longer_one_is_refused() {
    let app = App::new(require_server!(SERVER.get()).url());
    let (ann, bob) = (app.bus().await, app.bus().await);
    let mut events = bob.subscribe().await.unwrap();
    let bytes: Bytes = (0..=255).cycle().take(LONGEST_PAYLOAD + 1).collect::<Vec<u8>>().into();
    for refused in [ann.publish(op(), bytes.clone()).await.map(drop), ann.notify_in(&mut app.connection().await, &bytes).await] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::TooLarge);
    }
    let bytes = bytes.slice(1..);
    assert_eq!(ann.publish(op(), bytes.clone()).await.unwrap(), Published::Confirmed);
    ann.notify_in(&mut app.connection().await, &bytes).await.unwrap();
    let notice_ = notice(&mut events).await;
    assert_eq!((notice_.seq, notice_.payload), (Some(1), bytes.clone()), "the refused one took no number");
    let notice_ = notice(&mut events).await;
    assert_eq!((notice_.seq, notice_.payload), (None, bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_closes_its_connections() {
    let server = require_server!(SERVER.get());
    let app = App::new(server.url());
    let bus = app.bus().await;
    let (mut first, second) = (bus.subscribe().await.unwrap(), bus.subscribe().await.unwrap());
    connections(server, &app, "%LISTEN %", 2).await;
    drop(second);
    connections(server, &app, "%LISTEN %", 1).await;
    // what was accepted is still sent
    let other = App { name: app.name.clone(), ..app.clone() }.bus().await;
    let mut heard = other.subscribe().await.unwrap();
    let last: PostgresBus = bus.clone();
    drop(bus);
    let sending = tokio::spawn(async move { publish(&last, "the last one").await });
    assert_eq!(notice(&mut heard).await.payload, "the last one");
    sending.await.unwrap();
    while next(&mut first).await.is_some() {}
    drop((other, heard));
    connections(server, &app, "%", 0).await;
}
