//! Choosing where sessions live by URL, so that environments differ by configuration and not by code.
//!
//! | URL | feature | sessions |
//! |---|---|---|
//! | `memory:` | `memory` | in this process; `?max_sessions=N` is their limit |
//! | `sqlite:PATH` | `sqlite` | in a file; relative to the working directory, or absolute as `sqlite:///var/lib/shop/sessions.sqlite` |
//! | `postgres://user:password@host/database` | `postgres`, with TLS `postgres-tls` | in PostgreSQL; also `postgresql://` |
//! | `mysql://user:password@host/database` | `mysql`, with TLS `mysql-tls` | in MySQL; `mariadb://` for MariaDB |
//! | `redis://:password@host:port` | `redis` | in a Redis server |
//! | `redis-sentinel://host,host/service` | `redis` | in the Redis that the sentinels name |
//! | `redis-cluster://host,host` | `redis` | in a Redis Cluster |
//! | `rediss://`, `rediss-sentinel://`, `rediss-cluster://` | `redis-tls` | the same with TLS |
//! | `token:` | `token` | whole in the client's cookie; options below |
//!
//! Options follow a `?`; the builders of `unstick::memory`, `unstick::sql` and `unstick::redis` document theirs. `token:` has
//! `sealing=encrypted` (the default) or `signed` (clients can then read all that is in their sessions), `max_token=CHARACTERS`, `issuer=NAME`, `purpose=NAME`, and `revocations=URL`: a store,
//! its URL percent-encoded, that is asked for ended sessions (with `fail_open=yes` they pass while it cannot be asked).
//!
//! Two of them can be one that survives the loss of either: [`replicating`], feature `replicated`.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! use unstick::{Key, KeyRing, Scope, session::SessionLayer, store};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let url = "memory:?max_sessions=1000";
//! // One line for every environment.
//! let layer = SessionLayer::new(store::from_url(url).await?, KeyRing::new(Key::generate()?)).build()?;
//! assert_eq!(layer.scope(), Scope::Process);
//!
//! let error = store::from_url("mongodb://127.0.0.1").await.unwrap_err();
//! assert!(error.to_string().contains("write `memory:`, `sqlite:PATH`"));
//! # Ok(()) }
//! # main().unwrap();
//! # }
//! ```

mod any;
mod error;
mod foreign;
mod open;
mod pair;
mod source;
#[cfg(feature = "token")]
mod token;

pub mod migrate;

#[cfg(feature = "token")]
pub use self::token::TokenSource;
pub use self::{
    any::{AnyStore, Foreign},
    error::StoreError,
    open::{StoreOptions, from_url, migrating, options, replicating},
    source::{AnyBackend, Source},
};
#[doc(inline)]
pub use crate::url::shown;
