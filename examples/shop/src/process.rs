//! A node as a process of its own.
//!
//! The child is the same binary under the hidden `node` subcommand. It says `ready ADDR` or `failed SENTENCE` on its
//! standard output, and at its end, in a line of JSON, what it left behind. Its standard input is its lifeline: `drain` announces the
//! end, `unpin` and `pin` switch un-pinning, and the end of input means stop. The kernel closes it when the shop dies, however it dies, so
//! that no node is ever left behind. SIGTERM and Ctrl-C drain it, too.

use std::{
    io::{BufRead, Write as _},
    net::SocketAddr,
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, Command},
    sync::{mpsc, oneshot, watch},
};

use crate::{
    cli::NodeOptions,
    error::Failure,
    node::{DRAIN, Ended, Node},
    sessions::{CARTS_VARIABLE, KEY_VARIABLE, Plan, SESSIONS_VARIABLE},
};

/// How long a child may take to open its store and listen.
const STARTUP: Duration = Duration::from_secs(30);

/// How much longer than [`DRAIN`] a child may take to exit before it is killed.
const SLACK: Duration = Duration::from_secs(2);

/// A running child.
#[derive(Debug)]
pub(crate) struct ChildNode {
    addr: SocketAddr,
    pid: Option<u32>,
    lifeline: ChildStdin,
    exit: watch::Receiver<Option<Exit>>,
    kill: oneshot::Sender<()>,
}

/// The process has ended, with or without last words.
#[derive(Debug, Clone)]
struct Exit(Option<Ended>);

impl ChildNode {
    /// Starts a child and waits until it listens.
    pub(crate) async fn start(name: &str, plan: &Plan) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::start(format!("the process of {name} could not be started: {why}."));
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut child = Command::new(program)
            .args(["node", "--name", name, "--mode", plan.mode.as_str()])
            .env(KEY_VARIABLE, plan.key.hex())
            .env(SESSIONS_VARIABLE, &plan.sessions)
            .env(CARTS_VARIABLE, &plan.carts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;
        let (Some(lifeline), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(&"its pipes are missing"));
        };
        let mut lines = BufReader::new(stdout).lines();
        let line = match tokio::time::timeout(STARTUP, lines.next_line()).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return Err(failed(&"it ended before it listened")),
            Ok(Err(error)) => return Err(failed(&error)),
            Err(_) => return Err(failed(&"it did not listen within 30 seconds")),
        };
        if let Some(sentence) = line.strip_prefix("failed ") {
            return Err(Failure::start(sentence));
        }
        let addr = line.strip_prefix("ready ").and_then(|addr| addr.parse().ok()).ok_or_else(|| failed(&"it did not say its address"))?;

        let pid = child.id();
        let (kill, killed) = oneshot::channel::<()>();
        let (exited, exit) = watch::channel(None);
        tokio::spawn(async move {
            let ending = async {
                let mut said = None;
                while let Ok(Some(line)) = lines.next_line().await {
                    said = serde_json::from_str(&line).ok();
                }
                let _ = child.wait().await;
                said
            };
            let said = tokio::select! {
                said = ending => said,
                // A dropped sender must not kill: the lifeline is dropped with it and the child drains.
                Ok(()) = killed => {
                    let _ = child.kill().await;
                    None
                }
            };
            exited.send_replace(Some(Exit(said)));
        });
        Ok(Self { addr, pid, lifeline, exit, kill })
    }

    /// Where it listens.
    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process id.
    pub(crate) const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Resolves once the process has ended, with what it said last. Independent of `self`.
    pub(crate) fn exited(&self) -> impl Future<Output = Option<Ended>> + Send + use<> {
        let mut exit = self.exit.clone();
        async move {
            // An error means that the watching task is gone, and the process with it.
            let exit = exit.wait_for(Option::is_some).await.ok()?;
            exit.as_ref().and_then(|Exit(said)| said.clone())
        }
    }

    /// Fails its readiness check while it serves on.
    pub(crate) async fn begin_drain(&mut self) {
        self.tell("drain\n").await;
    }

    /// Switches un-pinning.
    pub(crate) async fn unpin(&mut self, on: bool) {
        self.tell(if on { "unpin\n" } else { "pin\n" }).await;
    }

    async fn tell(&mut self, line: &str) {
        // A broken pipe means that it has already ended.
        let _ = self.lifeline.write_all(line.as_bytes()).await;
    }

    /// Lets it finish what is in flight and exit, with its last words; kills it if it does not.
    pub(crate) async fn stop(self) -> Option<Ended> {
        let mut exited = std::pin::pin!(self.exited());
        drop(self.lifeline);
        if let Ok(said) = tokio::time::timeout(DRAIN + SLACK, &mut exited).await {
            return said;
        }
        // An error means that it has just ended.
        let _ = self.kill.send(());
        exited.await
    }
}

/// Runs a child until its parent, or a signal, stops it.
pub(crate) async fn run_node(options: &NodeOptions) -> Result<(), Failure> {
    let plan = Plan::of_child(options)?;
    let node = match Node::start(&options.name, &plan, None).await {
        Ok(node) => node,
        Err(failure) => {
            // The parent repeats the sentence on its own standard error.
            println!("failed {failure}");
            return Ok(());
        }
    };
    node.drain().on_signals().map_err(|error| Failure::start(format!("the signal handlers cannot be installed: {error}.")))?;
    println!("ready {}", node.addr());
    let mut orders = lifeline();
    let closing = node.drain().closing();
    let mut closing = std::pin::pin!(closing);
    loop {
        tokio::select! {
            order = orders.recv() => match order.as_deref() {
                Some("drain") => node.begin_drain(),
                Some("unpin") => node.unpin(true),
                Some("pin") => node.unpin(false),
                Some(_) => {}
                None => break,
            },
            () = &mut closing => break,
        }
    }
    let ended = node.stop().await;
    // Nobody may be left to read it.
    let _ = serde_json::to_string(&ended).map(|line| writeln!(std::io::stdout().lock(), "{line}"));
    Ok(())
}

/// Yields each line of standard input and closes at its end. A thread of its own, as a read from a pipe cannot be
/// cancelled and must not keep the runtime from shutting down.
fn lifeline() -> mpsc::Receiver<String> {
    let (lines, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
