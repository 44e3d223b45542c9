//! One client of the library, and the task that drives it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use fred::{
    clients::Client as Fred,
    error::{Error as FredError, ErrorKind as FredKind},
    interfaces::ClientLike,
    types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig},
};
use tokio::task::JoinHandle;

/// What new connections are made from.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) config: Config,
    pub(crate) connection: ConnectionConfig,
    pub(crate) performance: PerformanceConfig,
    pub(crate) policy: ReconnectPolicy,
}

impl Recipe {
    /// More connections like those of a client that somebody else made.
    pub(super) fn of(fred: &Fred) -> Self {
        Self {
            config: fred.client_config(),
            connection: fred.connection_config().clone(),
            performance: fred.perf_config(),
            policy: fred.client_reconnect_policy().unwrap_or_default(),
        }
    }

    fn client(&self, fail_fast: bool, hosts: Option<Vec<Server>>) -> Fred {
        let mut config = Config { fail_fast, ..self.config.clone() };
        if let (ServerConfig::Clustered { hosts: known, .. }, Some(hosts)) = (&mut config.server, hosts) {
            *known = hosts;
        }
        Fred::new(config, Some(self.performance.clone()), Some(self.connection.clone()), Some(self.policy.clone()))
    }

    /// To one node of a cluster.
    pub(super) fn to(mut self, server: &Server) -> Self {
        self.config.server = ServerConfig::Centralized { server: server.clone() };
        self
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// Connects once. `hosts` takes the place of a cluster's configured nodes.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt and everything it started.
    pub(super) async fn open(&self, hosts: Option<Vec<Server>>) -> Result<Link, FredError> {
        let fred = self.client(true, hosts);
        let mut connected = pin!(fred.wait_for_connect());
        // subscribed before the attempt begins, so that its end is not missed
        poll_fn(|cx| Poll::Ready(_ = connected.as_mut().poll(cx))).await;
        let mut link = Link::start(fred.clone());
        poll_fn(|cx| {
            if let Poll::Ready(result) = connected.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let Some(task) = &mut link.task else { return Poll::Pending };
            std::pin::Pin::new(task).poll(cx).map(|ended| match ended {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) | Err(_) => Err(FredError::new(FredKind::Canceled, "the connection's task ended")),
            })
        })
        .await?;
        Ok(link)
    }

    /// Starts to connect, and goes on until it works.
    pub(super) fn open_lazily(&self) -> Link {
        Link::start(self.client(false, None))
    }
}

/// Ends with its connections when dropped, unless they belong to the application.
pub(super) struct Link {
    pub(super) fred: Fred,
    task: Option<JoinHandle<Result<(), FredError>>>,
}

impl Link {
    fn start(fred: Fred) -> Self {
        let task = Some(fred.connect());
        Self { fred, task }
    }

    /// Around a client that somebody else drives.
    pub(super) fn foreign(fred: Fred) -> Self {
        Self { fred, task: None }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.fred.is_connected() && !self.is_dead()
    }

    /// Whether the library has given up, which its policy should never make it do.
    pub(super) fn is_dead(&self) -> bool {
        self.task.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
