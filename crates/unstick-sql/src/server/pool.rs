//! A pool of our own, for connections that take long to open.
//!
//! Opening takes several trips and the work of a password hash, often longer than an operation may wait. So it is no caller's
//! business: tasks open connections, a few at a time, and callers wait for whichever is free first, old or new. A caller that
//! goes away cancels nothing, so that what was begun is there for the next.
//!
//! After a failed opening the next one begins only after a pause, on one task's initiative, and as long as there is no
//! connection at all callers are refused during the pause.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::{Either, select};
use sqlx::{ConnectOptions, Connection, SqlStr};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
    time::timeout,
};
use unstick_core::{Error, ErrorKind};

use super::{
    Dialect, Settings,
    lease::{CLOSED, NOT_IN_TIME, REFUSED, UNREACHABLE},
    plan::{Counts, Limits, Ticket},
};
use crate::sweeper::jittered;

/// A connection that was not used for this long is tested before it is used: something on the way may have forgotten it.
const IDLE_CHECK: Duration = Duration::from_secs(30);

/// How long that test may take before the connection is taken for broken.
const CHECK: Duration = Duration::from_millis(400);

/// About how long a connection is used, so that servers that were added get their share.
const AGE: Duration = Duration::from_secs(30 * 60);

/// A connection beyond `min_connections` is closed when it was not needed for this long.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

type Options<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

struct Live<DB: Dialect> {
    connection: DB::Connection,
    old_at: Instant,
}

struct Idle<DB: Dialect> {
    live: Live<DB>,
    since: Instant,
}

struct State<DB: Dialect> {
    /// The last one returned is at the end, and is used next.
    idle: Vec<Idle<DB>>,
    counts: Counts,
    /// Connections that have been idle since before are tested before they are used.
    broken: Option<Instant>,
}

/// Connections to one server. They are opened when callers wait for one, and `min_connections` in advance.
pub(super) struct OwnPool<DB: Dialect> {
    options: Options<DB>,
    /// What each connection is told first.
    greeting: Option<SqlStr>,
    limits: Limits,
    patience: Duration,
    state: Mutex<State<DB>>,
    /// A permit for each idle connection. Whoever takes one takes a connection; they are given out in turn.
    ready: Semaphore,
    /// There is no connection, and opening one failed.
    failed: Notify,
    /// A connection was closed.
    closed: Notify,
}

impl<DB: Dialect> OwnPool<DB> {
    pub(super) fn new(options: Options<DB>, greeting: Option<SqlStr>, settings: &Settings) -> Arc<Self> {
        let limits = Limits { min: settings.min_connections(), max: settings.max_connections(), connect: settings.connect_timeout() };
        Arc::new(Self {
            options,
            greeting,
            limits,
            patience: settings.acquire_timeout(),
            state: Mutex::new(State { idle: Vec::new(), counts: Counts::default(), broken: None }),
            ready: Semaphore::new(0),
            failed: Notify::new(),
            closed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State<DB>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections there are, those that are being opened included.
    pub(super) fn size(&self) -> u32 {
        self.state().counts.size
    }

    /// A connection that is ready for use, within `acquire_timeout`. Nothing has been sent when this fails.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Taken<DB>, Error> {
        let Ok(taken) = timeout(self.patience, self.next()).await else {
            return Err(Error::new(ErrorKind::Unavailable, NOT_IN_TIME));
        };
        taken
    }

    async fn next(self: &Arc<Self>) -> Result<Taken<DB>, Error> {
        loop {
            match self.ready.try_acquire() {
                Ok(permit) => permit.forget(),
                Err(_) => self.wait().await?,
            }
            // the permit is used up: nothing may be awaited before a connection was taken for it
            let Some((taken, suspect)) = self.pop() else { continue };
            if let Some(taken) = if suspect { taken.tested().await } else { Some(taken) } {
                return Ok(taken);
            }
        }
    }

    /// Waits for an idle connection's permit and uses it up.
    async fn wait(self: &Arc<Self>) -> Result<(), Error> {
        let mut failed = pin!(self.failed.notified());
        failed.as_mut().enable();
        let _waiting = Waiting::new(self);
        if let Some(why) = self.fill() {
            return Err(Error::new(ErrorKind::Unavailable, why));
        }
        let why = match select(pin!(self.ready.acquire()), failed).await {
            Either::Left((Ok(permit), _)) => {
                permit.forget();
                return Ok(());
            }
            Either::Left((Err(_), _)) => CLOSED,
            Either::Right(_) => self.state().counts.why().unwrap_or(UNREACHABLE),
        };
        Err(Error::new(ErrorKind::Unavailable, why))
    }

    /// An idle connection, and whether it is to be tested.
    fn pop(self: &Arc<Self>) -> Option<(Taken<DB>, bool)> {
        let mut state = self.state();
        let Idle { live, since } = state.idle.pop()?;
        let suspect = since.elapsed() >= IDLE_CHECK || state.broken.is_some_and(|broken| since <= broken);
        drop(state);
        Some((Taken { live: Some(live), pool: Arc::clone(self) }, suspect))
    }

    /// Begins to open what is needed. If callers are to be refused meanwhile, says why.
    fn fill(self: &Arc<Self>) -> Option<&'static str> {
        let now = Instant::now();
        let (plan, refusal) = {
            let mut state = self.state();
            let idle = u32::try_from(state.idle.len()).unwrap_or(u32::MAX);
            let plan = state.counts.plan(now, idle, &self.limits);
            (plan, if state.counts.closed { Some(CLOSED) } else { state.counts.refusal(now) })
        };
        // a task that cannot be spawned is dropped at once, which takes the lock
        let handle = Handle::try_current();
        for ticket in plan.open {
            let opening = Opening { pool: Arc::clone(self), ticket: Some(ticket) };
            if let Ok(handle) = &handle {
                handle.spawn(opening.run());
            }
        }
        if let (Some(pause), Ok(handle)) = (plan.wake, handle) {
            let pool = Arc::downgrade(self);
            handle.spawn(async move {
                tokio::time::sleep(pause).await;
                if let Some(pool) = pool.upgrade() {
                    pool.fill();
                }
            });
        }
        refusal
    }

    /// Begins to open connections in advance, with one that is open already.
    pub(super) fn start(self: &Arc<Self>, first: Option<DB::Connection>) {
        if let Some(connection) = first {
            self.state().counts.size += 1;
            self.put(Self::live(connection), Instant::now());
        }
        self.fill();
    }

    fn live(connection: DB::Connection) -> Live<DB> {
        Live { connection, old_at: Instant::now() + jittered(AGE) }
    }

    /// For the next caller; when it was last known to be in order.
    fn put(self: &Arc<Self>, live: Live<DB>, since: Instant) {
        let now = Instant::now();
        let mut state = self.state();
        if state.counts.closed || now >= live.old_at {
            drop(state);
            return self.retire(live);
        }
        state.idle.push(Idle { live, since });
        self.ready.add_permits(1);
        // Those at the front have not been needed for longest. Without traffic the sweeper comes by.
        let unneeded = state.counts.size > self.limits.min && state.idle.first().is_some_and(|idle| idle.since + IDLE <= now);
        let unneeded = if unneeded && let Ok(permit) = self.ready.try_acquire() {
            permit.forget();
            Some(state.idle.remove(0))
        } else {
            None
        };
        drop(state);
        if let Some(idle) = unneeded {
            self.retire(idle.live);
        }
    }

    /// Closes a connection that is in order; meanwhile it still counts.
    fn retire(self: &Arc<Self>, live: Live<DB>) {
        let taken = Taken { live: Some(live), pool: Arc::clone(self) };
        if let Ok(handle) = Handle::try_current() {
            handle.spawn(taken.goodbye());
        }
    }

    /// Waits for statements under way, and closes the connections.
    pub(super) async fn close(self: &Arc<Self>) {
        self.ready.close();
        let idle = {
            let mut state = self.state();
            state.counts.closed = true;
            std::mem::take(&mut state.idle)
        };
        for Idle { live, .. } in idle {
            Taken { live: Some(live), pool: Arc::clone(self) }.goodbye().await;
        }
        loop {
            let mut closed = pin!(self.closed.notified());
            closed.as_mut().enable();
            if self.size() == 0 {
                return;
            }
            closed.await;
        }
    }
}

/// Counts a caller that waits.
struct Waiting<'p, DB: Dialect>(&'p OwnPool<DB>);

impl<'p, DB: Dialect> Waiting<'p, DB> {
    fn new(pool: &'p OwnPool<DB>) -> Self {
        pool.state().counts.waiting += 1;
        Self(pool)
    }
}

impl<DB: Dialect> Drop for Waiting<'_, DB> {
    fn drop(&mut self) {
        self.0.state().counts.waiting -= 1;
    }
}

/// A connection that is being opened, and has its place in the counts.
struct Opening<DB: Dialect> {
    pool: Arc<OwnPool<DB>>,
    ticket: Option<Ticket>,
}

impl<DB: Dialect> Opening<DB> {
    async fn run(mut self) {
        let pool = Arc::clone(&self.pool);
        // what breaks others while it is being opened may have broken it, too
        let began = Instant::now();
        let attempt = async {
            let mut connection = pool.options.connect().await?;
            if let Some(greeting) = &pool.greeting {
                DB::fetch_raw(&mut connection, greeting.clone()).await?;
            }
            Ok(connection)
        };
        let why = match timeout(pool.limits.connect, attempt).await {
            Ok(Ok(connection)) => {
                self.ticket = None;
                pool.state().counts.opened();
                pool.put(OwnPool::live(connection), began);
                pool.fill();
                return;
            }
            Ok(Err(sqlx::Error::Database(_))) => REFUSED,
            Ok(Err(_)) => UNREACHABLE,
            Err(_) => "the session database did not answer to a new connection in time",
        };
        if let Some(ticket) = self.ticket.take() {
            let nothing = pool.state().counts.failed(Instant::now(), ticket, why);
            pool.closed.notify_waiters();
            if nothing {
                pool.failed.notify_waiters();
            }
            pool.fill();
        }
    }
}

/// The runtime ended in between.
impl<DB: Dialect> Drop for Opening<DB> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.pool.state().counts.abandoned();
            self.pool.closed.notify_waiters();
        }
    }
}

/// A connection that was taken. Dropped, it is closed.
pub(super) struct Taken<DB: Dialect> {
    live: Option<Live<DB>>,
    pool: Arc<OwnPool<DB>>,
}

impl<DB: Dialect> fmt::Debug for Taken<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").finish_non_exhaustive()
    }
}

impl<DB: Dialect> Taken<DB> {
    pub(super) fn connection(&mut self) -> Option<&mut DB::Connection> {
        self.live.as_mut().map(|live| &mut live.connection)
    }

    /// A connection broke, or did not answer.
    pub(super) fn broke(&self) {
        self.pool.state().broken = Some(Instant::now());
    }

    /// Makes the connection the next caller's.
    pub(super) fn give_back(mut self) {
        if let Some(live) = self.live.take() {
            self.pool.put(live, Instant::now());
        }
    }

    /// The connection, if it still answers.
    async fn tested(mut self) -> Option<Self> {
        let answers = matches!(timeout(CHECK, self.connection()?.ping()).await, Ok(Ok(())));
        answers.then_some(self)
    }

    async fn goodbye(mut self) {
        let Some(live) = self.live.take() else { return };
        let _ = timeout(GOODBYE, live.connection.close()).await;
        self.pool.gone();
    }
}

impl<DB: Dialect> OwnPool<DB> {
    fn gone(self: &Arc<Self>) {
        self.state().counts.size -= 1;
        self.closed.notify_waiters();
        self.fill();
    }
}

impl<DB: Dialect> Drop for Taken<DB> {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            drop(live);
            self.pool.gone();
        }
    }
}
