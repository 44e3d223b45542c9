//! How sessions begin and end: the items on fixation, rotation and termination of the session security checklist, black-box.

use std::{num::NonZeroU32, time::Duration};

use axum::{body::Body, routing::get};
use futures_util::future::join_all;
use http::Request;
use tower::ServiceExt;
use unstick_core::{EventKind, Key, KeyRing, Lifetimes};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionError, SessionLayer};
use unstick_stories::{Backend, Cluster, Options, cookies, keep, on_every};
use unstick_testkit::client::Jar;

fn lifetimes() -> Lifetimes {
    Lifetimes::new().idle(Duration::from_secs(600)).absolute(Duration::from_secs(3600))
}

async fn cluster(backend: Backend) -> Cluster {
    Cluster::with(backend, Options { lifetimes: lifetimes(), ..Options::default() }).await
}

async fn items_23_24_every_promotion_changes_the_id(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut client = cluster.client();
    client.get(0, "/set?cart=full").await;
    for user in ["ann", "ann", "admin"] {
        let before = client.clone();
        let login = client.get(1, &format!("/login?user={user}")).await;
        assert_eq!(login.set_cookies().len(), 1);
        assert_eq!(before.send(0, "/status").await.body, "superseded - ");
        assert_eq!(client.get(0, "/status").await.body, format!("live {user} cart"));
    }
}

async fn item_28_a_logged_out_cookie_is_dead_on_every_node(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut client = cluster.client();
    client.get(0, "/login?user=ann").await;
    let replay = client.clone();
    client.get(0, "/logout").await;
    for node in 0..2 {
        assert_eq!(replay.send(node, "/status").await.body, "ended - ");
    }
    assert_eq!(cluster.log.count(EventKind::SessionAfterEnd), 2);
    assert_eq!(cluster.layers.iter().map(|layer| layer.continuity().lost).sum::<u64>(), 0, "ended is not lost");
}

async fn item_31_everybody_else_is_signed_out(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut clients = Vec::new();
    for node in 0..5 {
        let mut client = cluster.client();
        client.get(node, "/login?user=ann").await;
        clients.push(client);
    }
    let mut bystander = cluster.client();
    bystander.get(0, "/login?user=bob").await;
    let sessions = cluster.layers[0].sessions();
    let entries = sessions.list("ann").await.unwrap();
    assert_eq!(entries.len(), 5);
    assert!(sessions.end(entries[4].key).await.unwrap());
    assert_eq!(cluster.layers[1].sessions().list("ann").await.unwrap().len(), 4);
    assert_eq!(sessions.end_others("ann", Some(entries[0].key)).await.unwrap(), 3);
    let mut live = 0;
    for client in &mut clients {
        live += usize::from(client.get(1, "/status").await.body.starts_with("live"));
    }
    assert_eq!(live, 1);
    assert!(bystander.get(1, "/status").await.body.starts_with("live bob"));
}

/// "Sign out everywhere else", as an application does it.
#[tokio::test]
async fn item_31_a_handler_keeps_its_own_session() {
    let layer = SessionLayer::keyed(MemoryStore::new(), KeyRing::new(Key::generate().unwrap())).build().unwrap();
    let sessions = layer.sessions();
    let others = async move |session: Session| {
        let principal = session.principal().await?.unwrap_or_default();
        let ended = sessions.end_others(&principal, session.key()).await?;
        Ok::<_, SessionError>(ended.to_string())
    };
    let app = unstick_stories::App::default().router().route("/others", get(others)).layer(layer);
    let call = |path: &str, jar: &Jar| {
        app.clone().oneshot(Request::builder().uri(path).header("cookie", cookies(jar)).body(Body::empty()).unwrap())
    };
    let mut jars = [Jar::default(), Jar::default(), Jar::default()];
    for jar in &mut jars {
        let login = call("/login?user=ann", jar).await.unwrap();
        keep(jar, login.headers());
    }
    let body = |answer: axum::response::Response| async { axum::body::to_bytes(answer.into_body(), 99).await.unwrap() };
    assert_eq!(body(call("/others", &jars[1]).await.unwrap()).await, "2");
    for (at, told) in [(0, "ended - "), (1, "live ann "), (2, "ended - ")] {
        assert_eq!(body(call("/status", &jars[at]).await.unwrap()).await, told);
    }
}

async fn item_32_never_more_than_n_sessions_with_50_parallel_logins(backend: Backend) {
    const MAX: usize = 3;
    let options = Options { lifetimes: lifetimes(), max_sessions: NonZeroU32::new(3), ..Options::default() };
    let cluster = Cluster::with(backend, options).await;
    let logins = (0..50).map(|at| tokio::spawn(cluster.client().send(at, "/login?user=ann")));
    let answers: Vec<_> = join_all(logins).await.into_iter().map(Result::unwrap).collect();
    let accepted: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(accepted.len(), MAX);
    assert!(answers.iter().all(|answer| answer.status == 200 || (answer.status == 409 && answer.set_cookies().is_empty())));
    assert_eq!(cluster.layers[0].sessions().list("ann").await.unwrap().len(), MAX);
    // A place that was given back can be taken again, also by the session that has one.
    let mut one = cluster.client();
    one.keep(accepted[0]);
    assert_eq!(one.get(1, "/login?user=ann").await.status, 200, "its own place");
    one.get(0, "/logout").await;
    assert_eq!(cluster.client().get(1, "/login?user=ann").await.status, 200);
    assert_eq!(cluster.client().get(1, "/login?user=ann").await.status, 409);
}

async fn items_34_36_activity_keeps_a_session_and_silence_ends_it(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut client = cluster.client();
    client.get(0, "/set?a=1").await;
    for touch in 0..5 {
        cluster.clock.advance(Duration::from_secs(360));
        let path = ["/get?k=a", "/none"][touch % 2];
        assert_eq!(client.get(touch, path).await.set_cookies().len(), 1, "renewed by {path}");
        assert_eq!(client.get(touch, path).await.set_cookies().len(), 0, "and not again at once");
    }
    assert!(client.get(0, "/status").await.body.starts_with("live"));
    let kept = client.clone();
    cluster.clock.advance(Duration::from_secs(601));
    for node in 0..2 {
        assert_eq!(kept.send(node, "/status").await.body, "expired - ");
    }
}

async fn item_35_nothing_outlives_the_absolute_deadline(backend: Backend) {
    let cluster = cluster(backend).await;
    let mut client = cluster.client();
    client.get(0, "/set?a=1").await;
    for touch in 0..11 {
        cluster.clock.advance(Duration::from_secs(320));
        let path = ["/get?k=a", "/renew", "/login?user=ann"][touch % 3];
        assert_eq!(client.get(touch, path).await.status, 200);
        assert!(client.get(touch, "/status").await.body.starts_with("live"), "after {touch} touches");
    }
    cluster.clock.advance(Duration::from_secs(3600 - 11 * 320));
    assert!(client.get(0, "/status").await.body.starts_with("expired") || cookies(&client.jar).is_empty());
}

async fn item_37_clocks_a_minute_apart_agree(backend: Backend) {
    let options = Options { lifetimes: lifetimes(), skew: Duration::from_secs(60), ..Options::default() };
    let cluster = Cluster::with(backend, options).await;
    let mut client = cluster.client();
    client.get(1, "/set?a=1").await;
    for touch in 0..60 {
        let told = client.get(touch, "/status").await.body;
        assert!(told.starts_with("live"), "flapped at touch {touch}: {told}");
        cluster.clock.advance(Duration::from_secs(40));
    }
    assert_eq!(cluster.log.count(EventKind::ClockSkew), 0, "a minute is tolerated");

    let options = Options { lifetimes: lifetimes(), skew: Duration::from_secs(400), ..Options::default() };
    let cluster = Cluster::with(backend, options).await;
    let mut client = cluster.client();
    client.get(1, "/set?a=1").await;
    client.get(0, "/none").await;
    assert_eq!(cluster.log.count(EventKind::ClockSkew), 1, "more than that is reported");
}

on_every! {
    items_23_24_every_promotion_changes_the_id;
    item_28_a_logged_out_cookie_is_dead_on_every_node;
    item_31_everybody_else_is_signed_out;
    item_32_never_more_than_n_sessions_with_50_parallel_logins;
    items_34_36_activity_keeps_a_session_and_silence_ends_it;
    item_35_nothing_outlives_the_absolute_deadline;
    item_37_clocks_a_minute_apart_agree;
}
