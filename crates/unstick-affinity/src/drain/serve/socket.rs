//! The socket as hyper sees it: gives back the bytes that told the protocol, notes what goes on, and ends when it is cut.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, oneshot},
};

use super::{link::Link, opening::Prefix};

/// A connection's socket, also when an upgrade has taken it away from the connection's task.
#[derive(Debug)]
pub(super) struct Socket<I> {
    inner: I,
    prefix: Prefix,
    link: Arc<Link>,
    /// Dropped with the socket: by this its task sees that it is gone.
    _alive: oneshot::Sender<()>,
    /// Its place among the most that are allowed.
    _place: Option<OwnedSemaphorePermit>,
}

impl<I> Socket<I> {
    pub(super) fn new(inner: I, link: Arc<Link>, place: Option<OwnedSemaphorePermit>) -> (Self, oneshot::Receiver<()>) {
        let (alive, gone) = oneshot::channel();
        (Self { inner, prefix: Prefix::new(), link, _alive: alive, _place: place }, gone)
    }

    /// Reads `prefix` once more.
    pub(super) fn rewind(&mut self, prefix: Prefix) {
        self.prefix = prefix;
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut: the server has ended")
}

/// Leaves the task's waker where a cut finds it; the error if it has come already.
fn watch(link: &Link, place: &AtomicWaker, cx: &Context<'_>) -> io::Result<()> {
    place.register(cx.waker());
    if link.is_cut() { Err(cut()) } else { Ok(()) }
}

impl<I: AsyncRead + Unpin> AsyncRead for Socket<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.link.is_cut() {
            return Poll::Ready(Err(cut()));
        }
        if !this.prefix.is_empty() {
            let taken = this.prefix.len().min(buf.remaining());
            buf.put_slice(this.prefix.get(..taken).unwrap_or_default());
            if taken == this.prefix.len() {
                this.prefix = Prefix::new();
            } else {
                this.prefix.drain(..taken);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(done) => {
                this.link.has_read(buf.filled().len().saturating_sub(before));
                Poll::Ready(done)
            }
            Poll::Pending => match watch(&this.link, &this.link.reader, cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}

impl<I: AsyncWrite + Unpin> Socket<I> {
    fn poll_out<T>(
        &mut self,
        cx: &mut Context<'_>,
        out: impl FnOnce(Pin<&mut I>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.link.is_cut() {
            return Poll::Ready(Err(cut()));
        }
        let done = out(Pin::new(&mut self.inner), cx);
        self.link.set_blocked(done.is_pending());
        match done {
            Poll::Pending => match watch(&self.link, &self.link.writer, cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
            done => done,
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Socket<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_out(cx, |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_out(cx, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_out(cx, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::Socket;
    use crate::drain::serve::link::{CutOnDrop, Link};

    #[tokio::test]
    async fn gives_the_first_bytes_back_whatever_the_reads() {
        let (mut client, server) = duplex(64);
        let (mut socket, _gone) = Socket::new(server, Arc::default(), None);
        socket.rewind(b"first ".to_vec());
        client.write_all(b"second").await.unwrap();
        let mut text = Vec::new();
        while text.len() < 12 {
            let mut few = [0; 4];
            let read = socket.read(&mut few).await.unwrap();
            text.extend_from_slice(&few[..read]);
        }
        assert_eq!(text, b"first second");
    }

    #[tokio::test]
    async fn whoever_reads_or_writes_is_woken_by_the_cut() {
        for write in [false, true] {
            let link = Arc::new(Link::default());
            let (_client, server) = duplex(1);
            let (mut socket, mut gone) = Socket::new(server, Arc::clone(&link), None);
            let task =
                tokio::spawn(
                    async move { if write { socket.write_all(b"more than fits").await } else { socket.read_u8().await.map(drop) } },
                );
            tokio::task::yield_now().await;
            assert!(gone.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty));
            drop(CutOnDrop(link));
            assert_eq!(task.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::ConnectionAborted);
            assert!(gone.await.is_err(), "dropped with the task");
        }
    }
}
