//! Nodes under a load that does not wait for answers, while their backend breaks; and what became of what was acknowledged.

mod ledger;
mod load;
mod row;

pub use ledger::Losses;
pub use load::{DEADLINE, Outage, Settings};
pub use row::Row;
