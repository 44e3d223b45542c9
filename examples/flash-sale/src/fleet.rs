//! The nodes in service: threads of this program, or of child processes.

use std::{collections::BTreeMap, net::SocketAddr, sync::atomic::Ordering, time::Duration};

use crate::{
    Failure,
    app::{Setup, Shared},
    node::Node,
    process::Process,
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
    next: usize,
}

impl Fleet {
    /// Without nodes yet. `window` is for how long a node that is drained serves on with its readiness failing.
    pub(crate) async fn open(setup: Setup, shared: Shared, window: Duration, processes: usize) -> Result<Self, Failure> {
        let mut started = Vec::new();
        for _ in 0..processes {
            started.push(Some(Process::start(&setup, window).await?));
        }
        Ok(Self { setup, shared, window, members: BTreeMap::new(), pool: BTreeMap::new(), processes: started, next: 1 })
    }

    /// Starts so many nodes, all at once, and waits until they listen. They wait in a warm pool until they are [put into service](Self::add).
    pub(crate) async fn boot(&mut self, count: usize) -> Result<(), Failure> {
        let numbers = self.next..self.next + count;
        self.next += count;
        let living: Vec<usize> = (0..self.processes.len()).filter(|index| self.processes[*index].is_some()).collect();
        if living.is_empty() {
            let start = |number| Node::start(&node_name(number), &self.setup, &self.shared, self.window);
            let starting: Vec<_> = numbers.clone().map(start).collect::<Result<_, _>>()?;
            for (number, starting) in numbers.zip(starting) {
                self.pool.insert(number, Member::Here(Box::new(starting.listening().await?)));
            }
        } else {
            for number in numbers {
                let index = living[number % living.len()];
                if let Some(process) = &mut self.processes[index] {
                    let addr = process.add(number).await?;
                    self.pool.insert(number, Member::There { process: index, addr });
                }
            }
        }
        Ok(())
    }

    /// Puts so many nodes into service, from the pool as long as there are some.
    pub(crate) async fn add(&mut self, count: usize) -> Result<Vec<usize>, Failure> {
        self.boot(count.saturating_sub(self.pool.len())).await?;
        let mut added = Vec::new();
        for _ in 0..count {
            if let Some((number, member)) = self.pool.pop_first() {
                self.members.insert(number, member);
                added.push(number);
            }
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

    /// Kills the oldest node, or the process that it lives in. Returns who is gone.
    pub(crate) async fn kill(&mut self) -> Vec<usize> {
        let Some((number, oldest)) = self.members.pop_first() else { return Vec::new() };
        match oldest {
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

    /// Takes the oldest node out of the list; drain it when nobody is sent to it any more.
    pub(crate) fn retire(&mut self) -> Option<Retired> {
        self.members.pop_first().map(|(number, member)| Retired { number, member })
    }

    /// Drains a node. Returns how that ended.
    pub(crate) async fn drain(&mut self, retired: Retired) -> Result<String, Failure> {
        match retired.member {
            Member::Here(node) => Ok(node.drain().await),
            Member::There { process, .. } => match &mut self.processes[process] {
                Some(process) => process.drain(retired.number).await,
                None => Ok(String::new()),
            },
        }
    }
}

/// A node that gets no new requests.
#[derive(Debug)]
pub(crate) struct Retired {
    pub(crate) number: usize,
    member: Member,
}
