//! The handle: state that layer, readiness and server share.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use http::StatusCode;
use tokio::sync::watch;
use unstick_core::{EventKind, Events, Pending, PendingGuard, Runtime};

use super::{
    builder::DrainBuilder,
    course::{Course, Phase},
    outcome::{CutRequest, Drained, InFlight},
    registry::Registry,
};

/// At most so many cut requests are told one by one.
const MOST_CUT_EVENTS: usize = 20;
/// Two looks at the clock so close to each other are one.
const CLOSE: Duration = Duration::from_millis(1);

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) window: Duration,
    pub(super) deadline: Duration,
    pub(super) status: StatusCode,
    pub(super) events: Events,
    pub(super) runtime: Runtime,
}

struct Shared {
    settings: Settings,
    registry: Arc<Registry>,
    course: watch::Sender<Course>,
    holds: Pending,
    /// Servers that may still get requests. They are no work themselves, so that no report counts them.
    servers: Pending,
    pending: Mutex<Vec<Pending>>,
    ending: Mutex<Ending>,
}

/// What was told about the end.
#[derive(Debug, Default)]
struct Ending {
    is_told: bool,
    cut: Option<Cut>,
}

#[derive(Debug)]
struct Cut {
    requests: Vec<CutRequest>,
    pending_left: usize,
    finished: u64,
}

/// Stops a node so that nobody notices. Clones are the same drain. See the [module docs](super).
#[derive(Clone)]
pub struct Drain {
    shared: Arc<Shared>,
}

impl Drain {
    /// Starts building.
    pub fn builder() -> DrainBuilder {
        DrainBuilder::new()
    }

    pub(super) fn new(settings: Settings) -> Self {
        let holds = Pending::default();
        let shared = Shared {
            settings,
            registry: Arc::default(),
            course: watch::Sender::new(Course::default()),
            pending: Mutex::new(vec![holds.clone()]),
            holds,
            servers: Pending::default(),
            ending: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn now(&self) -> Duration {
        self.shared.settings.runtime.monotonic()
    }

    /// Begins the drain: readiness fails from now on. Later calls do nothing.
    ///
    /// May be called from anywhere. Outside the runtime, phases change in time all the same, but the end is told in events only if
    /// somebody awaits [`finished`](Self::finished).
    pub fn begin(&self) {
        let Settings { window, deadline, .. } = self.shared.settings;
        // Before the phase, so that whoever sees the phase sees this, too.
        self.shared.registry.set_draining();
        let now = self.now();
        if !self.shared.course.send_if_modified(|course| course.begin(now, window, deadline)) {
            return;
        }
        let (in_flight, pending) = (self.shared.registry.count(), self.pending());
        let detail = format!("{in_flight} in flight, {pending} pending");
        self.shared.settings.events.emit(EventKind::DrainBegan, None, &detail);
        let driver = self.clone();
        self.shared.settings.runtime.spawn(Box::pin(async move {
            driver.reached(Phase::Ended).await;
            driver.conclude();
        }));
    }

    /// Begins if need be, and leaves out the rest of the readiness window: for nodes that no balancer checks, or whose server has
    /// ended by itself.
    pub fn close_now(&self) {
        self.begin();
        let (now, deadline) = (self.now(), self.shared.settings.deadline);
        self.shared.course.send_if_modified(|course| course.close(now, deadline));
    }

    /// Ends the drain at once, and begins it if need be: nothing is awaited any more.
    pub fn cut_now(&self) {
        self.begin();
        self.shared.course.send_modify(Course::cut);
        self.conclude();
    }

    /// How far the drain has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if !self.has_begun() {
            return Phase::Serving;
        }
        let now = self.now();
        self.shared.course.borrow().phase(now)
    }

    /// Whether it has begun. Cheaper than [`phase`](Self::phase): one atomic read.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.shared.registry.is_draining()
    }

    /// Completes when the drain has begun: readiness fails, everything is served.
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub fn began(&self) -> impl Future<Output = ()> + Send + use<> {
        self.clone().reach(Phase::Turning)
    }

    /// Completes when listeners close: pass it to `with_graceful_shutdown` of axum's server, or to `serve_with_shutdown` of tonic's.
    /// Streams and upgraded connections say goodbye now.
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        self.clone().reach(Phase::Closing)
    }

    /// Completes when the drain has ended, also if nothing was left to wait for. See [`finished`](Self::finished).
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        self.clone().reach(Phase::Ended)
    }

    /// Completes when time is over, or was declared to be: what is left is cut.
    #[cfg(feature = "server")]
    pub(super) async fn over(&self) {
        self.until(Course::is_over).await;
    }

    /// While a server runs, the drain does not end before its time.
    #[cfg(feature = "server")]
    pub(super) fn server(&self) -> PendingGuard {
        self.shared.servers.enter()
    }

    #[cfg(feature = "server")]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    async fn reach(self, phase: Phase) {
        self.reached(phase).await;
    }

    async fn reached(&self, phase: Phase) {
        self.until(|course, now| course.phase(now) >= phase).await;
    }

    /// Completes when clock or calls have brought the course to where `is_there` says yes.
    async fn until(&self, is_there: impl Fn(&Course, Duration) -> bool) {
        let mut courses = self.shared.course.subscribe();
        loop {
            let course = *courses.borrow_and_update();
            let now = self.now();
            if is_there(&course, now) {
                return;
            }
            match course.next(now) {
                Some(left) => {
                    let sleep = self.shared.settings.runtime.sleep(left);
                    // It counts from just now: if the clock has moved since it was read, it would end that much too late.
                    if self.now().saturating_sub(now) < CLOSE {
                        either(courses.changed(), sleep).await;
                    }
                }
                // Fails only without a sender, and `self` is one.
                None => _ = courses.changed().await,
            }
        }
    }

    /// Also waits for this: [`SessionLayer::pending`](https://docs.rs/unstick-session), and any other count of work that the process
    /// must not exit before. Call again for more; the same count once more changes nothing.
    pub fn wait_for(&self, pending: Pending) {
        let mut all = self.all_pending();
        if !all.iter().any(|one| one.is_same(&pending)) {
            all.push(pending);
        }
    }

    /// Waits for the holder of the guard: for work of your own, and connections that no request stands for any more.
    #[must_use = "the work counts for as long as the guard lives"]
    pub fn hold(&self) -> PendingGuard {
        self.shared.holds.enter()
    }

    fn all_pending(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much pending work there is: holds, and what [`wait_for`](Self::wait_for) was given.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.all_pending().iter().map(Pending::count).sum()
    }

    /// The requests being served, the oldest first.
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.shared.registry.list(self.now())
    }

    /// How many requests are being served.
    #[must_use]
    pub fn in_flight_count(&self) -> usize {
        self.shared.registry.count()
    }

    /// Completes when listeners are to be closed and nothing is in flight or pending, at the deadline, or at
    /// [`cut_now`](Self::cut_now), and says what was left. Await it after the server has ended, so that nothing can begin any more;
    /// [`finish`](Self::finish) does both.
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub async fn finished(&self) -> Drained {
        self.reached(Phase::Closing).await;
        either(self.idle(), self.until(Course::is_over)).await;
        self.conclude()
    }

    /// Drives `server` until it ends or the drain is over, and then waits for the rest as [`finished`](Self::finished) does. The
    /// server's output is there unless it was cut. A server that ends by itself begins the drain, without its readiness window.
    ///
    /// Several servers are driven as one, by a future that joins theirs: what one of them is still given is not waited for by the others.
    ///
    /// # Cancel safety
    /// Dropping the future drops the server.
    pub async fn finish<F: Future>(&self, server: F) -> (Option<F::Output>, Drained) {
        let mut output = None;
        either(async { output = Some(server.await) }, self.until(Course::is_over)).await;
        if output.is_some() {
            self.close_now();
        }
        (output, self.finished().await)
    }

    /// How it ended, once it has. Until the server has ended as well, requests may still be added to what finished.
    #[must_use]
    pub fn outcome(&self) -> Option<Drained> {
        (self.phase() == Phase::Ended).then(|| self.conclude())
    }

    async fn idle(&self) {
        loop {
            self.shared.registry.idle().await;
            // Requests leave pending work behind, so it is looked at after them, and again until all are idle at once.
            let all = self.all_pending().clone();
            for pending in &all {
                pending.idle().await;
            }
            self.shared.servers.idle().await;
            if self.is_idle() {
                return;
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.shared.registry.count() == 0 && self.pending() == 0 && self.shared.servers.count() == 0
    }

    /// Tells how it ended. What is cut is taken down once, when time is over.
    fn conclude(&self) -> Drained {
        let now = self.now();
        let is_over = self.shared.course.borrow().is_over(now);
        let mut ending = self.shared.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let is_cut_now = is_over && ending.cut.is_none();
        if is_cut_now {
            let cut = |one: InFlight| CutRequest { name: one.name, age: one.age };
            let (left, finished) = self.shared.registry.census(now);
            ending.cut = Some(Cut { requests: left.into_iter().map(cut).collect(), pending_left: self.pending(), finished });
        }
        let drained = match &ending.cut {
            Some(cut) => Drained { finished: cut.finished, cut: cut.requests.clone(), pending_left: cut.pending_left },
            None => Drained { finished: self.shared.registry.finished(), ..Drained::default() },
        };
        let is_told = std::mem::replace(&mut ending.is_told, true);
        drop(ending);
        if is_cut_now {
            self.tell_cut(&drained.cut);
        }
        if !is_told {
            self.shared.course.send_modify(Course::done);
            self.shared.settings.events.emit(EventKind::DrainEnded, None, &drained.to_string());
        }
        drained
    }

    fn tell_cut(&self, cut: &[CutRequest]) {
        let events = &self.shared.settings.events;
        for CutRequest { name, age } in cut.iter().take(MOST_CUT_EVENTS) {
            events.emit(EventKind::DrainCut, None, &format!("{name} after {} s", age.as_secs()));
        }
        if let Some(more) = cut.len().checked_sub(MOST_CUT_EVENTS).filter(|more| *more > 0) {
            events.emit(EventKind::DrainCut, None, &format!("and {more} more"));
        }
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("phase", &self.phase())
            .field("in_flight", &self.in_flight_count())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

/// Completes with the first of two.
async fn either<A: Future, B: Future>(a: A, b: B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| if a.as_mut().poll(cx).is_ready() || b.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }).await;
}
