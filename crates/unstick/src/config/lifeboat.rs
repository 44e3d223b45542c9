//! What rides along for an outage.

use serde::Deserialize;

use super::{
    keys::Keys,
    value::{Plain, Time},
};

/// Settings of a lifeboat.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "lifeboat"), allow(dead_code, reason = "refused when the layer is built"))]
pub(super) struct Lifeboat {
    fields: Vec<String>,
    keys: Option<Keys>,
    max_bytes: Option<Plain<usize>>,
    lifetime: Option<Time>,
}

#[cfg(feature = "lifeboat")]
impl Lifeboat {
    /// Sealed under keys of its own, or under those of the sessions.
    pub(super) fn build(&self, sessions: &Keys) -> Result<unstick_session::lifeboat::Lifeboat, unstick_core::ConfigError> {
        let keys = match &self.keys {
            Some(keys) => keys.ring("lifeboat.keys")?,
            None => sessions.ring("keys")?,
        };
        let mut lifeboat = self.fields.iter().fold(unstick_session::lifeboat::Lifeboat::new(keys), |lifeboat, key| lifeboat.field(key));
        if let Some(Plain(characters)) = self.max_bytes {
            lifeboat = lifeboat.max_bytes(characters);
        }
        if let Some(Time(lifetime)) = self.lifetime {
            lifeboat = lifeboat.lifetime(lifetime);
        }
        Ok(lifeboat)
    }
}
