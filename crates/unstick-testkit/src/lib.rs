//! For testing session stores and layers of the unstick family, your own included.
//!
//! | module | what it is for |
//! |---|---|
//! | [`contract`] | the rules of `unstick_core::Store` as a suite that any store can be held to |
//! | [`bus`] | the rules of `unstick_core::Bus` as a suite that any bus can be held to |
//! | [`level`] | the rules of `unstick_core::Level` as such a suite, and levels that are broken on purpose |
//! | [`mod@reference`] | random operations on a store and on the core's record beside it, with the same answers |
//! | [`races`] | seeded schedules of slow writers against ends, expiry and rotation |
//! | [`mutants`] | stores that are broken on purpose, to show that a suite catches them |
//! | [`faults`] | a store, a cache level and a bus that fail, hang and answer late on command, around any other |
//! | [`clock`] | clocks that tests move, instead of sleeping |
//! | [`client`] | a cookie jar as browsers keep one, calls with it, a browser over real sockets (feature `servers`), and which nodes answered |
//! | `grpc` (feature) | calls of tonic without generated code: messages that are text, and a client over a socket |
//! | [`observe`] | collected events, and series of the `metrics` facade (feature `metrics`) |
//! | [`schedules`] | seeded schedules in which caches are invalidated while they load, and a checker |
//! | [`sim`] | an executor whose order of steps and time are a function of a seed |
//! | [`staleness`] | what clients of several nodes wrote and read, and a checker for who was served something too old |
//! | `load` (feature `servers`) | load that does not wait for answers, and how long they failed to come |
//! | `servers` (feature) | real Redis, PostgreSQL and MariaDB servers and load balancers for tests, and a proxy that breaks connections |
//! | `transcript` (feature `servers`) | runs the commands of a README and compares what they print |
//! | `webdriver` (feature) | Chromium without a window, for tests of pages |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bus;
pub mod client;
pub mod clock;
pub mod contract;
pub mod faults;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod level;
#[cfg(feature = "servers")]
pub mod load;
pub mod mutants;
pub mod observe;
pub mod races;
pub mod reference;
mod rng;
pub mod schedules;
#[cfg(feature = "servers")]
pub mod servers;
pub mod sim;
pub mod staleness;
#[cfg(feature = "servers")]
pub mod transcript;
#[cfg(feature = "webdriver")]
pub mod webdriver;
