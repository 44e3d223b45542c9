//! SIGTERM, in a process of its own: this test, run again by itself.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use http::Request;
use hyper::body::Incoming;
use tower::service_fn;
use unstick_affinity::drain::Drain;

use crate::support::{GET_QUICK, Shop, listener};

const AM_CHILD: &str = "UNSTICK_SERVE_TEST_CHILD";
const HOUR: Duration = Duration::from_secs(3600);

/// A server that nothing but signals ends, telling its parent how far it is.
#[tokio::main(flavor = "current_thread")]
async fn child() {
    let (listener, address) = listener().await;
    let shop = Shop::default();
    let drain = Drain::builder().readiness_window(HOUR).deadline(HOUR).grace_period(HOUR * 3).build().unwrap();
    drain.on_signals().unwrap();
    let began = drain.began();
    tokio::spawn(async move {
        began.await;
        say("turning");
    });
    let served = shop.clone();
    tokio::spawn(async move {
        served.begun("/stuck/report").await;
        say("begun");
    });
    say(&format!("address {address}"));
    let service = service_fn(move |request: Request<Incoming>| shop.clone().answer(request));
    let drained = unstick_affinity::drain::serve(listener, service, &drain).await.unwrap();
    say(&format!("cut {}", drained.cut.iter().map(|cut| cut.name.as_str()).collect::<Vec<_>>().join(",")));
}

/// On a line of its own: the test runner writes there, too.
fn say(what: &str) {
    println!("\n> {what}");
    std::io::stdout().flush().unwrap();
}

#[test]
fn the_first_begins_and_the_second_cuts() {
    if std::env::var_os(AM_CHILD).is_some() {
        return child();
    }
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "signals::the_first_begins_and_the_second_cuts", "--nocapture"])
        .env(AM_CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = process.id().to_string();
    let told = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut told = told.map_while(Result::ok).filter_map(|line| line.strip_prefix("> ").map(str::to_owned));
    let mut tells = || told.next().expect("the child has ended");
    let terminate = || assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());

    let address = tells();
    let address = address.strip_prefix("address ").unwrap();
    let mut stuck = TcpStream::connect(address).unwrap();
    stuck.write_all(b"GET /stuck/report HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(tells(), "begun");
    terminate();
    assert_eq!(tells(), "turning");
    // The readiness window has an hour to go: everybody is served.
    let mut late = TcpStream::connect(address).unwrap();
    late.write_all(GET_QUICK.as_bytes()).unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("quick\r\n0\r\n\r\n"), "{answer}");
    terminate();
    assert_eq!(tells(), "cut GET /stuck/report");
    assert!(process.wait().unwrap().success());
    assert!(matches!(stuck.read(&mut [0]), Ok(0) | Err(_)), "no answer");
}
