//! Marks left in a response's extensions, by which layers notice that they are in an order that weakens their promises.
//!
//! ```
//! use unstick_core::AffinityRan;
//! assert_eq!(AffinityRan, AffinityRan);
//! ```

/// The affinity layer has handled this response. The session layer, which must be inside of it, reports
/// [`LayerOrder`](crate::EventKind::LayerOrder) when it meets the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AffinityRan;
