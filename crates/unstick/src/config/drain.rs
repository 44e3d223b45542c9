//! Settings of a drain.

use std::time::Duration;

use serde::Deserialize;
use unstick_affinity::drain::{Drain, DrainBuilder};
use unstick_core::{ConfigError, Events, Runtime};

use super::value::{Plain, Time};

/// Settings of a [`Drain`]: the [times](super#times) `readiness_window` (default `5s`), `deadline` (`20s`) and `grace_period` (`30s`), and
/// `not_ready_status` (503). They mean what the methods of [`DrainBuilder`] mean.
///
/// ```
/// use unstick::{affinity::drain::Phase, config::DrainConfig};
///
/// let config: DrainConfig = serde_json::from_str(r#"{ "readiness_window": "15s", "deadline": "40s", "grace_period": "1m", "not_ready_status": 404 }"#)?;
/// assert_eq!(config.build()?.phase(), Phase::Serving);
///
/// let tight: DrainConfig = serde_json::from_str(r#"{ "readiness_window": "15s", "deadline": "40s" }"#)?;
/// assert!(tight.build().unwrap_err().to_string().contains("`grace_period`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct DrainConfig {
    readiness_window: Option<Time>,
    deadline: Option<Time>,
    grace_period: Option<Time>,
    not_ready_status: Option<Plain<u16>>,
    #[serde(skip)]
    events: Events,
    #[serde(skip)]
    runtime: Runtime,
}

impl DrainConfig {
    /// Where events go, with the instance's name. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Clock and tasks. Default: [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Builds the drain.
    ///
    /// # Errors
    /// One sentence that names the settings.
    pub fn build(&self) -> Result<Drain, ConfigError> {
        self.builder()?.build()
    }

    /// The drain's builder, for what only code can say.
    ///
    /// # Errors
    /// When `not_ready_status` is no status of HTTP.
    pub fn builder(&self) -> Result<DrainBuilder, ConfigError> {
        let set = |builder: DrainBuilder, time: Option<Time>, with: fn(DrainBuilder, Duration) -> DrainBuilder| match time {
            Some(Time(time)) => with(builder, time),
            None => builder,
        };
        let mut builder = Drain::builder().events(self.events.clone()).runtime(self.runtime.clone());
        builder = set(builder, self.readiness_window, DrainBuilder::readiness_window);
        builder = set(builder, self.deadline, DrainBuilder::deadline);
        builder = set(builder, self.grace_period, DrainBuilder::grace_period);
        if let Some(Plain(status)) = self.not_ready_status {
            let status = status.try_into().map_err(|_| ConfigError::new("`not_ready_status` is a status of HTTP, such as 503 or 404"))?;
            builder = builder.not_ready_status(status);
        }
        Ok(builder)
    }
}
