//! Settings of a drain.

use std::time::Duration;

use http::StatusCode;
use unstick_core::{ConfigError, Events, Runtime};

use super::handle::{Drain, Settings};

/// Builds a [`Drain`].
#[derive(Debug, Clone)]
#[must_use]
pub struct DrainBuilder {
    settings: Settings,
    grace_period: Duration,
}

impl DrainBuilder {
    pub(super) fn new() -> Self {
        let settings = Settings {
            window: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
            status: StatusCode::SERVICE_UNAVAILABLE,
            events: Events::default(),
            runtime: Runtime::tokio(),
        };
        Self { settings, grace_period: Duration::from_secs(30) }
    }

    /// How long readiness fails before listeners close: at least the interval of the balancer's health check times the failures it
    /// wants to see, plus the time its answer needs to be acted upon. Everything is served meanwhile. Default 5 s; zero where nothing
    /// checks readiness.
    pub fn readiness_window(mut self, window: Duration) -> Self {
        self.settings.window = window;
        self
    }

    /// How long requests in flight and pending work are awaited, counted from the end of the readiness window. Default 20 s; a little
    /// more than the slowest request may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// How long the platform waits from its signal to the kill, less any `preStop` hook, which uses up the same time. Only checked:
    /// window and deadline must fit in. Default 30 s, as Kubernetes' `terminationGracePeriodSeconds`.
    pub fn grace_period(mut self, period: Duration) -> Self {
        self.grace_period = period;
        self
    }

    /// What [`Readiness`](super::Readiness) answers while draining. Default 503. Use 404 for HAProxy's `http-check disable-on-404`.
    pub fn not_ready_status(mut self, status: StatusCode) -> Self {
        self.settings.status = status;
        self
    }

    /// Where events go. Default: to `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.settings.events = events;
        self
    }

    /// Clock and tasks. Default [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.settings.runtime = runtime;
        self
    }

    /// Builds the handle.
    ///
    /// # Errors
    /// When the deadline is zero, window and deadline do not fit into the grace period, or the status would not count as a failure.
    pub fn build(self) -> Result<Drain, ConfigError> {
        let Settings { window, deadline, status, .. } = &self.settings;
        if deadline.is_zero() {
            return Err(ConfigError::new("`deadline` of zero would cut every request in flight: give them time, or call `cut_now()`"));
        }
        if window.checked_add(*deadline).is_none_or(|all| all >= self.grace_period) {
            return Err(ConfigError::new(
                "`readiness_window` and `deadline` together must be below `grace_period`, after which the platform kills the process (Kubernetes: \
                 terminationGracePeriodSeconds, 30 s by default, less any preStop hook)",
            ));
        }
        if !status.is_client_error() && !status.is_server_error() {
            return Err(ConfigError::new("`not_ready_status` must be 4xx or 5xx: balancers take others for healthy"));
        }
        Ok(Drain::new(self.settings))
    }
}
