//! Connections that have become something else.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
};

use axum::{Router, routing::any};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::service_fn;
use unstick_affinity::drain::Drain;

use crate::support::{Course, DEADLINE, Raw, Running, running, until};

/// Echoes, in capitals.
#[derive(Debug, Clone)]
struct Echo {
    drain: Drain,
    says_goodbye: bool,
    ended: Arc<Mutex<Option<io::Result<()>>>>,
}

impl Echo {
    fn new(course: &Course, says_goodbye: bool) -> Self {
        Self { drain: course.drain.clone(), says_goodbye, ended: Arc::default() }
    }

    fn answer<B>(self, mut request: Request<B>) -> Response<Empty<Bytes>> {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let ended = self.clone().echo(TokioIo::new(upgraded.await.unwrap())).await;
            *self.ended.lock().unwrap() = Some(ended);
        });
        let mut response = Response::new(Empty::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::CONNECTION, "upgrade".parse().unwrap());
        response.headers_mut().insert(header::UPGRADE, "echo".parse().unwrap());
        response
    }

    async fn echo(self, mut io: TokioIo<hyper::upgrade::Upgraded>) -> io::Result<()> {
        loop {
            let byte = tokio::select! {
                byte = io.read_u8() => byte?,
                () = self.drain.closing(), if self.says_goodbye => {
                    io.write_all(b"bye.").await?;
                    return io.shutdown().await;
                }
            };
            io.write_all(&[byte.to_ascii_uppercase()]).await?;
        }
    }

    fn ended(&self) -> Option<io::ErrorKind> {
        self.ended.lock().unwrap().as_ref().and_then(|ended| ended.as_ref().err().map(io::Error::kind))
    }
}

async fn serving(course: &Course, echo: &Echo, by_axum: bool) -> Running {
    let echo = echo.clone();
    if by_axum {
        running!(
            Router::new().route("/echo", any(move |request: axum::extract::Request| async move { echo.answer(request) })),
            &course.drain
        )
    } else {
        let answer = move |request: Request<Incoming>| std::future::ready(Ok::<_, Infallible>(echo.clone().answer(request)));
        running!(service_fn(answer), &course.drain)
    }
}

async fn upgraded(server: &Running) -> Raw {
    let mut client = Raw::connect(server.address).await;
    // The first bytes of the other protocol come with the request.
    client.send("GET /echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nfi").await;
    let head = client.read_to("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("close"), "{head}");
    client.send("rst.").await;
    assert_eq!(client.read_to(".").await, "FIRST.");
    client
}

#[tokio::test]
async fn lives_on_until_it_has_said_goodbye() {
    for by_axum in [false, true] {
        let course = Course::new();
        let echo = Echo::new(&course, true);
        let server = serving(&course, &echo, by_axum).await;
        let mut client = upgraded(&server).await;
        assert_eq!(course.drain.in_flight_count(), 1, "it counts, without a word from its handler");
        course.drain.begin();
        let mut late = upgraded(&server).await;
        for client in [&mut client, &mut late] {
            client.send("turning.").await;
            assert_eq!(client.read_to(".").await, "TURNING.");
        }
        course.clock.advance(crate::support::WINDOW);
        assert_eq!((client.rest().await, late.rest().await), ("bye.".to_owned(), "bye.".to_owned()));
        let drained = server.end().await;
        assert_eq!((drained.cut.len(), drained.pending_left), (0, 0));
        assert_eq!(drained.finished, 2);
    }
}

#[tokio::test]
async fn is_cut_at_the_deadline_and_its_task_sees_it() {
    for by_axum in [false, true] {
        let course = Course::new();
        let echo = Echo::new(&course, false);
        let server = serving(&course, &echo, by_axum).await;
        let mut client = upgraded(&server).await;
        course.close();
        server.refuses().await;
        for _ in 0..20 {
            client.send("closing.").await;
            assert_eq!(client.read_to(".").await, "CLOSING.");
        }
        assert!(!server.task.is_finished() && echo.ended().is_none());
        course.clock.advance(DEADLINE);
        let drained = server.end().await;
        assert_eq!(drained.cut.len(), 1);
        assert_eq!(drained.cut[0].name, "GET /echo");
        assert_eq!(client.rest().await, "");
        until(|| echo.ended() == Some(io::ErrorKind::ConnectionAborted)).await;
    }
}

#[tokio::test]
async fn one_that_ends_before_is_forgotten() {
    let course = Course::new();
    let echo = Echo::new(&course, false);
    let server = serving(&course, &echo, false).await;
    let client = upgraded(&server).await;
    drop(client);
    until(|| course.drain.in_flight_count() == 0).await;
    assert_eq!(echo.ended(), Some(io::ErrorKind::UnexpectedEof));
    course.close();
    assert_eq!(server.end().await.cut.len(), 0);
}

#[tokio::test]
async fn a_dropped_server_ends_it() {
    let course = Course::new();
    let echo = Echo::new(&course, false);
    let server = serving(&course, &echo, false).await;
    let mut client = upgraded(&server).await;
    server.task.abort();
    assert_eq!(client.rest().await, "");
    until(|| echo.ended() == Some(io::ErrorKind::ConnectionAborted)).await;
}
