//! The affinity layer around the session layer: what they may add to a response together, in which order, over which sessions.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, Response, StatusCode};
use tower::ServiceExt;
use unstick_affinity::{AffinityLayer, AffinityLayerBuilder, PinCookie};
use unstick_core::{ErrorKind, EventKind, Events, HeaderBudget, Key, KeyRing, Store};
use unstick_memory::MemoryStore;
use unstick_session::{SessionLayer, SessionLayerBuilder, cookie::CookieConfig};
use unstick_sql::sqlite::SqliteStore;
use unstick_stories::App;
use unstick_testkit::{
    faults::{Fault, FaultStore},
    observe::EventLog,
};

const ARR: &str = "arr-disable-session-affinity";

fn sessions<S: Store>(store: S) -> SessionLayerBuilder<unstick_session::InStore<S>> {
    SessionLayer::keyed(store, KeyRing::new(Key::from_bytes([7; 32]).unwrap()))
}

fn affinity(log: &Arc<EventLog>) -> AffinityLayerBuilder {
    // Sessions in memory are shared well enough by the one process of a test.
    AffinityLayer::builder().without_sessions().events(Events::new("node").observer(log.clone()))
}

async fn ask(app: &Router, path: &str, cookies: &str) -> Response<Body> {
    let request = Request::get(path).header("host", "shop.example.com").header("cookie", cookies).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

fn set_cookies(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect()
}

/// The deletions of pins among them, and whether the last line is what the client is to remember of being told.
fn deletions<'a>(lines: &[&'a str]) -> (Vec<&'a str>, bool) {
    let is_marked = lines.last().is_some_and(|line| line.starts_with("unstick-pins="));
    let pins = lines.iter().filter(|line| line.contains("Max-Age=0") && !line.starts_with("__Host-id")).copied();
    (pins.collect(), is_marked)
}

/// Bytes on the wire of the lines that our layers are answerable for.
fn ours(headers: &HeaderMap) -> usize {
    let is_ours = |name: &str| ["set-cookie", "vary", "cache-control", ARR].contains(&name);
    let lines = headers.iter().filter(|(name, _)| is_ours(name.as_str()));
    lines.map(|(name, value)| HeaderBudget::line(name.as_str().len(), value.len())).sum()
}

/// More pins than there is room for, under long names.
fn many_pins() -> String {
    (0..8).map(|n| format!("BIGipServer{}{n}=1", "p".repeat(100))).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn both_layers_keep_to_one_budget_and_pin_lines_go_first() {
    let mut numbers = BTreeSet::new();
    for budget in (320..=HeaderBudget::DEFAULT).step_by(16) {
        let log = Arc::new(EventLog::default());
        let sessions = sessions(MemoryStore::new()).header_budget(budget).build().unwrap();
        let app = App::default().router().layer(sessions).layer(affinity(&log).build().unwrap());
        let response = ask(&app, "/set?k=v", &many_pins()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let lines = set_cookies(response.headers());
        assert!(lines[0].starts_with("__Host-id="), "the session comes first, whatever the budget: {lines:?}");
        let (pins, is_marked) = deletions(&lines);
        assert_eq!(pins.len() + usize::from(is_marked) + 1, lines.len(), "{lines:?}");
        assert!(pins.iter().all(|line| line.starts_with("BIGipServer")), "{lines:?}");
        assert!(ours(response.headers()) <= budget, "{} of {budget}", ours(response.headers()));
        let bytes: usize = lines[1..].iter().map(|line| HeaderBudget::line("set-cookie".len(), line.len())).sum();
        assert!(lines.len() <= 9 && bytes <= 1024, "{lines:?}");
        assert_eq!(response.headers()[ARR], "true");
        assert!(log.count(EventKind::PinDropped) > 0, "what was left out is told");
        numbers.insert(pins.len());
    }
    assert_eq!(numbers.first(), Some(&0), "a small budget has room for the session alone");
    assert_eq!(numbers.last(), Some(&5), "a large one for a kilobyte of deletions and what is remembered of them");
}

#[tokio::test]
async fn a_logout_removes_the_session_and_the_pin() {
    let log = Arc::new(EventLog::default());
    let app = App::default().router().layer(sessions(MemoryStore::new()).build().unwrap());
    let app = app.layer(affinity(&log).expire(PinCookie::new("SRV").unwrap()).build().unwrap());
    let first = ask(&app, "/set?k=v", "SRV=node-1").await;
    let cookie = set_cookies(first.headers())[0].split(';').next().unwrap().to_owned();
    let last = ask(&app, "/logout", &format!("SRV=node-1; {cookie}")).await;
    let lines = set_cookies(last.headers());
    assert!(lines[0].starts_with("__Host-id=;") && lines[1].starts_with("SRV=;"), "{lines:?}");
    assert_eq!((deletions(&lines).0.len(), lines.len()), (2, 4), "and the pin once more with a Domain, and the marker: {lines:?}");
}

#[tokio::test]
async fn a_failed_commit_still_ends_the_pin_and_leaves_the_session_cookie() {
    let (store, log) = (FaultStore::new(MemoryStore::new()), Arc::new(EventLog::default()));
    store.always_all(Fault::FailBefore(ErrorKind::Unavailable));
    let app = App::default().router().layer(sessions(store).build().unwrap()).layer(affinity(&log).build().unwrap());
    let response = ask(&app, "/set?k=v", "GCLB=1").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let lines = set_cookies(response.headers());
    let (pins, is_marked) = deletions(&lines);
    assert!(is_marked && pins.iter().all(|line| line.starts_with("GCLB=;")), "{lines:?}");
    assert_eq!((pins.len(), lines.len()), (2, 3), "{lines:?}");
}

#[tokio::test]
async fn an_answer_that_the_session_makes_private_may_end_the_pin() {
    let log = Arc::new(EventLog::default());
    let app = App::default().router().layer(sessions(MemoryStore::new()).build().unwrap()).layer(affinity(&log).build().unwrap());
    let response = ask(&app, "/public", "GCLB=1").await;
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    assert_eq!(deletions(&set_cookies(response.headers())).0.len(), 2);
    assert_eq!(set_cookies(ask(&app, "/none", "").await.headers()), Vec::<&str>::new(), "an untouched session and no pin: nothing to say");
}

#[tokio::test]
async fn the_wrong_order_is_told_and_the_right_one_is_not() {
    let log = Arc::new(EventLog::default());
    let built = || sessions(MemoryStore::new()).events(Events::new("node").observer(log.clone())).build().unwrap();
    let right = App::default().router().layer(built()).layer(affinity(&log).build().unwrap());
    ask(&right, "/set?k=v", "").await;
    assert_eq!(log.count(EventKind::LayerOrder), 0);
    let wrong = App::default().router().layer(affinity(&log).build().unwrap()).layer(built());
    ask(&wrong, "/set?k=v", "").await;
    assert_eq!(log.count(EventKind::LayerOrder), 1);
}

#[tokio::test]
async fn the_guardrail_asks_the_session_layer_how_far_it_reaches() {
    let log = Arc::new(EventLog::default());
    let events = || Events::new("node").observer(log.clone());
    let over = |layer: &SessionLayer| AffinityLayer::builder().sessions(layer.scope()).events(events());
    let memory = sessions(MemoryStore::new()).build().unwrap();
    let refused = over(&memory).build().unwrap_err().to_string();
    assert!(refused.contains("allow_sessions_lost_on_other_nodes()"), "{refused}");
    assert!(over(&memory).allow_sessions_lost_on_other_nodes().build().is_ok());
    assert_eq!(log.count(EventKind::HostScope), 0);
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::builder("").path(directory.path().join("sessions.sqlite")).connect().await.unwrap();
    assert!(over(&sessions(store).build().unwrap()).build().is_ok());
    assert_eq!(log.count(EventKind::HostScope), 1);
}

#[test]
fn a_budget_too_small_for_the_session_line_is_refused() {
    let cookie = || CookieConfig::new("id").unwrap().path(&format!("/{}", "p".repeat(600)));
    let refused = sessions(MemoryStore::new()).cookie(cookie()).header_budget(512).build().unwrap_err().to_string();
    assert!(refused.contains("`header_budget` is 512"), "{refused}");
    assert!(sessions(MemoryStore::new()).cookie(cookie()).build().is_ok());
}

#[tokio::test]
async fn a_budget_holds_for_answers_without_a_session_cookie_too() {
    let log = Arc::new(EventLog::default());
    let app = App::default().router().layer(sessions(MemoryStore::new()).header_budget(512).build().unwrap());
    let app = app.layer(affinity(&log).build().unwrap());
    for path in ["/none", "/get?k=x"] {
        let response = ask(&app, path, &many_pins()).await;
        assert!(!set_cookies(response.headers()).is_empty() && ours(response.headers()) <= 512, "{path}: {}", ours(response.headers()));
    }
}
