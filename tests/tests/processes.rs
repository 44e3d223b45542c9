//! Two processes over one store, a file or a server: 32 of 32, and kill -9 under open-loop load.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use unstick_stories::{
    Backend, keep, on_servers,
    wire::{Process, get},
};
use unstick_testkit::client::Jar;

const NODE: &str = env!("CARGO_BIN_EXE_story-node");

async fn session(process: &Process, path: &str) -> Jar {
    let mut jar = Jar::default();
    let (status, headers, _) = get(process.address, path, &jar).await.unwrap();
    assert_eq!(status, 200);
    keep(&mut jar, &headers);
    jar
}

/// An empty place for sessions. The directory holds it, when it is a file.
fn place(backend: Backend, directory: &tempfile::TempDir) -> String {
    match backend {
        Backend::On(server) => server.place(),
        Backend::Sqlite => format!("sqlite:{}?busy_timeout_ms=4000", directory.path().join("sessions.sqlite").display()),
        Backend::Memory => unreachable!("processes share no memory"),
    }
}

async fn thirty_two_of_thirty_two_over_two_processes(backend: Backend) {
    let directory = tempfile::tempdir().unwrap();
    let sessions = place(backend, &directory);
    let nodes = [Process::start(NODE, "a", &sessions).unwrap(), Process::start(NODE, "b", &sessions).unwrap()];
    for await_between in [0, 5] {
        let jar = session(&nodes[0], "/set?first=1").await;
        let paths: Vec<String> = (0..32).map(|at| format!("/slow?read=1&k=key{at}&v=1&ms={await_between}")).collect();
        let writes = join_all(paths.iter().enumerate().map(|(at, path)| get(nodes[at % 2].address, path, &jar))).await;
        assert!(writes.iter().all(|answer| answer.as_ref().is_ok_and(|(status, ..)| *status == 200)), "{writes:?}");
        let counts = join_all((0..32).map(|at| get(nodes[at % 2].address, "/count", &jar))).await;
        let mut counts: Vec<u64> = counts.into_iter().map(|answer| answer.unwrap().2.parse().unwrap()).collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=32).collect::<Vec<_>>());
        for node in &nodes {
            let (_, _, told) = get(node.address, "/status", &jar).await.unwrap();
            assert_eq!(told.rsplit(' ').next().unwrap().split(',').count(), 34, "{told}");
        }
    }
}

#[derive(Debug, Clone)]
struct Acknowledged {
    session: usize,
    key: String,
    by: usize,
    at: Instant,
}

async fn kill_nine_loses_nothing_that_was_acknowledged(backend: Backend) {
    const EVERY: Duration = Duration::from_millis(5);
    const REQUESTS: usize = 400;
    const KILL_AFTER: usize = 200;
    let directory = tempfile::tempdir().unwrap();
    let sessions = place(backend, &directory);
    let mut victim = Process::start(NODE, "victim", &sessions).unwrap();
    let survivor = Process::start(NODE, "survivor", &sessions).unwrap();
    let mut jars = Vec::new();
    for _ in 0..8 {
        jars.push(session(&survivor, "/login?user=ann").await);
    }
    let log: Arc<Mutex<Vec<Acknowledged>>> = Arc::default();
    let addresses = [victim.address, survivor.address];
    let mut pace = tokio::time::interval(EVERY);
    let (mut requests, mut killed) = (Vec::new(), Instant::now());
    for number in 0..REQUESTS {
        pace.tick().await; // open loop: nobody waits for the answer before
        if number == KILL_AFTER {
            victim.kill().unwrap();
            killed = Instant::now();
        }
        let (log, session, by) = (log.clone(), number % 8, number % 2);
        let jar = jars[session].clone();
        requests.push(tokio::spawn(async move {
            let key = format!("key{number}");
            let answer = get(addresses[by], &format!("/set?{key}={number}"), &jar).await;
            if let Ok((200, ..)) = answer {
                log.lock().unwrap().push(Acknowledged { session, key, by, at: Instant::now() });
            }
        }));
    }
    join_all(requests).await;
    let log = log.lock().unwrap().clone();
    let close = log.iter().filter(|ack| ack.by == 0 && ack.at <= killed && killed - ack.at < Duration::from_millis(50)).count();
    assert!(close > 0, "no acknowledgement of the victim in the 50 ms before the kill: nothing was proved");
    assert!(log.iter().filter(|ack| ack.by == 1).count() >= REQUESTS / 2, "the survivor answered every one of its requests");
    for (session, jar) in jars.iter().enumerate() {
        let (status, _, told) = get(survivor.address, "/status", jar).await.unwrap();
        assert_eq!(status, 200);
        assert!(told.starts_with("live ann "), "session {session}: {told}");
        let keys: Vec<&str> = told.rsplit(' ').next().unwrap().split(',').collect();
        let missing: Vec<_> = log.iter().filter(|ack| ack.session == session && !keys.contains(&ack.key.as_str())).collect();
        assert!(missing.is_empty(), "acknowledged and gone: {missing:?}");
    }
    let (_, _, continuity) = get(survivor.address, "/continuity", &Jar::default()).await.unwrap();
    let (found, lost) = continuity.split_once(' ').unwrap();
    assert!(found.parse::<u64>().unwrap() > 0 && lost == "0", "continuity: {continuity}");
}

macro_rules! stories {
    ($($story:ident;)*) => {$(
        mod $story {
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$story(Backend::Sqlite).await;
            }
            on_servers! { |backend| super::$story(backend) }
        }
    )*};
}

stories! {
    thirty_two_of_thirty_two_over_two_processes;
    kill_nine_loses_nothing_that_was_acknowledged;
}
