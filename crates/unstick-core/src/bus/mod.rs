//! Invalidation notices between nodes: ordered, numbered, and honest about gaps.
//!
//! A subscriber is told when it may have missed something ([`BusEvent::Gap`], [`BusEvent::Cut`]); a cache then flushes or
//! revalidates, and clamps its lifetimes while cut. And it is told again and again up to when it has seen everything
//! ([`BusEvent::Alive`]), because a connection that is silent and one that is dead look the same. No wall clock takes part.
//!
//! What every bus does alike is here as plain state, without input or output: the bytes of a message ([`Frame`]), the numbers of
//! publishers ([`Tracker`]), what a publisher says and when ([`Beats`]), and what a subscription concludes from what it hears
//! ([`Listener`]). A bus moves bytes between them.
//!
//! # How a loss is noticed
//! | what | how a subscriber notices |
//! |---|---|
//! | one notice is lost | the publisher's next notice, or its next beat, has a number that was not expected: [`BusEvent::Gap`] |
//! | the connection is replaced, or its queue overflows | the connection says so: [`BusEvent::Gap`] |
//! | the connection is silent | no message of the subscriber to itself came back for three beats: [`BusEvent::Cut`] |
//! | the subscriber takes its events too slowly | its queue is dropped for one [`BusEvent::Gap`] |
//! | a publisher is heard for the first time, with a higher number than 1 | the first beats after the subscription began, that number is where counting starts; later: [`BusEvent::Gap`] |
//! | bytes that this release cannot read | [`BusEvent::Gap`] |
//!
//! Between servers that pass messages on to one another (Redis Cluster), a message to oneself proves the way that it took, and
//! the beats of the publishers tell of the other ways.
//!
//! ```
//! use std::sync::Mutex;
//! use bytes::Bytes;
//! use tokio::sync::mpsc;
//! use unstick_core::*;
//!
//! /// A bus within one process.
//! #[derive(Debug, Default)]
//! struct Local(Mutex<(u64, Vec<mpsc::UnboundedSender<BusEvent>>)>);
//! #[derive(Debug)]
//! struct Listener(mpsc::UnboundedReceiver<BusEvent>);
//! impl Subscription for Listener {
//!     async fn next(&mut self) -> Option<BusEvent> { self.0.recv().await }
//! }
//! impl Bus for Local {
//!     type Subscription = Listener;
//!     async fn publish(&self, _: OpCtx, payload: Bytes) -> Result<Published, Error> {
//!         let mut inner = self.0.lock().unwrap();
//!         inner.0 += 1;
//!         let notice = Notice { publisher: PublisherId(1), incarnation: 1, seq: Some(inner.0), payload };
//!         inner.1.retain(|to| to.send(BusEvent::Notice(notice.clone())).is_ok());
//!         Ok(Published::Confirmed)
//!     }
//!     async fn subscribe(&self) -> Result<Listener, Error> {
//!         let (to, from) = mpsc::unbounded_channel();
//!         self.0.lock().unwrap().1.push(to);
//!         Ok(Listener(from))
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (bus, now) = (Local::default(), Timestamp::system_now());
//! let mut listener = bus.subscribe().await.unwrap();
//! let op = OpCtx { now, deadline: now, op_id: OpId::from_u128(1) };
//! assert_eq!(bus.publish(op, Bytes::from_static(b"cart:7")).await.unwrap(), Published::Confirmed);
//! let Some(BusEvent::Notice(notice)) = listener.next().await else { panic!("a notice") };
//! assert_eq!((notice.seq, &notice.payload[..]), (Some(1), &b"cart:7"[..]));
//! # });
//! ```

mod beats;
mod contract;
mod frame;
mod inbox;
mod listener;
mod pace;
mod plain;
mod tracker;

pub use beats::Beats;
pub use contract::{Bus, BusEvent, Notice, Published, PublisherId, Subscription};
pub use frame::{BUS_FORMAT, FRAME_HEAD, Frame, FrameKind, Unreadable};
pub use inbox::{Feed, Inbox};
pub use listener::{Heard, Listener};
pub use pace::Pace;
pub use plain::{is_plain, read_plain, write_plain};
pub use tracker::{Order, Tracker};
