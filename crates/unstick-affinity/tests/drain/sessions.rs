//! A client hangs up in the middle of a commit, on a node that drains.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use unstick_core::{Key, KeyRing};
use unstick_memory::MemoryStore;
use unstick_session::{Session, SessionLayer};
use unstick_testkit::{
    clock::ManualClock,
    faults::{Fault, FaultStore, Op},
};

use crate::support::{Node, get, settle};

async fn write(request: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let session = request.extensions().get::<Session>().unwrap();
    session.insert("cart", "full").unwrap();
    Ok(Response::new(Empty::new()))
}

#[tokio::test]
async fn the_commit_of_a_client_that_hung_up_is_awaited() {
    for is_stuck in [false, true] {
        let node = Node::new();
        // The store's clock stands still, so that no deadline of its own passes.
        let clock = ManualClock::default();
        let store = FaultStore::new(MemoryStore::builder().runtime(clock.runtime()).build());
        let faults = store.clone();
        let ring = KeyRing::new(Key::from_bytes([7; 32]).unwrap());
        let sessions = SessionLayer::keyed(store, ring).runtime(clock.runtime()).build().unwrap();
        node.drain.wait_for(sessions.pending());
        let service = ServiceBuilder::new().layer(node.drain.layer()).layer(sessions).service(service_fn(write));

        faults.next(Op::Create, Fault::ArriveLate);
        let client = tokio::spawn(service.oneshot(get("/cart")));
        faults.until_held(1).await;
        node.drain.begin();
        assert_eq!((node.drain.in_flight_count(), node.drain.pending()), (1, 0));
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!((node.drain.in_flight_count(), node.drain.pending()), (0, 1), "no longer a request, but work all the same");

        let drain = node.drain.clone();
        let finished = tokio::spawn(async move { drain.finished().await });
        node.pass(5).await;
        node.pass(19).await;
        assert!(!finished.is_finished());
        assert_eq!(faults.inner().sessions(), 0);
        if is_stuck {
            node.pass(1).await;
            let drained = finished.await.unwrap();
            assert_eq!((drained.pending_left, drained.cut.len()), (1, 0));
        } else {
            faults.release();
            settle().await;
            let drained = finished.await.unwrap();
            assert!(drained.is_clean());
            assert_eq!((drained.finished, faults.inner().sessions()), (1, 1));
        }
    }
}
