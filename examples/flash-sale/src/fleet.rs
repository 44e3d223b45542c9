//! The nodes in service: threads of this program, or of child processes.

use std::{collections::BTreeMap, net::SocketAddr, sync::atomic::Ordering, time::Duration};

use tokio::task::JoinSet;

use crate::{
    Failure,
    app::{Setup, Shared},
    node::Node,
    process::Process,
    rng::Rng,
    table::Route,
};

/// A node's name.
pub(crate) fn node_name(number: usize) -> String {
    format!("node-{number:02}")
}

/// Back from the name.
pub(crate) fn node_number(name: &str) -> Option<usize> {
    name.strip_prefix("node-")?.parse().ok()
}

/// How many nodes have to be there from the begin, so that none starts while people shop: for two kills, the second after the last scale-out, and a
/// deploy of `rolled`. With processes a kill takes a share of the nodes in service, and of those that wait.
pub(crate) fn needed([_, more, most]: [usize; 3], rolled: usize, processes: usize) -> usize {
    let least = most + 1 + rolled;
    if processes == 0 {
        return least;
    }
    let is_enough = |all: usize, first: usize, second: usize| {
        let survives = |killed: usize| move |number: &usize| home(*number, processes) != killed;
        let serving = (1..=more).filter(survives(first)).count();
        let pool: Vec<usize> = (more + 1..=all).filter(survives(first)).collect();
        pool.get(most - serving..).is_some_and(|left| left.iter().copied().filter(survives(second)).count() >= rolled)
    };
    let is_always_enough =
        |all: &usize| (0..processes).all(|first| (0..processes).all(|second| first == second || is_enough(*all, first, second)));
    // With three processes or more, a third of the nodes is left at the end.
    (least..).find(is_always_enough).unwrap_or(least)
}

/// The process of a node.
const fn home(number: usize, processes: usize) -> usize {
    number % processes
}

#[derive(Debug)]
enum Member {
    Here(Box<Node>),
    There { process: usize, addr: SocketAddr },
}

/// See the [module docs](self).
#[derive(Debug)]
pub(crate) struct Fleet {
    setup: Setup,
    shared: Shared,
    window: Duration,
    members: BTreeMap<usize, Member>,
    pool: BTreeMap<usize, Member>,
    /// Empty places are of those that were killed.
    processes: Vec<Option<Process>>,
    victims: Rng,
}

impl Fleet {
    /// Without nodes yet. `window` is for how long a node that is drained serves on with its readiness failing; `seed` chooses those that go.
    pub(crate) async fn open(setup: Setup, shared: Shared, window: Duration, processes: usize, seed: u64) -> Result<Self, Failure> {
        let mut started = Vec::new();
        for _ in 0..processes {
            started.push(Some(Process::start(&setup, window).await?));
        }
        Ok(Self { setup, shared, window, members: BTreeMap::new(), pool: BTreeMap::new(), processes: started, victims: Rng::new(!seed) })
    }

    /// Starts so many nodes, all at once, and waits until they listen. They wait in a warm pool until they are [put into service](Self::add).
    pub(crate) async fn boot(&mut self, count: usize) -> Result<(), Failure> {
        if self.processes.is_empty() {
            let start = |number| Node::start(&node_name(number), &self.setup, &self.shared, self.window);
            let starting: Vec<_> = (1..=count).map(start).collect::<Result<_, _>>()?;
            for (number, starting) in (1..).zip(starting) {
                self.pool.insert(number, Member::Here(Box::new(starting.listening().await?)));
            }
            return Ok(());
        }
        for number in 1..=count {
            let process = home(number, self.processes.len());
            if let Some(living) = &mut self.processes[process] {
                let addr = living.add(number).await?;
                self.pool.insert(number, Member::There { process, addr });
            }
        }
        Ok(())
    }

    /// Puts so many nodes of the pool into service.
    pub(crate) fn add(&mut self, count: usize) -> Result<Vec<usize>, Failure> {
        let mut added = Vec::new();
        for _ in 0..count {
            let (number, member) = self.pool.pop_first().ok_or("no node is left to be put into service")?;
            self.members.insert(number, member);
            added.push(number);
        }
        Ok(added)
    }

    /// The nodes in service.
    pub(crate) fn serving(&self) -> Vec<usize> {
        self.members.keys().copied().collect()
    }

    /// Where they listen.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let addr = |member: &Member| match member {
            Member::Here(node) => node.addr,
            Member::There { addr, .. } => *addr,
        };
        self.members.iter().map(|(number, member)| Route { number: *number, addr: addr(member) }).collect()
    }

    /// Switches un-pinning on, everywhere.
    pub(crate) async fn unpin(&mut self) -> Result<(), Failure> {
        self.shared.unpin.store(true, Ordering::Relaxed);
        for process in self.processes.iter_mut().flatten() {
            process.unpin().await?;
        }
        Ok(())
    }

    /// So many of those in service, by the seed.
    pub(crate) fn choose(&mut self, count: usize) -> Vec<usize> {
        let mut all = self.serving();
        let mut chosen = Vec::new();
        while chosen.len() < count && !all.is_empty() {
            let index = self.victims.below(all.len() as u64);
            chosen.push(all.swap_remove(usize::try_from(index).unwrap_or(0)));
        }
        chosen
    }

    /// Kills a node, or the process that it lives in. Returns who is gone.
    pub(crate) async fn kill(&mut self, number: usize) -> Vec<usize> {
        let Some(victim) = self.members.remove(&number) else { return Vec::new() };
        match victim {
            Member::Here(node) => {
                node.kill().await;
                vec![number]
            }
            Member::There { process: dying, .. } => {
                if let Some(process) = self.processes[dying].take() {
                    process.kill().await;
                }
                let lives_there = |member: &Member| matches!(member, Member::There { process, .. } if *process == dying);
                let with_it = self.members.iter().filter(|(_, member)| lives_there(member)).map(|(number, _)| *number);
                let mut gone: Vec<usize> = with_it.collect();
                self.members.retain(|_, member| !lives_there(member));
                self.pool.retain(|_, member| !lives_there(member));
                gone.insert(0, number);
                gone
            }
        }
    }

    /// Takes a node out of the list; drain it when nobody is sent to it any more.
    pub(crate) fn retire(&mut self, number: usize) -> Option<Retired> {
        self.members.remove(&number).map(|member| Retired { number, member })
    }

    /// Drains nodes, those of this process all at once.
    pub(crate) async fn drain(&mut self, retired: Vec<Retired>) -> Result<(), Failure> {
        let mut draining = JoinSet::new();
        for Retired { number, member } in retired {
            match member {
                Member::Here(node) => drop(draining.spawn(node.drain())),
                Member::There { process, .. } => {
                    if let Some(process) = &mut self.processes[process] {
                        process.drain(number).await?;
                    }
                }
            }
        }
        while let Some(drained) = draining.join_next().await {
            drained?;
        }
        Ok(())
    }
}

/// A node that gets no new requests.
#[derive(Debug)]
pub(crate) struct Retired {
    number: usize,
    member: Member,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_nodes_for_all_that_happens() {
        assert_eq!(needed([10, 30, 50], 2, 0), 53);
        for processes in 3..=16 {
            for nodes in [[16, 30, 50], [16, 17, 18], [16, 99, 100]] {
                let all = needed(nodes, 2, processes);
                // Played through: the most unlucky choice leaves enough, and one node less would not have done.
                let left = |all: usize| {
                    let kills = (0..processes).flat_map(|first| (0..processes).map(move |second| (first, second))).filter(|(a, b)| a != b);
                    let left = kills.map(|(first, second)| {
                        let mut pool: Vec<usize> = (1..=all).collect();
                        let mut serving: Vec<usize> = pool.drain(..nodes[1]).collect();
                        serving.retain(|number| number % processes != first);
                        pool.retain(|number| number % processes != first);
                        let missing = nodes[2] - serving.len();
                        if missing > pool.len() {
                            return 0;
                        }
                        pool.drain(..missing);
                        pool.retain(|number| number % processes != second);
                        pool.len()
                    });
                    left.min().unwrap()
                };
                assert!(left(all) >= 2, "{nodes:?} in {processes}: {all}");
                assert!(all == nodes[2] + 3 || left(all - 1) < 2, "{nodes:?} in {processes}: {all}");
            }
        }
    }
}
