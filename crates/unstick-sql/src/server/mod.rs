//! What the stores on database servers share: settings, a pool whose broken connections do no harm, deadlines of our own, and
//! the server's clock.
//!
//! The driver bounds nothing but the wait for a free connection, and its pool asks each connection that is given back whether
//! it still answers: a trip more for each statement. So the pool is ours ([`pool`]), too. Here every wait ends with the operation's time, and a
//! connection given up in the middle of a statement, by a deadline or because a future was dropped, is closed: its next
//! answer would be to an earlier question, or never come, and the pool would wait for it to return.

mod lease;
mod plan;
mod pool;
mod pooled;
mod settings;

pub(crate) use lease::{Answer, Dialect, Lease, Locked, Statement};
pub(crate) use pooled::{Pooled, outcome};
pub(crate) use settings::{Settings, server_store_builder};
