//! What goes on beside the calls: fresh connections for silent ones, news of the library, and a look at the server's settings.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use fred::{
    interfaces::{ClientLike, EventInterface},
    types::{Value, config::Server},
};
use futures_util::future::select;
use tokio::sync::{broadcast::error::RecvError, watch};
use unstick_core::EventKind;

use super::{
    calls::{Client, Due},
    link::Recipe,
    nodes::Node,
    reply::Reply,
    watchdog::{ATTEMPTS, Suspicion, Verdict},
    wire::{Settings, Shared, Wire},
};

/// How often the servers are asked whether they drop keys.
const HEALTH: Duration = Duration::from_secs(60);

/// Makes a client of connections that were opened.
pub(crate) fn start(recipe: Option<Recipe>, settings: Settings, wire: Wire) -> Client {
    let client = Client(Shared::new(recipe, settings, wire));
    client.mind(&client.0.wire());
    client
}

impl Client {
    /// See [`settle`](Self::settle).
    pub(crate) async fn settle_current(&self) {
        self.settle(&self.0.wire()).await;
    }

    /// Starts an attempt if the node is suspicious and the last attempt is long enough ago.
    pub(super) fn suspect(&self, wire: &Arc<Wire>, node: &Arc<Node>) {
        let suspicion = node.silence().suspicion(self.0.now());
        self.follow(wire, node, suspicion);
    }

    pub(super) fn follow(&self, wire: &Arc<Wire>, node: &Arc<Node>, suspicion: Option<Suspicion>) {
        if let Some(suspicion) = suspicion {
            self.probe(wire, node, suspicion);
        } else if wire.link.is_dead() {
            self.probe(wire, node, Suspicion::Cut);
        }
    }

    pub(super) fn probe(&self, wire: &Arc<Wire>, node: &Arc<Node>, suspicion: Suspicion) {
        let mut dice = [0];
        _ = getrandom::fill(&mut dice); // without chance it is merely less spread
        // where only the library can repair, requests to do so would queue up behind each other
        let attempts = if self.0.recipe.is_some() { ATTEMPTS } else { 1 };
        if !self.0.gate().enter(self.0.now(), dice[0], attempts) {
            return;
        }
        if let Suspicion::Silent(_) = suspicion {
            self.0.went_down(node, "does not answer");
        }
        let alive = self.0.alive.subscribe();
        let attempt = attempt(Arc::downgrade(&self.0), Arc::downgrade(wire), node.clone(), suspicion, self.0.now(), dice[0]);
        self.0.settings.runtime.spawn(Box::pin(unless_dropped(alive, attempt)));
    }

    /// Hears what the library reports of these connections, until they are gone.
    pub(super) fn mind(&self, wire: &Arc<Wire>) {
        let fred = &wire.link.fred;
        let news = News {
            reconnected: fred.reconnect_rx(),
            changed: fred.cluster_change_rx(),
            failed: fred.error_rx(),
            shared: Arc::downgrade(&self.0),
            wire: Arc::downgrade(wire),
        };
        self.0.settings.runtime.spawn(Box::pin(unless_dropped(self.0.alive.subscribe(), news.listen())));
    }

    /// After a connection was made: learns who owns what, where the clocks stand, and whether a server is set up to drop keys.
    pub(super) async fn settle(&self, wire: &Arc<Wire>) {
        self.look_around(wire);
        let due = Due::within(&self.0.settings.runtime, self.0.settings.connect_timeout);
        for node in &wire.nodes().all {
            _ = self.learn_clock(wire, &wire.link, node, due).await; // the first call tries again
        }
        self.check_health(wire).await;
    }

    fn look_around(&self, wire: &Wire) {
        self.note_gone(wire.look_around());
    }

    fn note_gone(&self, gone: Vec<Arc<Node>>) {
        for node in gone {
            self.0.healed(&node, "has been replaced by others");
        }
    }

    async fn check_health(&self, wire: &Arc<Wire>) {
        for node in &wire.nodes().all {
            let memory = self.info(wire, node, "memory").await;
            let stats = self.info(wire, node, "stats").await;
            let (Some(memory), Some(stats)) = (memory, stats) else {
                tracing::debug!(target: "unstick", node = node.name(), "INFO is not permitted: evictions would go unnoticed");
                continue;
            };
            let events = &self.0.settings.events;
            if let Some(policy) = field(&memory, "maxmemory_policy").filter(|policy| *policy != "noeviction")
                && node.notes().policy_is_new(policy)
            {
                let detail = format!("{}: maxmemory-policy is {policy}; set it to noeviction", node.name());
                events.emit(EventKind::EvictionPolicy, None, &detail);
            }
            let evicted = field(&stats, "evicted_keys").and_then(|count| count.parse().ok()).unwrap_or(0);
            if node.notes().evicted_more(evicted) {
                events.emit(EventKind::BackendEvicted, None, &format!("{}: {evicted} keys since its start", node.name()));
            }
        }
    }

    /// The library has made a connection, and will say so to itself in a moment.
    async fn connected(&self, wire: &Arc<Wire>, server: &Server) {
        self.note_gone(wire.look_at(server));
        for node in wire.nodes().all.iter().filter(|node| node.server.as_ref() == Some(server)) {
            // another machine may answer there now
            node.clock.forget();
            self.0.healed(node, "is connected again");
        }
        let settings = &self.0.settings;
        select(pin!(wire.link.fred.wait_for_connect()), pin!(settings.runtime.sleep(settings.connect_timeout))).await;
        let due = Due::within(&settings.runtime, settings.connect_timeout);
        for node in wire.nodes().all.iter().filter(|node| node.server.as_ref() == Some(server)) {
            _ = self.learn_clock(wire, &wire.link, node, due).await; // the first call tries again
        }
        self.check_health(wire).await;
    }

    async fn info(&self, wire: &Arc<Wire>, node: &Arc<Node>, section: &'static str) -> Option<String> {
        let due = Due::within(&self.0.settings.runtime, self.0.settings.connect_timeout);
        let args = vec![Value::from_static_str(section)];
        let frame = self.send(wire, &wire.link, node, ("INFO", 1), node.slot, args, due).await.ok()?;
        let text = Reply::read(frame).ok()?.into_bytes().ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Ends `task` when the last clone of the client is dropped.
pub(crate) async fn unless_dropped(mut alive: watch::Receiver<()>, task: impl Future<Output = ()>) {
    select(pin!(alive.changed()), pin!(task)).await;
}

/// Leaves the gate in any case.
struct UnderWay(Weak<Shared>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.gate().leave();
        }
    }
}

async fn attempt(shared: Weak<Shared>, old: Weak<Wire>, node: Arc<Node>, suspicion: Suspicion, asked: Duration, dice: u8) {
    let _under_way = UnderWay(shared.clone());
    let (settings, recipe) = {
        let (Some(shared), Some(old)) = (shared.upgrade(), old.upgrade()) else { return };
        // one other host each time: the next attempt asks another, should this one hang, too
        let recipe = shared.recipe.as_ref().map(|recipe| {
            let mut hosts = old.hosts(recipe);
            if hosts.len() > 1 {
                hosts.retain(|host| Some(host) != node.server.as_ref());
            }
            let host = hosts.get(usize::from(dice) % hosts.len().max(1)).cloned();
            host.map_or_else(|| recipe.clone(), |host| recipe.asking(host))
        });
        (shared.settings.clone(), recipe)
    };
    let Some(recipe) = recipe else {
        let Some(old) = old.upgrade() else { return };
        let fred = old.link.fred.clone();
        drop(old);
        // not ours to replace: the library is told to look again itself
        if fred.is_clustered() && matches!(suspicion, Suspicion::Silent(_)) {
            _ = fred::interfaces::ClusterInterface::sync_cluster(&fred).await;
        } else {
            _ = fred.force_reconnection().await;
        }
        return;
    };
    let limit = settings.runtime.sleep(settings.connect_timeout);
    let fresh = tokio::select! {
        Ok(fresh) = Wire::open_once(&recipe, settings.wait.is_some()) => fresh,
        () = limit => return,
        else => return,
    };
    let Some(shared) = shared.upgrade() else { return };
    let connected = old.upgrade().is_some_and(|old| old.link.is_connected());
    let verdict = node.silence().verdict(suspicion, asked, connected);
    match verdict {
        Verdict::Keep => {
            if let Suspicion::Silent(silent) = suspicion {
                let detail = format!("{} owed an answer for {} ms", node.name(), silent.as_millis());
                settings.events.emit(EventKind::BackendSlow, None, &detail);
            }
            shared.healed(&node, "answers");
        }
        Verdict::Replace => {
            let Some(wire) = shared.replace(&old, fresh) else { return };
            let why = match suspicion {
                Suspicion::Silent(_) => "did not answer",
                Suspicion::Cut => "was not connected",
                Suspicion::Demoted => "is no master any more",
            };
            settings.events.emit(EventKind::BackendReconnected, None, &format!("{} {why}: connected anew", node.name()));
            shared.healed(&node, "was left for fresh connections");
            let client = Client(shared);
            client.mind(&wire);
            client.settle(&wire).await;
        }
    }
}

struct News {
    reconnected: tokio::sync::broadcast::Receiver<Server>,
    changed: tokio::sync::broadcast::Receiver<Vec<fred::types::ClusterStateChange>>,
    failed: tokio::sync::broadcast::Receiver<(fred::error::Error, Option<Server>)>,
    shared: Weak<Shared>,
    wire: Weak<Wire>,
}

/// What there is to do.
enum Item {
    Connected(Server),
    Changed,
    Failed(Option<Server>),
    Checkup,
}

impl News {
    async fn listen(mut self) {
        while let Some(item) = self.next().await {
            let (Some(shared), Some(wire)) = (self.shared.upgrade(), self.wire.upgrade()) else { return };
            let client = Client(shared);
            match item {
                Item::Connected(server) => client.connected(&wire, &server).await,
                // clocks of new nodes are learnt when they are needed
                Item::Changed => client.look_around(&wire),
                Item::Failed(server) => {
                    let is_it = |node: &&Arc<Node>| server.is_none() || node.server == server;
                    for node in wire.nodes().all.iter().filter(is_it) {
                        client.0.went_down(node, "is not connected");
                    }
                }
                Item::Checkup => client.check_health(&wire).await,
            }
        }
    }

    /// `None` once the connections are gone. Having missed some of the news is as good as the last of them.
    async fn next(&mut self) -> Option<Item> {
        let runtime = self.shared.upgrade()?.settings.runtime.clone();
        Some(tokio::select! {
            news = self.reconnected.recv() => match news {
                Ok(server) => Item::Connected(server),
                Err(RecvError::Lagged(_)) => Item::Changed,
                Err(RecvError::Closed) => return None,
            },
            news = self.changed.recv() => match news {
                Ok(_) | Err(RecvError::Lagged(_)) => Item::Changed,
                Err(RecvError::Closed) => return None,
            },
            news = self.failed.recv() => match news {
                Ok((_, server)) => Item::Failed(server),
                Err(RecvError::Lagged(_)) => Item::Failed(None),
                Err(RecvError::Closed) => return None,
            },
            () = runtime.sleep(HEALTH) => Item::Checkup,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_info_are_found_by_their_whole_name() {
        let info = "# Memory\r\nmaxmemory_human:0B\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(field(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(field(info, "maxmemory"), None);
    }
}
