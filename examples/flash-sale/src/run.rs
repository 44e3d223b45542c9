//! One run: fleet, balancer, shoppers, and what happens to them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use unstick::memory::MemoryHub;

use crate::{
    Failure,
    app::{Setup, Shared},
    cli::{Mode, Options, Secret},
    fleet::Fleet,
    front::Front,
    journal::{Journal, Mark, What},
    measure::PER_NODE,
    notes::Database,
    scenario::{self, CLICKS, Change},
    shopper::Shopper,
    unpinned::Unpinned,
};

/// A run that is going on, or over.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) mode: Mode,
    pub(crate) journal: Arc<Journal>,
    /// Clicks of the whole script.
    pub(crate) clicks: usize,
    unpinned: Arc<Mutex<Unpinned>>,
}

impl Run {
    /// About to be held.
    pub(crate) fn new(mode: Mode, options: &Options) -> Self {
        Self { mode, journal: Journal::open(), clicks: options.shoppers * CLICKS, unpinned: Arc::default() }
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
            None => Secret(format!("sqlite:{}", scratch.path().join("sessions.sqlite").display())),
        };
        let bus = options.bus.clone().filter(|_| is_unstick);
        let key = fresh_key()?;
        let setup = Setup::new(self.mode, options.balancer, sessions, bus, key, database.addr);
        let is_here = options.processes.is_none();
        let shared = Shared { hub: (is_here && is_unstick && options.bus.is_none()).then(MemoryHub::new), ..Shared::default() };
        let window = Front::window(options.balancer);
        let mut fleet = Fleet::open(setup, shared, window, options.processes.unwrap_or(0)).await?;
        // Every instance is there before the rush, so that no clicks pass while nodes start on a slow machine.
        fleet.boot(options.nodes[2] + 2).await?;
        let first = fleet.add(options.nodes[0]).await?;
        let front = Front::start(options.balancer, self.mode, fleet.routes()).await?;

        self.journal.begin();
        let opened = Mark::new(What::Opened, &self.journal, first);
        self.mark(opened, &fleet, None, say);
        let mut shoppers = JoinSet::new();
        for (number, journey) in scenario::journeys(options).into_iter().enumerate() {
            let shopper = Shopper::new(number, front.addr(), options.balancer.pin(), Arc::clone(&self.journal));
            shoppers.spawn(shopper.run(journey));
        }
        let mut not_before = 0;
        for (thousandth, change) in scenario::changes(options, self.mode) {
            let clicks = (self.clicks * thousandth / 1000).max(not_before);
            self.journal.reached(clicks.min(self.clicks)).await;
            self.change(change, &mut fleet, &front, say).await?;
            if matches!(change, Change::ScaleTo(_)) {
                // A full window before the next change, and a little more for what is under way.
                not_before = self.journal.clicks() + PER_NODE * fleet.serving().len() * 11 / 10;
            }
        }
        while let Some(left) = shoppers.join_next().await {
            left?;
        }
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
                mark.about = fleet.add(nodes.saturating_sub(fleet.serving().len())).await?;
                let epoch = front.set(fleet.routes()).await?;
                self.mark(mark, fleet, epoch, say);
            }
            Change::Kill => {
                let mut mark = mark(What::Killed);
                mark.about = fleet.kill().await;
                self.mark(mark, fleet, None, say);
            }
            Change::Roll(nodes) => {
                let mut mark = mark(What::Deployed);
                for _ in 0..nodes {
                    fleet.add(1).await?;
                    let Some(old) = fleet.retire() else { continue };
                    mark.about.push(old.number);
                    front.set(fleet.routes()).await?;
                    fleet.drain(old).await?;
                }
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

/// 64 hex digits.
fn fresh_key() -> Result<Secret, Failure> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}
