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

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The shopper's session.
    ForMe,
    /// The customer's note, whoever asks.
    ForANote,
}

/// One request, as its shopper saw it.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) shopper: usize,
    pub(crate) asks: Asks,
    pub(crate) sent: Duration,
    pub(crate) answered: Duration,
    /// The node that answered.
    pub(crate) node: Option<usize>,
    /// The balancer's number of the fleet and of the request on it, where it tells them.
    pub(crate) turn: Option<(u64, u64)>,
    pub(crate) ended: Ended,
    /// Whether it carried a pin.
    pub(crate) is_pinned: bool,
    /// Whether the session was known, where the shopper had been told that it is logged in, the request needs that, and there was an answer.
    pub(crate) is_known: Option<bool>,
    /// Whether the node took the shopper for another one.
    pub(crate) is_stranger: bool,
    /// Whether it is a click of the script that pays.
    pub(crate) is_order: bool,
    /// For a cart that was paid for, or is beyond reach.
    pub(crate) cart: Option<Cart>,
    /// For notes that were read: whether the shopper's own change was missing, and whether it came from the node's memory.
    pub(crate) note: Option<Note>,
}

/// A note, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) is_stale: bool,
    pub(crate) is_hit: bool,
}

/// One click of the script, with all requests that it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clicked {
    /// When it should have been made.
    pub(crate) due: Duration,
    /// When it was made: later, if the click before took longer.
    pub(crate) begun: Duration,
    /// When it was answered, or given up.
    pub(crate) over: Duration,
}

/// What became of a cart that somebody meant to pay for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cart {
    /// As acknowledged.
    Whole,
    /// Less than acknowledged, or beyond reach.
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
    clicks: watch::Sender<usize>,
}

/// A copy of what was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) records: Vec<Record>,
    pub(crate) clicks: Vec<Clicked>,
    pub(crate) marks: Vec<Mark>,
}

impl Journal {
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self { opened: OnceLock::new(), written: Mutex::default(), clicks: watch::Sender::new(0) })
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

    /// One click of the script is over, whatever came of it.
    pub(crate) fn click_over(&self, due: Duration, begun: Duration) {
        self.lock().clicks.push(Clicked { due, begun, over: self.now() });
        self.clicks.send_modify(|count| *count += 1);
    }

    pub(crate) fn mark(&self, mark: Mark) {
        self.lock().marks.push(mark);
    }

    /// How many clicks of the script are over.
    pub(crate) fn clicks(&self) -> usize {
        *self.clicks.borrow()
    }

    /// Completes when so many are.
    pub(crate) async fn reached(&self, clicks: usize) {
        // Fails only without a sender, and `self` is one.
        let _ = self.clicks.subscribe().wait_for(|count| *count >= clicks).await;
    }

    pub(crate) fn copy(&self) -> Written {
        self.lock().clone()
    }

    // Lists that only grow: a panic elsewhere cannot leave them in a state that matters.
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
