//! Names the misconfigurations by which sessions disappear.

mod builder;
mod checker;
mod finding;
mod host;
mod judge;
mod layer;
mod line;
mod sentence;
mod sessions;
mod tally;
mod told;

pub use self::{
    builder::AuditBuilder,
    checker::Audit,
    finding::{Finding, FindingKind},
    layer::{AuditFuture, AuditLayer, AuditService},
};
