//! Sessions in this process's memory: for one node, for development and for tests.
//!
//! | promise | memory |
//! |---|---|
//! | scope | [`Process`](unstick_core::Scope::Process): another node does not know the session, so the affinity layer refuses to turn stickiness off over it |
//! | nothing lost, nothing revived | while the process lives |
//! | trips | none leave the process |
//!
//! There is no eviction to make room: the store has a limit of its own, and `create` answers
//! [`Full`](unstick_core::ErrorKind::Full) at it. Records are collected only when their own deadlines say that they are dead.
//!
//! ```
//! use std::time::Duration;
//! use unstick_core::{Created, Credential, Fields, NewRecord, OpCtx, OpId, Presented, Scope, Store, Timestamp};
//! use unstick_memory::MemoryStore;
//!
//! # fn main() -> Result<(), unstick_core::Error> { tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = MemoryStore::builder().max_sessions(1).build();
//! assert_eq!(store.scope(), Scope::Process);
//! let now = Timestamp::system_now();
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(2), op_id: OpId::from_u128(n) };
//! let credential = || Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600));
//! let new = |credential: &Credential| NewRecord { secret: Presented::from(credential).secret, principal: None, created: now,
//!     idle_deadline: credential.idle_deadline(), absolute_deadline: credential.absolute_deadline(), fields: Fields::default() };
//! let (one, two) = (credential()?, credential()?);
//! assert_eq!(store.create(op(1), one.lineage().record_key(), &new(&one)).await?, Created::Done);
//! assert!(store.create(op(2), two.lineage().record_key(), &new(&two)).await.is_err(), "full, and the first one stays");
//! # Ok(()) }) }
//! ```

mod config;
mod index;
mod slots;
mod store;

pub use self::{config::MemoryStoreBuilder, store::MemoryStore};
