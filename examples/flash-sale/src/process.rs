//! Nodes in a process of their own.
//!
//! The child is this program under the hidden command `nodes`. It is told what to do by lines on its standard input, answers each with one on its
//! standard output, and ends with its input, so that none is ever left behind.

use std::{collections::HashMap, io::BufRead, net::SocketAddr, process::Stdio, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
};

use crate::{
    Failure,
    app::{Setup, Shared},
    fleet::node_name,
    node::Node,
};

/// Tells children the setup: a command line could be read by everybody on the machine.
const SETUP: &str = "FLASH_SALE_SETUP";

/// Tells children for how long a drained node serves on, in milliseconds.
const WINDOW: &str = "FLASH_SALE_WINDOW_MS";

/// How long a child may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) async fn start(setup: &Setup, window: Duration) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("nodes")
            .env(SETUP, serde_json::to_string(setup)?)
            .env(WINDOW, window.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a process has no pipes".into());
        };
        let mut process = Self { child, input, output: BufReader::new(output).lines() };
        process.ask("hello").await?;
        Ok(process)
    }

    /// Starts a node in it.
    pub(crate) async fn add(&mut self, number: usize) -> Result<SocketAddr, Failure> {
        Ok(self.ask(&format!("start {number}")).await?.parse()?)
    }

    pub(crate) async fn unpin(&mut self) -> Result<(), Failure> {
        self.ask("unpin").await.map(drop)
    }

    /// Drains a node of it.
    pub(crate) async fn drain(&mut self, number: usize) -> Result<(), Failure> {
        self.ask(&format!("drain {number}")).await.map(drop)
    }

    /// `kill -9`, with all that is in it.
    pub(crate) async fn kill(mut self) {
        // An error means that it has ended by itself.
        let _ = self.child.kill().await;
    }

    async fn ask(&mut self, line: &str) -> Result<String, Failure> {
        let answered = async {
            self.input.write_all(format!("{line}\n").as_bytes()).await?;
            self.output.next_line().await
        };
        let answer = tokio::time::timeout(PATIENCE, answered).await.map_err(|_| "a process of nodes does not answer")??;
        let answer = answer.ok_or("a process of nodes has ended")?;
        match answer.split_once(' ') {
            Some(("ok", rest)) => Ok(rest.to_owned()),
            _ => Err(answer.into()),
        }
    }
}

/// Runs a child until its input ends.
pub(crate) async fn serve() -> Result<(), Failure> {
    let missing = || format!("{SETUP} and {WINDOW} are set by the sale, which starts this");
    let setup: Setup = serde_json::from_str(&std::env::var(SETUP).map_err(|_| missing())?)?;
    let window = Duration::from_millis(std::env::var(WINDOW).map_err(|_| missing())?.parse()?);
    let shared = Shared::default();
    let mut nodes = HashMap::new();
    let mut lines = input();
    while let Some(line) = lines.recv().await {
        let (word, number) = line.split_once(' ').unwrap_or((&line, ""));
        let number = number.parse().unwrap_or_default();
        let answer = match word {
            "start" => start(number, &setup, &shared, window).await.map(|node| {
                let addr = node.addr.to_string();
                nodes.insert(number, node);
                addr
            }),
            "drain" => match nodes.remove(&number) {
                Some(node) => {
                    node.drain().await;
                    Ok(String::new())
                }
                None => Err("there is no such node".into()),
            },
            "unpin" => {
                shared.unpin.store(true, Ordering::Relaxed);
                Ok(String::new())
            }
            _ => Ok(String::new()),
        };
        match answer {
            Ok(answer) => println!("ok {answer}"),
            Err(error) => println!("{error}"),
        }
    }
    Ok(())
}

async fn start(number: usize, setup: &Setup, shared: &Shared, window: Duration) -> Result<Node, Failure> {
    Node::start(&node_name(number), setup, shared, window)?.listening().await
}

/// The lines of standard input. A thread of its own, as such a read cannot be cancelled.
fn input() -> mpsc::Receiver<String> {
    let (lines, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
