use std::{fmt::Write as _, fs, sync::Arc};

use super::{RedisOptions, RedisServer, Reply, resp::Login};
use crate::servers::{
    StartError,
    dir::Dir,
    ports::{launch, with_free_ports},
    wait::{PATIENCE, poll},
};

const NAME: &str = "unstick";

/// A master with two replicas, watched by three sentinels of which two must agree that the master is down, after 1 s of silence.
///
/// A master without [`RedisOptions::appendonly`] that comes back within that second comes back empty, and its replicas follow it.
#[derive(Debug)]
pub struct RedisSentinel {
    nodes: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// Starts all with default settings and waits until every sentinel knows the others and the replicas, which takes about 5 s.
    ///
    /// # Errors
    /// When the program is missing or does not start.
    pub fn start() -> Result<Self, StartError> {
        RedisServer::builder().start_sentinel()
    }

    /// The three servers; the first began as the master.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The three sentinels. They take commands and fault controls as servers do.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// What the sentinels call the master.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// `redis-sentinel://` with the sentinels' addresses and the master's name; name and password are those of the servers.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.sentinels.iter().map(RedisServer::address).collect();
        format!("redis-sentinel://{}{}/{NAME}", self.nodes[0].userinfo(), addresses.join(","))
    }

    /// The server that most running sentinels take for the master.
    ///
    /// # Panics
    /// When no majority of the three agrees within a minute.
    #[must_use]
    pub fn master(&self) -> &RedisServer {
        let master = poll(PATIENCE, || {
            let running = self.sentinels.iter().filter(|sentinel| sentinel.is_running());
            let answers = running.filter_map(|sentinel| sentinel.command(&["SENTINEL", "get-master-addr-by-name", NAME]).ok());
            let ports: Vec<i64> = answers.filter_map(|answer| answer.list().get(1).and_then(Reply::int)).collect();
            self.nodes.iter().find(|node| ports.iter().filter(|port| **port == i64::from(node.port())).count() >= 2)
        });
        master.unwrap_or_else(|| panic!("the sentinels agree on no master"))
    }

    /// Waits until another server than `old` is the master, has noticed that itself, and takes writes.
    ///
    /// # Panics
    /// When there is none after a minute.
    #[must_use]
    pub fn await_failover(&self, old: &RedisServer) -> &RedisServer {
        let new = poll(PATIENCE, || {
            let master = self.master();
            let is_master = || master.info("replication").is_ok_and(|info| info.get("role") == Some("master"));
            (master.port() != old.port() && is_master()).then_some(master)
        });
        new.unwrap_or_else(|| panic!("no failover within {PATIENCE:?}"))
    }

    /// Waits until both replicas are connected to the master and every sentinel sees them all.
    ///
    /// # Panics
    /// When that is not so after a minute.
    pub fn await_ok(&self) {
        assert!(self.poll_ok(), "the servers under the sentinels did not become whole within {PATIENCE:?}");
    }

    fn poll_ok(&self) -> bool {
        let has_replicas = |node: &RedisServer| {
            node.info("replication").is_ok_and(|info| {
                info.get("role") == Some("master")
                    && info.lines().filter(|(_, value)| value.contains("state=online")).count() == self.nodes.len() - 1
            })
        };
        poll(PATIENCE, || (self.nodes.iter().any(has_replicas) && self.sentinels.iter().all(sees_all)).then_some(())).is_some()
    }
}

/// A sentinel that knows the other two and two replicas, of which none seems down.
fn sees_all(sentinel: &RedisServer) -> bool {
    let Ok(reply) = sentinel.command(&["SENTINEL", "master", NAME]) else { return false };
    let get = |name: &str| reply.list().chunks_exact(2).find(|pair| pair[0].text() == name).map(|pair| pair[1].text());
    let has = |name: &str, count: &str| get(name).as_deref() == Some(count);
    has("num-slaves", "2") && has("num-other-sentinels", "2") && has("flags", "master")
}

impl RedisOptions {
    /// Starts a master, two replicas and three sentinels; the settings are for the servers.
    ///
    /// # Errors
    /// When the program is missing or does not start, or with [`RedisOptions::tls`].
    pub fn start_sentinel(&self) -> Result<RedisSentinel, StartError> {
        let dir = self.home_of_group()?;
        let master = RedisServer::launch(self, "", Arc::clone(&dir))?;
        let follow = format!("replicaof 127.0.0.1 {}\n", master.port());
        let replicas = (0..2).map(|_| RedisServer::launch(self, &follow, Arc::clone(&dir))).collect::<Result<Vec<_>, _>>()?;
        let sentinels = (0..3).map(|_| sentinel(&master, &self.login, &dir)).collect::<Result<Vec<_>, _>>()?;
        let group = RedisSentinel { nodes: [master].into_iter().chain(replicas).collect(), sentinels };
        if group.poll_ok() {
            return Ok(group);
        }
        Err(StartError::failed(format!("the sentinels did not see all servers within {PATIENCE:?}: {}", group.sentinels[0].log())))
    }
}

fn sentinel(master: &RedisServer, login: &Login, dir: &Arc<Dir>) -> Result<RedisServer, StartError> {
    with_free_ports(|[port]| {
        let home = dir.path().join(format!("sentinel-{port}"));
        let config = home.join("sentinel.conf");
        let mut text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 5000\n",
            home.display(),
            master.port()
        );
        if let Some(user) = &login.user {
            let _ = writeln!(text, "sentinel auth-user {NAME} {user}");
        }
        if let Some(password) = &login.password {
            let _ = writeln!(text, "sentinel auth-pass {NAME} {password}");
        }
        fs::create_dir_all(&home).and_then(|()| fs::write(&config, text)).map_err(StartError::io("writing sentinel.conf"))?;
        let args = vec![config.into_os_string(), "--sentinel".into()];
        let sentinel = RedisServer::prepare(args, home, port, Login::default(), Arc::clone(dir))?;
        launch(sentinel.process(), || sentinel.is_up().then_some(()))?;
        Ok(sentinel)
    })
}
