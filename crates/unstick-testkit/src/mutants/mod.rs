//! Stores that are broken on purpose, to show that the suites catch them.
//!
//! [`BrokenStore`] is a plain, correct store around one lock, but for its [`Defect`]. With [`Defect::None`] it passes
//! everything; with any other, the contract suite fails.
//!
//! ```
//! use unstick_testkit::{contract, mutants::{BrokenStores, Defect}};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let report = contract::run_all(&BrokenStores(Defect::GraceNeverEnds)).await;
//! assert!(!report.is_passed());
//! assert!(report.failed().any(|(case, _)| case == "rotation::grace_is_exact"));
//! # });
//! ```

mod index;
mod store;

pub use store::BrokenStore;

use crate::contract::StoreFactory;

/// What is wrong with a [`BrokenStore`]. Each is a mistake that a released session store has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Defect {
    /// Nothing.
    None,
    /// A write to a missing session creates it.
    UpsertOnApply,
    /// A load of a missing session creates it under the id that the client sent.
    AdoptsOnLoad,
    /// An end deletes the record and leaves nothing.
    NoTombstone,
    /// A write puts back the whole record as it was read.
    LastWriterWins,
    /// Late writes are let in.
    IgnoresDeadline,
    /// A repeated write is applied again.
    NotIdempotent,
    /// A renewal brings an expired session back.
    RevivesExpired,
    /// A renewal that was overtaken takes the deadline back.
    RenewalMovesBack,
    /// The absolute deadline is extended by renewals.
    AbsoluteMoves,
    /// The old id is served for ever after a rotation.
    GraceNeverEnds,
    /// The old id is served after a promotion.
    PromoteKeepsOld,
    /// An id in its grace may rotate, too.
    GraceRotates,
    /// A replaced id may end its successor.
    SupersededEnds,
    /// Preconditions are not looked at.
    IgnoresPreconditions,
    /// Tombstones are swept before they have served.
    SweepsTombstones,
    /// A sweep does not keep to its limit.
    UnboundedSweep,
    /// A creation overwrites what is there.
    CreateOverwrites,
    /// Places are counted first and taken later.
    ReserveCheckThenAct,
    /// The end of all others forgets sessions that are being published.
    EndOthersForgetsReserved,
    /// What is read without waiting is given out whatever its deadlines and its end.
    AtHandUnjudged,
}

impl Defect {
    /// Every defect but [`Defect::None`].
    pub const ALL: &[Self] = &[
        Self::UpsertOnApply,
        Self::AdoptsOnLoad,
        Self::NoTombstone,
        Self::LastWriterWins,
        Self::IgnoresDeadline,
        Self::NotIdempotent,
        Self::RevivesExpired,
        Self::RenewalMovesBack,
        Self::AbsoluteMoves,
        Self::GraceNeverEnds,
        Self::PromoteKeepsOld,
        Self::GraceRotates,
        Self::SupersededEnds,
        Self::IgnoresPreconditions,
        Self::SweepsTombstones,
        Self::UnboundedSweep,
        Self::CreateOverwrites,
        Self::ReserveCheckThenAct,
        Self::EndOthersForgetsReserved,
        Self::AtHandUnjudged,
    ];
}

/// Opens stores with one defect.
#[derive(Debug, Clone, Copy)]
pub struct BrokenStores(pub Defect);

impl StoreFactory for BrokenStores {
    type Store = BrokenStore;

    async fn open(&self) -> BrokenStore {
        BrokenStore::new(self.0)
    }
}
