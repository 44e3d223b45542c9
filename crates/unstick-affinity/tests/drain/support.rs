//! A drain with a clock and a log, and bodies that end when they are told.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use unstick_affinity::drain::{Drain, DrainBuilder};
use unstick_core::{EventKind, Events};
use unstick_testkit::{clock::ManualClock, observe::EventLog};

pub(crate) const WINDOW: Duration = Duration::from_secs(5);
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Node {
    pub(crate) drain: Drain,
    pub(crate) clock: ManualClock,
    pub(crate) log: Arc<EventLog>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(settings: impl FnOnce(DrainBuilder) -> DrainBuilder) -> Self {
        let (clock, log) = (ManualClock::default(), Arc::new(EventLog::default()));
        let events = Events::new("node-1").observer(log.clone());
        let builder = Drain::builder().readiness_window(WINDOW).deadline(DEADLINE).events(events).runtime(clock.runtime());
        Self { drain: settings(builder).build().unwrap(), clock, log }
    }

    /// Lets time pass, and everybody notice.
    pub(crate) async fn pass(&self, seconds: u64) {
        settle().await;
        self.clock.advance(Duration::from_secs(seconds));
        settle().await;
    }

    pub(crate) fn details(&self, kind: EventKind) -> Vec<String> {
        self.log.all().into_iter().filter(|seen| seen.kind == kind).map(|seen| seen.detail).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.drain.in_flight().into_iter().map(|one| one.name).collect()
    }
}

/// On a runtime of one thread, whatever can go on does.
pub(crate) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Polls once.
pub(crate) fn is_pending(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

pub(crate) fn versioned(path: &str, version: Version) -> Request<()> {
    let mut request = get(path);
    *request.version_mut() = version;
    request
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// A body whose frames a test sends.
#[derive(Debug)]
pub(crate) struct Stream(mpsc::UnboundedReceiver<Result<&'static str, Broken>>);

impl Stream {
    pub(crate) fn new() -> (mpsc::UnboundedSender<Result<&'static str, Broken>>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self(receiver))
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(|data| data.map(|data| Frame::data(Bytes::from_static(data.as_bytes())))))
    }
}
