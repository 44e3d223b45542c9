//! A change of backends: from one store to another, with nodes of both steps at the same time.
#![cfg(feature = "memory")]

mod contract;
mod cost;
mod faults;
mod nodes;
mod outages;
mod places;
mod races;
#[cfg(feature = "axum-08")]
mod story;
