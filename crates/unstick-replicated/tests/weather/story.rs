//! One seed: clients of three nodes increment, write, read and perhaps end one session while the weather changes.

use std::{sync::Arc, time::Duration};

use unstick_core::{Applied, Change, Created, Credential, Error, Fields, Loaded, OpCtx, OpId, Rotated, Runtime, Store};
use unstick_replicated::{Defect, Replicated};
use unstick_testkit::{
    contract::{IDLE, Subject},
    sim::{Handle, Sim, Task},
};

use crate::{
    after::{aftermath, settle},
    ledger::{Ledger, counter},
    road::{NODES, Road, World},
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sky {
    /// Calls are lost and late, and ways are cut at random.
    Wild,
    /// One store at a time is lost to some nodes or to all, long enough apart for requests to be over.
    One,
    /// One store is lost, and comes back empty.
    Amnesia,
    /// One store loses calls, and everything or the newest of what it had, at any time; the others are well.
    Returns,
}

impl Sky {
    pub(crate) const ALL: [Self; 4] = [Self::Wild, Self::One, Self::Amnesia, Self::Returns];
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) sky: Sky,
    pub(crate) witness: bool,
    pub(crate) defect: Option<Defect>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) unread: u64,
    pub(crate) unknown: u64,
    pub(crate) ended: u64,
    pub(crate) rotated: u64,
    pub(crate) outages: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unread += other.unread;
        self.unknown += other.unknown;
        self.ended += other.ended;
        self.rotated += other.rotated;
        self.outages += other.outages;
    }

    /// A history in which nothing went wrong proves nothing.
    pub(crate) fn is_telling(&self) -> bool {
        let Self { acknowledged, refused, unread: _, unknown, ended, rotated, outages } = *self;
        [acknowledged, refused, unknown, ended, rotated, outages].iter().all(|count| *count > 50)
    }
}

type Node = Replicated<Road, Road, Road>;
type Pair = Replicated<Road, Road>;

/// A node with or without a witness.
#[derive(Clone)]
pub(crate) enum Any {
    Trio(Node),
    Pair(Pair),
}

/// Runs a call on either.
macro_rules! on {
    ($node:expr, $store:ident => $call:expr) => {
        match $node {
            Any::Trio($store) => $call,
            Any::Pair($store) => $call,
        }
    };
}
pub(crate) use on;

impl Any {
    pub(crate) fn new(world: &Arc<World>, plan: Plan, node: usize, clocks: Runtime) -> Self {
        let road = |store| Road { world: world.clone(), node, store };
        let builder = Replicated::builder(road(0), road(1)).patience(Duration::from_millis(100)).runtime(clocks);
        let builder = if let Some(defect) = plan.defect { builder.defect(defect) } else { builder };
        if plan.witness { Self::Trio(builder.witness(road(2)).build()) } else { Self::Pair(builder.build()) }
    }

    pub(crate) fn missed(&self) -> usize {
        on!(self, store => store.missed())
    }
}

pub(crate) struct Client {
    pub(crate) at: Handle,
    pub(crate) node: Any,
    pub(crate) clocks: Runtime,
    pub(crate) subject: Subject,
    pub(crate) rotated: Subject,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) plan: Plan,
    pub(crate) number: u128,
    pub(crate) sent: u128,
}

impl Client {
    pub(crate) fn op(&mut self) -> OpCtx {
        self.sent += 1;
        let now = self.clocks.wall();
        OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(self.number << 64 | self.sent) }
    }

    pub(crate) async fn load(&mut self) -> Option<Loaded> {
        let fresh = self.ledger.told().rotated && self.at.once_in(2);
        let (op, before, subject) = (self.op(), self.ledger.told().clone(), if fresh { self.rotated } else { self.subject });
        let answer = on!(&self.node, store => store.load(op, subject.key, subject.presented, None).await);
        match answer {
            Ok(loaded) => {
                self.ledger.judge(&before, &loaded, self.plan.witness, fresh);
                Some(loaded)
            }
            Err(_) => {
                self.ledger.told().unread += 1;
                None
            }
        }
    }

    async fn apply(&mut self, change: &Change) -> Result<Applied, Error> {
        let (op, subject) = (self.op(), self.subject);
        on!(&self.node, store => store.apply(op, subject.key, subject.presented, change).await)
    }

    async fn pause(&self) {
        self.at.sleep(Duration::from_millis(self.at.below(400) as u64)).await;
    }

    /// Read, add one, write where nobody else has.
    async fn increment(&mut self) {
        for _ in 0..100 {
            let Some(loaded) = self.load().await else {
                self.pause().await;
                continue;
            };
            let Loaded::Live(live) = loaded else { return };
            let next = (counter(&live.fields) + 1).to_string();
            let change = Change::new().set("counter", next).expect("counter", live.fields.version("counter"));
            match self.apply(&change).await {
                Ok(Applied::Done { .. }) => return self.ledger.told().counted += 1,
                Ok(Applied::Conflict(_)) => {}
                Ok(_) => return,
                Err(error) if error.is_outcome_unknown() => {
                    let mut told = self.ledger.told();
                    (told.perhaps, told.unknown) = (told.perhaps + 1, told.unknown + 1);
                    return;
                }
                Err(_) => {
                    self.ledger.told().refused += 1;
                    self.pause().await;
                }
            }
        }
    }

    async fn set(&mut self, name: String) {
        let change = Change::new().set(&name, "1");
        match self.apply(&change).await {
            Ok(Applied::Done { .. }) => drop(self.ledger.told().keys.insert(name)),
            Ok(_) => {}
            Err(error) if error.is_outcome_unknown() => self.ledger.told().unknown += 1,
            Err(_) => self.ledger.told().refused += 1,
        }
    }

    /// A new id, with a grace for the old one.
    async fn rotate(&mut self) {
        let (op, subject, name) = (self.op(), self.subject, "rotated".to_owned());
        let rotation = Subject::rotation(&self.rotated, Some(op.now + IDLE), self.at.once_in(2).then_some("ann"));
        let change = Change::new().set(&name, "1");
        match on!(&self.node, store => store.rotate(op, subject.key, subject.presented, &rotation, &change).await) {
            Ok(Rotated::Done { rotated, .. }) => {
                let mut told = self.ledger.told();
                told.rotated = true;
                told.keys.insert(name);
                assert!(rotated, "nobody else rotates");
            }
            Ok(_) => {}
            Err(error) if error.is_outcome_unknown() => self.ledger.told().unknown += 1,
            Err(_) => self.ledger.told().refused += 1,
        }
    }

    pub(crate) async fn sweep(&mut self) {
        let op = self.op();
        drop(on!(&self.node, store => store.sweep(op, 10).await));
    }

    /// By the user, or by administration.
    async fn end(&mut self) {
        let (op, subject) = (self.op(), self.subject);
        self.ledger.told().ending = true;
        let presented = self.at.once_in(2).then_some(subject.presented);
        let ended = on!(&self.node, store => store.end(op, subject.key, presented, op.now + IDLE * 4).await);
        let mut told = self.ledger.told();
        match ended {
            Ok(_) => told.ended = true,
            Err(error) if error.is_outcome_unknown() => told.unknown += 1,
            Err(_) => told.refused += 1,
        }
    }

    fn spawn(mut self) -> Task<()> {
        let at = self.at.clone();
        at.clone().spawn(async move {
            for n in 0..4 {
                self.pause().await;
                self.increment().await;
                self.set(format!("{}.{n}", self.number)).await;
                self.load().await;
                self.sweep().await;
            }
        })
    }
}

/// The weather; how many outages there were.
async fn weather(world: Arc<World>, sky: Sky, stores: usize) -> u64 {
    let at = &world.at;
    let only = world.only;
    let mut outages = 0;
    if sky == Sky::Returns {
        for _ in 0..20 {
            at.sleep(Duration::from_millis(at.below(200) as u64)).await;
            at.yield_some(10).await;
            if at.once_in(2) {
                world.rewind(world.only).await
            } else {
                world.forget(world.only)
            }
            outages += 1;
        }
        return outages;
    }
    for _ in 0..3 {
        at.sleep(Duration::from_millis(at.below(400) as u64)).await;
        outages += 1;
        // With a witness, the loss of another store before the data is back would be a second loss.
        let store = if sky == Sky::Amnesia && (stores == 3 || at.once_in(2)) { only } else { at.below(stores) };
        let everybody = at.once_in(2);
        for node in 0..NODES {
            let cut = everybody || at.once_in(2);
            world.set_cut(node, store, cut);
            if sky == Sky::Wild {
                world.set_cut(node, at.below(stores), true);
            }
        }
        at.sleep(Duration::from_millis(at.below(800) as u64)).await;
        if sky == Sky::Amnesia && store == only && at.once_in(2) {
            world.forget(store);
            if stores == 2 && at.once_in(2) {
                // The other one goes at the same moment: what is left has nothing, and must not take that for an answer.
                (0..NODES).for_each(|node| world.set_cut(node, 1 - store, true));
                (0..NODES).for_each(|node| world.set_cut(node, store, false));
                at.sleep(Duration::from_millis(500)).await;
            }
        }
        world.heal();
        // Long enough for every request that met this outage to be over before the next one.
        let calm = if sky == Sky::Wild { at.below(500) } else { 2500 };
        at.sleep(Duration::from_millis(calm as u64)).await;
    }
    outages
}

pub(crate) fn play(seed: u64, plan: Plan) -> Result<Counts, String> {
    let sim = Sim::new(seed);
    let at = sim.handle();
    let only = at.below(if plan.witness { 3 } else { 2 });
    let loses = [0, 1, 2].map(|store| match plan.sky {
        Sky::Wild => 25,
        Sky::Returns if store == only => 10,
        _ => 0,
    });
    let world = World::new(&at, loses, only);
    // Clocks that are further apart than requests may last.
    let clocks = [0, 1, 2].map(|_| at.node(at.runtime().wall() + Duration::from_millis(at.below(6000) as u64), Duration::ZERO));
    let nodes: Vec<Any> = (0..NODES).map(|node| Any::new(&world, plan, node, clocks[node].clone())).collect();
    let ledger = Arc::new(Ledger::default());
    let outages = sim.run(async {
        let now = at.runtime().wall();
        let subject = Subject::from(Credential::issue(now, now + IDLE, now + IDLE * 2).unwrap());
        let rotated = subject.rotated(now).unwrap();
        let client = |number: usize| {
            let (at, node, ledger) = (at.clone(), nodes[number % NODES].clone(), ledger.clone());
            let clocks = clocks[number % NODES].clone();
            Client { at, node, clocks, subject, rotated, ledger, plan, number: number as u128, sent: 0 }
        };
        let (mut first, record) = (client(100), subject.new_record(None, Fields::default()));
        // In the wild even this may fail.
        let mut created = false;
        for _ in 0..50 {
            let op = first.op();
            created |=
                matches!(on!(&first.node, store => store.create(op, subject.key, &record).await), Ok(Created::Done | Created::Exists));
            if created {
                break;
            }
            at.sleep(Duration::from_secs(1)).await;
        }
        assert!(created, "the session was not created");
        let changes = at.spawn(weather(world.clone(), plan.sky, if plan.witness { 3 } else { 2 }));
        let mut clients: Vec<Task<()>> = (0..4).map(|number| client(number).spawn()).collect();
        if at.once_in(2) {
            let mut rotator = client(51);
            clients.push(at.clone().spawn(async move {
                rotator.at.sleep(Duration::from_millis(rotator.at.below(2000) as u64)).await;
                rotator.rotate().await;
            }));
        }
        if at.once_in(2) {
            let mut ender = client(50);
            at.sleep(Duration::from_millis(at.below(3000) as u64)).await;
            ender.end().await;
        }
        for client in clients {
            client.await;
        }
        let outages = changes.await;
        world.heal();
        settle(&at, &world, plan, &nodes, client(200)).await;
        aftermath(&world, plan, subject, (0..NODES).map(client).collect()).await;
        outages
    });
    let told = ledger.told().clone();
    match told.failure {
        Some(failure) => Err(failure),
        None => Ok(Counts {
            acknowledged: told.counted,
            refused: told.refused,
            unread: told.unread,
            unknown: told.unknown,
            ended: u64::from(told.ended),
            rotated: u64::from(told.rotated),
            outages,
        }),
    }
}
