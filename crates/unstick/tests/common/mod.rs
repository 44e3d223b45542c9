//! What several test files use.

use axum::{
    Router,
    body::{self, Body},
    extract::Request,
    http::StatusCode,
};
use unstick_testkit::client::{Jar, call};

/// One request of a client to a node: its status and its text.
pub(crate) async fn send(jar: &mut Jar, node: &Router, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = call(jar, node.clone(), request).await.unwrap();
    let status = response.status();
    let body = body::to_bytes(response.into_body(), 1000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
