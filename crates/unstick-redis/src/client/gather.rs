//! Calls that come together go as one command.
//!
//! What a command costs, here and at the server, is mostly not its work: packets, system calls and the waking of tasks. The library sends
//! its own kinds of commands in one packet if they happen to come at once, but every script in a packet of its own. So calls are
//! gathered here: a call that finds none under way goes alone and at once; one that finds company waits until every task that is ready
//! had its turn, and then all that have come go together, reads as one `MGET`, changes as one run of their script.
//! Nobody waits for an answer, or for time to pass, before being sent.
//!
//! Each call keeps its own deadline and its own answer; the server carries out each for itself. Keys that one command cannot reach
//! (in a cluster, or behind a proxy that spreads them) go alone.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use fred::{
    interfaces::ClientLike,
    types::{Resp3Frame, Value},
};
use futures_util::future::{Either, select};
use tokio::sync::oneshot;
use unstick_core::{Error, Timestamp};

use super::{
    calls::{Client, Due},
    failure,
    link::Link,
    nodes::Node,
    reply::{self, Reply, error_text},
    run::Call,
    script::Script,
    wire::Wire,
};

/// Calls in one command at most: the server does nothing else meanwhile, and this side works on the next ones.
const CALLS: usize = 32;
/// Bytes in one command, after which no further call is taken in.
const BYTES: usize = 1 << 20;

/// What came of one call.
pub(super) struct Met {
    pub(super) reply: Reply,
    pub(super) refused: Option<Refused>,
}

/// Who refused a call as late, and until when it was to be carried out by that server's clock.
pub(super) struct Refused {
    pub(super) node: Arc<Node>,
    pub(super) deadline: Timestamp,
}

impl Met {
    pub(super) fn new(reply: Reply, node: &Arc<Node>, deadline: Timestamp) -> Self {
        let refused = reply.is_late().then(|| Refused { node: node.clone(), deadline });
        Self { reply, refused }
    }
}

/// `None`: nothing was done, it has to go alone.
type Outcome = Result<Option<Met>, Error>;

/// Calls of one kind over one connection.
pub(super) struct Gather {
    waiting: Mutex<Vec<(Call, oneshot::Sender<Outcome>)>>,
    /// Commands, for one call or for many, and those that still gather.
    under_way: AtomicUsize,
    /// Whether one command may be for several keys.
    works: AtomicBool,
}

/// A call that goes alone, so that others find company.
pub(super) struct Alone<'a>(&'a Gather);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gather {
    pub(super) fn new(link: &Link) -> Self {
        let works = AtomicBool::new(!link.fred.is_clustered());
        Self { waiting: Mutex::default(), under_way: AtomicUsize::new(0), works }
    }

    pub(super) fn alone(&self) -> Alone<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Alone(self)
    }

    fn has_company(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0 && self.works.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Call, oneshot::Sender<Outcome>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is the first that waits.
    fn join(&self, call: Call, answer: oneshot::Sender<Outcome>) -> bool {
        let mut waiting = self.waiting();
        waiting.push((call, answer));
        waiting.len() == 1
    }

    /// What goes together, and whether more wait.
    fn take(&self) -> (Vec<(Call, oneshot::Sender<Outcome>)>, bool) {
        let mut waiting = self.waiting();
        let (mut count, mut bytes) = (0, 0);
        for (call, _) in waiting.iter().take(CALLS) {
            if bytes >= BYTES {
                break;
            }
            count += 1;
            bytes += call.args.iter().map(Bytes::len).sum::<usize>();
        }
        let rest = waiting.split_off(count);
        let taken = std::mem::replace(&mut *waiting, rest);
        (taken, !waiting.is_empty())
    }
}

/// Carries what waits. Whatever becomes of it, nobody is left waiting.
struct Courier {
    client: Client,
    wire: Arc<Wire>,
    script: Option<Script>,
    is_under_way: bool,
    has_taken: bool,
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.leave();
        if !self.has_taken {
            self.gather().waiting().clear();
        }
    }
}

impl Courier {
    fn new(client: &Client, wire: &Arc<Wire>, script: Option<&Script>) -> Self {
        gather(wire, script).under_way.fetch_add(1, Ordering::Relaxed);
        Self { client: client.clone(), wire: wire.clone(), script: script.cloned(), is_under_way: true, has_taken: false }
    }

    /// So that those who are answered do not take it for company.
    fn leave(&mut self) {
        if std::mem::take(&mut self.is_under_way) {
            self.gather().under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn gather(&self) -> &Gather {
        gather(&self.wire, self.script.as_ref())
    }

    /// Where the connections live: the caller's own runtime may be one that nobody drives any more.
    fn start(self) {
        match self.client.0.home.clone() {
            Some(home) => drop(home.spawn(self.go())),
            None => self.client.runtime().spawn(Box::pin(self.go())),
        }
    }

    async fn go(mut self) {
        // everybody who is about to call comes along
        tokio::task::yield_now().await;
        let (taken, more) = self.gather().take();
        self.has_taken = true;
        if more {
            Self::new(&self.client, &self.wire, self.script.as_ref()).start();
        }
        let (calls, callers): (Vec<Call>, Vec<_>) = taken.into_iter().unzip();
        let Some(due) = calls.iter().map(|call| call.due).max() else { return };
        let outcomes = self.carry(&calls, due).await;
        self.leave();
        // callers may have left
        match outcomes {
            Ok(outcomes) => callers.into_iter().zip(outcomes).for_each(|(caller, outcome)| _ = caller.send(outcome)),
            Err(error) => callers.into_iter().for_each(|caller| _ = caller.send(Err(error.clone()))),
        }
    }

    async fn carry(&self, calls: &[Call], due: Due) -> Result<Vec<Outcome>, Error> {
        match &self.script {
            Some(script) => self.run(script, calls, due).await,
            None => self.read(calls, due).await,
        }
    }

    async fn read(&self, calls: &[Call], due: Due) -> Result<Vec<Outcome>, Error> {
        let mut keys = |_: &Node| Ok(calls.iter().map(|call| Value::Bytes(call.key.clone())).collect());
        let (frame, _) = self.client.route(&self.wire, &self.wire.link, ("MGET", calls.len()), 0, due, &mut keys).await?;
        if let Some(text) = error_text(&frame) {
            if failure::is_for_good(&text) {
                self.gather().works.store(false, Ordering::Relaxed);
            }
            return Ok(calls.iter().map(|_| Ok(None)).collect());
        }
        let met = |value| match value {
            // nothing is there, or something that is no string: only `GET` says which
            Resp3Frame::Null => Ok(None),
            value => Ok(Some(Met { reply: Reply::read(value)?, refused: None })),
        };
        Ok(reply::elements(frame)?.into_iter().map(met).collect())
    }

    async fn run(&self, script: &Script, calls: &[Call], due: Due) -> Result<Vec<Outcome>, Error> {
        let Some(run) = self.client.evaluate(&self.wire, &self.wire.link, script, calls, due).await? else {
            self.gather().works.store(false, Ordering::Relaxed);
            return Ok(calls.iter().map(|_| Ok(None)).collect());
        };
        let met = |(answer, deadline)| Ok(Some(Met::new(Reply::read(answer)?, &run.node, deadline)));
        Ok(run.answers.into_iter().zip(run.deadlines).map(met).collect())
    }
}

/// Where calls of a kind meet.
fn gather<'a>(wire: &'a Wire, script: Option<&Script>) -> &'a Gather {
    if script.is_some() { &wire.changes } else { &wire.reads }
}

impl Client {
    /// Sends along with others, if some are under way. One that leaves when its time is over leaves its call behind, which the server
    /// refuses if it is late. While it waits it holds no connection, for whose count the cores would wait for one another.
    pub(super) fn go_along<F: FnOnce() -> Call>(&self, script: Option<&Script>, call: F) -> Option<impl Future<Output = Outcome> + use<F>> {
        let wire = self.0.peek();
        let gather = gather(&wire, script);
        if !gather.has_company() {
            return None;
        }
        let (call, (answer, outcome)) = (call(), oneshot::channel());
        // a timer of its own: whoever carries may be held up, by a handler that blocks its thread
        let runtime = self.runtime();
        let left = call.due.left(&runtime);
        if gather.join(call, answer) {
            Courier::new(self, &wire, script).start();
        }
        Some(async move {
            match select(outcome, pin!(runtime.sleep(left))).await {
                Either::Left((outcome, _)) => outcome.unwrap_or_else(|_| Err(failure::interrupted())),
                Either::Right(_) => Err(failure::timeout()),
            }
        })
    }
}
