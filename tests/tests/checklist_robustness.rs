//! The items on robustness of the session security checklist, black-box: corrupt data, hang-ups, panics, streams, limits, tenants.

use std::sync::Arc;

use axum::{Router, body::Body, routing::get};
use futures_util::future::join_all;
use http::Request;
use tower::ServiceExt;
use unstick_core::{EventKind, Events, Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer, Status};
use unstick_sql::{
    sqlite::SqliteStore,
    sqlx::{self, Connection, sqlite::SqliteConnection},
};
use unstick_stories::{App, Backend, Cluster, Options, cookies, keep};
use unstick_testkit::{
    client::Jar,
    faults::{Fault, FaultStore},
    observe::EventLog,
};

fn ring() -> KeyRing {
    KeyRing::new(Key::from_bytes([9; 32]).unwrap())
}

async fn ask(app: &Router, jar: &mut Jar, path: &str) -> (u16, String) {
    let cookie = cookies(jar);
    let request = Request::builder().uri(path).header("cookie", cookie).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    keep(jar, response.headers());
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 22).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn item_57_corrupt_and_foreign_records_are_left_alone_and_nobody_is_locked_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sessions.sqlite");
    let log = Arc::new(EventLog::default());
    let store = SqliteStore::builder("").path(&path).connect().await.unwrap();
    let layer = SessionLayer::keyed(store, ring()).events(Events::new("n").observer(log.clone())).build().unwrap();
    let app = App::default().router().layer(layer);
    let mut database = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();

    let mut jar = Jar::default();
    ask(&app, &mut jar, "/set?k=v").await;
    sqlx::query("UPDATE unstick_sessions SET fields = 'no json'").execute(&mut database).await.unwrap();
    assert_eq!(ask(&app, &mut jar, "/status").await, (200, "unreadable - ".to_owned()));
    assert_eq!(log.count(EventKind::SessionUnreadable), 1);
    assert_eq!(ask(&app, &mut jar, "/set?again=1").await.0, 200, "a new session takes its place");
    assert_eq!(ask(&app, &mut jar, "/status").await.1, "live - again");
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM unstick_sessions WHERE fields = 'no json'").fetch_one(&mut database).await.unwrap();
    assert_eq!(kept, 1, "the corrupt record is kept for inspection");

    let mut jar = Jar::default();
    ask(&app, &mut jar, "/set?newer=1").await;
    let newer = "UPDATE unstick_sessions SET format = 99 WHERE fields LIKE '%newer%'";
    assert_eq!(sqlx::query(newer).execute(&mut database).await.unwrap().rows_affected(), 1);
    assert_eq!(ask(&app, &mut jar, "/status").await, (200, "unreadable - ".to_owned()));
    assert_eq!(ask(&app, &mut jar, "/set?old=1").await.0, 503, "an old release does not start over what a newer one keeps");
    let back = "UPDATE unstick_sessions SET format = 1 WHERE format = 99";
    sqlx::query(back).execute(&mut database).await.unwrap();
    assert_eq!(ask(&app, &mut jar, "/status").await.1, "live - newer", "untouched");
}

/// The client goes away while the commit waits for the backend: the commit is completed all the same.
#[tokio::test]
async fn item_58_a_commit_survives_the_client() {
    let store = FaultStore::new(MemoryStore::new());
    let faults = store.clone();
    let layer = SessionLayer::keyed(store, ring()).build().unwrap();
    let app = App::default().router().layer(layer);
    let mut jar = Jar::default();
    ask(&app, &mut jar, "/set?first=1").await;
    faults.always_all(Fault::ArriveLate);
    let cookie = cookies(&jar);
    let request = Request::builder().uri("/set?a=1&b=2").header("cookie", cookie).body(Body::empty()).unwrap();
    let client = tokio::spawn(app.clone().oneshot(request));
    faults.until_held(1).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    faults.heal();
    faults.release();
    let mut told = ask(&app, &mut jar, "/status").await.1;
    while told == "live - first" {
        tokio::task::yield_now().await;
        told = ask(&app, &mut jar, "/status").await.1;
    }
    assert_eq!(told, "live - a,b,first", "all of the change, not half");
}

#[tokio::test]
async fn item_58_a_client_that_leaves_before_the_answer_has_changed_nothing() {
    let cluster = Cluster::start(Backend::Memory).await;
    let mut client = cluster.client();
    client.get(0, "/set?first=1").await;
    let left = tokio::spawn(client.send(0, "/slow?gate=g&k=late&v=1"));
    cluster.app.gate("g").arrived().await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    cluster.app.gate("g").open(1);
    assert_eq!(client.get(1, "/status").await.body, "live - first");
}

#[tokio::test]
async fn item_59_a_panic_and_a_5xx_discard_what_was_buffered() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let cluster = Cluster::start(backend).await;
        let mut client = cluster.client();
        client.get(0, "/set?first=1").await;
        assert!(tokio::spawn(client.send(0, "/panic")).await.unwrap_err().is_panic());
        assert_eq!(client.get(0, "/fail").await.status, 500);
        assert_eq!(cluster.log.count(EventKind::ChangesDiscarded), 1);
        assert_eq!(client.get(1, "/status").await.body, "live - first", "and no lock is left");
        assert_eq!(client.get(0, "/fail?end=1").await.status, 500);
        assert_eq!(client.get(1, "/status").await.body, "new - ", "an end is carried out all the same");
    }
}

#[tokio::test]
async fn item_60_a_change_after_the_headers_is_an_error_to_the_caller() {
    let cluster = Cluster::start(Backend::Memory).await;
    let mut client = cluster.client();
    client.get(0, "/set?first=1").await;
    let streamed = client.get(0, "/stream").await;
    assert_eq!(streamed.body, "headers_sent");
    assert_eq!(streamed.headers["cache-control"], "private, no-store", "a handle that outlives the headers counts as touched");
    assert_eq!(client.get(0, "/status").await.body, "live - first");
}

#[tokio::test]
async fn item_61_limits_are_answers_that_name_the_key() {
    let store = MemoryStore::new();
    let layer = SessionLayer::keyed(store, ring()).max_size(100_000).build().unwrap();
    let deep = || format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let app = Router::new()
        .route("/long-key", get(async |session: Session| session.insert(&"k".repeat(65_536), &1).map_err(|error| error.to_string())))
        .route("/big", get(async |session: Session| session.insert("big", &"x".repeat(1 << 20)).map_err(|error| error.to_string())))
        .route("/control", get(async |session: Session| session.insert("a\0b", &1).map_err(|error| error.to_string())))
        .route(
            "/many",
            get(async |session: Session| {
                for key in 0..10_000 {
                    session.insert(&format!("key{key}"), "0123456789")?;
                }
                Ok::<_, SessionError>("stored")
            }),
        )
        .route("/grow", get(async |session: Session| session.insert("b", &"x".repeat(60_000))))
        .route("/grow-more", get(async |session: Session| session.insert("c", &"x".repeat(60_000))))
        .route("/deep", get(move |session: Session| async move { session.insert_bytes("deep", deep()).map(|()| "kept") }))
        .route(
            "/undeep",
            get(async |session: Session| {
                session.get::<serde_json::Value>("deep").await.map(|_| "decoded").map_err(|error| error.kind().as_str())
            }),
        )
        .layer(layer);
    let mut jar = Jar::default();
    let (_, told) = ask(&app, &mut jar, "/long-key").await;
    assert!(told.contains("kkkk") && told.contains("255"), "{told}");
    let (_, told) = ask(&app, &mut jar, "/big").await;
    assert!(told.contains("\"big\"") && told.contains("100000"), "{told}");
    assert!(ask(&app, &mut jar, "/control").await.1.contains("control"));
    assert_eq!(ask(&app, &mut jar, "/many").await.0, 413);
    assert_eq!(ask(&app, &mut Jar::default(), "/deep").await.1, "kept");
    ask(&app, &mut jar, "/deep").await;
    assert_eq!(ask(&app, &mut jar, "/undeep").await.1, "codec", "a depth that JSON readers refuse, not a crash");
    assert_eq!(ask(&app, &mut jar, "/grow").await.0, 200);
    assert_eq!(ask(&app, &mut jar, "/grow-more").await.0, 413, "the store counts what other requests wrote");
    assert_eq!(ask(&app, &mut jar, "/undeep").await.1, "codec", "and nothing was lost");
}

#[tokio::test]
async fn item_62_two_applications_in_one_file_do_not_know_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shared.sqlite");
    let mut apps = Vec::new();
    for prefix in ["one_", "two_"] {
        let store = SqliteStore::builder("").path(&path).prefix(prefix).connect().await.unwrap();
        apps.push(App::default().router().layer(SessionLayer::keyed(store, ring()).build().unwrap()));
    }
    let mut jar = Jar::default();
    ask(&apps[0], &mut jar, "/set?k=v").await;
    assert_eq!(ask(&apps[0], &mut jar, "/status").await.1, "live - k");
    assert!(ask(&apps[1], &mut jar, "/status").await.1.ends_with(" - "), "even with the same signing key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn item_64_a_hundred_writers_on_three_nodes() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let cluster = Cluster::with(backend, Options { nodes: 3, ..Options::default() }).await;
        let mut client = cluster.client();
        client.get(0, "/set?first=1").await;
        let writes = join_all((0..100).map(|at| tokio::spawn(client.send(at, &format!("/slow?read=1&k=key{at}&v=1"))))).await;
        assert!(writes.iter().all(|answer| answer.as_ref().unwrap().status == 200));
        let counts = join_all((0..100).map(|at| tokio::spawn(client.send(at, "/count")))).await;
        assert!(counts.iter().all(|answer| answer.as_ref().unwrap().status == 200));
        assert_eq!(client.get(2, "/count").await.body, "101");
        assert_eq!(client.get(1, "/status").await.body.rsplit(' ').next().unwrap().split(',').count(), 102);
    }
}

#[tokio::test]
async fn item_51_key_rotation_logs_nobody_out() {
    let store = Arc::new(MemoryStore::new());
    let key = |byte: u8| Key::from_bytes([byte; 32]).unwrap();
    let node = |ring: KeyRing| App::default().router().layer(SessionLayer::keyed(store.clone(), ring).build().unwrap());
    let steps = [
        node(KeyRing::new(key(1))),
        node(KeyRing::new(key(1)).next(key(2))),
        node(KeyRing::new(key(2)).previous(key(1))),
        node(KeyRing::new(key(2))),
    ];
    let mut jar = Jar::default();
    ask(&steps[0], &mut jar, "/set?k=v").await;
    let first = jar.clone();
    for step in [1, 0, 1, 2, 1, 2, 3] {
        assert_eq!(ask(&steps[step], &mut jar, "/status").await.1, "live - k", "step {step}");
    }
    assert_ne!(cookies(&first), cookies(&jar), "issued again under the new key");
    assert_eq!(ask(&steps[3], &mut first.clone(), "/status").await.1, "unknown_key - ", "the old key is gone");
}

#[tokio::test]
async fn typed_sessions_save_only_what_changed() {
    #[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
    #[serde(default)]
    struct Profile {
        name: String,
        visits: u32,
        theme: Option<String>,
    }
    let cluster = Cluster::start(Backend::Memory).await;
    let layer = &cluster.layers[0];
    let app = Router::new()
        .route(
            "/visit",
            get(async |session: Session| {
                let mut profile = session.typed::<Profile>().await?;
                profile.visits += 1;
                profile.store()?;
                Ok::<_, SessionError>("visited")
            }),
        )
        .route(
            "/rename-late",
            get(|axum::extract::State(app): axum::extract::State<App>, session: Session| async move {
                let mut profile = session.typed::<Profile>().await?;
                app.gate("typed").wait().await;
                profile.name = "ann".to_owned();
                profile.theme = Some("dark".to_owned());
                profile.store()?;
                Ok::<_, SessionError>("renamed")
            }),
        )
        .route(
            "/show",
            get(async |session: Session| {
                session
                    .typed::<Profile>()
                    .await
                    .map(|profile| format!("{profile:?} {} {} {:?}", profile.name, profile.visits, profile.theme))
            }),
        )
        .with_state(cluster.app.clone())
        .layer(layer.clone());
    let mut jar = Jar::default();
    ask(&app, &mut jar, "/visit").await;
    let late = {
        let (app, mut jar) = (app.clone(), jar.clone());
        tokio::spawn(async move { ask(&app, &mut jar, "/rename-late").await })
    };
    while cluster.layers[0].continuity().found == 0 {
        tokio::task::yield_now().await;
    }
    ask(&app, &mut jar, "/visit").await;
    let gate = cluster.app.gate("typed");
    tokio::join!(gate.release(), async { assert_eq!(late.await.unwrap().0, 200) });
    let (_, shown) = ask(&app, &mut jar, "/show").await;
    assert!(shown.contains("ann 2 Some(\"dark\")"), "{shown}");
}

#[tokio::test]
async fn a_header_serves_clients_without_cookies() {
    let layer = SessionLayer::keyed(MemoryStore::new(), ring()).header("x-session").build().unwrap();
    let app = App::default().router().layer(layer);
    let call = |path: &str, header: Option<&str>| {
        let mut request = Request::builder().uri(path);
        if let Some(header) = header {
            request = request.header("x-session", header);
        }
        app.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let first = call("/set?k=v", Some("new")).await.unwrap();
    assert!(!first.headers().contains_key("set-cookie"), "asked by header, answered by header");
    let credential = first.headers()["x-session"].to_str().unwrap().to_owned();
    let read = call("/get?k=k", Some(&credential)).await.unwrap();
    assert_eq!(read.headers()["vary"], "x-session");
    assert_eq!(axum::body::to_bytes(read.into_body(), 99).await.unwrap(), "v");
    let as_cookie = Request::builder().uri("/status").header("cookie", format!("__Host-id={credential}")).body(Body::empty()).unwrap();
    let told = app.clone().oneshot(as_cookie).await.unwrap();
    assert_eq!(axum::body::to_bytes(told.into_body(), 99).await.unwrap(), "forged - ", "bound to its carriage");
    let gone = call("/logout", Some(&credential)).await.unwrap();
    assert_eq!(gone.headers()["x-session"], "");
    assert!(SessionLayer::keyed(MemoryStore::new(), ring()).header("cookie").build().is_err());
    assert_eq!(Status::Forged.as_str(), "forged");
}

#[tokio::test]
async fn a_principal_that_not_every_store_can_keep_is_refused() {
    let cluster = Cluster::start(Backend::Memory).await;
    for user in ["a%00b", "%0A", "a%7F"] {
        let mut client = cluster.client();
        let answer = client.get(0, &format!("/login?user={user}")).await;
        assert!(answer.status.is_client_error(), "{user}: {}", answer.status);
        assert!(answer.set_cookies().is_empty(), "{user}: nobody is logged in");
    }
    assert_eq!(cluster.client().get(0, "/login?user=J%C3%B6rg%20O%27Neil").await.status, 200);
}
