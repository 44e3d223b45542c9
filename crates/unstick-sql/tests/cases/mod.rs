//! What every dialect is tested for, with the store or the factory of stores as the parameter.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod slow;
pub(crate) mod sweeper;
