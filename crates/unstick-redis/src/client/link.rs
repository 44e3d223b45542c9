//! One client of the library, and the task that drives it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use fred::{
    clients::Client as Fred,
    error::{Error as FredError, ErrorKind as FredKind},
    interfaces::ClientLike,
    types::config::{Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig},
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::JoinHandle;
use unstick_core::Runtime;

/// What one host has before the next is asked as well.
const HEAD_START: Duration = Duration::from_millis(250);

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

    fn client(&self, fail_fast: bool) -> Fred {
        let config = Config { fail_fast, ..self.config.clone() };
        Fred::new(config, Some(self.performance.clone()), Some(self.connection.clone()), Some(self.policy.clone()))
    }

    /// Whom to ask where the servers are, or the one server.
    pub(super) fn hosts(&self) -> Vec<Server> {
        self.config.server.hosts()
    }

    /// The same servers, but asking this one alone for them.
    pub(super) fn asking(&self, host: Server) -> Self {
        let mut recipe = self.clone();
        match &mut recipe.config.server {
            ServerConfig::Clustered { hosts, .. } | ServerConfig::Sentinel { hosts, .. } => *hosts = vec![host],
            ServerConfig::Centralized { server } => *server = host,
        }
        recipe
    }

    /// To one node of a cluster.
    pub(super) fn to(mut self, server: &Server) -> Self {
        self.config.server = ServerConfig::Centralized { server: server.clone() };
        self
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// Connects once.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt and everything it started.
    pub(super) async fn open(&self) -> Result<Link, FredError> {
        let fred = self.client(true);
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
        Link::start(self.client(false))
    }
}

/// Connects by the first of these that works. One that hangs delays the next by a moment only.
pub(super) async fn open_first(recipes: Vec<Recipe>, runtime: &Runtime) -> Result<(Recipe, Link), FredError> {
    let mut recipes = recipes.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = FredError::new(FredKind::Config, "no host to connect to");
    loop {
        let started = recipes.next();
        let more = started.is_some();
        attempts.extend(started.map(|recipe| async { recipe.open().await.map(|link| (recipe, link)) }));
        tokio::select! {
            ended = attempts.next(), if !attempts.is_empty() => match ended {
                Some(Ok(opened)) => return Ok(opened),
                Some(Err(error)) => last = error,
                None => {}
            },
            () = runtime.sleep(HEAD_START), if more => {}
            else => return Err(last),
        }
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
