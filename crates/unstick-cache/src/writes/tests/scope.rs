use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use unstick_testkit::client::Jar;

use super::*;

fn mark(number: u64) -> Mark {
    Mark { id: MarkId { origin: 9, number }, prints: [Print::Tag(number)].into(), level_pending: true, bus_pending: false }
}

#[tokio::test]
async fn tasks_take_part_when_they_enter() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let handler = service_fn(|request: Request<()>| {
        // also what runs before the handler's future
        let early = ClientWrites::record_current(mark(1));
        async move {
            let writes = ClientWrites::current().unwrap();
            assert!(request.extensions().get::<ClientWrites>().is_some());
            let apart = tokio::spawn(async { ClientWrites::record_current(mark(2)) }).await.unwrap();
            let entered = tokio::spawn(writes.enter(async { ClientWrites::record_current(mark(3)) })).await.unwrap();
            assert_eq!((early, apart, entered), (Carried::Yes, Carried::Nobody, Carried::Yes));
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let answer = a.layer.layer(handler).oneshot(Request::new(())).await.unwrap();
    jar.receive(&uri(), answer.headers());
    b.call(&mut jar, &[]).await;
    assert_eq!(b.numbers(), [1, 3]);
    assert_eq!(ClientWrites::record_current(mark(4)), Carried::Nobody);
    assert!(!ClientWrites::bypasses_current() && ClientWrites::current().is_none());
}

#[tokio::test]
async fn the_same_invalidation_again_replaces_the_first() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let handler = service_fn(|_: Request<()>| async {
        ClientWrites::record_current(mark(1));
        ClientWrites::record_current(mark(2));
        ClientWrites::record_current(Mark { level_pending: false, ..mark(1) });
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let answer = a.layer.layer(handler).oneshot(Request::new(())).await.unwrap();
    jar.receive(&uri(), answer.headers());
    b.call(&mut jar, &[]).await;
    let applied: Vec<_> = b.applied().iter().map(|mark| (mark.id.number, mark.level_pending)).collect();
    assert_eq!(applied, [(1, false), (2, true)]);
}

/// Invalidates when it is read.
struct Streamed(Option<Carried>, bool);

impl Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.1, true) {
            return Poll::Ready(None);
        }
        self.0 = Some(ClientWrites::record_current(mark(1)));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("{:?}", self.0))))))
    }
}

#[tokio::test]
async fn what_comes_after_the_headers_is_told_so() {
    let a = Node::new(1, &clock());
    let (send, late) = tokio::sync::oneshot::channel();
    let send = Arc::new(Mutex::new(Some(send)));
    let handler = service_fn(move |_: Request<()>| {
        let send = send.lock().unwrap().take();
        async move {
            _ = send.unwrap().send(ClientWrites::current().unwrap());
            Ok::<_, Infallible>(Response::new(Streamed(None, false)))
        }
    });
    let answer = a.layer.layer(handler).oneshot(Request::new(())).await.unwrap();
    assert!(answer.headers().is_empty());
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "Some(TooLate)");
    let task = late.await.unwrap().enter(async { ClientWrites::record_current(mark(2)) });
    assert_eq!(tokio::spawn(task).await.unwrap(), Carried::TooLate);
}

#[tokio::test]
async fn a_panic_that_an_inner_layer_answers_tells_of_writes() {
    let (clock, mut jar) = (clock(), Jar::new());
    let (a, b) = (Node::new(1, &clock), Node::new(2, &clock));
    let handler = service_fn(|_: Request<()>| async {
        let work = AssertUnwindSafe(async {
            ClientWrites::record_current(mark(1));
            panic!("after the source was written");
        });
        assert!(work.catch_unwind().await.is_err());
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Ok::<_, Infallible>(response)
    });
    let answer = a.layer.layer(handler).oneshot(Request::new(())).await.unwrap();
    jar.receive(&uri(), answer.headers());
    b.call(&mut jar, &[]).await;
    assert_eq!(b.numbers(), [1]);
}
