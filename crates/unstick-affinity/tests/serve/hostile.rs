//! Clients, and listeners, that mean no good.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tower::service_fn;
use unstick_affinity::drain::{DrainGuard, Listener};

use crate::support::{Client, Course, DEADLINE, GET_QUICK, GRACE, Raw, Running, Shop, running, soon, until};

async fn serving() -> (Course, Shop, Running) {
    let (course, shop) = (Course::new(), Shop::default());
    let served = shop.clone();
    let server = running!(service_fn(move |request: Request<Incoming>| served.clone().answer(request)), &course.drain);
    (course, shop, server)
}

/// Somebody connects all the time, and the queue is never empty.
struct Rush {
    taken: Arc<AtomicUsize>,
    /// They have gone before they are taken.
    fails: bool,
}

impl Listener for Rush {
    type Io = DuplexStream;
    type Peer = ();
    type Queue = Box<dyn Iterator<Item = io::Result<(DuplexStream, ())>> + Send>;

    async fn accept(&mut self) -> io::Result<(DuplexStream, ())> {
        std::future::pending().await
    }

    fn into_queue(self) -> io::Result<Self::Queue> {
        Ok(Box::new(std::iter::repeat_with(move || {
            self.taken.fetch_add(1, Ordering::SeqCst);
            if self.fails { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok((duplex(1).0, ())) }
        })))
    }
}

/// On a thread of its own, which a server that never yields would keep.
#[test]
fn a_rush_of_clients_does_not_keep_the_listener_open() {
    for fails in [false, true] {
        let (drain, taken) = (Course::new().drain, Arc::new(AtomicUsize::new(0)));
        let rush = Rush { taken: taken.clone(), fails };
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let shop = Shop::default();
            let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
            let drained = runtime.block_on(async {
                let other = tokio::spawn({
                    let (closing, taken) = (drain.closing(), taken.clone());
                    async move {
                        closing.await;
                        taken.load(Ordering::SeqCst)
                    }
                });
                drain.close_now();
                let drained = unstick_affinity::drain::serve(rush, service, &drain).await;
                (drained, other.await.unwrap(), taken.load(Ordering::SeqCst))
            });
            _ = done.send(drained);
        });
        // The drain's clock stands still.
        let (drained, when_others_had_their_turn, at_the_end) = ended.recv_timeout(Duration::from_secs(60)).expect("it has an end");
        assert!(drained.unwrap().is_clean());
        assert!(when_others_had_their_turn < at_the_end, "{when_others_had_their_turn} {at_the_end}");
    }
}

#[tokio::test]
async fn half_a_preface_is_no_way_to_stay() {
    let (course, shop) = (Course::new(), Shop::default());
    let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
    let server = running!(service, &course.drain, http2_only(), header_read_timeout(Duration::from_secs(30)));
    for begins in ["P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut client = Raw::connect(server.address).await;
        client.send(begins).await;
        client.closes_after(&course.clock, Duration::from_secs(30)).await;
    }
    server.task.abort();
}

#[tokio::test]
async fn http1_is_closed_when_its_head_does_not_come() {
    let (course, shop) = (Course::new(), Shop::default());
    let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
    let server = running!(service, &course.drain, header_read_timeout(Duration::from_millis(50)));
    let mut slow = Raw::connect(server.address).await;
    slow.send("GET /quick HTTP/1.1\r\nhost: ").await;
    slow.rest().await;
    let mut idle = Raw::connect(server.address).await;
    idle.send(GET_QUICK).await;
    assert!(idle.rest().await.ends_with("quick\r\n0\r\n\r\n"), "answered, and closed for saying nothing more");
    server.task.abort();
}

#[tokio::test]
async fn http1_0_is_told_and_closed() {
    let (course, _, server) = serving().await;
    course.drain.begin();
    let mut client = Raw::connect(server.address).await;
    client.send("GET /quick HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.contains("connection: close\r\n") && !answer.contains("keep-alive"), "{answer}");
    assert_eq!(course.drain.in_flight_count(), 0);
    server.task.abort();
}

/// Answers that have no body on the wire, and handlers that fail.
async fn odd(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"text")));
    *response.status_mut() = match request.uri().path() {
        "/204" => StatusCode::NO_CONTENT,
        "/304" => StatusCode::NOT_MODIFIED,
        "/panic" => panic!("a handler's own"),
        "/refused" => StatusCode::BAD_REQUEST,
        "/guard" => {
            drop(request.extensions_mut().remove::<DrainGuard>());
            StatusCode::OK
        }
        "/101" => StatusCode::SWITCHING_PROTOCOLS,
        _ => StatusCode::OK,
    };
    Ok(response)
}

#[tokio::test]
async fn whatever_is_asked_counts_no_longer_when_it_is_over() {
    for request in [
        "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /204 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /304 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /panic HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /refused HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "GET /guard HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /101 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "GET /101 HTTP/1.0\r\nconnection: keep-alive, upgrade\r\nupgrade: websocket\r\n\r\n",
        "GET /101 HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /204 HTTP/1.1\r\nhost: a\r\n\r\nGET / HT",
    ] {
        let course = Course::new();
        let server = running!(service_fn(odd), &course.drain);
        let mut client = Raw::connect(server.address).await;
        client.send(request).await;
        // An answer, or the end.
        soon(client.0.readable()).await.unwrap();
        let began = std::time::Instant::now();
        while course.drain.in_flight_count() > 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "{request:?} {:?}", course.drain.in_flight());
            tokio::task::yield_now().await;
        }
        course.close();
        let began = std::time::Instant::now();
        while !server.task.is_finished() {
            assert!(began.elapsed() < Duration::from_secs(60), "{request:?} holds the server up");
            course.clock.advance(GRACE);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(server.end().await.is_clean(), "{request:?}");
    }
}

#[tokio::test]
async fn pipelining_ends_when_the_drain_begins() {
    let (course, _, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    course.drain.begin();
    client.send(&GET_QUICK.repeat(50)).await;
    let mut text = Vec::new();
    // Reset or closed: what it sent after the first is not answered.
    _ = soon(client.0.read_to_end(&mut text)).await;
    assert_eq!(String::from_utf8_lossy(&text).matches("HTTP/1.1 200").count(), 1);
    until(|| course.drain.in_flight_count() == 0).await;
    server.task.abort();
}

#[tokio::test]
async fn who_never_reads_is_cut_by_name() {
    for http2 in [false, true] {
        let (course, shop, server) = serving().await;
        let mut client = if http2 { Client::http2(server.address).await } else { Client::http1(server.address).await };
        let answer = client.get("/stream");
        shop.begun("/stream").await;
        let frames = shop.stream();
        for _ in 0..256 {
            frames.send(vec![b'x'; 64 * 1024].into()).unwrap();
        }
        let _unread = soon(answer).await.unwrap().unwrap();
        course.close();
        server.refuses().await;
        course.clock.advance(DEADLINE);
        let drained = server.end().await;
        assert_eq!(drained.cut.iter().map(|cut| cut.name.as_str()).collect::<Vec<_>>(), ["GET /stream"]);
    }
}

#[tokio::test]
async fn an_http2_stream_that_its_client_resets_counts_no_longer() {
    let (course, shop, server) = serving().await;
    let mut client = Client::http2(server.address).await;
    let stuck = client.get("/stuck/report");
    shop.begun("/stuck/report").await;
    let stream = soon(client.get("/stream")).await.unwrap().unwrap();
    let _frames = shop.stream();
    assert_eq!(course.drain.in_flight_count(), 2);
    stuck.abort();
    until(|| shop.dropped() == 1).await;
    drop(stream);
    until(|| course.drain.in_flight_count() == 0).await;
    course.close();
    drop(client);
    assert_eq!(server.end().await.cut.len(), 0);
}

#[tokio::test]
async fn a_panic_on_http2_harms_its_own_stream_alone() {
    let course = Course::new();
    let server = running!(service_fn(odd), &course.drain);
    let mut client = Client::http2(server.address).await;
    assert!(soon(client.get("/panic")).await.unwrap().is_err());
    assert_eq!(soon(client.get("/")).await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "text");
    until(|| course.drain.in_flight_count() == 0).await;
    course.close();
    drop(client);
    assert!(server.end().await.is_clean());
}

/// A whole request in the system's queue, and half of the next one: the first is answered whatever comes after it.
#[tokio::test]
async fn a_request_and_a_half() {
    let (course, _, server) = serving().await;
    let mut client = Raw::connect(server.address).await;
    client.send(&format!("{GET_QUICK}GET /qui")).await;
    assert!(client.read_to("0\r\n\r\n").await.contains("200 OK"));
    course.close();
    client.send("ck HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.rest().await;
    assert!(answer.contains("200 OK") && answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(server.end().await.finished, 1);
}

/// Bodies come slowly, and their requests are in flight.
#[tokio::test]
async fn a_body_that_does_not_come_is_cut_by_name() {
    let course = Course::new();
    let reads = service_fn(|request: Request<Incoming>| async move {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::new(Full::new(body)))
    });
    let server = running!(reads, &course.drain);
    let mut slow = Raw::connect(server.address).await;
    slow.send("POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf").await;
    let mut whole = Raw::connect(server.address).await;
    whole.send("POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf").await;
    until(|| course.drain.in_flight_count() == 2).await;
    course.close();
    server.refuses().await;
    whole.send("half").await;
    assert!(whole.rest().await.ends_with("halfhalf"));
    course.clock.advance(DEADLINE);
    let drained = server.end().await;
    assert_eq!((drained.finished, drained.cut.len(), drained.cut[0].name.as_str()), (1, 1, "POST /orders"));
}
