//! What stands in the logs: tags of sessions, and neither ids nor values nor who is logged in.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use http::Request;
use tower::ServiceExt;
use unstick_core::{ErrorKind, Events, Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::SessionLayer;
use unstick_stories::App;
use unstick_testkit::faults::{Fault, FaultStore, Op};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn ask(app: &Router, path: &str, cookie: &str) -> Option<String> {
    let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    response.headers().get("set-cookie").map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn neither_ids_nor_values_nor_names_are_logged() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let store = FaultStore::new(MemoryStore::new());
    let layer = SessionLayer::keyed(store.clone(), KeyRing::new(Key::from_bytes([7; 32]).unwrap())).events(Events::new("node-1"));
    let app = App::default().router().layer(layer.build().unwrap());
    let first = ask(&app, "/set?colour=ultramarine", "").await.unwrap();
    let second = ask(&app, "/login?user=leonora", &first).await.unwrap();
    ask(&app, "/get?k=colour", &first).await; // superseded
    ask(&app, "/get?k=colour", &format!("{}A", &second[..second.len() - 1])).await; // forged, or the same by chance
    store.next(Op::Load, Fault::FailBefore(ErrorKind::Unavailable));
    ask(&app, "/get?k=colour", &second).await;
    store.next(Op::Apply, Fault::FailAfter(ErrorKind::Timeout));
    ask(&app, "/set?colour=ultramarine", &second).await;
    ask(&app, "/logout", &second).await;
    ask(&app, "/get?k=colour", &second).await;

    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for told in
        ["session_created", "session_promoted", "session_superseded", "load_failed", "commit_unknown", "session_ended", "session_after_end"]
    {
        assert!(lines.contains(told), "{told} is not in\n{lines}");
    }
    let secrets = [&first["__Host-id=".len()..], &second["__Host-id=".len()..], "ultramarine", "leonora"];
    for secret in secrets {
        assert!(!lines.contains(secret), "{secret} is in\n{lines}");
    }
}
