//! Three nodes behind a balancer that pins, and how one is replaced.

use std::{
    thread,
    time::{Duration, Instant},
};

use http::StatusCode;
use tempfile::TempDir;
use tokio::net::TcpListener;
use unstick_affinity::{
    Balancer,
    drain::{Drained, Phase},
};
use unstick_session::SessionLayer;
use unstick_stories::deploy::{Kind, Node, NodeOptions, WINDOW};
use unstick_testkit::{
    client::Spread,
    servers::{
        Outcome,
        balancer::{BalancerServer, BalancerSpec, Stick},
        skip,
    },
};

use crate::clients::{Board, browser};

/// More than the connections that a balancer keeps to all nodes.
const KEPT_CONNECTIONS: usize = 40;

/// Waits until `condition` holds, for as long as a busy machine may take.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How a balancer learns that a node is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learns {
    /// It asks, and turns away when it was told so often.
    ByChecks(usize),
    /// By nothing but failures: it sends requests to the end, and must not have kept connections then.
    ByFailures,
}

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) nodes: Vec<Node>,
    pub(crate) balancer: BalancerServer,
    pub(crate) options: NodeOptions,
    /// Of all nodes that there were.
    pub(crate) all_sessions: Vec<SessionLayer>,
    generation: usize,
    _folder: TempDir,
}

impl Site {
    /// Starts everything; `None` where the balancer is not installed.
    pub(crate) async fn start(kind: Kind, behind: Balancer, status: StatusCode, spec: BalancerSpec) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}?busy_timeout_ms=20000", folder.path().join("sessions.sqlite").display());
        Self::start_over(url, folder, kind, behind, status, spec).await
    }

    /// The same over sessions at an address.
    pub(crate) async fn start_over(
        sessions: String,
        folder: TempDir,
        kind: Kind,
        behind: Balancer,
        status: StatusCode,
        spec: BalancerSpec,
    ) -> Option<Self> {
        let options = NodeOptions { kind, sessions, behind: Some(behind), status, window: WINDOW };
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Node::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), 0, &options).await);
        }
        let balancer = start(&spec.nodes(nodes.iter().map(|node| node.address)))?;
        let all_sessions = nodes.iter().map(|node| node.site.sessions().clone()).collect();
        Some(Self { nodes, balancer, options, all_sessions, generation: 0, _folder: folder })
    }

    /// Users are pinned, or this shows nothing.
    pub(crate) async fn assert_pins(&self) {
        let mut user = browser(self.balancer.address());
        let mut nodes = Vec::new();
        for _ in 0..60 {
            let page = user.get("/count").await.unwrap();
            assert_eq!(page.status, 200, "{page:?}");
            nodes.push((page.header("x-node").to_owned(), true));
        }
        let spread = Spread::of(nodes.iter().map(|(node, is_pinned)| (node.as_str(), *is_pinned)));
        assert!(spread.is_on_one() && spread.longest_run == 60, "{spread:?}");
    }

    /// Begins a node's drain, and waits until the balancer and all users have turned away.
    pub(crate) async fn turn_away(&self, at: usize, board: &Board, learns: Learns) {
        let node = &self.nodes[at];
        // Apache leaves out, for a while, the one that was alone to answer the pinned user.
        until("it has a part in it", || board.by(&node.instance) > 0).await;
        let before = board.by(&node.instance);
        node.drain.begin();
        until("users moved", || !board.latest().contains(&node.instance)).await;
        match learns {
            Learns::ByChecks(times) => {
                // It asks once more when it has taken note of the answers before.
                until("the balancer was told", || node.site.refused() > times).await;
                let told = board.len();
                until("new users go elsewhere", || board.newcomers_elsewhere(&node.instance, told) >= 20).await;
            }
            Learns::ByFailures => {
                until("kept connections are used up", || board.by(&node.instance) >= before + KEPT_CONNECTIONS).await;
                until("users moved", || !board.latest().contains(&node.instance)).await;
            }
        }
        assert_eq!(node.drain.phase(), Phase::Turning);
    }

    /// Closes a node whose drain has begun; what is in flight ends.
    pub(crate) async fn close(&mut self, at: usize) -> Drained {
        self.nodes[at].clock.advance(WINDOW);
        self.nodes[at].drained().await
    }

    /// Starts a new node in the place of one that has ended.
    pub(crate) async fn start_anew(&mut self, at: usize) {
        self.generation += 1;
        self.nodes[at] = Node::start_at(self.nodes[at].address, self.generation, &self.options).await;
        self.all_sessions.push(self.nodes[at].site.sessions().clone());
    }

    /// No node, of all that there were, has missed a session.
    pub(crate) fn assert_continuity(&self) {
        let (mut found, mut lost) = (0, 0);
        for sessions in &self.all_sessions {
            found += sessions.continuity().found;
            lost += sessions.continuity().lost;
        }
        assert!(found > 0 && lost == 0, "{found} found, {lost} lost");
    }
}

/// A balancer's specification, to which nodes are added.
pub(crate) fn spec(stick: impl Into<Stick>) -> BalancerSpec {
    BalancerSpec::new([], stick)
}

/// The balancer, or a loud skip in the name of the test whose thread this is.
pub(crate) fn start(spec: &BalancerSpec) -> Option<BalancerServer> {
    let skipped = |reason: String| skip(&format!("deploys::{}::start", thread::current().name().unwrap_or_default()), &reason);
    tokio::task::block_in_place(|| spec.start()).outcome().map_err(skipped).ok()
}
