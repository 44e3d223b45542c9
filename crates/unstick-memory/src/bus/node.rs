//! The bus of one node.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::Notify;
use unstick_core::{
    Bus, Error, ErrorKind, OpCtx, Published, PublisherId, Runtime,
    bus::{Beats, Inbox, Listener},
};

use super::{
    MemoryHub, Weather,
    hub::{Link, Node},
    line::Line,
};

/// One node's bus, from [`MemoryHub::bus`]. Cheap to clone; all clones are the same publisher.
///
/// A confirmed notice is with every subscription when [`publish`](Bus::publish) returns, unless the [`Weather`] holds it up.
#[derive(Clone)]
pub struct MemoryBus(Arc<Member>);

struct Member {
    hub: MemoryHub,
    id: u64,
    runtime: Runtime,
    wake: Arc<Notify>,
    driven: AtomicBool,
}

impl MemoryBus {
    pub(super) fn join(hub: &MemoryHub, runtime: &Runtime) -> Self {
        let wake = Arc::new(Notify::new());
        let mut state = hub.0.state();
        state.born += 1;
        let (id, link) = (state.born, state.link);
        let beats = Beats::new(PublisherId(id), 1, hub.0.pace, runtime.monotonic());
        // whoever listens already knows where this one starts, and misses nothing even if its first messages get lost
        for node in state.nodes.values() {
            let now = node.runtime.monotonic();
            node.lines.iter().for_each(|line| line.feed.with(|listener| listener.baseline(PublisherId(id), 1, 0, now)));
        }
        state.nodes.insert(id, Node { runtime: runtime.clone(), beats, lines: vec![], link, wake: wake.clone() });
        drop(state);
        Self(Arc::new(Member { hub: hub.clone(), id, runtime: runtime.clone(), wake, driven: AtomicBool::new(false) }))
    }

    /// Who this is.
    #[must_use]
    pub fn publisher(&self) -> PublisherId {
        PublisherId(self.0.id)
    }

    /// What becomes of messages from and to this node.
    #[must_use]
    pub fn weather(&self) -> Weather {
        Weather { hub: self.0.hub.clone(), only: Some(self.0.id) }
    }

    /// Starts what gives signs of life; here rather than in the constructor, which may be called outside the runtime.
    fn drive(&self) {
        if self.0.driven.swap(true, Ordering::Relaxed) {
            return;
        }
        let (hub, id, wake) = (self.0.hub.clone(), self.0.id, self.0.wake.clone());
        self.0.runtime.spawn(Box::pin(async move {
            loop {
                // the node leaves the hub with its last clone, and this ends
                let Some((runtime, wait)) = hub.0.state().turn(id) else { return };
                tokio::select! {
                    biased; // a deterministic executor finds the same order again
                    () = runtime.sleep(wait) => {}
                    () = wake.notified() => {}
                }
            }
        }));
    }
}

impl Bus for MemoryBus {
    type Subscription = Inbox;

    async fn publish(&self, _: OpCtx, payload: Bytes) -> Result<Published, Error> {
        self.drive();
        let now = self.0.runtime.monotonic();
        let mut state = self.0.hub.0.state();
        let Some(node) = state.nodes.get_mut(&self.0.id).filter(|node| node.link != Link::Cut) else {
            return Err(Error::new(ErrorKind::Unavailable, "the bus is cut"));
        };
        let message = node.beats.notice(payload, now);
        if node.link == Link::Silent {
            return Ok(Published::Unknown);
        }
        state.spread(self.0.id, &message);
        drop(state);
        self.0.wake.notify_one(); // its beat is due sooner now
        Ok(Published::Confirmed)
    }

    async fn subscribe(&self) -> Result<Inbox, Error> {
        self.drive();
        let (now, pace, queue) = (self.0.runtime.monotonic(), self.0.hub.0.pace, self.0.hub.0.queue);
        let mut state = self.0.hub.0.state();
        state.subscribed += 1;
        // far apart, so that subscriptions of one node never take each other's messages to themselves
        let mut listener = Listener::new(self.publisher(), state.subscribed << 32, pace, queue, now);
        for node in state.nodes.values() {
            listener.baseline(node.beats.publisher(), 1, node.beats.last(), now);
        }
        let sky = state.sky;
        let Some(node) = state.nodes.get_mut(&self.0.id).filter(|node| node.link == Link::Up) else {
            return Err(Error::new(ErrorKind::Unavailable, "the bus is cut"));
        };
        let (feed, inbox) = Inbox::new(listener);
        node.lines.push(Line::new(feed, sky));
        drop(state);
        self.0.wake.notify_one();
        Ok(inbox)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.hub.0.state().nodes.remove(&self.id);
        self.wake.notify_one();
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").field("publisher", &self.0.id).finish_non_exhaustive()
    }
}
