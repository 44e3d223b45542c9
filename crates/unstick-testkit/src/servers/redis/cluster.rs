use std::{fmt::Write as _, io, sync::Arc};

use super::{RedisOptions, RedisServer, Reply};
use crate::servers::{
    StartError,
    wait::{PATIENCE, poll},
};

const MASTERS: u16 = 3;
const NODES: u16 = 2 * MASTERS;
const SLOTS: u16 = 16384;

/// What makes a node one of a cluster. A replica takes over after about 1.5 s of silence and an election of about one more.
const CONFIG: &str = "cluster-enabled yes\ncluster-port $bus\ncluster-node-timeout 1500\nrepl-ping-replica-period 1\n";

/// A Redis Cluster of three masters with a replica each.
///
/// A test that takes down a master and brings it back finds it as a replica: ask for the master of a slot each time.
/// All blocks; a minute is the bound for each wait.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the cluster with default settings and waits until every node says that it is complete, which takes about 5 s.
    ///
    /// # Errors
    /// When the program is missing or does not start.
    pub fn start() -> Result<Self, StartError> {
        RedisServer::builder().start_cluster()
    }

    /// All nodes; the first three began as masters, each of the others as the replica of the one three before it.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// `redis-cluster://` with the addresses of all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(RedisServer::address).collect();
        format!("redis-cluster://{}{}", self.nodes[0].userinfo(), addresses.join(","))
    }

    /// The node that serves the slot, as the running nodes see it; of two that claim it the one elected later.
    ///
    /// # Panics
    /// When no running node knows one within a minute.
    #[must_use]
    pub fn master_of_slot(&self, slot: u16) -> &RedisServer {
        let master = poll(PATIENCE, || {
            let views = self.running().filter_map(|node| node.command(&["CLUSTER", "NODES"]).ok()).map(|reply| reply.text());
            let claims = views.flat_map(|view| claims(&view, slot)).max();
            claims.and_then(|(_, port)| self.nodes.iter().find(|node| node.port() == port))
        });
        master.unwrap_or_else(|| panic!("no running node knows a master of slot {slot}"))
    }

    /// The node that serves the key.
    ///
    /// # Panics
    /// As [`master_of_slot`](Self::master_of_slot).
    #[must_use]
    pub fn master_of_key(&self, key: &str) -> &RedisServer {
        self.master_of_slot(slot_of(key))
    }

    /// The nodes that serve slots now.
    ///
    /// # Panics
    /// As [`master_of_slot`](Self::master_of_slot).
    #[must_use]
    pub fn masters(&self) -> Vec<&RedisServer> {
        let mut masters: Vec<&RedisServer> = Vec::new();
        for part in 0..MASTERS {
            let master = self.master_of_slot(first_slot(part));
            if !masters.iter().any(|known| known.port() == master.port()) {
                masters.push(master);
            }
        }
        masters
    }

    /// `FLUSHALL` on every master.
    ///
    /// # Errors
    /// When a master does not answer.
    ///
    /// # Panics
    /// As [`master_of_slot`](Self::master_of_slot).
    pub fn flush_all(&self) -> io::Result<()> {
        self.masters().into_iter().try_for_each(|master| master.command(&["FLUSHALL"]).map(drop))
    }

    /// Waits until every running node says `cluster_state:ok` and every running replica is connected to its master.
    ///
    /// # Panics
    /// When that is not so after a minute.
    pub fn await_ok(&self) {
        assert!(self.poll_ok(), "the cluster did not become whole within {PATIENCE:?}");
    }

    fn poll_ok(&self) -> bool {
        poll(PATIENCE, || (self.running().all(is_ok) && self.agree()).then_some(())).is_some()
    }

    /// Whether all running nodes see the same masters: one that was hung takes itself for one until it hears otherwise.
    fn agree(&self) -> bool {
        let mut views = self.running().map(|node| {
            let view = node.command(&["CLUSTER", "NODES"]).map(|reply| reply.text()).unwrap_or_default();
            (0..MASTERS).map(|part| claims(&view, first_slot(part)).into_iter().max()).collect::<Vec<_>>()
        });
        let first = views.next();
        views.all(|view| Some(&view) == first.as_ref() && !view.contains(&None))
    }

    fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
    }
}

impl RedisOptions {
    /// Starts a cluster of six nodes with these settings.
    ///
    /// # Errors
    /// When the program is missing or does not start, or with [`RedisOptions::tls`].
    pub fn start_cluster(&self) -> Result<RedisCluster, StartError> {
        let dir = self.home_of_group()?;
        let nodes = (0..NODES).map(|_| RedisServer::launch(self, CONFIG, Arc::clone(&dir))).collect::<Result<Vec<_>, _>>()?;
        let cluster = RedisCluster { nodes };
        join(&cluster.nodes).map_err(StartError::io("making a cluster of nodes"))?;
        if cluster.poll_ok() {
            return Ok(cluster);
        }
        let states = cluster.nodes.iter().fold(String::new(), |mut text, node| {
            let _ = writeln!(text, "{:?}", node.command(&["CLUSTER", "INFO"]).map(|reply| reply.text()));
            text
        });
        Err(StartError::failed(format!("the cluster did not become whole within {PATIENCE:?}: {states}")))
    }
}

fn join(nodes: &[RedisServer]) -> io::Result<()> {
    for (n, node) in (0..).zip(nodes) {
        // Epochs that differ from the start spare the nodes to settle that among themselves.
        node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()])?;
        if n < MASTERS {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first_slot(n).to_string(), &(first_slot(n + 1) - 1).to_string()])?;
        }
    }
    for other in &nodes[1..] {
        let bus = other.command(&["CONFIG", "GET", "cluster-port"])?.list().get(1).map(Reply::text).unwrap_or_default();
        nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), &bus])?;
    }
    for (master, replica) in nodes.iter().zip(&nodes[usize::from(MASTERS)..]) {
        let id = master.command(&["CLUSTER", "MYID"])?.text();
        // Refused until the replica has heard of its master.
        let outcome = poll(PATIENCE, || replica.command(&["CLUSTER", "REPLICATE", &id]).ok());
        outcome.ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "a node did not hear of its master"))?;
    }
    Ok(())
}

/// Also, it knows all nodes, a master its replicas, and nobody is taken for failing.
fn is_ok(node: &RedisServer) -> bool {
    let Ok(info) = node.command(&["CLUSTER", "INFO"]) else { return false };
    let info = info.text();
    let says = |line: &str| info.lines().any(|found| found == line);
    let is_whole = says("cluster_state:ok") && says(&format!("cluster_known_nodes:{NODES}"));
    let replication = || node.info("replication");
    is_whole
        && says("cluster_slots_fail:0")
        && replication().is_ok_and(|info| info.get("role") == Some("master") || info.get("master_link_status") == Some("up"))
}

/// Where a part begins; for the part after the last, where the slots end.
const fn first_slot(part: u16) -> u16 {
    if part < MASTERS { part * (SLOTS / MASTERS) } else { SLOTS }
}

/// Who says in a node's view that the slot is theirs: epoch and port, of nodes that are not taken for failed.
fn claims(view: &str, slot: u16) -> Vec<(u64, u16)> {
    // <id> <ip:port@bus> <flags> <master> <ping> <pong> <epoch> <link> <slot> …
    let lines = view.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let claim = |words: Vec<&str>| {
        let &[_, address, flags, _, _, _, epoch, _, ref slots @ ..] = words.as_slice() else { return None };
        let serves = !flags.split(',').any(|flag| flag == "fail") && slots.iter().any(|range| holds(range, slot));
        let port = address.split('@').next()?.rsplit(':').next()?.parse().ok()?;
        serves.then_some((epoch.parse().ok()?, port))
    };
    lines.filter_map(claim).collect()
}

fn holds(range: &str, slot: u16) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
}

/// The slot of a key: CRC16 (XMODEM) of what stands in the first braces, or of all.
///
/// ```
/// use unstick_testkit::servers::slot_of;
///
/// assert_eq!(slot_of("123456789"), 0x31C3);
/// assert_eq!(slot_of("a{tag}b"), slot_of("tag"));
/// assert_ne!(slot_of("a{}b"), slot_of("")); // empty braces are no tag
/// ```
#[must_use]
pub fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag).filter(|tag| !tag.is_empty());
    let crc = tag.unwrap_or(key).bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % 16384
}

#[cfg(test)]
mod tests {
    use super::claims;

    #[test]
    fn the_latest_claim_of_a_slot_counts() {
        let view = "a1 127.0.0.1:7001@8001,,shard-id=1 master,fail - 0 0 1 connected 0-5460\n\
                    b2 127.0.0.1:7002@8002 myself,master - 0 0 7 connected 0-5460 9000\n\
                    c3 127.0.0.1:7003@8003 master,fail? - 0 0 3 connected 5461-8000 [93-<-292f]\n\
                    d4 127.0.0.1:7004@8004 slave a1 0 0 1 connected\n";
        assert_eq!(claims(view, 17), [(7, 7002)]);
        assert_eq!(claims(view, 9000), [(7, 7002)]);
        assert_eq!(claims(view, 5461), [(3, 7003)]);
        assert_eq!(claims(view, 16383), []);
    }
}
