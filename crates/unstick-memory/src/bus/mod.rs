//! An invalidation bus within one process: for tests, and for several nodes in one program.
//!
//! Every node gets a bus of its own from one [`MemoryHub`]. [`Weather`] cuts, delays, drops and reorders what goes through it, so that
//! a test can tell what happens to caches meanwhile. Nothing but [`Runtime`](unstick_core::Runtime) and channels is used: with a
//! deterministic executor and the same seed, everything happens in the same order again.
//!
//! ```
//! use bytes::Bytes;
//! use unstick_core::{Bus, BusEvent, OpCtx, OpId, Published, Runtime, Subscription, Timestamp};
//! use unstick_memory::MemoryHub;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let (hub, runtime) = (MemoryHub::new(), Runtime::tokio());
//! let (ann, bob) = (hub.bus(&runtime), hub.bus(&runtime));
//! let mut heard = bob.subscribe().await.unwrap();
//! let now = Timestamp::system_now();
//! let op = OpCtx { now, deadline: now, op_id: OpId::from_u128(1) };
//! assert_eq!(ann.publish(op, Bytes::from_static(b"cart:7")).await.unwrap(), Published::Confirmed);
//! assert!(matches!(heard.next().await, Some(BusEvent::Notice(notice)) if notice.payload == "cart:7"));
//!
//! hub.weather().cut();
//! assert!(ann.publish(op, Bytes::from_static(b"cart:8")).await.is_err());
//! assert_eq!(heard.next().await, Some(BusEvent::Cut));
//! # });
//! ```

mod hub;
mod line;
mod node;
mod weather;

pub use hub::{MemoryHub, MemoryHubBuilder};
pub use node::MemoryBus;
pub use weather::Weather;
