//! A receiver that is slower than what comes.

use std::sync::Arc;

use bytes::Bytes;
use unstick_core::*;
use unstick_sql::sqlx::{self, Connection, PgConnection, Row};
use unstick_testkit::{require_server, servers::PostgresServer};

use super::{App, next, publish, says, until};
use crate::common::op;

const BURST: u64 = 20_000;

/// With a server of its own: the queue of notifications is one for the whole server.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_ends_in_a_gap_and_holds_nobody_up() {
    let server = require_server!(PostgresServer::builder().without_fsync().start());
    let app = App::new(server.url());
    let (ann, slow, quick) = (Arc::new(app.bus().await), app.builder().queue(1000).connect().await.unwrap(), app.bus().await);
    let (mut of_slow, mut of_quick) = (slow.subscribe().await.unwrap(), quick.subscribe().await.unwrap());
    let publishers = (0..64_u64).map(|publisher| {
        let ann = ann.clone();
        tokio::spawn(async move {
            for n in (0..BURST).filter(|n| n % 64 == publisher) {
                let payload = Bytes::from(n.to_string());
                assert_eq!(ann.publish(op(), payload).await.unwrap(), Published::Confirmed);
            }
        })
    });
    let publishers: Vec<_> = publishers.collect();
    // a receiver that keeps up gets each one, while the slow one takes nothing at all
    let mut received = 0;
    let mut missed = false;
    while received < BURST && !missed {
        match next(&mut of_quick).await.unwrap() {
            BusEvent::Notice(notice) => {
                received += 1;
                assert_eq!(notice.seq, Some(received));
            }
            BusEvent::Alive { .. } => {}
            BusEvent::Gap => missed = true, // on a machine too busy to keep up
            other => panic!("{other:?}"),
        }
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut connection = PgConnection::connect(&server.superuser_url()).await.unwrap();
    let end = std::time::Instant::now() + super::PATIENCE;
    loop {
        let usage: f64 = sqlx::query("SELECT pg_notification_queue_usage()").fetch_one(&mut connection).await.unwrap().get(0);
        if usage == 0.0 {
            break;
        }
        assert!(std::time::Instant::now() < end, "the server's queue is held up: {usage}");
    }
    publish(&ann, "the last one").await;
    let seen = until(&mut of_slow, |event| says(event, "the last one")).await;
    assert!(seen.len() <= 2001, "its queue is bounded: {}", seen.len());
    assert!(seen.contains(&BusEvent::Gap) && !seen.contains(&BusEvent::Cut), "a gap is told");
    let after = seen.iter().rposition(|event| *event == BusEvent::Gap).unwrap();
    let numbers: Vec<_> =
        seen[after + 1..].iter().map(|event| if let BusEvent::Notice(notice) = event { notice.seq.unwrap() } else { 0 }).collect();
    assert_eq!(numbers.last(), Some(&(BURST + 1)));
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "behind the gap nothing is missing");
}
