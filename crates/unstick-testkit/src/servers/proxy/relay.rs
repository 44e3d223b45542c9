//! One connection through the proxy.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::sleep,
};

use super::{Direction, Mode};

/// What connections follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    pub(crate) mode: Mode,
    /// How often all connections were cut.
    pub(crate) cuts: u64,
    pub(crate) is_over: bool,
}

/// What has passed so far.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) accepted: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) to_server: AtomicU64,
    pub(crate) to_client: AtomicU64,
    pub(crate) lost: AtomicU64,
}

/// Counts a connection as open while it lives.
#[derive(Debug)]
pub(crate) struct Open(Arc<Meters>);

impl Open {
    pub(crate) fn new(meters: &Arc<Meters>) -> Self {
        meters.accepted.fetch_add(1, Relaxed);
        meters.open.fetch_add(1, Relaxed);
        Self(Arc::clone(meters))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Serves one connection to its end. `orders` has seen what was in force when it was accepted.
pub(crate) async fn serve(mut client: TcpStream, upstream: SocketAddr, orders: watch::Receiver<Orders>, open: Open) {
    let at_accept = *orders.borrow();
    let mut cuts = orders.clone();
    let is_cut = async move { cuts.wait_for(|orders| orders.cuts != at_accept.cuts).await.is_ok() };
    let mut server = None;
    let relayed = tokio::select! {
        biased;
        _ = is_cut => Err(io::ErrorKind::ConnectionReset.into()),
        relayed = async {
            let _ = client.set_nodelay(true);
            match at_accept.mode {
                Mode::Refuse => return Err(io::ErrorKind::ConnectionReset.into()),
                Mode::BlackHole => return swallow(&mut client, orders, &open.0).await,
                _ => {}
            }
            let server = server.insert(TcpStream::connect(upstream).await?);
            let _ = server.set_nodelay(true);
            let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
            let requests = pump(from_client, to_server, Direction::ToServer, orders.clone(), &open.0);
            let answers = pump(from_server, to_client, Direction::ToClient, orders, &open.0);
            tokio::try_join!(requests, answers).map(drop)
        } => relayed,
    };
    if relayed.is_err() {
        // The end is not an orderly one: both sides get a reset.
        for stream in [Some(&client), server.as_ref()].into_iter().flatten() {
            let _ = stream.set_zero_linger();
        }
    }
}

/// Takes bytes and does nothing with them while the black hole lasts.
async fn swallow(client: &mut TcpStream, mut orders: watch::Receiver<Orders>, meters: &Meters) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            _ = orders.wait_for(|orders| !orders.mode.stalls()) => return Err(io::ErrorKind::ConnectionReset.into()),
            read = client.read(&mut buffer) => match read? {
                0 => return Ok(()),
                read => meters.lost.fetch_add(read as u64, Relaxed),
            },
        };
    }
}

/// Carries bytes one way until that side ends.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    direction: Direction,
    mut orders: watch::Receiver<Orders>,
    meters: &Meters,
) -> io::Result<()> {
    let meter = if direction == Direction::ToServer { &meters.to_server } else { &meters.to_client };
    let mut buffer = vec![0; 16 * 1024];
    let mut has_gap = false;
    loop {
        flowing(&mut orders).await;
        let read = tokio::select! {
            biased;
            _ = orders.changed() => {
                if has_gap && !orders.borrow().mode.loses(direction) {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                continue;
            }
            read = from.read(&mut buffer) => read?,
        };
        let latency = orders.borrow().mode.latency(direction);
        if let Some(latency) = latency {
            sleep(latency).await;
        }
        // The mode counts that is in force when the bytes would pass.
        flowing(&mut orders).await;
        let loses = orders.borrow().mode.loses(direction);
        if loses {
            has_gap = true;
            meters.lost.fetch_add(read as u64, Relaxed);
            if read == 0 {
                let _ = orders.wait_for(|orders| !orders.mode.loses(direction)).await;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        } else if has_gap {
            return Err(io::ErrorKind::ConnectionReset.into());
        } else if read == 0 {
            return to.shutdown().await;
        } else {
            to.write_all(&buffer[..read]).await?;
            meter.fetch_add(read as u64, Relaxed);
        }
    }
}

/// Waits while nothing passes.
async fn flowing(orders: &mut watch::Receiver<Orders>) {
    let _ = orders.wait_for(|orders| !orders.mode.stalls()).await;
}
