//! Settings of the layers from a file or from the environment, through any format that serde has.
//!
//! | setting | what | default |
//! |---|---|---|
//! | `store` | a URL of [`store`](crate::store), a [secret](#secrets), a [migration](#migrations), or [several as one](#two-stores-as-one) | must be given |
//! | `keys` | the signing key as 64 hexadecimal digits, a [secret](#secrets), or `{ signing, previous, next }`, where the last two may be lists | must be given |
//! | `cookie` | its name, or a table: `name`, `domain`, `path`, `same_site` (`strict`, `lax`, `none`), `partitioned`, `until_browser_closes`, `chunks`, and the risks `readable_by_scripts` and `insecure_without_tls` | `__Host-id` |
//! | `header` | also take the credential from this header | off |
//! | `idle`, `absolute`, `grace`, `skew` | [times](#times) of [`Lifetimes`](crate::Lifetimes) | `1h`, `14d`, `30s`, `5m` |
//! | `deadline` | the time that one operation on the store may take | `2s` |
//! | `max_size` | bytes that a session may hold | 262144 |
//! | `header_budget` | bytes of header lines per response | 3072 |
//! | `max_sessions_per_principal` | live sessions that one principal may have | no limit |
//! | `commit_on_server_error` | save what a handler buffered although it answers 5xx | no |
//! | `clear_site_data_on_end` | value of `Clear-Site-Data` at logout | off |
//! | `lifeboat` | what [rides along for an outage](#lifeboats); feature `lifeboat` | off |
//!
//! Settings mean what the methods of [`SessionLayerBuilder`](unstick_session::SessionLayerBuilder) of the same name mean, and what is left
//! out has their default. A setting that is not known is refused. Numbers, and `true` and `false`, may be written as text, as the environment has them.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! use unstick::config::{AffinityConfig, SessionConfig};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings { sessions: SessionConfig, #[serde(default)] affinity: AffinityConfig }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = "1a".repeat(32);
//! # let json = format!(r#"{{ "sessions": {{ "store": "memory:", "keys": "{key}", "idle": "30m" }}, "affinity": {{ "allow_sessions_lost_on_other_nodes": true }} }}"#);
//! let settings: Settings = serde_json::from_str(&json)?;
//! let sessions = settings.sessions.build().await?;
//! let affinity = settings.affinity.build(sessions.scope())?;
//! assert_eq!(sessions.backend_name(), "memory");
//!
//! let wrong = serde_json::from_str::<SessionConfig>(r#"{ "store": "memory:", "keys": "00", "idel": "30m" }"#).unwrap_err();
//! assert!(wrong.to_string().contains("unknown field `idel`"));
//! # Ok(()) }
//! # main().unwrap();
//! # }
//! ```
//!
//! # Affinity
//! [`AffinityConfig`], whose settings mean what the methods of [`AffinityLayerBuilder`](unstick_affinity::AffinityLayerBuilder) mean:
//!
//! | setting | what | default |
//! |---|---|---|
//! | `balancers` | a list of what stands in front: names of the [catalogue](unstick_affinity::catalogue), or tables `{ product, cookie }` where the operator named the cookie, with `domain`, `path`, `cross_site` and `partitioned` as it is set | none |
//! | `expire` | a list of other pin cookies to delete with every response: `{ name, domain, path, cross_site, partitioned }` | none |
//! | `enabled` | whether to un-pin | yes |
//! | `percent` | for how many of 100 clients | 100 |
//! | `watch_routes` | of how many of 100 clients to notice that they stay on one node with no pin in sight; needs `events` with the node's name | 0 |
//! | `allow_sessions_lost_on_other_nodes` | a risk: un-pins over sessions in one process's memory | no |
//!
//! With feature `drain`, `DrainConfig` has the settings of a [drain](unstick_affinity): the [times](#times) `readiness_window`, `deadline` and
//! `grace_period`, and the number `not_ready_status`.
//!
//! ```toml
//! [affinity]
//! percent = 5
//! watch_routes = 1
//! balancers = ["azure-app-service", { product = "haproxy", cookie = "SRV" }]
//!
//! [drain]
//! readiness_window = "10s"
//! deadline = "15s"
//! ```
//!
//! # Caches
//! With feature `cache`, [`NamespaceConfig`] has `name`, `level` and `bus` (URLs of [`level`](crate::level) and [`bus`](crate::bus), or
//! [secrets](#secrets)), the [times](#times) `level_deadline`, `level_pause`, `bus_deadline`, `alive_for` and `clamp`, and the number `stripes`;
//! they mean what the methods of [`NamespaceBuilder`](unstick_cache::NamespaceBuilder) mean. [`CacheConfig`] has what may differ between
//! environments of a [`CacheBuilder`](unstick_cache::CacheBuilder): the times `ttl`, `l1_ttl`, `negative_ttl`, `stale_if_error`, `throttle`, `back_off`,
//! `soft_timeout`, `hard_timeout`, `load_limit` and `lease`, and the numbers `jitter`, `capacity` and `early_refresh`.
//! [`ReadYourWritesConfig`] has `keys` as above, a table `cookie` (`name`, `domain`, `cross_site`, `partitioned`, and the risk
//! `insecure_without_tls`), `header`, the times `age_limit` and `tolerated_skew`, and the numbers `max_bytes` and `max_slots` of
//! [`ReadYourWritesBuilder`](unstick_cache::writes::ReadYourWritesBuilder).
//!
//! ```
//! # #[cfg(feature = "cache")] {
//! use unstick::config::{CacheConfig, NamespaceConfig, ReadYourWritesConfig};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings { cache: NamespaceConfig, carts: CacheConfig, writes: ReadYourWritesConfig }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = "1a".repeat(32);
//! # let json = format!(r#"{{ "cache": {{ "name": "shop", "level": "memory:", "bus": "memory:", "clamp": "500ms" }},
//! #     "carts": {{ "ttl": "10m", "stale_if_error": "1h" }}, "writes": {{ "keys": "{key}", "age_limit": "2m" }} }}"#);
//! let settings: Settings = serde_json::from_str(&json)?;
//! let shop = settings.cache.build().await?;
//! let carts = settings.carts.apply(shop.cache::<u64, String>("carts")).shared().build()?;
//! let layer = settings.writes.build(&shop)?;
//! # drop(layer);
//! assert_eq!((shop.name(), carts.name()), ("shop", "carts"));
//! # Ok(()) }
//! # main().unwrap();
//! # }
//! ```
//!
//! # Secrets
//! `{ env = "NAME" }` reads an environment variable, `{ file = "PATH" }` a file, such as a mounted secret; both when the layer is
//! built. White space around the value is ignored. Debug output shows neither keys nor URLs.
//!
//! # Times
//! A whole number with a unit, `ms`, `s`, `m`, `h`, `d` or `w`, or several of them as in `1h 30m`. A number alone is seconds.
//!
//! # Migrations
//! ```toml
//! [sessions.store.migrate]
//! from = "sqlite:/var/lib/shop/sessions.sqlite"
//! to = { env = "REDIS_URL" }
//! step = "prefer-old" # everywhere first; then, in a second rollout, "move"
//! quiet = "1m"        # may be left out
//! ```
//! [`store::migrate`](crate::store::migrate) tells the whole procedure.
//!
//! # Two stores as one
//! With feature `replicated`: a store over two others that survives the loss of either, as [`store::replicating`](crate::store::replicating) opens it.
//! ```toml
//! [sessions.store.replicated]
//! stores = [{ env = "REDIS_A" }, { env = "REDIS_B" }] # the same two in the same order on all nodes
//! witness = { env = "REDIS_W" }                       # without one, writing stops while a store is away
//! patience = "250ms"                                  # at most a quarter of `deadline`; may be left out
//! ```
//! Its reach is that of the one among them that reaches least. Write `?start=lazy` behind the URL of a Redis that need not be there when a node starts.
//!
//! # Lifeboats
//! With feature `lifeboat`: chosen values ride in a sealed cookie, and users go on with them while the store is down, as the methods of
//! `unstick::session::lifeboat::Lifeboat` say.
//! ```toml
//! [sessions.lifeboat]
//! fields = ["cart"]                                   # keys in the session; nothing that says who somebody is
//! max_bytes = 1500                                    # of the cookie's value, within `header_budget`; default 1536
//! lifetime = "1h"                                     # the longest outage to be survived; this is the default
//! keys = { file = "/run/secrets/lifeboat-key" }       # as `keys` above, which is the default
//! ```

mod affinity;
#[cfg(feature = "cache")]
mod cache;
mod cookie;
#[cfg(feature = "drain")]
mod drain;
mod keys;
mod lifeboat;
mod secret;
mod session;
mod store;
mod value;
#[cfg(feature = "cache")]
mod writes;

#[cfg(feature = "drain")]
pub use self::drain::DrainConfig;
pub use self::{affinity::AffinityConfig, session::SessionConfig};
#[cfg(feature = "cache")]
pub use self::{
    cache::{CacheConfig, NamespaceConfig},
    writes::ReadYourWritesConfig,
};
