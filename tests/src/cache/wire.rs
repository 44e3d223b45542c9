//! Nodes that are processes of their own, asked over connections that stay open.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{
    Method, Request,
    header::{COOKIE, HOST},
};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use unstick_core::BoxFuture;

use super::{
    counts::Counts,
    load::{Nodes, Reply},
};
use crate::wire::Process;

/// What nodes have in common.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The carts.
    pub source: String,
    /// The bus.
    pub bus: String,
    /// The level, if there is one.
    pub level: Option<String>,
}

/// Processes, and what a router in front of them has.
#[derive(Debug)]
pub struct Processes {
    program: String,
    places: Places,
    nodes: Vec<Mutex<Slot>>,
}

/// A node's place at the router. Whoever is started there takes over the place.
#[derive(Debug)]
struct Slot {
    process: Process,
    schema: u32,
    idle: Vec<SendRequest<Empty<Bytes>>>,
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Processes {
    /// Starts a node for each of `schemas`.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(program: &str, places: Places, schemas: &[u32]) -> io::Result<Self> {
        let mut nodes = Vec::new();
        for (number, schema) in schemas.iter().enumerate() {
            let process = spawn(program, &places, number, *schema)?;
            nodes.push(Mutex::new(Slot { process, schema: *schema, idle: Vec::new() }));
        }
        Ok(Self { program: program.to_owned(), places, nodes })
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&self, node: usize) -> io::Result<()> {
        lock(&self.nodes[node]).process.kill()
    }

    /// Starts a new process in the place of an old one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&self, node: usize) -> io::Result<()> {
        let schema = lock(&self.nodes[node]).schema;
        let process = spawn(&self.program, &self.places, node, schema)?;
        *lock(&self.nodes[node]) = Slot { process, schema, idle: Vec::new() };
        Ok(())
    }

    /// What a node has counted.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn counts(&self, node: usize) -> io::Result<Counts> {
        let reply = self.ask(node, Method::GET, "/status".to_owned(), String::new()).await?;
        serde_json::from_str(&reply.body).map_err(io::Error::other)
    }

    /// A connection that is open, or a new one.
    async fn connection(&self, node: usize) -> io::Result<(SocketAddr, SendRequest<Empty<Bytes>>)> {
        let address = {
            let mut slot = lock(&self.nodes[node]);
            while let Some(idle) = slot.idle.pop() {
                if idle.is_ready() {
                    return Ok((slot.process.address, idle));
                }
            }
            slot.process.address
        };
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok((address, sender))
    }
}

fn spawn(program: &str, places: &Places, number: usize, schema: u32) -> io::Result<Process> {
    let mut settings = vec![("SOURCE", places.source.clone()), ("BUS", places.bus.clone()), ("SCHEMA", schema.to_string())];
    settings.extend(places.level.clone().map(|level| ("LEVEL", level)));
    Process::start_with(program, &[&number.to_string()], &settings)
}

impl Nodes for Processes {
    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn ask(&self, node: usize, method: Method, path: String, cookie: String) -> BoxFuture<'_, io::Result<Reply>> {
        Box::pin(async move {
            let (address, mut sender) = self.connection(node).await?;
            let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
            if !cookie.is_empty() {
                request = request.header(COOKIE, cookie);
            }
            let request = request.body(Empty::new()).map_err(io::Error::other)?;
            let response = sender.send_request(request).await.map_err(io::Error::other)?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let mut slot = lock(&self.nodes[node]);
            if slot.process.address == address {
                slot.idle.push(sender);
            }
            drop(slot);
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body, settled: None })
        })
    }
}
