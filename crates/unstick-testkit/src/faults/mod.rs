//! A store, a cache level and a bus that fail, hang and answer late as they are told, between what is tested and the real ones.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use unstick_core::*;
//! use unstick_testkit::{faults::{Fault, FaultStore, Op}, mutants::{BrokenStore, Defect}};
//!
//! # fn main() -> Result<(), Error> { tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let store = FaultStore::new(BrokenStore::new(Defect::None));
//! let now = Timestamp::system_now();
//! let op = |n| OpCtx { now, deadline: now + Duration::from_secs(60), op_id: OpId::from_u128(n) };
//! let credential = Credential::issue(now, now + Duration::from_secs(60), now + Duration::from_secs(600))?;
//! let (key, presented) = (credential.lineage().record_key(), Presented::from(&credential));
//!
//! store.next(Op::Load, Fault::FailBefore(ErrorKind::Unavailable));
//! assert_eq!(store.load(op(1), key, presented, None).await.unwrap_err().kind(), ErrorKind::Unavailable);
//! assert_eq!(store.load(op(2), key, presented, None).await?, Loaded::Missing, "once is once");
//!
//! store.next(Op::End, Fault::FailAfter(ErrorKind::Interrupted));
//! let unknown = store.end(op(3), key, None, now + Duration::from_secs(60)).await.unwrap_err();
//! assert!(unknown.is_outcome_unknown());
//! assert!(matches!(store.load(op(4), key, presented, None).await?, Loaded::Ended { .. }), "it was done all the same");
//! assert_eq!((store.calls(Op::Load), store.calls(Op::End)), (3, 1));
//! # Ok(()) }) }
//! ```

mod bus;
mod level;
mod script;
mod store;

pub use bus::{BusOp, FaultBus};
pub use level::{FaultLevel, LevelOp};
pub use script::{Fault, Op};
pub use store::FaultStore;
