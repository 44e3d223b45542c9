//! Connections on which nothing is under way when the listener closes.

use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tower::service_fn;

use crate::support::{Course, GET_QUICK, GRACE, Raw, Running, Shop, running, soon};

async fn serving() -> (Course, Shop, Running) {
    let (course, shop) = (Course::new(), Shop::default());
    let served = shop.clone();
    let server = running!(service_fn(move |request: Request<Incoming>| served.clone().answer(request)), &course.drain);
    (course, shop, server)
}

/// The server has seen all that was sent before: it comes to a later connection's request after it.
async fn has_seen_everything(server: &Running) {
    let mut other = Raw::connect(server.address).await;
    other.send("GET /quick HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(other.rest().await.ends_with("quick\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn idle_between_requests_is_closed_at_once() {
    let (course, _, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    for _ in 0..2 {
        client.send(GET_QUICK).await;
        client.read_to("0\r\n\r\n").await;
    }
    course.close();
    // The clock stands still: no grace is over.
    assert_eq!(client.rest().await, "");
    let drained = server.end().await;
    assert_eq!((drained.finished, drained.cut.len()), (0, 0));
}

#[tokio::test]
async fn a_request_that_the_system_has_makes_a_connection_busy() {
    let (course, _, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    client.send(GET_QUICK).await;
    client.read_to("0\r\n\r\n").await;
    // Without a turn of the runtime in between: it cannot know of the request when it closes.
    assert_eq!(client.0.try_write(GET_QUICK.as_bytes()).unwrap(), GET_QUICK.len());
    course.close();
    let answer = client.rest().await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("quick\r\n0\r\n\r\n"), "{answer}");
    assert_eq!(server.end().await.finished, 1);
}

#[tokio::test]
async fn who_has_just_connected_is_answered() {
    let (course, _, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    has_seen_everything(&server).await;
    course.close();
    server.refuses().await;
    client.send(GET_QUICK).await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(server.end().await.finished, 1);
}

/// Two ports of one process.
#[tokio::test]
async fn the_drain_has_not_ended_while_another_server_waits_for_its_clients() {
    let (course, shop, server) = serving().await;
    let idle = running!(service_fn(move |request: Request<Incoming>| shop.clone().answer(request)), &course.drain);
    let mut client = Raw::connect(server.address).await;
    has_seen_everything(&server).await;
    course.close();
    idle.refuses().await;
    server.refuses().await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
        assert_eq!(course.drain.phase(), unstick_affinity::drain::Phase::Closing);
    }
    client.send(GET_QUICK).await;
    assert!(client.rest().await.contains("200 OK"));
    assert_eq!((server.end().await.finished, idle.end().await.finished), (1, 1));
    assert_eq!(course.log.count(unstick_core::EventKind::DrainEnded), 1);
}

#[tokio::test]
async fn who_connects_and_says_nothing_holds_nobody_up() {
    for begins in ["", "P", "PRI * HTTP/2.0\r\n\r\n", "GET /quick HT"] {
        let (course, _, server) = serving().await;
        let mut client = Raw::connect(server.address).await;
        client.send(begins).await;
        has_seen_everything(&server).await;
        course.close();
        assert_eq!(client.closes_after(&course.clock, GRACE).await, b"", "{begins:?}");
        assert!(server.end().await.cut.is_empty());
    }
}

#[tokio::test]
async fn half_a_request_is_waited_for() {
    for requests_before in [0, 1] {
        for cut_at in [1, 4, 20, GET_QUICK.len() - 1] {
            let (course, _, server) = serving().await;
            let mut client = Raw::connect(server.address).await;
            for _ in 0..requests_before {
                client.send(GET_QUICK).await;
                client.read_to("0\r\n\r\n").await;
            }
            let (first, second) = GET_QUICK.split_at(cut_at);
            client.send(first).await;
            has_seen_everything(&server).await;
            course.close();
            server.refuses().await;
            client.send(second).await;
            let answer = client.rest().await;
            assert!(answer.contains("connection: close\r\n") && answer.ends_with("quick\r\n0\r\n\r\n"), "{cut_at}: {answer}");
            assert_eq!(server.end().await.finished, 1);
        }
    }
}

#[tokio::test]
async fn http2_that_does_not_answer_holds_nobody_up() {
    let (course, _, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    client.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    has_seen_everything(&server).await;
    course.close();
    let frames = client.closes_after(&course.clock, GRACE).await;
    assert!(kinds(&frames).contains(&7), "GOAWAY among {:?}", kinds(&frames));
    assert!(server.end().await.cut.is_empty());
}

/// The types of HTTP/2 frames.
fn kinds(mut frames: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [a, b, c, kind, ..] = *frames {
        kinds.push(kind);
        let length = u32::from_be_bytes([0, a, b, c]);
        frames = frames.get(9 + usize::try_from(length).unwrap()..).unwrap_or_default();
    }
    kinds
}

#[tokio::test]
async fn who_says_nothing_while_serving_is_closed_in_time() {
    let (course, shop) = (Course::new(), Shop::default());
    let served = shop.clone();
    let service = service_fn(move |request: Request<Incoming>| served.clone().answer(request));
    let server = running!(service, &course.drain, header_read_timeout(Duration::from_secs(30)));
    let mut client = Raw::connect(server.address).await;
    client.send("PRI").await;
    assert_eq!(client.closes_after(&course.clock, Duration::from_secs(30)).await, b"");
    has_seen_everything(&server).await;
    assert!(!server.task.is_finished(), "nobody has asked it to end");
    server.task.abort();
}

#[tokio::test]
async fn a_slow_reader_gets_everything() {
    let (course, shop, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    client.send("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    shop.begun("/stream").await;
    let frames = shop.stream();
    // More than the buffers on the way hold.
    let (size, count) = (64 * 1024, 256);
    for _ in 0..count {
        frames.send(vec![b'x'; size].into()).unwrap();
    }
    drop(frames);
    course.close();
    server.refuses().await;
    let answer = client.rest().await;
    assert_eq!(answer.bytes().filter(|byte| *byte == b'x').count(), size * count);
    assert_eq!(server.end().await.finished, 1);
}

#[tokio::test]
async fn a_dropped_server_closes_everything() {
    let (_course, shop, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    client.send("GET /stuck/report HTTP/1.1\r\nhost: a\r\n\r\n").await;
    shop.begun("/stuck/report").await;
    server.task.abort();
    assert_eq!(client.rest().await, "");
    assert!(soon(TcpStream::connect(server.address)).await.is_err());
    crate::support::until(|| shop.dropped() == 1).await;
}
