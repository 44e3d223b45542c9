//! What becomes of messages.

use std::time::Duration;

use super::{
    MemoryHub,
    hub::{Link, Node, State},
    line::{Line, Sky},
};

/// What becomes of messages: of one node ([`MemoryBus::weather`](super::MemoryBus::weather)) or of all
/// ([`MemoryHub::weather`]). For tests.
#[derive(Debug, Clone)]
pub struct Weather {
    pub(super) hub: MemoryHub,
    pub(super) only: Option<u64>,
}

impl Weather {
    /// The connection breaks, and says so: subscriptions are told [`Cut`](unstick_core::BusEvent::Cut), publishing and subscribing
    /// fail, what is under way is lost.
    pub fn cut(&self) {
        self.link(Link::Cut, |line, _| {
            line.tear();
            line.feed.with(|listener| listener.lost());
        });
    }

    /// As [`Self::cut`], but nothing says so, as with a peer that is gone or a firewall that forgot: publishing is answered
    /// [`Unknown`](unstick_core::Published::Unknown), and subscriptions find out by the silence.
    pub fn silence(&self) {
        self.link(Link::Silent, |line, _| line.tear());
    }

    /// There is a connection again. What was missed is missed; what is left of [`Self::lag`] and the like stays.
    pub fn restore(&self) {
        self.link(Link::Up, |line, now| line.feed.with(|listener| listener.reconnected(now)));
    }

    /// Messages, also those of a subscription to itself, arrive so much later. Nothing is overtaken. Zero by default.
    pub fn lag(&self, by: Duration) {
        self.sky(|sky| sky.lag = by);
    }

    /// Messages wait until [`Self::release`].
    pub fn hold(&self) {
        self.sky(|sky| sky.held = true);
    }

    /// What was held arrives, in order.
    pub fn release(&self) {
        self.sky(|sky| sky.held = false);
    }

    /// The next `messages` from other nodes, beats included, are lost on the way to each subscription. Nothing says so but the
    /// numbers of those that come after.
    pub fn drop_next(&self, messages: usize) {
        self.sky(|sky| sky.drop = messages);
    }

    /// The next `messages` from other nodes, beats included, arrive at each subscription in an order of chance once they are
    /// complete, or when the subscription's next message to itself is sent.
    pub fn reorder_next(&self, messages: usize) {
        self.sky(|sky| sky.shuffle = messages);
    }

    fn link(&self, link: Link, tell: impl Fn(&mut Line, Duration)) {
        let mut state = self.hub.0.state();
        if self.only.is_none() {
            state.link = link;
        }
        self.each(&mut state, |node, now| {
            if std::mem::replace(&mut node.link, link) != link {
                node.lines.iter_mut().for_each(|line| tell(line, now));
            }
        });
    }

    fn sky(&self, change: impl Fn(&mut Sky)) {
        let mut state = self.hub.0.state();
        if self.only.is_none() {
            change(&mut state.sky);
        }
        self.each(&mut state, |node, now| {
            for line in &mut node.lines {
                change(&mut line.sky);
                line.deliver(now);
            }
        });
    }

    fn each(&self, state: &mut State, change: impl Fn(&mut Node, Duration)) {
        for (_, node) in state.nodes.iter_mut().filter(|(id, _)| self.only.is_none_or(|only| only == **id)) {
            let now = node.runtime.monotonic();
            change(node, now);
            node.wake.notify_one();
        }
    }
}
