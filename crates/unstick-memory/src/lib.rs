//! An in-process session store for [unstick](https://docs.rs/unstick): for tests, for development, and for a service that runs on one node.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{Change, Credential, ErrorKind, NewRecord, OpCtx, OpId, Presented, Scope, Store, Timestamp};
//! use unstick_memory::MemoryStore;
//!
//! # fn main() -> Result<(), unstick_core::Error> { tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = MemoryStore::builder().max_sessions(1).build();
//! assert_eq!(store.scope(), Scope::Process);
//!
//! let now = Timestamp::system_now();
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(n) };
//! let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let presented = Presented::from(&credential);
//! let new = NewRecord { secret: presented.secret, principal: None, created: now, fields: Default::default(),
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline() };
//! let key = credential.lineage().record_key();
//! store.create(op(1), key, &new).await?;
//! assert!(store.apply(op(2), key, presented, &Change::new().set("cart", "[]")).await?.is_done());
//!
//! let another = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let full = store.create(op(3), another.lineage().record_key(), &new).await.unwrap_err();
//! assert_eq!(full.kind(), ErrorKind::Full, "no live session is dropped to make room");
//! # Ok(()) }) }
//! ```
//!
//! # What it promises
//!
//! | | memory |
//! |---|---|
//! | scope | [`Process`](unstick_core::Scope::Process): another process or node does not know the sessions, and a restart forgets them |
//! | a change acknowledged by a response survives (P2) | while the process lives |
//! | nothing ended, expired or superseded comes back (P3) | while the process lives |
//! | trips to the backend (P7) | none: every operation completes at the first poll; no exceptions |
//!
//! Because of its scope, a service over this store is **refused for disabling affinity**: turning sticky sessions off over
//! per-node memory is how carts get lost. Move to SQLite (one host), or to a server that all nodes reach, before you do.
//!
//! # Memory
//! There is no eviction: a live session leaves when it is ended, or some minutes after a deadline of its own has passed. At
//! [`max_sessions`](MemoryStoreBuilder::max_sessions) the store answers [`ErrorKind::Full`](unstick_core::ErrorKind::Full) instead.
//! What is dead is collected bit by bit by writes, and by [`Store::sweep`](unstick_core::Store::sweep). Whether something is dead is
//! judged by its stored deadlines and [`OpCtx::now`](unstick_core::OpCtx::now) alone; the map underneath has no expiry and no
//! capacity of its own, so a wall clock that is set back cannot make it hide a session that is still alive.
//!
//! That map is 256 hash maps by a byte of the key, each under a lock that is held for one look-up and never while anything of yours
//! runs; a record has a lock of its own. A cache's map, such as moka's, keeps an order of use and queues for evictions, which never
//! happen here, and cost some 700 instructions per request.
//!
//! Reads are answered at once ([`Store::at_hand`](unstick_core::Store::at_hand)), unless a write holds the record at that moment.
//!
//! [`MemoryLevel`] is a shared cache level for nodes within one process; see [`level`].

pub mod bus;

mod builder;
mod entries;
mod index;
pub mod level;
mod slots;
mod store;

pub use builder::MemoryStoreBuilder;
pub use bus::{MemoryBus, MemoryHub, Weather};
#[doc(no_inline)]
pub use level::{MemoryLevel, MemoryLevelBuilder};
pub use store::MemoryStore;
