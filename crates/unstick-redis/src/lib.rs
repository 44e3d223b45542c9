//! Sessions, a cache level ([`RedisLevel`]) and an invalidation bus ([`RedisBus`]) on Redis: one server, Sentinel or Cluster. Redis 6.2 or newer, or a server that speaks the same.
//!
//! | promise | here |
//! |---|---|
//! | scope | [`Scope::Shared`](unstick_core::Scope::Shared): every node that reaches the same servers |
//! | acknowledged changes | survive everything but what the servers themselves forget: a failover may lose the last acknowledged changes, a crash those since the last write to disk |
//! | ended sessions | stay ended, under the same condition: a failover may lose the last logouts, too |
//! | reading | one command, a due renewal included |
//! | writing | one command; a creation with a principal two, a promotion three |
//! | late writes | refused by the server, by its own clock, before anything is changed |
//!
//! [`wait_replicas`](RedisClientBuilder::wait_replicas) narrows what a failover can lose and does not close it: Redis acknowledges before its
//! replicas have the change, and a replica that was not waited for may take over. A write that too few replicas confirmed is
//! [`Interrupted`](unstick_core::ErrorKind::Interrupted), outcome unknown, because it is in, but perhaps not for long.
//!
//! # Memory
//! `maxmemory-policy` must be `noeviction`. With any other Redis drops live sessions and tombstones at will when memory runs out; that is an
//! event at every connect. With `noeviction` a full server refuses creations and changes whole
//! ([`Full`](unstick_core::ErrorKind::Full)), goes on reading, without renewals, and takes logouts, which make room.
//!
//! # Keys
//! | key | what |
//! |---|---|
//! | `{prefix}s:{..}` | a session or its tombstone, one string; the braces hold a hash in hexadecimal digits |
//! | `{prefix}s:{..}:o` | operations of a session that is written to at a high rate, a sorted set that goes away within seconds |
//! | `{prefix}p:{..}` | the sessions of a principal, a hash |
//! | `{prefix}c:..`, `{prefix}t:..` | a cache level, see [`level`] |
//!
//! A session is found by a hash of what its client holds, and secrets are kept as hashes: nothing on the server can be used as a
//! cookie. Principals are hashed in keys but stand in clear in their sessions, as values do. Two prefixes on one server do not see each
//! other, and nothing is ever searched for: there is no `SCAN` or `KEYS`.
//!
//! Deadlines are decided from the times in the record, by the clock of the node that asks. The server's own expiry comes five minutes
//! later and only frees the memory. What a newer release wrote is left alone. A change reads a record up to the fields that it is about:
//! damage behind them is found by the next read, which sees a session that cannot be read.
//!
//! The scripts use `TIME`, `GET`, `GETRANGE`, `SET`, `SETRANGE`, `DEL`, `PEXPIREAT`, `PTTL`, `ZADD`, `ZSCORE`, `ZREMRANGEBYSCORE`, `HGET`,
//! `HSET`, `HDEL`, `HGETALL` and `HVALS`; a user of its own needs them on `~prefix*`, beside what [`RedisClient`] needs.
//!
//! # Example
//! ```no_run
//! use std::time::Duration;
//! use unstick_core::*;
//! use unstick_redis::RedisStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://127.0.0.1:6379?prefix=shop:").await?;
//! let now = Timestamp::system_now();
//! let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(n) };
//! let new = NewRecord { secret: presented.secret, principal: None, created: now, fields: Fields::default(),
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline() };
//! assert_eq!(store.create(op(1), key, &new).await?, Created::Done);
//! assert!(store.apply(op(2), key, presented, &Change::new().set("cart", "[7]")).await?.is_done());
//! let Loaded::Live(session) = store.load(op(3), key, presented, None).await? else { panic!("live") };
//! assert_eq!(session.fields.get("cart").unwrap().value, "[7]");
//! # Ok(()) }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod answer;
mod bus;
mod client;
mod connect;
mod entry;
mod error;
mod index;
pub mod level;
mod prefix;
mod read;
mod scripts;
mod store;
mod write;

pub use bus::RedisBus;
pub use client::{Push, RedisClient, Subscription};
pub use connect::RedisClientBuilder;
pub use fred;
#[doc(no_inline)]
pub use level::RedisLevel;
pub use store::RedisStore;
