//! Settings of the affinity layer.

use serde::{Deserialize, Deserializer};
use unstick_affinity::{AffinityLayer, AffinityLayerBuilder, Balancer, Percent, PinCookie};
use unstick_core::{ConfigError, Events, Scope};

use super::value::{FromTextOrTable, Plain, text_or_table};

/// Settings of an [`AffinityLayer`]. See the [module docs](super#affinity) for all of them.
///
/// ```
/// use unstick::{Scope, config::AffinityConfig};
///
/// let config: AffinityConfig = serde_json::from_str(
///     r#"{ "percent": 5, "balancers": ["azure-app-service", { "product": "haproxy", "cookie": "SRV" }], "expire": [{ "name": "EDGE", "path": "/shop" }] }"#,
/// )?;
/// let layer = config.build(Scope::Shared)?;
/// assert_eq!(layer.report().pins.len(), 3);
///
/// let refused = config.build(Scope::Process).unwrap_err();
/// assert!(refused.to_string().contains("loses a session"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct AffinityConfig {
    enabled: Option<Plain<bool>>,
    percent: Option<Plain<u8>>,
    watch_routes: Option<Plain<u8>>,
    #[serde(default)]
    balancers: Vec<Front>,
    #[serde(default)]
    expire: Vec<Pin>,
    allow_sessions_lost_on_other_nodes: Option<Plain<bool>>,
    #[serde(skip)]
    events: Events,
}

/// A balancer: its product, or a table with its cookie.
#[derive(Debug, Clone)]
struct Front {
    product: String,
    cookie: Option<Pin>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontTable {
    product: String,
    cookie: Option<String>,
    domain: Option<String>,
    path: Option<String>,
    cross_site: Option<Plain<bool>>,
    partitioned: Option<Plain<bool>>,
}

impl FromTextOrTable for Front {
    type Table = FrontTable;
    const EXPECTED: &'static str = "the name of a balancer product, or a table of its `product` and `cookie`";

    fn text(text: &str) -> Result<Self, String> {
        Ok(Self { product: text.to_owned(), cookie: None })
    }

    fn table(table: FrontTable) -> Result<Self, String> {
        let FrontTable { product, cookie, domain, path, cross_site, partitioned } = table;
        let is_of_cookie = domain.is_some() || path.is_some() || cross_site.is_some() || partitioned.is_some();
        if cookie.is_none() && is_of_cookie {
            return Err(format!(
                "`domain`, `path`, `cross_site` and `partitioned` of the balancer `{product}` are attributes of a `cookie`, which is not given"
            ));
        }
        let cookie = cookie.map(|name| Pin { name, domain, path, cross_site, partitioned });
        Ok(Self { product, cookie })
    }
}

impl<'de> Deserialize<'de> for Front {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_table(deserializer)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    name: String,
    domain: Option<String>,
    path: Option<String>,
    cross_site: Option<Plain<bool>>,
    partitioned: Option<Plain<bool>>,
}

impl Pin {
    fn cookie(&self) -> Result<PinCookie, ConfigError> {
        let mut cookie = PinCookie::new(&self.name)?;
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain)?;
        }
        if let Some(path) = &self.path {
            cookie = cookie.path(path)?;
        }
        if self.cross_site.is_some_and(|Plain(on)| on) {
            cookie = cookie.cross_site();
        }
        if self.partitioned.is_some_and(|Plain(on)| on) {
            cookie = cookie.partitioned();
        }
        Ok(cookie)
    }
}

impl AffinityConfig {
    /// Where events go, with the node's name, which `watch_routes` needs. Default: `tracing` only.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Builds the layer for a service whose sessions reach so far: the session layer's `scope()`.
    ///
    /// # Errors
    /// One sentence that names the settings.
    pub fn build(&self, sessions: Scope) -> Result<AffinityLayer, ConfigError> {
        self.builder(sessions)?.build()
    }

    /// The layer's builder, for what only code can say: the audit, the drain, a switch of your own.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn builder(&self, sessions: Scope) -> Result<AffinityLayerBuilder, ConfigError> {
        self.check()?;
        let mut builder = AffinityLayer::builder().sessions(sessions).events(self.events.clone());
        for (product, cookies) in self.fronts()? {
            builder = builder.behind(Balancer::of(product, cookies));
        }
        for pin in &self.expire {
            builder = builder.expire(pin.cookie()?);
        }
        if let Some(Plain(enabled)) = self.enabled {
            builder = builder.switch(enabled);
        }
        if let Some(Plain(percent)) = self.percent {
            builder = builder.switch(Percent::of_clients(percent));
        }
        if let Some(Plain(percent)) = self.watch_routes {
            builder = builder.watch_routes(Percent::of_clients(percent));
        }
        if self.allow_sessions_lost_on_other_nodes.is_some_and(|Plain(on)| on) {
            builder = builder.allow_sessions_lost_on_other_nodes();
        }
        Ok(builder)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.enabled == Some(Plain(false)) && self.percent.is_some() {
            return Err(ConfigError::new("`enabled` is false and `percent` says for how many clients it is on: leave one of them out"));
        }
        for (name, percent) in [("percent", self.percent), ("watch_routes", self.watch_routes)] {
            if let Some(Plain(101..)) = percent {
                return Err(ConfigError::new(format!("`{name}` is a percentage of clients: use 0 to 100")));
            }
        }
        let named = self.balancers.iter().filter_map(|front| front.cookie.as_ref());
        if let Some(twice) = named.into_iter().find(|cookie| self.expire.iter().any(|pin| pin.name == cookie.name)) {
            return Err(ConfigError::new(format!(
                "the cookie `{}` is in `balancers` and in `expire`: leave it out of `expire`",
                twice.name
            )));
        }
        Ok(())
    }

    /// Products in the order in which they are first named, with all of their cookies.
    fn fronts(&self) -> Result<Vec<(&str, Vec<PinCookie>)>, ConfigError> {
        let mut fronts: Vec<(&str, Vec<PinCookie>)> = Vec::new();
        for Front { product, cookie } in &self.balancers {
            let cookie = cookie.as_ref().map(Pin::cookie).transpose()?;
            match fronts.iter_mut().find(|(name, _)| name == product) {
                Some((_, cookies)) => cookies.extend(cookie),
                None => fronts.push((product, cookie.into_iter().collect())),
            }
        }
        Ok(fronts)
    }
}
