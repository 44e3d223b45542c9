//! Idle connections to one node, and a request on one of them with an honest answer to "may it have been delivered?".

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How many idle connections are kept.
const KEEP: usize = 64;

/// How long a node may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// How long an idle connection may take to become ready again after its last response.
const READY: Duration = Duration::from_millis(100);

/// How long a node may take until its response headers.
const HEADERS: Duration = Duration::from_secs(30);

/// Idle connections; see the [module docs](self).
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<(SocketAddr, Connection)>>);

/// An open connection.
pub(crate) type Connection = SendRequest<Body>;

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Undone {
    /// Nothing was sent: here is the request back.
    NotSent(Box<Request<Body>>),
    /// The request, or a part of it, may have reached the node.
    MaybeDelivered,
    /// As before, and the node did not answer in time.
    TimedOut,
}

impl Pool {
    /// Sends a request on an idle or new connection. Give the connection [back](Self::put) when the response's body has ended.
    pub(crate) async fn send(&self, addr: SocketAddr, mut request: Request<Body>) -> Result<(Response<Incoming>, Connection), Undone> {
        loop {
            let idle = self.take(addr);
            let fresh = idle.is_none();
            let mut connection = match idle {
                Some(mut connection) => match tokio::time::timeout(READY, connection.ready()).await {
                    Ok(Ok(())) => connection,
                    _ => continue,
                },
                None => match connect(addr).await {
                    Some(connection) => connection,
                    None => return Err(Undone::NotSent(Box::new(request))),
                },
            };
            match tokio::time::timeout(HEADERS, connection.try_send_request(request)).await {
                Ok(Ok(response)) => return Ok((response, connection)),
                // The request comes back exactly when none of it was written. An idle connection that was closed
                // meanwhile says nothing about the node.
                Ok(Err(mut error)) => match error.take_message() {
                    Some(back) if fresh => return Err(Undone::NotSent(Box::new(back))),
                    Some(back) => request = back,
                    None => return Err(Undone::MaybeDelivered),
                },
                Err(_) => return Err(Undone::TimedOut),
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, addr: SocketAddr, connection: Connection) {
        let mut idle = self.lock();
        if idle.len() < KEEP && !connection.is_closed() {
            idle.push((addr, connection));
        }
    }

    /// Closes all idle connections.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn take(&self, addr: SocketAddr) -> Option<Connection> {
        let mut idle = self.lock();
        while let Some((to, connection)) = idle.pop() {
            if to == addr && !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    // A list of connections: a panic elsewhere cannot leave it in a state that matters.
    fn lock(&self) -> MutexGuard<'_, Vec<(SocketAddr, Connection)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(addr: SocketAddr) -> Option<Connection> {
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(addr)).await.ok()?.ok()?;
    // Only latency is at stake.
    let _ = stream.set_nodelay(true);
    let (connection, driver) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(driver);
    Some(connection)
}
