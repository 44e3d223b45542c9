//! Settings of the bus, and connecting.

use std::{fmt, time::Duration};

use sqlx::{PgPool, postgres::PgConnectOptions};
use unstick_core::{ConfigError, Runtime, bus::Pace};

use super::{super::connect, PostgresBus, link::Link};
use crate::{prefix, url};

const DEFAULT_CONNECT: Duration = Duration::from_secs(2);
const DEFAULT_QUEUE: usize = 10_000;

/// Settings of a [`PostgresBus`].
#[derive(Clone)]
#[must_use]
pub struct PostgresBusBuilder {
    address: String,
    prefix: Option<String>,
    connect_timeout: Option<Duration>,
    queue: usize,
    pace: Pace,
    runtime: Runtime,
}

/// Leaves the address out: it may hold a password.
impl fmt::Debug for PostgresBusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBusBuilder")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("queue", &self.queue)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

impl PostgresBusBuilder {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            prefix: None,
            connect_timeout: None,
            queue: DEFAULT_QUEUE,
            pace: Pace::default(),
            runtime: Runtime::default(),
        }
    }

    /// Start of the channels' names. Default `unstick_`, for the channel `unstick_bus`; set it when several applications share the
    /// database. 1 to 32 of a-z, 0-9, `_`.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// How long opening a connection, and the server's answer to a notice, may take before another connection is tried. Default 2
    /// seconds; more for a server that is far away.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How many events may wait in a subscription. Default 10000, at least 8. When its receiver is slower, they are dropped for one
    /// [`Gap`](unstick_core::BusEvent::Gap); more for bursts that are larger than what looking everything up anew costs.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events;
        self
    }

    /// How often there are signs of life, and after how long their absence is a cut. Default once per second and three seconds.
    /// The same on all nodes.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Timers, tasks and clocks. Default [`Runtime::tokio`]; give it the cache's when that one has a clock of its own. sqlx itself
    /// needs a tokio runtime in any case.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// One sentence that names the setting, or the server and what is the matter with it. Never the password.
    pub async fn connect(mut self) -> Result<PostgresBus, ConfigError> {
        const OURS: [&str; 2] = ["prefix", "connect_timeout_ms"];
        let url::NetworkUrl { address, options } = url::network(&self.address, &connect::SCHEMES, &connect::DRIVER)?;
        for (name, value) in options {
            match &*name {
                "prefix" => _ = self.prefix.get_or_insert(value),
                "connect_timeout_ms" => {
                    self.connect_timeout.get_or_insert(Duration::from_millis(url::number(&name, &value)?.into()));
                }
                name => return Err(url::unknown(name, OURS.iter().chain(&connect::DRIVER))),
            }
        }
        let options = connect::options(&address)?;
        self.start(options).await
    }

    /// On the server of a pool of yours, with the same user. The bus opens its own connections beside the pool: a connection that
    /// listens must not be handed to anybody else. The address is not looked at.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_pool(self, pool: PgPool) -> Result<PostgresBus, ConfigError> {
        let options = (*pool.connect_options()).clone();
        self.start(options).await
    }

    async fn start(self, options: PgConnectOptions) -> Result<PostgresBus, ConfigError> {
        let patience = self.connect_timeout.unwrap_or(DEFAULT_CONNECT);
        if patience.is_zero() {
            return Err(ConfigError::new("`connect_timeout` is 0; it must be over 0"));
        }
        let prefix = self.prefix.as_deref().unwrap_or(prefix::DEFAULT);
        prefix::check(prefix)?;
        let place = connect::place("the database of the bus,", &options);
        let link = Link { options, place, patience, runtime: self.runtime };
        PostgresBus::start(link, prefix, self.pace, self.queue).await
    }
}
