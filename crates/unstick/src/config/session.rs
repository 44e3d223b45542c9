//! Settings of the session layer.

use std::{num::NonZeroU32, time::Duration};

use serde::Deserialize;
use unstick_core::{ConfigError, Events, Lifetimes, Runtime};
use unstick_session::{InStore, IntoBackend, SessionLayer, SessionLayerBuilder};

use super::{
    cookie::Cookie,
    keys::Keys,
    lifeboat::Lifeboat,
    store::Store,
    value::{Plain, Time},
};
use crate::store::{Source, StoreError};

/// Settings of a [`SessionLayer`] and of the store behind it. See the [module docs](super) for all of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct SessionConfig {
    store: Store,
    keys: Keys,
    cookie: Option<Cookie>,
    header: Option<String>,
    idle: Option<Time>,
    absolute: Option<Time>,
    grace: Option<Time>,
    skew: Option<Time>,
    deadline: Option<Time>,
    max_size: Option<Plain<usize>>,
    header_budget: Option<Plain<usize>>,
    max_sessions_per_principal: Option<Plain<NonZeroU32>>,
    commit_on_server_error: Option<Plain<bool>>,
    clear_site_data_on_end: Option<String>,
    lifeboat: Option<Lifeboat>,
    #[serde(skip)]
    events: Events,
    #[serde(skip)]
    runtime: Runtime,
}

impl SessionConfig {
    /// Where events of the layer and of its store go, with the instance's name. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Clocks, timers and tasks of the layer and of its store. Default: [`Runtime::tokio`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Opens the store and builds the layer.
    ///
    /// # Errors
    /// One sentence that names the settings, or says why the store cannot be opened.
    ///
    /// # Cancel safety
    /// As [`from_url`](crate::store::from_url).
    pub async fn build(&self) -> Result<SessionLayer, StoreError> {
        Ok(self.builder().await?.build()?)
    }

    /// Opens the store and makes the layer's builder, for what only code can say.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn builder(&self) -> Result<SessionLayerBuilder<InStore<Source>>, StoreError> {
        Ok(self.over(self.open().await?)?)
    }

    /// Opens the store.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn open(&self) -> Result<Source, StoreError> {
        self.store.check(self.deadline)?;
        self.store.options()?.events(self.events.clone()).runtime(self.runtime.clone()).open().await
    }

    /// The layer's builder over a store that is open.
    ///
    /// # Errors
    /// When keys or cookie cannot be used; the sentence names the setting.
    pub fn over<S: IntoBackend>(&self, source: S) -> Result<SessionLayerBuilder<InStore<S>>, ConfigError> {
        let mut builder = SessionLayer::new(source, self.keys.ring("keys")?).events(self.events.clone()).runtime(self.runtime.clone());
        if let Some(cookie) = &self.cookie {
            builder = builder.cookie(cookie.config()?);
        }
        if let Some(header) = &self.header {
            builder = builder.header(header);
        }
        if let Some(Time(deadline)) = self.deadline {
            builder = builder.deadline(deadline);
        }
        if let Some(Plain(bytes)) = self.max_size {
            builder = builder.max_size(bytes);
        }
        if let Some(Plain(bytes)) = self.header_budget {
            builder = builder.header_budget(bytes);
        }
        if let Some(Plain(max)) = self.max_sessions_per_principal {
            builder = builder.max_sessions_per_principal(max);
        }
        if self.commit_on_server_error.is_some_and(|Plain(on)| on) {
            builder = builder.commit_on_server_error();
        }
        if let Some(directives) = &self.clear_site_data_on_end {
            builder = builder.clear_site_data_on_end(directives);
        }
        #[cfg(feature = "lifeboat")]
        if let Some(lifeboat) = self.lifeboat()? {
            builder = builder.lifeboat(lifeboat);
        }
        #[cfg(not(feature = "lifeboat"))]
        if self.lifeboat.is_some() {
            return Err(crate::url::not_compiled_in("`lifeboat`", "lifeboat"));
        }
        Ok(builder.lifetimes(self.lifetimes()))
    }

    /// What rides along for an outage, for what only code can say: fields with a function that decides. Give it to
    /// [`SessionLayerBuilder::lifeboat`].
    ///
    /// # Errors
    /// When its keys cannot be used; the sentence names the setting.
    #[cfg(feature = "lifeboat")]
    pub fn lifeboat(&self) -> Result<Option<unstick_session::lifeboat::Lifeboat>, ConfigError> {
        self.lifeboat.as_ref().map(|lifeboat| lifeboat.build(&self.keys)).transpose()
    }

    fn lifetimes(&self) -> Lifetimes {
        let set = |lifetimes: Lifetimes, time: Option<Time>, with: fn(Lifetimes, Duration) -> Lifetimes| match time {
            Some(Time(time)) => with(lifetimes, time),
            None => lifetimes,
        };
        let lifetimes = set(Lifetimes::new(), self.idle, Lifetimes::idle);
        let lifetimes = set(lifetimes, self.absolute, Lifetimes::absolute);
        set(set(lifetimes, self.grace, Lifetimes::grace), self.skew, Lifetimes::skew)
    }
}
