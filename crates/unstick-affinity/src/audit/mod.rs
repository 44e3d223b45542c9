//! Names the misconfigurations by which sessions disappear.

mod builder;
mod checker;
mod finding;

pub use self::{
    builder::AuditBuilder,
    checker::Audit,
    finding::{Finding, FindingKind},
};
