//! A node as a process of its own.
//!
//! The child is the same binary under the hidden `node` subcommand. It says `ready ADDR` or `failed SENTENCE` on its
//! standard output, once. Its standard input is its lifeline: `drain` announces the end, and the end of input means stop.
//! The kernel closes it when the shop dies, however it dies, so that no node is ever left behind.

use std::{
    io::BufRead,
    net::SocketAddr,
    process::{ExitStatus, Stdio},
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
    node::{DRAIN, Node},
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
    exit: watch::Receiver<Option<ExitStatus>>,
    kill: oneshot::Sender<()>,
}

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
            let status = tokio::select! {
                status = child.wait() => status,
                // A dropped sender must not kill: the lifeline is dropped with it and the child drains.
                Ok(()) = killed => child.kill().await.and(child.wait().await),
            };
            exited.send_replace(status.ok());
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

    /// Resolves once the process has ended. Independent of `self`.
    pub(crate) fn exited(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut exit = self.exit.clone();
        async move {
            // An error means that the watching task is gone, and the process with it.
            let _ = exit.wait_for(Option::is_some).await;
        }
    }

    /// Fails its health check while it serves on.
    pub(crate) async fn set_draining(&mut self) {
        // A broken pipe means that it has already ended.
        let _ = self.lifeline.write_all(b"drain\n").await;
    }

    /// Lets it finish what is in flight and exit; kills it if it does not. Returns whether it exited by itself.
    pub(crate) async fn stop(self, deadline: Duration) -> bool {
        let exited = self.exited();
        drop(self.lifeline);
        let mut exited = std::pin::pin!(exited);
        if tokio::time::timeout(deadline + SLACK, &mut exited).await.is_ok() {
            return true;
        }
        // An error means that it has just ended.
        let _ = self.kill.send(());
        exited.await;
        false
    }
}

/// Runs a child until its parent, or SIGTERM, stops it.
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
    println!("ready {}", node.addr());
    let mut lifeline = lifeline();
    let mut terminate = crate::signal::terminate_of_child()?;
    loop {
        tokio::select! {
            line = lifeline.recv() => match line {
                Some(()) => node.set_draining(),
                None => break,
            },
            () = terminate.recv() => break,
        }
    }
    node.stop(DRAIN).await;
    Ok(())
}

/// Yields for each line on standard input and closes at its end. A thread of its own, as a read from a pipe cannot be
/// cancelled and must not keep the runtime from shutting down.
fn lifeline() -> mpsc::Receiver<()> {
    let (lines, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || lines.blocking_send(()).is_err() {
                return;
            }
        }
    });
    receiver
}
