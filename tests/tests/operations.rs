//! What a request costs over the store in memory, counted as operations. `cost.rs` counts SQLite's statements.

use axum::{Router, body::Body};
use http::Request;
use tower::ServiceExt;
use unstick_core::{Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::SessionLayer;
use unstick_stories::App;
use unstick_testkit::faults::FaultStore;

struct Node {
    app: Router,
    store: FaultStore<MemoryStore>,
}

impl Node {
    /// Operations of one request, and the cookie it set.
    async fn costs(&self, path: &str, cookie: &str) -> (u64, Option<String>) {
        self.store.forget_calls();
        let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let set = response.headers().get("set-cookie").map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned());
        (self.store.all_calls(), set)
    }
}

#[tokio::test]
async fn requests_cost_what_is_promised() {
    let store = FaultStore::new(MemoryStore::new());
    let layer = SessionLayer::keyed(store.clone(), KeyRing::new(Key::from_bytes([7; 32]).unwrap())).build().unwrap();
    let node = Node { app: App::default().router().layer(layer), store };
    for path in ["/none", "/get?k=a", "/status", "/remove?k=a", "/clear"] {
        assert_eq!(node.costs(path, "").await, (0, None), "anonymous {path}");
        assert_eq!(node.costs(path, "__Host-id=forged").await, (0, None), "forged {path}");
    }
    let (created, cookie) = node.costs("/set?a=1", "").await;
    let cookie = cookie.expect("a new session has a cookie");
    assert_eq!(created, 1, "a new session");
    for (path, cost, what) in [
        ("/none", 0, "untouched"),
        ("/get?k=a", 1, "a read"),
        ("/status", 1, "many reads"),
        ("/set?a=2&b=3", 1, "a blind write of two keys"),
        ("/slow?read=1&k=a&v=4", 2, "a read and then a write"),
        ("/count", 2, "an atomic update"),
    ] {
        assert_eq!(node.costs(path, &cookie).await, (cost, None), "{what}");
    }
}
