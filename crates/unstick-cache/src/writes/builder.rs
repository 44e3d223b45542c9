//! Settings of the layer; what cannot work is refused here.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderName;
use unstick_core::{ConfigError, Events, KeyRing, Runtime};

use super::{
    ReadYourWritesLayer,
    cookie::WritesCookie,
    plan::Limits,
    shared::Shared,
    site::Site,
    text::{LONGEST, Signer},
};
use crate::Namespace;

/// Settings of a [`ReadYourWritesLayer`].
#[must_use]
pub struct ReadYourWritesBuilder {
    sites: Vec<Arc<dyn Site>>,
    keys: KeyRing,
    runtime: Runtime,
    events: Events,
    cookie: WritesCookie,
    header: String,
    age_limit: Duration,
    skew: Duration,
    limits: Limits,
}

impl ReadYourWritesBuilder {
    pub(super) fn over(site: Arc<dyn Site>, keys: KeyRing, runtime: Runtime, events: Events) -> Self {
        Self {
            sites: vec![site],
            keys,
            runtime,
            events,
            cookie: WritesCookie::default(),
            header: super::HEADER.to_owned(),
            age_limit: Duration::from_secs(60),
            skew: Duration::from_secs(60),
            limits: Limits { bytes: 1024, slots: 16 },
        }
    }

    /// Also for the caches of another namespace: one layer serves all that a handler invalidates in.
    pub fn also(mut self, namespace: &Namespace) -> Self {
        self.sites.push(namespace.shared.clone());
        self
    }

    /// The cookies of browsers. Default: [`WritesCookie::default`].
    pub fn cookie(mut self, cookie: WritesCookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// The header, and gRPC metadata, of clients that keep no cookies. Default: [`HEADER`](super::HEADER).
    pub fn header(mut self, name: &str) -> Self {
        name.clone_into(&mut self.header);
        self
    }

    /// How long a client carries an invalidation; a write that the shared level or the bus has not confirmed travels until the
    /// values kept there and on other nodes have ended. Default: 60 s. At least the time after which every node has it by other means, which the namespace knows: some seconds.
    pub const fn age_limit(mut self, limit: Duration) -> Self {
        self.age_limit = limit;
        self
    }

    /// By how much the clocks of nodes may differ. Default: 60 s. A client's writes that come from further ahead are not applied; its
    /// requests bypass the cache instead.
    pub const fn tolerated_skew(mut self, skew: Duration) -> Self {
        self.skew = skew;
        self
    }

    /// Characters of what one response sets, without name and attributes. Default: 1024, which are some eighty invalidated keys; at most
    /// 2048. Beyond it the client's requests bypass the cache until the age limit. A client carries twice as much in all, and more only
    /// when its requests overlap.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// How many of its last writing responses a client may carry one by one. Default: 16; at least 4. A request with more bypasses the cache.
    pub const fn max_slots(mut self, slots: usize) -> Self {
        self.limits.slots = slots;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    /// When settings cannot work together, or with the namespace; the sentence names them.
    pub fn build(self) -> Result<ReadYourWritesLayer, ConfigError> {
        let Self { sites, keys, runtime, events, cookie, header, age_limit, skew, limits } = self;
        let bound = sites.iter().map(|site| site.bound()).max().unwrap_or_default();
        if age_limit < bound || age_limit.is_zero() {
            return Err(ConfigError::new(format!(
                "`age_limit` is {age_limit:?}, but nodes may need {bound:?} to learn of an invalidation otherwise (`alive_for` and `clamp` of \
                 the namespace); clients must carry it for as long"
            )));
        }
        if limits.slots < 4 || limits.slots > 64 {
            return Err(ConfigError::new("`max_slots` must be from 4 to 64: they are merged from the third on"));
        }
        if limits.bytes < 128 || limits.bytes > LONGEST {
            return Err(ConfigError::new(format!("`max_bytes` must be from 128 to {LONGEST}: a single key needs 70")));
        }
        let refused = |_| ConfigError::new(format!("`header`: {header:?} is not a header name"));
        let header = HeaderName::try_from(header.as_str()).map_err(refused)?;
        if ["cookie", "set-cookie", "authorization", "host", "content-type", "vary"].contains(&header.as_str()) {
            return Err(ConfigError::new(format!("`header`: {header} has a meaning of its own; use a name such as {}", super::HEADER)));
        }
        let cookie = cookie.check()?;
        let longest = cookie.line(String::new(), Some((String::new(), Duration::MAX)));
        let attributes = longest.map_or(0, |line| line.len());
        let prefix = cookie.prefix();
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| ConfigError::new("the operating system gives no random bytes"))?;
        Ok(ReadYourWritesLayer::from_shared(Shared {
            sites: sites.into(),
            runtime,
            events,
            cookies: Signer::new(&keys, &format!("cache writes, cookie {prefix}")),
            headers: Signer::new(&keys, &format!("cache writes, header {header}")),
            attributes,
            prefix,
            cookie,
            header,
            age_limit,
            skew,
            limits,
            origin: u64::from_be_bytes(random),
            number: 0.into(),
        }))
    }
}

impl fmt::Debug for ReadYourWritesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadYourWritesBuilder")
            .field("namespaces", &self.sites.len())
            .field("cookie", &self.cookie)
            .field("header", &self.header)
            .field("age_limit", &self.age_limit)
            .field("tolerated_skew", &self.skew)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
