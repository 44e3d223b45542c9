//! Users that come through the balancer: some come again and again, others once.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex as AsyncMutex;
use unstick_testkit::{
    client::{Browser, Page},
    load::{Load, OpenLoop},
};

use crate::site::until;

/// Users that come again.
pub(crate) const REGULARS: usize = 16;
/// Below `localhost` cookies may be secure.
const HOST: &str = "shop.localhost";

pub(crate) fn browser(address: SocketAddr) -> Browser {
    Browser::new(address).host(HOST)
}

/// One answered request.
#[derive(Debug, Clone)]
struct Visit {
    /// `None`: of a user who came for the first time.
    regular: Option<usize>,
    node: String,
}

/// Who was answered by whom.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Vec<Visit>>);

impl Board {
    fn note(&self, regular: Option<usize>, page: &Page) {
        self.0.lock().unwrap().push(Visit { regular, node: page.header("x-node").to_owned() });
    }

    /// How many requests an instance has answered.
    pub(crate) fn by(&self, instance: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|visit| visit.node == instance).count()
    }

    /// The instance that answered each of the regulars last.
    pub(crate) fn latest(&self) -> Vec<String> {
        let visits = self.0.lock().unwrap();
        let latest = |regular| visits.iter().rev().find(|visit| visit.regular == Some(regular));
        (0..REGULARS).map(|regular| latest(regular).map(|visit| visit.node.clone()).unwrap_or_default()).collect()
    }

    /// How many answers the regular with the fewest has had.
    fn fewest(&self) -> usize {
        let visits = self.0.lock().unwrap();
        let count = |regular| visits.iter().filter(|visit| visit.regular == Some(regular)).count();
        (0..REGULARS).map(count).min().unwrap_or_default()
    }

    /// How often a regular was answered by another instance than the time before.
    pub(crate) fn moves(&self) -> usize {
        let visits = self.0.lock().unwrap();
        let of = |regular| visits.iter().filter(move |visit| visit.regular == Some(regular)).map(|visit| visit.node.as_str());
        let moves = |regular| of(regular).zip(of(regular).skip(1)).filter(|(one, next)| one != next).count();
        (0..REGULARS).map(moves).sum()
    }

    /// How many answers there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// How many new users in a row others than this instance have answered, to now, without the answers before `since`.
    pub(crate) fn newcomers_elsewhere(&self, instance: &str, since: usize) -> usize {
        let visits = self.0.lock().unwrap();
        visits.iter().skip(since).rev().filter(|visit| visit.regular.is_none()).take_while(|visit| visit.node != instance).count()
    }
}

/// A user and what was acknowledged.
#[derive(Debug)]
struct User {
    browser: Browser,
    count: u64,
}

impl User {
    fn new(browser: Browser) -> Self {
        Self { browser, count: 0 }
    }

    /// Reads the counter or moves it on; whatever is not exactly what must come is an error.
    async fn visit(&mut self, writes: bool) -> Result<Page, String> {
        let method = if writes { "POST" } else { "GET" };
        let page = if writes { self.browser.post("/count", "").await } else { self.browser.get("/count").await };
        let page = page.map_err(|error| format!("{method}: {error:?}"))?;
        if page.status != 200 {
            return Err(format!("{method}: {} by {:?}", page.status, page.header("x-node")));
        }
        let expected = self.count + u64::from(writes);
        if page.text() != expected.to_string() {
            return Err(format!("{method}: {} instead of {expected}: a session was lost", page.text()));
        }
        self.count = expected;
        Ok(page)
    }
}

/// The load.
#[derive(Debug)]
pub(crate) struct Crowd {
    regulars: Arc<Vec<AsyncMutex<User>>>,
    pub(crate) board: Arc<Board>,
    failed: Arc<AtomicUsize>,
    load: Load<String>,
}

impl Crowd {
    /// Every other call is of a user who comes for the first time and writes; of the regulars' every other one writes. Half of the regulars keep their
    /// connections to the balancer.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let user =
            |n: usize| AsyncMutex::new(User::new(if n.is_multiple_of(2) { browser(address) } else { browser(address).keep_alive() }));
        let regulars: Arc<Vec<_>> = Arc::new((0..REGULARS).map(user).collect());
        let (board, failed) = (Arc::new(Board::default()), Arc::new(AtomicUsize::new(0)));
        let schedule = OpenLoop { period: Duration::from_millis(15), in_flight: 200, total: 20_000 };
        let (users, seen, failures) = (regulars.clone(), board.clone(), failed.clone());
        let load = Load::start(schedule, move |n| {
            let (users, seen, failures) = (users.clone(), seen.clone(), failures.clone());
            async move {
                let regular = (n % 2 == 1).then_some((n / 2) % REGULARS);
                let visited = match regular {
                    Some(regular) => users[regular].lock().await.visit((n / 2 / REGULARS).is_multiple_of(2)).await,
                    None => User::new(browser(address)).visit(true).await,
                };
                let page = visited.inspect_err(|_| _ = failures.fetch_add(1, Ordering::SeqCst))?;
                seen.note(regular, &page);
                Ok(())
            }
        });
        Self { regulars, board, failed, load }
    }

    /// Until every regular has been answered twice, by one and the same node.
    pub(crate) async fn settled(&self) {
        until("all were answered", || self.board.fewest() >= 2).await;
        assert_eq!(self.board.moves(), 0, "pinned");
    }

    /// How many calls have failed so far.
    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }

    /// Ends the load and says what failed, by kind. Then each regular's counter is what was acknowledged, or a write was lost.
    pub(crate) async fn finish(self) -> (usize, Vec<String>) {
        let record = self.load.finish(Duration::from_secs(60)).await;
        let report = record.analyse(None, Duration::from_secs(60));
        assert_eq!(report.unanswered, 0, "{report}");
        let mut failures: Vec<String> = report.errors.iter().map(|(error, count)| format!("{count} x {error}")).collect();
        for user in self.regulars.iter() {
            failures.extend(user.lock().await.visit(false).await.err());
        }
        (report.succeeded, failures)
    }
}
