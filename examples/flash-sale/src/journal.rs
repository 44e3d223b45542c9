//! What the shoppers write down: the truth about the sale, outside of all nodes.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::fleet::node_name;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Acknowledged: what it asked for has happened.
    Done,
    /// Answered: log in first.
    LoggedOut,
    /// Answered with an error, or not at all: it may have happened.
    Failed,
}

/// One request, as its shopper saw it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) shopper: usize,
    /// Whether it is one of the script's clicks, or follows from one that went wrong.
    pub(crate) is_planned: bool,
    /// When it should have been sent.
    pub(crate) due: Duration,
    pub(crate) sent: Duration,
    pub(crate) answered: Duration,
    /// The node that answered.
    pub(crate) node: Option<usize>,
    /// The balancer's number of the fleet and of the request on it, where it tells them.
    pub(crate) turn: Option<(u64, u64)>,
    pub(crate) ended: Ended,
    /// Whether it carried a pin.
    pub(crate) is_pinned: bool,
    /// Whether the session was known, where the shopper had been told that it is logged in and was answered.
    pub(crate) is_known: Option<bool>,
    /// Whether the node took the shopper for another one.
    pub(crate) is_stranger: bool,
    /// Whether it is a click of the script that pays.
    pub(crate) is_order: bool,
    /// For a cart that was paid for, or is beyond reach.
    pub(crate) cart: Option<Cart>,
    /// For notes that were read: whether the shopper's own change was missing.
    pub(crate) is_stale: Option<bool>,
}

/// What became of a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cart {
    /// As acknowledged.
    Whole,
    /// Less than acknowledged.
    Lost,
    /// More than was ever asked for.
    Grown,
}

/// Something that happened to the fleet.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) what: What,
    /// From the decision to the end of the change.
    pub(crate) begun: Duration,
    pub(crate) done: Duration,
    /// The nodes it is about.
    pub(crate) about: Vec<usize>,
    /// The nodes in service afterwards.
    pub(crate) serving: Vec<usize>,
    /// The balancer's number of the fleet afterwards, where it tells that.
    pub(crate) epoch: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Opened,
    Unpinned,
    Scaled,
    Killed,
    Deployed,
}

impl What {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Opened => "open",
            Self::Unpinned => "unpin",
            Self::Scaled => "scale-out",
            Self::Killed => "kill",
            Self::Deployed => "deploy",
        }
    }
}

impl Mark {
    /// Of something that begins now.
    pub(crate) fn new(what: What, journal: &Journal, about: Vec<usize>) -> Self {
        let now = journal.now();
        Self { what, begun: now, done: now, about, serving: Vec::new(), epoch: None }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let (about, serving) = (self.about.len(), self.serving.len());
        match self.what {
            What::Opened => format!("the doors open on {serving} nodes"),
            What::Unpinned => "un-pinning is switched on".to_owned(),
            What::Scaled => format!("scale-out to {serving} nodes"),
            What::Killed if about == 1 => format!("{} is killed", node_name(self.about[0])),
            What::Killed => format!("a process of {about} nodes is killed"),
            What::Deployed => format!("deploy: {about} nodes replaced and drained"),
        }
    }
}

/// Shared by all who write.
#[derive(Debug)]
pub(crate) struct Journal {
    opened: OnceLock<Instant>,
    written: Mutex<Written>,
    planned: watch::Sender<usize>,
}

/// A copy of what was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) records: Vec<Record>,
    pub(crate) marks: Vec<Mark>,
}

impl Journal {
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self { opened: OnceLock::new(), written: Mutex::default(), planned: watch::Sender::new(0) })
    }

    /// The doors open.
    pub(crate) fn begin(&self) {
        self.opened.get_or_init(Instant::now);
    }

    /// Since the doors opened.
    pub(crate) fn now(&self) -> Duration {
        self.opened.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    pub(crate) fn write(&self, record: Record) {
        self.lock().records.push(record);
    }

    /// One click of the script is over, whatever it took.
    pub(crate) fn click_over(&self) {
        self.planned.send_modify(|count| *count += 1);
    }

    pub(crate) fn mark(&self, mark: Mark) {
        self.lock().marks.push(mark);
    }

    /// How many clicks of the script are over.
    pub(crate) fn clicks(&self) -> usize {
        *self.planned.borrow()
    }

    /// Completes when so many are.
    pub(crate) async fn reached(&self, clicks: usize) {
        // Fails only without a sender, and `self` is one.
        let _ = self.planned.subscribe().wait_for(|count| *count >= clicks).await;
    }

    pub(crate) fn copy(&self) -> Written {
        self.lock().clone()
    }

    // Lists that only grow: a panic elsewhere cannot leave them in a state that matters.
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
