//! What connections come from.

#[cfg(unix)]
use std::sync::Arc;
use std::{fmt, io, net::SocketAddr, time::Duration};

#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream, unix};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// Where a [`Serve`](super::Serve) takes its connections from. Implemented for tokio's TCP and Unix listeners; implement it
/// to wrap each connection, for TLS say (shake hands in the first read, not in [`accept`](Self::accept), where it would keep others waiting).
///
/// See the [module docs](super).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a listener that can be served",
    note = "pass a `tokio::net::TcpListener` or `UnixListener`, or implement `Listener` for what wraps one"
)]
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Who is at the other end; handlers find it as [`Peer`].
    type Peer: Clone + Send + Sync + 'static;
    /// See [`into_queue`](Self::into_queue).
    type Queue: Iterator<Item = io::Result<(Self::Io, Self::Peer)>> + Send + 'static;

    /// The next connection, and where it comes from.
    ///
    /// # Errors
    /// Whatever the system says. Errors of one connection are passed over, after all others (no descriptor left, say) it is asked again
    /// a little later.
    ///
    /// # Cancel safety
    /// Must not lose a connection when dropped.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Peer)>> + Send;

    /// What the system has accepted already, without waiting: ends when there is no more. Dropping it closes the listener.
    /// What is in the system's queue at that moment is reset, and its clients have been told that they are connected.
    ///
    /// # Errors
    /// When the listener cannot be asked any more.
    fn into_queue(self) -> io::Result<Self::Queue>;
}

/// Connections that the system had accepted before the listener was closed. See [`Listener::into_queue`].
pub struct Queue<I, P>(Accept<I, P>);

type Accept<I, P> = Box<dyn FnMut() -> io::Result<(I, P)> + Send>;

impl<I, P> fmt::Debug for Queue<I, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue(<fn>)")
    }
}

impl<I, P> Iterator for Queue<I, P> {
    type Item = io::Result<(I, P)>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.0)() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            next => Some(next),
        }
    }
}

/// The other end of a request's connection: in the extensions of every request, as `Peer<SocketAddr>` behind a `TcpListener`. Behind
/// a balancer this is the balancer.
///
/// axum's `ConnectInfo` is a type of axum's: take `Extension<Peer<SocketAddr>>` instead, or put one in from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer<P>(pub P);

/// A response's last bytes shall not wait for the client's acknowledgement of those before them.
fn at_once(stream: TcpStream) -> TcpStream {
    // Fails only on sockets that are gone, which the first read tells, too.
    _ = stream.set_nodelay(true);
    stream
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Peer = SocketAddr;
    type Queue = Queue<TcpStream, SocketAddr>;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        Ok((at_once(stream), peer))
    }

    fn into_queue(self) -> io::Result<Self::Queue> {
        // The runtime may not know yet what the system knows: ask the system.
        let listener = self.into_std()?;
        Ok(Queue(Box::new(move || {
            let (stream, peer) = listener.accept()?;
            stream.set_nonblocking(true)?;
            Ok((at_once(TcpStream::from_std(stream)?), peer))
        })))
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Io = UnixStream;
    type Peer = Arc<unix::SocketAddr>;
    type Queue = Queue<UnixStream, Self::Peer>;

    async fn accept(&mut self) -> io::Result<(UnixStream, Self::Peer)> {
        let (stream, peer) = UnixListener::accept(self).await?;
        Ok((stream, Arc::new(peer)))
    }

    fn into_queue(self) -> io::Result<Self::Queue> {
        let listener = self.into_std()?;
        Ok(Queue(Box::new(move || {
            let (stream, peer) = listener.accept()?;
            stream.set_nonblocking(true)?;
            Ok((UnixStream::from_std(stream)?, Arc::new(peer.into())))
        })))
    }
}

/// How long to leave a listener alone after `error`, which is the `nth` in a row: not at all when it is of one connection.
pub(super) fn pause(error: &io::Error, nth: u32) -> Option<Duration> {
    use io::ErrorKind as K;
    let of_one_connection = matches!(
        error.kind(),
        K::ConnectionAborted
            | K::ConnectionRefused
            | K::ConnectionReset
            | K::HostUnreachable
            | K::Interrupted
            | K::NetworkDown
            | K::NetworkUnreachable
    );
    (!of_one_connection).then(|| Duration::from_millis(10 << nth.min(7)).min(Duration::from_secs(1)))
}

/// Whether a failure at `now` is told: one a second, since without descriptors each connection that goes makes room for one failure more.
pub(super) fn is_told(last: &mut Option<Duration>, now: Duration) -> bool {
    let is_due = last.is_none_or(|last| now.saturating_sub(last) >= Duration::from_secs(1));
    if is_due {
        *last = Some(now);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use super::{is_told, pause};

    #[test]
    fn many_failures_make_few_lines() {
        let mut last = None;
        let told: Vec<u64> = (0..5000).filter(|millis| is_told(&mut last, Duration::from_millis(*millis))).collect();
        assert_eq!(told, [0, 1000, 2000, 3000, 4000]);
    }

    #[test]
    fn an_error_of_one_connection_holds_nobody_up() {
        for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted] {
            assert_eq!(pause(&kind.into(), 9), None);
        }
    }

    #[test]
    fn without_descriptors_it_asks_again_later_and_later_up_to_a_second() {
        let no_descriptor = io::Error::from_raw_os_error(24);
        let pauses: Vec<_> = (0..40).map(|nth| pause(&no_descriptor, nth).unwrap()).collect();
        assert!(pauses.is_sorted());
        assert_eq!((pauses[0], pauses[39]), (Duration::from_millis(10), Duration::from_secs(1)));
    }
}
