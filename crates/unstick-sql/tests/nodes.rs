//! Two stores over one file, in one process and in two; restarts; a writer that is killed.
#![cfg(feature = "sqlite")]

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use common::{Place, SECOND, Session, op};
use unstick_core::*;
use unstick_sql::sqlite::SqliteStore;

/// As the session layer does: conditional, again with the fields of the conflict.
async fn increment(store: &SqliteStore, session: &Session, name: &str) {
    let mut fields = session.fields(store).await;
    loop {
        let value = fields.get(name).map_or(0, |field| str::from_utf8(&field.value).unwrap().parse::<u64>().unwrap());
        let change = Change::new().set(name, (value + 1).to_string()).expect(name, fields.version(name));
        match session.apply(store, &change).await {
            Applied::Done { .. } => return,
            Applied::Conflict(current) => fields = current,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_on_two_stores_lose_nothing() {
    let place = Place::new();
    let stores = [place.store().await, place.store().await];
    let session = Session::create(&stores[0]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32 {
        let store = stores[n % 2].clone();
        tasks.spawn(async move {
            assert!(session.apply(&store, &Change::new().set(&format!("field {n}"), n.to_string())).await.is_done());
            increment(&store, &session, "conditional").await;
            let mut decide = |fields: &Fields| {
                let value = fields.get("locked").map_or(0, |field| str::from_utf8(&field.value).unwrap().parse::<u64>().unwrap());
                Ok(Change::new().set("locked", (value + 1).to_string()).expect("locked", fields.version("locked")))
            };
            let locked = store.update_locked(op(), session.key, session.presented, &mut decide).await;
            assert!(locked.unwrap().unwrap().is_done());
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    for store in &stores {
        let fields = session.fields(store).await;
        for n in 0..32 {
            assert_eq!(fields.get(&format!("field {n}")).unwrap().value, n.to_string());
        }
        assert_eq!((session.number(store, "conditional").await, session.number(store, "locked").await), (32, 32));
    }
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let place = Place::new();
    let store = place.store().await;
    let live = Session::create_for(&store, Some("ann")).await;
    let ended = Session::create(&store).await;
    live.apply(&store, &Change::new().set("cart", vec![0xff, 0, 1])).await;
    let (next, rotation) = live.rotation(Some(30 * SECOND), None);
    store.rotate(op(), live.key, live.presented, &rotation, &Change::new()).await.unwrap();
    store.end(op(), ended.key, Some(ended.presented), op().now + 900 * SECOND).await.unwrap();
    let before = [next.load(&store).await, live.load(&store).await, ended.load(&store).await];
    assert!(matches!(before, [Loaded::Live(_), Loaded::Live(LiveSession { proof: Proof::Grace, .. }), Loaded::Ended { .. }]));
    drop(store);
    let store = place.store().await;
    assert_eq!([next.load(&store).await, live.load(&store).await, ended.load(&store).await], before);
}

const CHILD: &str = "UNSTICK_SQL_TEST_CHILD";

/// This test binary once more, as a node of its own; `role` says what it does, see [`child`].
struct Node {
    process: Child,
    lines: BufReader<ChildStdout>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap())
}

impl Node {
    fn start(role: &str, place: &Place, session: &Session) -> Self {
        let (key, secret) = (hex(session.key.as_bytes()), hex(session.presented.secret.as_bytes()));
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, format!("{role} {key} {secret} {}", place.address()))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// The next line that a child wrote itself; `None` at its end.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // the last line may be cut off by the kill
            if let (Some(at), true) = (line.find("acknowledged "), line.ends_with('\n')) {
                return Some(line[at + "acknowledged ".len()..].trim().to_owned());
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {what}").unwrap();
    out.flush().unwrap();
}

/// Not a test of its own: the other process of the tests below.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let [role, key, secret, address] = task.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
    let now = Timestamp::system_now();
    let session = Session {
        credential: Session::new().credential,
        key: RecordKey::from_bytes(unhex(key)),
        presented: Presented { secret: SecretHash::from_bytes(unhex(secret)), issued: now, idle_deadline: now },
    };
    let store = SqliteStore::connect(address).await.unwrap();
    match role {
        // writes one field after the other, and ends sessions, until it is killed
        "writer" => {
            for n in 0_u64.. {
                assert!(session.apply(&store, &Change::new().set(&format!("n{n}"), n.to_string())).await.is_done());
                acknowledge(&format!("field {n}"));
                let other = Session::create(&store).await;
                store.end(op(), other.key, Some(other.presented), op().now + 900 * SECOND).await.unwrap();
                acknowledge(&format!("end {}", hex(other.key.as_bytes())));
            }
        }
        "counter" => {
            let mut tasks = tokio::task::JoinSet::new();
            for n in 0..16 {
                let store = store.clone();
                tasks.spawn(async move {
                    assert!(session.apply(&store, &Change::new().set(&format!("child {n}"), "1")).await.is_done());
                    increment(&store, &session, "n").await;
                });
            }
            while let Some(task) = tasks.join_next().await {
                task.unwrap();
            }
            acknowledge("all");
        }
        _ => unreachable!(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_processes_lose_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let session = Session::create(&store).await;
    let mut node = Node::start("counter", &place, &session);
    let child = tokio::task::spawn_blocking(move || node.line());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            assert!(session.apply(&store, &Change::new().set(&format!("parent {n}"), "1")).await.is_done());
            increment(&store, &session, "n").await;
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(child.await.unwrap().as_deref(), Some("all"));
    assert_eq!(session.number(&store, "n").await, 32);
    assert_eq!(session.fields(&store).await.len(), 33);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_writer_takes_no_acknowledged_change_along() {
    let place = Place::new();
    let store = place.store().await;
    let session = Session::create(&store).await;
    let mut node = Node::start("writer", &place, &session);
    let acknowledged = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        while lines.len() < 200 {
            lines.push(node.line().expect("the writer ended by itself"));
        }
        node.process.kill().unwrap();
        lines.extend(std::iter::from_fn(|| node.line()));
        lines
    });
    // this node writes to the same session all the while
    let mut own = 0_u64;
    while !acknowledged.is_finished() {
        assert!(session.apply(&store, &Change::new().set("own", own.to_string())).await.is_done());
        own += 1;
        tokio::time::sleep(Duration::from_millis(1)).await; // bounds the load
    }
    let (mut fields, mut ends) = (0, 0);
    let current = session.fields(&store).await;
    for line in acknowledged.await.unwrap() {
        match line.split_once(' ').unwrap() {
            ("field", n) => {
                assert_eq!(current.get(&format!("n{n}")).expect("an acknowledged field").value, n);
                fields += 1;
            }
            (_, key) => {
                let loaded = store.load(op(), RecordKey::from_bytes(unhex(key)), session.presented, None).await.unwrap();
                assert!(matches!(loaded, Loaded::Ended { .. }), "{loaded:?}");
                ends += 1;
            }
        }
    }
    assert!(fields >= 100 && ends >= 100 && own > 0, "{fields} fields, {ends} ends, {own} own");
    assert_eq!(current.get("own").unwrap().value, (own - 1).to_string());
    assert!(session.apply(&store, &Change::new().set("own", "after")).await.is_done());
}
