//! A deterministic executor: one thread, virtual time, and an order of steps that is a function of a seed.
//!
//! At each step one of the woken tasks is chosen at random and polled once. Time stands still while anything can run, then
//! jumps to the earliest timer, so that hours cost nothing. What is run must use a [`Runtime`](unstick_core::Runtime) and
//! executor-independent futures (those of `tokio::sync`) only: no threads, no sockets, no timers of its own.
//!
//! Half of the seeds choose evenly among the woken tasks; the other half keep some tasks waiting for long, as a loaded
//! machine does, which finds mistakes that need one task to be overtaken by many steps of others.
//!
//! ```
//! use std::{sync::{Arc, Mutex}, time::Duration};
//! use unstick_testkit::sim::Sim;
//!
//! fn play(seed: u64) -> Vec<&'static str> {
//!     let sim = Sim::new(seed);
//!     let (handle, log) = (sim.handle(), Arc::new(Mutex::new(Vec::new())));
//!     sim.run(async {
//!         let tasks = ["one", "two"].map(|name| {
//!             let (at, log) = (handle.clone(), log.clone());
//!             handle.spawn(async move {
//!                 at.runtime().sleep(Duration::from_secs(3600)).await; // takes no time
//!                 at.yield_point().await; // here the other may overtake
//!                 log.lock().unwrap().push(name);
//!             })
//!         });
//!         for task in tasks { task.await }
//!     });
//!     log.lock().unwrap().clone()
//! }
//! assert_eq!(play(1), play(1));
//! assert!((0..20).any(|seed| play(seed) == ["one", "two"]) && (0..20).any(|seed| play(seed) == ["two", "one"]));
//! ```

mod executor;
mod node;
mod points;
mod state;
mod torn;

pub use self::{
    executor::{Handle, Sim, Task, Trace},
    node::Node,
    points::{Gate, YieldPoint},
    torn::{TornBus, TornLevel},
};
