//! The fault proxy does what its modes say, and a load in front of it sees that.
#![cfg(feature = "servers")]

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unstick_testkit::{
    load::{Fault, Load, OpenLoop},
    servers::{Direction, Mode, Proxy, poll},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server that sends back what it gets, and a proxy in front of it.
fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    Proxy::start(port).unwrap()
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8(answer).unwrap())
}

/// Whether there is nothing to read for a while.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let outcome = stream.read(&mut [0]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    matches!(outcome, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn is_reset(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn bytes_pass_and_are_counted() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, "hello").unwrap(), "hello");
    drop(stream);
    assert!(poll(PATIENCE, || (proxy.counts().open == 0).then_some(())).is_some(), "an end is passed on");
    let counts = proxy.counts();
    assert_eq!((counts.accepted, counts.to_server, counts.to_client, counts.lost), (1, 5, 5, 0));
}

#[test]
fn delays_add_up_both_ways() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    proxy.set(Mode::delay(Duration::from_millis(30)));
    let begin = Instant::now();
    assert_eq!(ask(&mut stream, "slow").unwrap(), "slow");
    assert!(begin.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_black_hole_keeps_old_connections_and_cuts_new_ones() {
    let proxy = echo();
    let mut old = connect(&proxy);
    ask(&mut old, "a").unwrap();
    proxy.set(Mode::BlackHole);
    old.write_all(b"late").unwrap();
    let mut new = connect(&proxy);
    new.write_all(b"lost").unwrap();
    assert!(poll(PATIENCE, || (proxy.counts().lost == 4).then_some(())).is_some());
    assert!(is_silent(&mut old));
    proxy.set(Mode::Pass);
    let mut answer = [0; 4];
    old.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"late");
    assert!(is_reset(&mut new));
}

#[test]
fn refusing_leaves_old_connections_alone() {
    let proxy = echo();
    let mut old = connect(&proxy);
    ask(&mut old, "a").unwrap();
    proxy.set(Mode::Refuse);
    assert!(ask(&mut connect(&proxy), "b").is_err());
    assert_eq!(ask(&mut old, "c").unwrap(), "c");
}

#[test]
fn a_half_open_connection_loses_one_way_and_never_goes_on_after_a_gap() {
    let proxy = echo();
    let (mut asked, mut idle) = (connect(&proxy), connect(&proxy));
    ask(&mut asked, "a").unwrap();
    ask(&mut idle, "b").unwrap();
    proxy.set(Mode::HalfOpen(Direction::ToClient));
    asked.write_all(b"request").unwrap();
    assert!(poll(PATIENCE, || (proxy.counts().lost == 7).then_some(())).is_some(), "the server got it, and the answer is lost");
    assert_eq!(proxy.counts().to_server, 9);
    proxy.set(Mode::Pass);
    assert!(is_reset(&mut asked));
    assert_eq!(ask(&mut idle, "c").unwrap(), "c");

    proxy.set(Mode::HalfOpen(Direction::ToServer));
    idle.write_all(b"question").unwrap();
    assert!(poll(PATIENCE, || (proxy.counts().lost == 15).then_some(())).is_some());
    assert_eq!(proxy.counts().to_server, 10, "the server never saw it");
}

#[test]
fn a_cut_resets_all_connections_and_serves_new_ones_on_the_same_port() {
    let proxy = echo();
    let (mut one, mut two) = (connect(&proxy), connect(&proxy));
    ask(&mut one, "a").unwrap();
    ask(&mut two, "b").unwrap();
    proxy.cut();
    assert!(is_reset(&mut one) && is_reset(&mut two));
    assert_eq!(ask(&mut connect(&proxy), "c").unwrap(), "c");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_load_sees_a_fault_that_calls_wait_for() {
    let proxy = echo();
    let port = proxy.port();
    let schedule = OpenLoop { period: Duration::from_millis(5), ..OpenLoop::default() };
    let load = Load::start(schedule, move |_| async move {
        let call = async {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(b"x").await?;
            stream.read_u8().await.map(drop)
        };
        match tokio::time::timeout(Duration::from_millis(200), call).await {
            Ok(outcome) => outcome.map_err(|_| "broken"),
            Err(_) => Err("late"),
        }
    });
    assert!(load.await_successes(5, PATIENCE).await);
    let start = load.now();
    proxy.set(Mode::BlackHole);
    // Calls go on to start while none is answered: the first to give up shows it.
    let gave_up = async {
        while load.so_far().calls.iter().all(|call| !matches!(call.end, Some((_, Err("late"))))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gave_up).await.unwrap();
    let end = load.now();
    proxy.set(Mode::Pass);
    assert!(load.await_successes(5, PATIENCE).await);
    let record = load.finish(PATIENCE).await;
    let report = record.analyse(Some(Fault { start, end }), PATIENCE);
    let during = record.calls.iter().filter(|call| call.start > start && call.start < end).count();
    assert!(during > 1, "{report}");
    assert!(report.errors.contains_key("late") && report.success_after_end.is_some(), "{report}");
    assert!(report.success_after_start.unwrap() >= end - start, "{report}");
    assert_eq!((report.unanswered, report.past_deadline, report.left_out), (0, 0, 0), "{report}");
}

#[tokio::test]
async fn a_load_is_bounded() {
    let schedule = OpenLoop { period: Duration::from_millis(1), in_flight: 3, total: 5 };
    let load = Load::start(schedule, |n| async move { if n < 3 { std::future::pending().await } else { Ok::<(), &str>(()) } });
    let is_full = async {
        while load.so_far().left_out == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_full).await.unwrap();
    let record = load.finish(Duration::ZERO).await;
    assert_eq!(record.calls.len(), 3);
    let load =
        Load::start(OpenLoop { total: 5, period: Duration::from_millis(1), ..OpenLoop::default() }, |_| async { Ok::<(), &str>(()) });
    assert_eq!(load.join().await.analyse(None, PATIENCE).succeeded, 5);
}
