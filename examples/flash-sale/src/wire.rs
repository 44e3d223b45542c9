//! HTTP/1 on kept connections, with an honest answer to "may it have been delivered?". For the balancer, and for the nodes' database.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How many idle connections are kept for one address.
const KEEP: usize = 16;

/// How long a connection may take, and how long an answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// A request with its whole body.
pub(crate) type Whole = Request<Full<Bytes>>;

type Connection = SendRequest<Full<Bytes>>;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Undone {
    /// Nothing was sent.
    NotSent,
    /// The request, or a part of it, may have arrived.
    MaybeDelivered,
}

/// Idle connections, by address. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<HashMap<SocketAddr, Vec<Connection>>>>);

impl Wire {
    /// Sends a request and reads the answer to its end.
    pub(crate) async fn send(&self, addr: SocketAddr, mut request: Whole) -> Result<Response<Bytes>, Undone> {
        loop {
            let kept = self.take(addr);
            let is_fresh = kept.is_none();
            let mut connection = match kept {
                Some(mut kept) => match kept.ready().await {
                    Ok(()) => kept,
                    Err(_) => continue,
                },
                None => match connect(addr).await {
                    Some(fresh) => fresh,
                    None => return Err(Undone::NotSent),
                },
            };
            let response = match tokio::time::timeout(ANSWER, connection.try_send_request(request)).await {
                Ok(Ok(response)) => response,
                // It comes back exactly when none of it was written. A kept connection that was closed meanwhile says nothing of the node.
                Ok(Err(mut error)) => match error.take_message() {
                    Some(_) if is_fresh => return Err(Undone::NotSent),
                    Some(back) => {
                        request = back;
                        continue;
                    }
                    None => return Err(Undone::MaybeDelivered),
                },
                Err(_) => return Err(Undone::MaybeDelivered),
            };
            let (head, body) = response.into_parts();
            let body = match tokio::time::timeout(ANSWER, body.collect()).await {
                Ok(Ok(body)) => body.to_bytes(),
                _ => return Err(Undone::MaybeDelivered),
            };
            self.put(addr, connection);
            return Ok(Response::from_parts(head, body));
        }
    }

    /// Forgets an address.
    pub(crate) fn forget(&self, addr: SocketAddr) {
        self.lock().remove(&addr);
    }

    fn take(&self, addr: SocketAddr) -> Option<Connection> {
        let mut all = self.lock();
        let kept = all.get_mut(&addr)?;
        while let Some(connection) = kept.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn put(&self, addr: SocketAddr, connection: Connection) {
        let mut all = self.lock();
        let kept = all.entry(addr).or_default();
        if kept.len() < KEEP && !connection.is_closed() {
            kept.push(connection);
        }
    }

    // Lists of connections: a panic elsewhere cannot leave them in a state that matters.
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Vec<Connection>>> {
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn post() -> Whole {
        Request::post("/").header("host", "test").body(Full::from("once")).unwrap()
    }

    #[tokio::test]
    async fn nothing_is_sent_to_nobody() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(Wire::default().send(gone, post()).await, Err(Undone::NotSent)));
    }

    #[tokio::test]
    async fn what_may_have_arrived_is_not_sent_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let node = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"once") {
                assert_ne!(first.read_buf(&mut seen).await.unwrap(), 0);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            first.write_all(answer).await.unwrap();
            seen.clear();
            while !seen.ends_with(b"once") {
                assert_ne!(first.read_buf(&mut seen).await.unwrap(), 0, "the connection is kept");
            }
        });
        let wire = Wire::default();
        assert_eq!(wire.send(addr, post()).await.unwrap().into_body(), "ok");
        assert!(matches!(wire.send(addr, post()).await, Err(Undone::MaybeDelivered)));
        node.await.unwrap();
    }
}
