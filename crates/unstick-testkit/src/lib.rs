//! Tools for testing stores and layers of the unstick family.

pub mod client;
pub mod clock;
pub mod faults;
pub mod observe;
