//! Settings of a store.

use unstick_core::{ConfigError, Runtime};

use crate::{RedisStore, client::Client, prefix::{self, Prefix}};

/// Settings of a [`RedisStore`].
#[derive(Debug, Clone)]
#[must_use]
pub struct RedisStoreBuilder {
    address: String,
    prefix: Option<String>,
    runtime: Runtime,
}

impl RedisStoreBuilder {
    /// Start of all keys. Default `unstick:`; set it when several applications share a server.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// The wall clock that deadlines of operations refer to.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// One sentence that names the setting.
    pub async fn connect(self) -> Result<RedisStore, ConfigError> {
        let prefix = Prefix::new(self.prefix.as_deref().unwrap_or(prefix::DEFAULT))?;
        let client = Client::connect(&self.address, self.runtime).await.map_err(|error| ConfigError::new(format!("{error:?}")))?;
        Ok(RedisStore::new(client, prefix))
    }
}

impl RedisStore {
    /// Settings for a server.
    pub fn builder(address: &str) -> RedisStoreBuilder {
        RedisStoreBuilder { address: address.into(), prefix: None, runtime: Runtime::default() }
    }
}
