//! Sessions in the client's cookie, on nodes that share their keys, and a deny-list in a file when they are to end for good.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use unstick_core::{Key, KeyRing};
use unstick_session::SessionLayer;
use unstick_sql::sqlite::SqliteStore;
use unstick_stories::{App, cookies, keep};
use unstick_testkit::client::Jar;
use unstick_token::{Sealing, StoreRevocations, Token, TokenKeys};

/// One node of many; the deny-list's file is all that they share besides the key.
async fn node(directory: Option<&tempfile::TempDir>) -> SessionLayer {
    let ring = KeyRing::new(Key::from_bytes([3; 32]).unwrap());
    let mut token = Token::builder(TokenKeys::from_ring(&ring, Sealing::Encrypted).unwrap());
    if let Some(directory) = directory {
        let store = SqliteStore::builder("").path(directory.path().join("denied.sqlite")).busy_timeout(Duration::from_secs(20));
        token = token.revocations(Arc::new(StoreRevocations::new(store.connect().await.unwrap())));
    }
    SessionLayer::backend(token.build().unwrap()).deadline(Duration::from_secs(30)).build().unwrap()
}

async fn get(node: &SessionLayer, jar: &mut Jar, path: &str) -> (u16, String) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    let cookies = cookies(jar);
    if !cookies.is_empty() {
        request.headers_mut().insert("cookie", cookies.parse().unwrap());
    }
    let response = node.layer(App::default().router()).oneshot(request).await.unwrap();
    keep(jar, response.headers());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn say(node: &SessionLayer, jar: &mut Jar, path: &str) -> String {
    let (status, text) = get(node, jar, path).await;
    assert_eq!(status, 200, "{path}: {text}");
    text
}

#[tokio::test]
async fn any_node_has_the_session_and_nobody_keeps_it() {
    let nodes = [node(None).await, node(None).await, node(None).await];
    let mut jar = Jar::new();
    for number in 1..=30_usize {
        assert_eq!(say(&nodes[number * 7 % 3], &mut jar, "/count").await, number.to_string());
    }
    say(&nodes[0], &mut jar, "/set?cart=tea").await;
    say(&nodes[1], &mut jar, "/login?user=ann").await;
    assert_eq!(say(&nodes[2], &mut jar, "/status").await, "live ann cart,count");
    say(&nodes[0], &mut jar, "/logout").await;
    assert_eq!(say(&nodes[1], &mut jar, "/status").await, "new - ");
}

#[tokio::test]
async fn what_one_node_has_ended_is_ended_on_all() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = (node(Some(&directory)).await, node(Some(&directory)).await);
    let mut jar = Jar::new();
    say(&a, &mut jar, "/set?cart=tea").await;
    let planted = jar.clone();
    say(&a, &mut jar, "/login?user=ann").await;
    assert_eq!(say(&b, &mut planted.clone(), "/status").await, "ended - ", "worthless since the login");
    let (stolen, mut laptop) = (jar.clone(), Jar::new());
    say(&b, &mut laptop, "/login?user=ann").await;
    say(&b, &mut jar, "/logout").await;
    assert_eq!(say(&a, &mut stolen.clone(), "/status").await, "ended - ");
    assert_eq!(say(&a, &mut laptop, "/status").await, "live ann ", "another session of the same principal");

    assert_eq!(a.sessions().end_others("ann", None).await.unwrap(), 0, "nobody knows how many");
    assert_eq!(say(&b, &mut laptop.clone(), "/status").await, "ended - ", "signed out everywhere");
    say(&b, &mut laptop, "/login?user=ann").await;
    assert_eq!(say(&a, &mut laptop, "/status").await, "live ann ", "and in again");
    assert!(a.sessions().list("ann").await.is_err());
}
