//! The invalidation bus on published messages.
//!
//! | module | what it does |
//! |---|---|
//! | `handle` | the public handle |
//! | `speaker` | sends notices and beats, in order |
//! | `hearer` | feeds one subscription, and sends its messages to itself |

mod handle;
mod hearer;
mod speaker;

pub use handle::RedisBus;
