//! One run: fleet, balancer, shoppers, and what happens to them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::task::JoinSet;
use unstick::memory::MemoryHub;

use crate::{
    Failure,
    app::{Setup, Shared},
    cli::{Mode, Options, Secret},
    fleet::{self, Fleet},
    front::Front,
    journal::{Journal, Mark, What},
    measure::Summary,
    notes::Database,
    scenario::{self, CLICKS, Change, Journey},
    shopper::Shopper,
    unpinned::Unpinned,
};

/// A run that is going on, or over.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) mode: Mode,
    pub(crate) journal: Arc<Journal>,
    clicks: Arc<AtomicUsize>,
    unpinned: Arc<Mutex<Unpinned>>,
}

impl Run {
    /// About to be held.
    pub(crate) fn new(mode: Mode, options: &Options) -> Self {
        Self { mode, journal: Journal::open(), clicks: Arc::new(AtomicUsize::new(options.shoppers * CLICKS)), unpinned: Arc::default() }
    }

    /// Clicks of the whole script, and of latecomers.
    pub(crate) fn clicks(&self) -> usize {
        self.clicks.load(Ordering::Relaxed)
    }

    /// What the nodes have said of un-pinning.
    pub(crate) fn unpinned(&self) -> Unpinned {
        self.unpinned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks them, if they un-pin.
    async fn ask(&self, fleet: &Fleet) -> Result<(), Failure> {
        if self.mode == Mode::Unstick {
            let mut unpinned = self.unpinned();
            unpinned.ask(fleet.routes(), self.journal.now()).await?;
            *self.unpinned.lock().unwrap_or_else(PoisonError::into_inner) = unpinned;
        }
        Ok(())
    }

    /// Holds the sale. `say` is told what happens.
    pub(crate) async fn hold(&self, options: &Options, say: &(dyn Fn(&Mark) + Send + Sync)) -> Result<(), Failure> {
        let scratch = tempfile::Builder::new().prefix("flash-sale-").tempdir()?;
        let database = Database::start().await?;
        let is_unstick = self.mode == Mode::Unstick;
        let sessions = match &options.sessions {
            _ if !is_unstick => Secret("memory:".to_owned()),
            Some(url) => url.clone(),
            // Twice that, to wait for a connection and for the others' writes, is below the nodes' deadline.
            None => Secret(format!("sqlite:{}?busy_timeout_ms=8000", scratch.path().join("sessions.sqlite").display())),
        };
        let bus = options.bus.clone().filter(|_| is_unstick);
        let key = fresh_key()?;
        let setup = Setup::new(self.mode, options.balancer, sessions, bus, key, database.addr);
        let is_here = options.processes.is_none();
        let shared = Shared { hub: (is_here && is_unstick && options.bus.is_none()).then(MemoryHub::new), ..Shared::default() };
        let window = Front::window(options.balancer);
        let mut fleet = Fleet::open(setup, shared, window, options.processes.unwrap_or(0), options.seed).await?;
        // Every instance is there before the rush, so that no clicks pass while nodes start on a slow machine.
        fleet.boot(fleet::needed(options.nodes, scenario::rolled(options.nodes), options.processes.unwrap_or(0))).await?;
        let first = fleet.add(options.nodes[0])?;
        let front = Front::start(options.balancer, self.mode, fleet.routes()).await?;

        self.journal.begin();
        let opened = Mark::new(What::Opened, &self.journal, first);
        self.mark(opened, &fleet, None, say);
        let mut people = People { run: self, options, addr: front.addr(), let_in: 0, shopping: JoinSet::new() };
        people.let_in(scenario::journeys(options));
        let script = self.clicks();
        for (thousandth, change) in scenario::changes(options, self.mode) {
            people.shop_until(script * thousandth / 1000).await?;
            // A full window after a scale-out, before anything else happens, however slow this machine is.
            while Summary::of(&self.journal.copy()).is_load_unknown() {
                if !people.shop_until(self.journal.clicks() + fleet.serving().len()).await? {
                    break;
                }
            }
            self.change(change, &mut fleet, &front, say).await?;
        }
        people.leave().await?;
        self.ask(&fleet).await
    }

    async fn change(&self, change: Change, fleet: &mut Fleet, front: &Front, say: &(dyn Fn(&Mark) + Send + Sync)) -> Result<(), Failure> {
        // Also before some of them go.
        self.ask(fleet).await?;
        let mark = |what| Mark::new(what, &self.journal, Vec::new());
        match change {
            Change::Ask => {}
            Change::Unpin => {
                let mark = mark(What::Unpinned);
                fleet.unpin().await?;
                self.mark(mark, fleet, None, say);
            }
            Change::ScaleTo(nodes) => {
                let mut mark = mark(What::Scaled);
                mark.about = fleet.add(nodes.saturating_sub(fleet.serving().len()))?;
                let epoch = front.set(fleet.routes()).await?;
                self.mark(mark, fleet, epoch, say);
            }
            Change::Kill => {
                let mut mark = mark(What::Killed);
                for victim in fleet.choose(1) {
                    mark.about.extend(fleet.kill(victim).await);
                }
                self.mark(mark, fleet, None, say);
            }
            Change::Roll(nodes) => {
                let mut mark = mark(What::Deployed);
                mark.about = fleet.choose(nodes);
                fleet.add(mark.about.len())?;
                let old = mark.about.iter().filter_map(|victim| fleet.retire(*victim)).collect();
                front.set(fleet.routes()).await?;
                fleet.drain(old).await?;
                self.mark(mark, fleet, None, say);
            }
        }
        Ok(())
    }

    fn mark(&self, mut mark: Mark, fleet: &Fleet, epoch: Option<u64>, say: &(dyn Fn(&Mark) + Send + Sync)) {
        (mark.done, mark.serving, mark.epoch) = (self.journal.now(), fleet.serving(), epoch);
        say(&mark);
        self.journal.mark(mark);
    }
}

/// Those who shop.
struct People<'a> {
    run: &'a Run,
    options: &'a Options,
    addr: SocketAddr,
    let_in: usize,
    shopping: JoinSet<()>,
}

impl People<'_> {
    fn let_in(&mut self, journeys: Vec<Journey>) {
        for journey in journeys {
            let shopper = Shopper::new(self.let_in, self.addr, self.options.balancer.pin(), Arc::clone(&self.run.journal));
            self.shopping.spawn(shopper.run(journey));
            self.let_in += 1;
        }
    }

    /// Until so many clicks are over. If all have left before, more people come, up to twice as many as were there. `false`: even they were too few.
    async fn shop_until(&mut self, clicks: usize) -> Result<bool, Failure> {
        loop {
            tokio::select! {
                () = self.run.journal.reached(clicks) => return Ok(true),
                left = self.shopping.join_next() => match left {
                    Some(left) => left?,
                    None if self.let_in > 3 * self.options.shoppers => return Ok(false),
                    None => {
                        let late = scenario::latecomers(self.options, self.let_in, self.run.journal.now());
                        self.run.clicks.fetch_add(late.len() * CLICKS, Ordering::Relaxed);
                        self.let_in(late);
                    }
                },
            }
        }
    }

    /// Until everybody has left.
    async fn leave(mut self) -> Result<(), Failure> {
        while let Some(left) = self.shopping.join_next().await {
            left?;
        }
        Ok(())
    }
}

/// 64 hex digits.
fn fresh_key() -> Result<Secret, Failure> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}
