//! Where connections come from.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use http::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tower::service_fn;
use unstick_affinity::drain::{
    Listener,
    serve::{Peer, Queue},
};

use crate::support::{Course, GET_QUICK, Raw, Running, Shop, listener, running, soon, until};

/// Fails with these codes of the system before it lets anybody in.
struct Failing {
    inner: TcpListener,
    failures: Arc<Mutex<VecDeque<i32>>>,
}

impl Listener for Failing {
    type Io = TcpStream;
    type Peer = SocketAddr;
    type Queue = Queue<TcpStream, SocketAddr>;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let failure = self.failures.lock().unwrap().pop_front();
        match failure {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Listener::accept(&mut self.inner).await,
        }
    }

    fn into_queue(self) -> io::Result<Self::Queue> {
        self.inner.into_queue()
    }
}

#[tokio::test]
async fn no_failure_to_accept_ends_it() {
    const CONNECTION_ABORTED: i32 = 103;
    const TOO_MANY_OPEN_FILES: i32 = 24;
    let (course, shop) = (Course::new(), Shop::default());
    let (inner, address) = listener().await;
    let failures = Arc::new(Mutex::new(VecDeque::from([TOO_MANY_OPEN_FILES, CONNECTION_ABORTED, TOO_MANY_OPEN_FILES, 105, 23])));
    let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
    let serve = unstick_affinity::drain::serve(Failing { inner, failures: failures.clone() }, service, &course.drain);
    let server = Running { address, task: tokio::spawn(serve.into_future()) };
    let clock = course.clock.clone();
    until(|| {
        clock.advance(std::time::Duration::from_millis(100));
        failures.lock().unwrap().is_empty()
    })
    .await;
    let clock = course.clock.clone();
    let moving = tokio::spawn(async move {
        loop {
            clock.advance(std::time::Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    });
    let mut client = Raw::connect(server.address).await;
    client.send(GET_QUICK).await;
    client.read_to("0\r\n\r\n").await;
    moving.abort();
    course.close();
    assert!(server.end().await.cut.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn over_a_unix_socket() {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{UnixListener, UnixStream},
    };
    let (course, shop) = (Course::new(), Shop::default());
    let folder = std::env::temp_dir().join(format!("unstick-serve-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let inner = UnixListener::bind(&path).unwrap();
    let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
    let serving = tokio::spawn(unstick_affinity::drain::serve(inner, service, &course.drain).into_future());
    let mut waiting = UnixStream::connect(&path).await.unwrap();
    course.close();
    waiting.write_all(GET_QUICK.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(waiting.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(soon(serving).await.unwrap().unwrap().finished, 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let (course, shop) = (Course::new(), Shop::default());
    let served = shop.clone();
    let service = service_fn(move |request: Request<Incoming>| served.clone().answer(request));
    let server = running!(service, &course.drain, max_connections(1));
    let mut first = Raw::connect(server.address).await;
    first.send(GET_QUICK).await;
    first.read_to("0\r\n\r\n").await;
    let mut second = Raw::connect(server.address).await;
    second.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await;
    for _ in 0..20 {
        first.send(GET_QUICK).await;
        first.read_to("0\r\n\r\n").await;
    }
    assert!(!shop.has_begun("/held"));
    // Who waits when the listener closes is taken all the same: the first is still held.
    let mut held = first;
    held.send("GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await;
    shop.begun("/held").await;
    course.close();
    server.refuses().await;
    until(|| course.drain.in_flight_count() == 2).await;
    shop.let_one_go();
    shop.let_one_go();
    for mut client in [held, second] {
        assert!(client.rest().await.contains("held"));
    }
    assert_eq!(server.end().await.finished, 2);
}

#[tokio::test]
async fn a_place_is_free_again_when_its_connection_is_gone() {
    let (course, shop) = (Course::new(), Shop::default());
    let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
    let server = running!(service, &course.drain, max_connections(1));
    for _ in 0..10 {
        let mut client = Raw::connect(server.address).await;
        client.send(GET_QUICK).await;
        client.read_to("0\r\n\r\n").await;
    }
    server.task.abort();
}

/// Clients connect while the listener closes: whoever the system had told before that it is connected is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_whom_the_system_has_accepted_is_lost() {
    let (mut before_closing, mut queued) = (0, 0);
    for round in 0..200_usize {
        let (course, shop) = (Course::new(), Shop::default());
        let (inner, address) = listener().await;
        let served = shop.clone();
        let service = service_fn(move |request: Request<Incoming>| served.clone().answer(request));
        let serve = unstick_affinity::drain::serve(inner, service, &course.drain).into_future();
        let (closing, connected) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = Vec::new();
        for number in 0..8_usize {
            let (closing, connected) = (closing.clone(), connected.clone());
            clients.push(tokio::spawn(async move {
                let stream = TcpStream::connect(address).await.ok()?;
                // Connected before that was set: the system has accepted it before the drain was closing.
                let must_be_answered = !closing.load(Ordering::SeqCst);
                connected.fetch_add(1, Ordering::SeqCst);
                if !must_be_answered {
                    return None;
                }
                let mut client = Raw(stream);
                if number % 2 == 0 {
                    while !closing.load(Ordering::SeqCst) {
                        tokio::task::yield_now().await;
                    }
                }
                client.send(GET_QUICK).await;
                Some(client.rest().await)
            }));
        }
        // Not served at all until it closes, or from the beginning, or some of both.
        let mut serve = Some(serve);
        let mut server = (round % 2 == 0).then(|| tokio::spawn(serve.take().unwrap()));
        until(|| connected.load(Ordering::SeqCst) > round % 8).await;
        queued += usize::from(server.is_none());
        closing.store(true, Ordering::SeqCst);
        course.close();
        if let Some(serve) = serve {
            server = Some(tokio::spawn(serve));
        }
        for client in clients {
            let Some(answer) = soon(client).await.unwrap() else { continue };
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("quick\r\n0\r\n\r\n"), "{answer}");
            before_closing += 1;
        }
        soon(async {
            let server = server.unwrap();
            while !server.is_finished() {
                // Those that came later and say nothing.
                course.clock.advance(crate::support::GRACE);
                tokio::task::yield_now().await;
            }
            assert!(server.await.unwrap().unwrap().cut.is_empty());
        })
        .await;
    }
    assert!(before_closing >= 200 && queued == 100, "{before_closing} {queued}");
}

#[tokio::test]
async fn handlers_know_the_other_end() {
    let course = Course::new();
    let service = service_fn(|request: Request<Incoming>| {
        let peer = request.extensions().get::<Peer<SocketAddr>>().map(|peer| peer.0.to_string());
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::<bytes::Bytes>::from(
            peer.unwrap(),
        ))))
    });
    let server = running!(service, &course.drain);
    let mut client = Raw::connect(server.address).await;
    let here = client.0.local_addr().unwrap().to_string();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(client.rest().await.ends_with(&format!("\r\n\r\n{here}")));
    server.task.abort();
}

#[tokio::test]
async fn settings_that_would_serve_nobody_are_refused() {
    let course = Course::new();
    let shop = Shop::default();
    let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
    for server in [
        running!(service.clone(), &course.drain, max_connections(0)),
        running!(service.clone(), &course.drain, header_read_timeout(std::time::Duration::ZERO)),
        running!(service.clone(), &course.drain, grace(std::time::Duration::ZERO)),
    ] {
        assert_eq!(soon(server.task).await.unwrap().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
