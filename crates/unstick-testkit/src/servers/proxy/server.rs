use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
};

use tokio::{net::TcpListener, runtime, sync::watch, task::JoinSet};

use super::{
    Mode,
    relay::{Meters, Open, Orders, serve},
};

/// A TCP proxy on a loopback port of its own, in front of a server on another.
///
/// It runs on a thread and clock of its own, so it neither needs a runtime nor follows one whose time is paused. The port stays the same over all modes.
///
/// ```
/// use std::{io::{Read, Write}, net::{TcpListener, TcpStream}};
/// use unstick_testkit::servers::{Mode, Proxy};
///
/// let server = TcpListener::bind("127.0.0.1:0").unwrap();
/// let proxy = Proxy::start(server.local_addr().unwrap().port()).unwrap();
/// let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
/// client.write_all(b"hello").unwrap();
/// let mut word = [0; 5];
/// server.accept().unwrap().0.read_exact(&mut word).unwrap();
/// assert_eq!(&word, b"hello");
///
/// proxy.set(Mode::Refuse);
/// let mut refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
/// assert!(refused.read_exact(&mut word).is_err());
/// ```
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    upstream: u16,
    orders: watch::Sender<Orders>,
    meters: Arc<Meters>,
    thread: Option<JoinHandle<()>>,
}

/// What a [`Proxy`] has seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that are open.
    pub open: u64,
    /// Bytes of requests that passed.
    pub to_server: u64,
    /// Bytes of answers that passed.
    pub to_client: u64,
    /// Bytes that were thrown away.
    pub lost: u64,
}

impl Proxy {
    /// Starts a proxy in front of a loopback port. Everything passes at first.
    ///
    /// # Errors
    /// When there is no port or thread to be had.
    pub fn start(upstream: u16) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (orders, following) = watch::channel(Orders { mode: Mode::Pass, cuts: 0, is_over: false });
        let meters = Arc::new(Meters::default());
        let metered = Arc::clone(&meters);
        let accept = move || runtime.block_on(accept(listener, SocketAddr::from((Ipv4Addr::LOCALHOST, upstream)), following, metered));
        let thread = thread::Builder::new().name("fault-proxy".to_owned()).spawn(accept)?;
        Ok(Self { port, upstream, orders, meters, thread: Some(thread) })
    }

    /// The proxy's own port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server behind, led through the proxy. Addresses of other servers in it stay as they are.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replace(&format!("127.0.0.1:{}", self.upstream), &format!("127.0.0.1:{}", self.port))
    }

    /// Changes the mode for bytes that have not passed yet and for connections that come.
    pub fn set(&self, mode: Mode) {
        self.orders.send_modify(|orders| orders.mode = mode);
    }

    /// Cuts all connections with a reset to both sides. They are gone within moments; [`counts`](Self::counts) tells. New ones are served as the mode says.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// What it has seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Meters { accepted, open, to_server, to_client, lost } = &*self.meters;
        let [accepted, open, to_server, to_client, lost] = [accepted, open, to_server, to_client, lost].map(|meter| meter.load(Relaxed));
        Counts { accepted, open, to_server, to_client, lost }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders.send_modify(|orders| orders.is_over = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, orders: watch::Receiver<Orders>, meters: Arc<Meters>) {
    let mut over = orders.clone();
    let is_over = over.wait_for(|orders| orders.is_over);
    tokio::pin!(is_over);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut is_over => return,
            Ok((client, _)) = listener.accept() => {
                connections.spawn(serve(client, upstream, orders.clone(), Open::new(&meters)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
