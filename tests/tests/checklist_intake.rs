//! What clients send: the items on cookie intake of the session security checklist, black-box.

use axum::{Router, body::Body, routing::get};
use http::{HeaderValue, Request};
use tower::ServiceExt;
use unstick_core::{EventKind, Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_stories::{Answer, Backend, Client, Cluster};
use unstick_testkit::faults::FaultStore;

async fn known(cluster: &Cluster) -> (Client, String) {
    let mut client = cluster.client();
    let answer = client.get(0, "/set?k=mine").await;
    let pair = answer.set_cookies()[0].split(';').next().unwrap().to_owned();
    (client, pair)
}

async fn ask(client: &Client, lines: &[&[u8]], path: &str) -> Answer {
    let mut request = Request::builder().uri(path).body(Body::empty()).unwrap();
    for line in lines {
        request.headers_mut().append("cookie", HeaderValue::from_bytes(line).unwrap());
    }
    client.request(1, request).await
}

#[tokio::test]
async fn items_12_13_several_headers_and_exact_names() {
    let cluster = Cluster::start(Backend::Memory).await;
    let (client, pair) = known(&cluster).await;
    assert_eq!(ask(&client, &[b"theme=dark", pair.as_bytes()], "/get?k=k").await.body, "mine");
    let value = pair.split_once('=').unwrap().1;
    for name in ["__%48ost-id", "__host-id", "%5F_Host-id", "__Host-id\u{a0}", "\u{feff}__Host-id", "__Host-id "] {
        let told = ask(&client, &[format!("{name}={value}").as_bytes()], "/status").await.body;
        let exact = name.trim_end_matches(' ') == "__Host-id";
        assert_eq!(told.starts_with("live"), exact, "{name:?}: {told}");
    }
}

#[tokio::test]
async fn item_16_foreign_garbage_is_stepped_over() {
    let cluster = Cluster::start(Backend::Memory).await;
    let (client, pair) = known(&cluster).await;
    let many = (0..200).map(|at| format!("c{at}=v; ")).collect::<String>();
    let big = format!("big={}; ", "x".repeat(64 * 1024));
    let garbage: [&[u8]; 8] =
        [b"\xff\xfe=\xff; ", b"noequals; ", b"$Version=1; ", b"=; ;; ; ", b"a=\"b; ", many.as_bytes(), big.as_bytes(), b"\t \t; "];
    for before in garbage {
        let line = [before, pair.as_bytes(), b"; c=\""].concat();
        let answer = ask(&client, &[&line], "/get?k=k").await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, "mine"),
            "after {:?}",
            String::from_utf8_lossy(&before[..before.len().min(20)])
        );
    }
}

/// An app on a counting store, and a valid cookie for it.
async fn counted() -> (Router, FaultStore<MemoryStore>, String) {
    let store = FaultStore::new(MemoryStore::new());
    let calls = store.clone();
    let layer = SessionLayer::keyed(store, KeyRing::new(Key::from_bytes([5; 32]).unwrap())).build().unwrap();
    let app = Router::new()
        .route("/get", get(async |session: Session| Ok::<_, SessionError>(session.get::<String>("k").await?.unwrap_or_default())))
        .route("/set", get(async |session: Session| session.insert("k", "mine").map(|()| "set")))
        .layer(layer);
    let answer = app.clone().oneshot(Request::builder().uri("/set").body(Body::empty()).unwrap()).await.unwrap();
    let pair = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    (app, calls, pair)
}

async fn fetch(app: &Router, request: http::request::Builder) -> (u16, String, bool) {
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, cookie) = (answer.status().as_u16(), answer.headers().contains_key("set-cookie"));
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned(), cookie)
}

#[tokio::test]
async fn item_18_a_thousand_copies_cost_at_most_two_lookups() {
    let (app, calls, pair) = counted().await;
    let before = calls.all_calls();
    let line = vec![pair.as_str(); 1000].join("; ");
    assert_eq!(fetch(&app, Request::builder().uri("/get").header("cookie", line)).await.1, "mine");
    assert!(calls.all_calls() - before <= 2);
    let forged = format!("{}A", &pair[..pair.len() - 1]);
    let line = format!("{}; {pair}", vec![forged.as_str(); 1000].join("; "));
    let before = calls.all_calls();
    assert_eq!(fetch(&app, Request::builder().uri("/get").header("cookie", line)).await.0, 200);
    assert!(calls.all_calls() - before <= 2);
}

#[tokio::test]
async fn item_19_an_id_elsewhere_is_ignored() {
    let (app, calls, pair) = counted().await;
    let value = pair.split_once('=').unwrap().1;
    let before = calls.all_calls();
    for request in [
        Request::builder().uri(format!("/get?{pair}&id={value}")),
        Request::builder().uri("/get").header("x-session", value),
        Request::builder().uri("/get").header("authorization", format!("Bearer {value}")),
    ] {
        assert_eq!(fetch(&app, request).await, (200, String::new(), false));
    }
    assert_eq!(calls.all_calls(), before);
}

#[tokio::test]
async fn items_20_21_forged_and_malformed_values_reach_no_store_and_are_never_adopted() {
    let (app, calls, pair) = counted().await;
    let (name, value) = pair.split_once('=').unwrap();
    let mut hostile: Vec<String> =
        ["*", ":", "..%2f", "../../etc/passwd", "' OR 1=1 --", "KEYS *", "", "\"\"", "a b"].map(str::to_owned).to_vec();
    hostile.push(value[1..].to_owned());
    hostile.push(format!("{value}A"));
    hostile.push("A".repeat(value.len()));
    hostile.push("é".repeat(value.len() / 2));
    for at in 0..value.len() {
        let flipped: String = value.chars().enumerate().map(|(i, c)| if i == at { if c == 'A' { 'B' } else { 'A' } } else { c }).collect();
        hostile.push(flipped);
    }
    let before = calls.all_calls();
    for value in hostile {
        let (status, body, cookie) = fetch(&app, Request::builder().uri("/get").header("cookie", format!("{name}={value}"))).await;
        assert_eq!((status, body.as_str(), cookie), (200, "", false), "{value}");
    }
    assert_eq!(calls.all_calls(), before, "a forged or malformed value cost a store operation");

    let stranger = KeyRing::new(Key::from_bytes([6; 32]).unwrap()).for_purpose("cookie:__Host-id");
    let now = unstick_core::Timestamp::system_now();
    let foreign =
        unstick_core::Credential::issue(now, now + std::time::Duration::from_secs(60), now + std::time::Duration::from_secs(60)).unwrap();
    let foreign = stranger.seal(&foreign);
    let request = || Request::builder().header("cookie", format!("{name}={foreign}"));
    assert_eq!(fetch(&app, request().uri("/get")).await, (200, String::new(), false));
    assert_eq!(calls.all_calls(), before);
    let written = app.clone().oneshot(request().uri("/set").body(Body::empty()).unwrap()).await.unwrap();
    assert!(!written.headers()["set-cookie"].to_str().unwrap().contains(&foreign), "a new id, not the client's");
}

#[tokio::test]
async fn item_21_suspicious_ids_are_counted() {
    let cluster = Cluster::start(Backend::Memory).await;
    let (client, pair) = known(&cluster).await;
    let forged = format!("{}{}", &pair[..pair.len() - 2], if pair.ends_with("AA") { "BB" } else { "AA" });
    ask(&client, &[forged.as_bytes()], "/none").await;
    ask(&client, &[b"__Host-id=nonsense"], "/none").await;
    let counts = (cluster.log.count(EventKind::SessionForged), cluster.log.count(EventKind::SessionMalformed));
    assert!(counts == (1, 1) || counts == (0, 2), "{counts:?}: the last characters may also break the encoding");
}
